//! The evaluation of policies for a request, and its explanation.

use std::fmt::{self, Display, Formatter};

use super::Policy;
use super::condition::Condition;
use super::condition_key::ContextValue;
use super::context::{Context, action_name};
use super::effect::Effect;
use super::statement::{NotApplicable, Statement};

/// The decision of all policies of a caller about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'p> {
    /// The request is explicitly denied. The statement is the first that denies the request.
    Denied(StatementRef<'p>),
    /// The request is allowed. The statement is the first that allows the request.
    Allowed(StatementRef<'p>),
    /// The request is implicitly denied, because no statement allows the request.
    NotAllowed,
}

/// A reference to a statement of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementRef<'p> {
    /// The name of the policy.
    pub policy: &'p str,
    /// The Sid of the statement, if it has one.
    pub sid: Option<&'p str>,
    /// The number of the statement in the policy, counted from 1.
    pub number: usize,
}

/// An explanation of whether a statement applies to a request.
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'p, 'c> {
    /// The statement.
    pub statement: StatementRef<'p>,
    /// The effect of the statement if it applies.
    pub effect: Effect,
    not_applicable: Option<NotApplicable<'p, 'c>>,
    action: &'static str,
}

/// Evaluates the policies. A statement that denies overrides all statements that allow. Without a statement
/// that allows, the request is implicitly denied.
///
/// Allocates memory only if a String operator compares a time or an address.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>
pub fn evaluate<'p>(
    policies: impl IntoIterator<Item = &'p Policy>,
    context: &Context<'_>,
) -> Decision<'p> {
    let mut decision = Decision::NotAllowed;
    for (statement, statement_ref) in statements(policies) {
        if statement.check(context).is_err() {
            continue;
        }
        match (statement.effect, decision) {
            (Effect::Deny, _) => return Decision::Denied(statement_ref),
            (Effect::Allow, Decision::NotAllowed) => decision = Decision::Allowed(statement_ref),
            (Effect::Allow, _) => {}
        }
    }
    decision
}

/// Returns an explanation for each statement: whether the statement applies, and why not.
pub fn explain<'p, 'c>(
    policies: impl IntoIterator<Item = &'p Policy>,
    context: &Context<'c>,
) -> impl Iterator<Item = Explanation<'p, 'c>> {
    statements(policies).map(|(statement, statement_ref)| Explanation {
        statement: statement_ref,
        effect: statement.effect,
        not_applicable: statement.check(context).err(),
        action: action_name(context.action),
    })
}

pub(super) fn statements<'p>(
    policies: impl IntoIterator<Item = &'p Policy>,
) -> impl Iterator<Item = (&'p Statement, StatementRef<'p>)> {
    policies.into_iter().flat_map(|policy| {
        (1..).zip(&policy.statements).map(|(number, statement)| {
            let (policy, sid) = (policy.name.as_str(), statement.sid.as_deref());
            (statement, StatementRef { policy, sid, number })
        })
    })
}

impl Explanation<'_, '_> {
    /// Returns whether the statement applies.
    pub fn applies(&self) -> bool {
        self.not_applicable.is_none()
    }
}

impl Display for StatementRef<'_> {
    /// Writes, for example, `statement "OneImage" of wallet.json`, or `statement 2 of wallet.json`.
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.sid {
            Some(sid) => write!(out, "statement \"{sid}\" of {}", self.policy),
            None => write!(out, "statement {} of {}", self.number, self.policy),
        }
    }
}

impl Display for Explanation<'_, '_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({}) ", self.statement, self.effect)?;
        let Some(reason) = &self.not_applicable else { return out.write_str("applies") };
        out.write_str("does not apply: ")?;
        match reason {
            NotApplicable::Action => write!(out, "its actions do not include {}", self.action),
            NotApplicable::Resource => {
                write!(out, "its resources do not include \"*\", the resource of {}", self.action)
            }
            NotApplicable::Condition(condition, found) => write_condition(out, condition, *found),
        }
    }
}

fn write_condition(
    out: &mut Formatter<'_>,
    condition: &Condition,
    found: Option<ContextValue<'_>>,
) -> fmt::Result {
    write!(out, "{condition}, but the request has ")?;
    match found {
        Some(found) => write!(out, "{found}"),
        None => write!(out, "no {}", condition.key()),
    }
}
