//! Parses policies: the grammar of the policy language.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use std::collections::HashSet;

use super::Policy;
use super::condition::Condition;
use super::condition_key::ConditionKey;
use super::effect::Effect;
use super::error::{LocatedError, PolicyError, PolicyErrorKind};
use super::glob;
use super::json::{Member, Node};
use super::operator::Operator;
use super::statement::{Actions, RESOURCE, Statement};

const POLICY_ELEMENTS: &str = "Version, Id, Statement";
const STATEMENT_ELEMENTS: &str = "Sid, Effect, Action, NotAction, Resource, NotResource, Condition";

impl Policy {
    /// Parses a policy. Decisions and errors contain `name`, such as a file name.
    ///
    /// # Errors
    /// If the JSON is malformed, if an element is malformed, unknown or not supported, or if a statement would
    /// allow a measurement of all zeros, as in debug mode. The error is for the first such problem.
    pub fn parse(name: &str, json: &[u8]) -> Result<Self, PolicyError> {
        let statements = Node::parse(json).and_then(|policy| statements(&policy));
        match statements {
            Ok(statements) => Ok(Self { name: name.to_owned(), statements }),
            Err(located) => Err(located.into_policy_error(name, json)),
        }
    }
}

fn statements(policy: &Node) -> Result<Vec<Statement>, LocatedError> {
    let mut statements = None;
    for member in policy.object("the policy")? {
        match member.name.as_str() {
            "Version" => version(&member.value)?,
            "Id" => {
                member.value.text("Id")?;
            }
            "Statement" => statements = Some(&member.value),
            _ => return Err(unknown_element(member, POLICY_ELEMENTS)),
        }
    }
    let Some(nodes) = statements else {
        return Err(missing(policy, "the policy", "Statement", "a list of at least one"));
    };
    let (mut statements, mut sids) = (Vec::new(), HashSet::new());
    for node in nodes.one_or_more("Statement")? {
        let statement = statement(node)?;
        if let Some(sid) = &statement.sid
            && !sids.insert(sid.clone())
        {
            return Err(node.error(PolicyErrorKind::DuplicateSid { sid: sid.clone() }));
        }
        statements.push(statement);
    }
    Ok(statements)
}

/// Checks the version. The older version is also the default. Only the newer version has policy variables. This
/// parser rejects policy variables in both versions.
fn version(node: &Node) -> Result<(), LocatedError> {
    match node.text("Version")? {
        "2012-10-17" | "2008-10-17" => Ok(()),
        other => Err(node.error(PolicyErrorKind::InvalidValue {
            element: "Version",
            found: other.to_owned(),
            expected: "\"2012-10-17\"",
        })),
    }
}

fn statement(node: &Node) -> Result<Statement, LocatedError> {
    let members = node.object("a statement")?;
    for member in members {
        match member.name.as_str() {
            "Sid" | "Effect" | "Action" | "NotAction" | "Resource" | "NotResource"
            | "Condition" => {}
            "Principal" | "NotPrincipal" => {
                return Err(member.error(PolicyErrorKind::Principal { name: member.name.clone() }));
            }
            _ => return Err(unknown_element(member, STATEMENT_ELEMENTS)),
        }
    }
    let find = |name| members.iter().find(|member| member.name == name);
    let effect = match find("Effect") {
        Some(member) => effect(&member.value)?,
        None => return Err(missing(node, "a statement", "Effect", "\"Allow\" or \"Deny\"")),
    };
    Ok(Statement {
        sid: find("Sid").map(|member| sid(&member.value)).transpose()?.flatten(),
        effect,
        actions: actions(node, members)?,
        covers_resource: covers_resource(node, members)?,
        conditions: match find("Condition") {
            Some(member) => conditions(&member.value, effect)?,
            None => Vec::new(),
        },
    })
}

/// Parses a Sid: letters and digits, as in AWS. Ignores an empty Sid, which the AWS console writes.
fn sid(node: &Node) -> Result<Option<String>, LocatedError> {
    let sid = node.text("Sid")?;
    if !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let (found, expected) = (sid.to_owned(), "letters and digits alone");
        return Err(node.error(PolicyErrorKind::InvalidValue { element: "Sid", found, expected }));
    }
    Ok(Some(sid.to_owned()).filter(|sid| !sid.is_empty()))
}

