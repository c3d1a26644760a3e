//! What policies decide about a request, and why.

use std::fmt::{self, Display, Formatter};

use super::Policy;
use super::condition::Condition;
use super::condition_key::ContextValue;
use super::context::{Context, action_name};
use super::effect::Effect;
use super::statement::{NotApplicable, Statement};

/// What policies decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<'p> {
    /// Explicitly denied: the first statement that denies.
    Denied(StatementRef<'p>),
    /// Allowed: the first statement that allows, where none denies.
    Allowed(StatementRef<'p>),
    /// Implicitly denied: no statement allows.
    NotAllowed,
}

/// A statement and its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementRef<'p> {
    /// The policy's name.
    pub policy: &'p str,
    /// The statement's name, if it has one.
    pub sid: Option<&'p str>,
    /// Its place in the policy, from 1.
    pub number: usize,
}

/// Why a statement applies to a request or does not.
#[derive(Clone, Copy, Debug)]
pub struct Explanation<'p, 'c> {
    /// Which.
    pub statement: StatementRef<'p>,
    /// What it does if it applies.
    pub effect: Effect,
    not_applicable: Option<NotApplicable<'p, 'c>>,
    action: &'static str,
}

/// Explicit deny, then allow, then implicit deny. Nothing is allocated but where a String operator
/// asks for a time or an address.
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

/// Every statement, and why it applies or does not.
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
    /// Whether it applies.
    pub fn applies(&self) -> bool {
        self.not_applicable.is_none()
    }
}

impl Display for StatementRef<'_> {
    /// Such as `statement "OneImage" of wallet.json`, or `statement 2 of wallet.json`.
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
