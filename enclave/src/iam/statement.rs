//! One statement of a policy: its effect, and its rules for the requests that it applies to.

use kms_api::Operation;

use super::condition::Condition;
use super::condition_key::ContextValue;
use super::context::{Context, action_name};
use super::effect::Effect;
use super::glob;

/// A statement of a policy.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) actions: Actions,
    /// True if Resource or NotResource covers [`RESOURCE`].
    pub(super) covers_resource: bool,
    pub(super) conditions: Vec<Condition>,
}

/// The operations that Action or NotAction covers. The patterns are evaluated at start-up.
#[derive(Debug)]
pub(super) struct Actions(Vec<Operation>);

/// The resource of every request. No request names a resource.
///
/// > If there is no value for this column, you must specify all resources ("*") in the Resource
/// > element of your policy statement.
///
/// Neither operation of this service has a value in the column "Resource types" of
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awskeymanagementservice.html>.
pub(super) const RESOURCE: &str = "*";

/// The first reason why a statement does not apply to a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum NotApplicable<'p, 'c> {
    Action,
    Resource,
    /// A condition that does not hold, and the value of its key in the request.
    Condition(&'p Condition, Option<ContextValue<'c>>),
}

impl Statement {
    /// Checks whether the statement applies. The action, the resource and all conditions must match.
    pub(super) fn check<'c>(&self, context: &Context<'c>) -> Result<(), NotApplicable<'_, 'c>> {
        if !self.actions.cover(context.action) {
            return Err(NotApplicable::Action);
        }
        if !self.covers_resource {
            return Err(NotApplicable::Resource);
        }
        self.conditions.iter().try_for_each(|condition| {
            condition.check(context).map_err(|found| NotApplicable::Condition(condition, found))
        })
    }
}

impl Actions {
    /// Evaluates patterns of action names, such as `kms:Generate*`, ignoring case.
    pub(super) fn new(is_negated: bool, patterns: &[String]) -> Self {
        let is_named = |operation: Operation| {
            let action = action_name(operation);
            patterns.iter().any(|pattern| glob::matches_ignore_case(pattern, action))
        };
        let covered = Operation::ALL.into_iter();
        Self(covered.filter(|operation| is_named(*operation) != is_negated).collect())
    }

    fn cover(&self, action: Operation) -> bool {
        self.0.contains(&action)
    }
}
