//! Warnings about conditions that always hold or never hold. Such a condition is probably a mistake. The parser
//! does not reject the condition, because AWS accepts it, and this service must accept policies that were
//! written for AWS.

use attestation::PCR_LENGTH;

use super::Policy;
use super::condition::Condition;
use super::condition_key::ConditionKey;
use super::evaluate::statements;
use super::operand::Operand;
use super::operator::{Comparison, Operator};

impl Policy {
    /// Returns the warnings about the policy, such as `statement "X" of wallet.json: Bool
    /// kms:RecipientAttestation:PCR0 never matches: the key is no boolean`.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        statements([self]).flat_map(|(statement, reference)| {
            let warnings = statement.conditions.iter().flat_map(Condition::warnings);
            warnings.map(move |warning| format!("{reference}: {warning}"))
        })
    }

    /// Returns the warnings that apply if the enclave does not terminate TLS.
    pub fn warnings_without_tls(&self) -> impl Iterator<Item = String> {
        statements([self]).flat_map(|(statement, reference)| {
            let conditions = statement.conditions.iter();
            conditions.filter(|condition| condition.reads_secure_transport()).map(
                move |condition| {
                    let Condition { operator, key, .. } = condition;
                    format!(
                        "{reference}: {operator} {key}: the key is always false, because [tls] \
                         mode is \"off\""
                    )
                },
            )
        })
    }
}

impl Policy {
    /// Returns the warnings that apply if requests carry no client address.
    pub fn warnings_without_client_addr(&self) -> impl Iterator<Item = String> {
        statements([self]).flat_map(|(statement, reference)| {
            let conditions = statement.conditions.iter();
            conditions.filter(|condition| condition.reads_source_ip()).map(move |condition| {
                let Condition { operator, key, .. } = condition;
                let outcome = match operator.is_negated || operator.if_exists {
                    true => "always matches",
                    false => "never matches",
                };
                format!(
                    "{reference}: {operator} {key} {outcome}: no request carries the key; set \
                     [server] proxy_protocol = true"
                )
            })
        })
    }
}

impl Condition {
    /// Returns whether the condition depends on the value of `aws:SourceIp`.
    fn reads_source_ip(&self) -> bool {
        let Self { operator, key, .. } = self;
        *key == ConditionKey::SourceIp
            && operator.comparison != Comparison::Null
            && reason(*operator, *key).is_none()
    }

    fn reads_secure_transport(&self) -> bool {
        let Self { operator, key, .. } = self;
        *key == ConditionKey::SecureTransport
            && (operator.comparison == Comparison::Bool || operator.compares_text())
    }

    fn warnings(&self) -> Vec<String> {
        let Self { operator, key, operands } = self;
        let session = |operand: &&Operand| matches!(operand, Operand::Text(text) if text.contains(":assumed-role/"));
        if *key == ConditionKey::PrincipalArn
            && let Some(operand) = operands.iter().find(session)
        {
            let reason = "conditions compare the ARN of the role, arn:aws:iam::ACCOUNT:role/NAME";
            return vec![format!("{operator} {key}: {operand} matches nothing: {reason}")];
        }
        if let Some(reason) = reason(*operator, *key) {
            return vec![format!("{operator} {key} {}: {reason}", outcome(*operator))];
        }
        let patterns = operands.iter().filter(|_| operator.comparison == Comparison::Like);
        patterns
            .filter(|operand| key.register().is_some() && !can_match_measurement(operand))
            .map(|operand| {
                format!(
                    "{operator} {key}: {operand} matches nothing: measurements are 96 lower-case \
                     hexadecimal digits"
                )
            })
            .collect()
    }
}

/// Returns the reason why no value of the key can match. Returns `None` if a value can match.
fn reason(operator: Operator, key: ConditionKey) -> Option<&'static str> {
    // Null tests only whether the key exists, so Null is valid for every key.
    match (operator.comparison, key) {
        (Comparison::Null, _) => None,
        (Comparison::Date(_), ConditionKey::CurrentTime)
        | (Comparison::Bool, ConditionKey::SecureTransport)
        | (Comparison::Address, ConditionKey::SourceIp) => None,
        (Comparison::Bool, _) => Some("the key is no boolean"),
        (Comparison::Date(_), _) => Some("the key is no date"),
        (Comparison::Address, _) => Some("the key is no IP address"),
        (Comparison::Numeric, _) => Some("the key is no number"),
        (Comparison::Equals | Comparison::EqualsIgnoreCase | Comparison::Like, _) => None,
    }
}

/// Describes the result of a condition whose values match nothing.
fn outcome(operator: Operator) -> &'static str {
    match (operator.is_negated, operator.if_exists) {
        (true, _) => "always matches",
        (false, true) => "matches only requests without the key",
        (false, false) => "never matches",
    }
}

/// Returns whether a pattern matches at least one measurement.
fn can_match_measurement(pattern: &Operand) -> bool {
    let Operand::Text(pattern) = pattern else { return false };
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'?');
    let (stars, others): (Vec<u8>, Vec<u8>) = pattern.bytes().partition(|byte| *byte == b'*');
    let length = 2 * PCR_LENGTH;
    let fits = others.len() == length || (others.len() < length && !stars.is_empty());
    fits && others.into_iter().all(is_digit)
}
