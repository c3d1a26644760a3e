//! One condition: an operator, a key, and the values to compare with.

use std::fmt::{self, Display, Formatter};

use super::condition_key::{ConditionKey, ContextValue};
use super::context::Context;
use super::effect::Effect;
use super::error::PolicyErrorKind;
use super::operand::Operand;
use super::operator::{Comparison, Operator};

/// A condition. At least one value must match. Under a negated operator, no value may match.
#[derive(Debug)]
pub(super) struct Condition {
    pub(super) operator: Operator,
    pub(super) key: ConditionKey,
    pub(super) operands: Vec<Operand>,
}

impl Condition {
    /// Creates a condition without values. The caller must add at least one value.
    pub(super) fn new(operator: Operator, key: ConditionKey) -> Self {
        Self { operator, key, operands: Vec::new() }
    }

    /// Adds a value to a condition of a statement with `effect`.
    pub(super) fn push(&mut self, value: &str, effect: Effect) -> Result<(), PolicyErrorKind> {
        let Self { operator, key, .. } = *self;
        if value.contains("${") {
            return Err(PolicyErrorKind::Variable { value: value.to_owned() });
        }
        let operand = Operand::parse(operator, key, value)?;
        let allows_matching_requests = (effect == Effect::Allow) != operator.is_negated;
        if key.is_unmeasured_if_zero()
            && operator.compares_text()
            && allows_matching_requests
            && operand.is_all_zero(operator.comparison)
        {
            return Err(PolicyErrorKind::AllowsAllZeros { effect, operator, key });
        }
        self.operands.push(operand);
        Ok(())
    }

    pub(super) fn key(&self) -> ConditionKey {
        self.key
    }

    /// Checks the condition. The error of a condition that does not hold is the value of the key in the
    /// request, or `None` if the request has no such key.
    ///
    /// > If the key that you specify in a policy condition is not present in the request context,
    /// > the values do not match and the condition is false. If the policy condition requires that
    /// > the key is not matched, such as StringNotLike or ArnNotLike, and the right key is not
    /// > present, the condition is true. This logic applies to all condition operators except
    /// > ...IfExists and Null check.
    ///
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>
    pub(super) fn check<'c>(&self, context: &Context<'c>) -> Result<(), Option<ContextValue<'c>>> {
        let found = self.key.value(context);
        let holds = match found {
            _ if self.operator.comparison == Comparison::Null => {
                self.operands.contains(&Operand::Bool(found.is_none()))
            }
            None => self.operator.is_negated || self.operator.if_exists,
            Some(found) => {
                self.operands.iter().any(|operand| operand.matches(self.operator.comparison, found))
                    != self.operator.is_negated
            }
        };
        if holds { Ok(()) } else { Err(found) }
    }
}

impl Display for Condition {
    /// Writes, for example, `StringEquals aws:PrincipalArn "a" or "b"`.
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.operator, self.key)?;
        for (number, operand) in self.operands.iter().enumerate() {
            write!(out, "{} {operand}", if number == 0 { "" } else { " or" })?;
        }
        Ok(())
    }
}