fn effect(node: &Node) -> Result<Effect, LocatedError> {
    match node.text("Effect")? {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        other => {
            let (found, expected) = (other.to_owned(), "\"Allow\" or \"Deny\"");
            Err(node.error(PolicyErrorKind::InvalidValue { element: "Effect", found, expected }))
        }
    }
}

fn actions(statement: &Node, members: &[Member]) -> Result<Actions, LocatedError> {
    let advice = "\"Action\": \"kms:GenerateRandom\", for example";
    let (member, is_negated) = either(statement, members, "Action", "NotAction", advice)?;
    let mut patterns = Vec::new();
    for node in member.value.one_or_more(&member.name)? {
        let action = without_variables(node, &member.name)?;
        // Like AWS, rejects an action without a service prefix. Such an action would never match.
        if !action.contains(':') && action != "*" {
            return Err(node.error(PolicyErrorKind::Action { action: action.to_owned() }));
        }
        patterns.push(action.to_owned());
    }
    Ok(Actions::new(is_negated, &patterns))
}

fn covers_resource(statement: &Node, members: &[Member]) -> Result<bool, LocatedError> {
    let advice = "\"Resource\": \"*\"";
    let (member, is_negated) = either(statement, members, "Resource", "NotResource", advice)?;
    let mut is_named = false;
    for node in member.value.one_or_more(&member.name)? {
        is_named |= glob::matches(without_variables(node, &member.name)?, RESOURCE);
    }
    Ok(is_named != is_negated)
}

fn without_variables<'n>(node: &'n Node, what: &str) -> Result<&'n str, LocatedError> {
    let text = node.text(what)?;
    if text.contains("${") {
        return Err(node.error(PolicyErrorKind::Variable { value: text.to_owned() }));
    }
    Ok(text)
}

/// Returns the element or its negation, and whether the returned element is the negation.
fn either<'m>(
    statement: &Node,
    members: &'m [Member],
    element: &'static str,
    negation: &str,
    advice: &'static str,
) -> Result<(&'m Member, bool), LocatedError> {
    let mut found = members.iter().filter(|m| m.name == element || m.name == negation);
    match (found.next(), found.next()) {
        (None, _) => Err(missing(statement, "a statement", element, advice)),
        (Some(member), None) => Ok((member, member.name == negation)),
        (Some(_), Some(second)) => Err(second.error(PolicyErrorKind::BothForms { element })),
    }
}

fn conditions(node: &Node, effect: Effect) -> Result<Vec<Condition>, LocatedError> {
    let mut conditions = Vec::new();
    for member in node.object("Condition")? {
        let operator = Operator::parse(&member.name).map_err(|error| member.error(error.into()))?;
        let keys = member.value.object(&member.name)?;
        if keys.is_empty() {
            return Err(member.value.error(PolicyErrorKind::Empty { what: member.name.clone() }));
        }
        let before = conditions.len();
        for key in keys {
            let condition = condition(operator, key, effect)?;
            let mut same = conditions.iter().skip(before).map(Condition::key);
            if same.any(|other| other == condition.key()) {
                return Err(
                    key.error(PolicyErrorKind::DuplicateKey { key: condition.key(), operator })
                );
            }
            conditions.push(condition);
        }
    }
    Ok(conditions)
}

fn condition(
    operator: Operator,
    member: &Member,
    effect: Effect,
) -> Result<Condition, LocatedError> {
    let key = ConditionKey::parse(&member.name)
        .ok_or_else(|| member.error(PolicyErrorKind::UnknownKey { name: member.name.clone() }))?;
    let mut condition = Condition::new(operator, key);
    for node in member.value.one_or_more(&member.name)? {
        let value = node.scalar(&member.name)?;
        condition.push(value, effect).map_err(|kind| node.error(kind))?;
    }
    Ok(condition)
}

fn unknown_element(member: &Member, known: &'static str) -> LocatedError {
    member.error(PolicyErrorKind::UnknownElement { name: member.name.clone(), known })
}

fn missing(
    node: &Node,
    object: &'static str,
    element: &'static str,
    advice: &'static str,
) -> LocatedError {
    node.error(PolicyErrorKind::Missing { object, element, advice })
}
