//! The cost of long policies.

use std::hint::black_box;
use std::time::Instant;

use attestation::time::UnixMillis;
use enclave::iam::{Context, Decision, Policy, evaluate};
use kms_api::Operation;

use crate::figures::Figures;
use crate::load::BoxError;

const STATEMENTS: usize = 200;
const EVALUATIONS: u32 = 2000;

/// Returns how much longer a decision takes with 200 statements than with one statement, in
/// microseconds. Only the last statement applies to the request.
pub(crate) fn cost(rounds: usize, figures: &mut Figures) -> Result<f64, BoxError> {
    let [one, all] = [policies(1)?, policies(STATEMENTS)?];
    let mut costs = Vec::new();
    for _ in 0..rounds {
        let short = microseconds(&one)?;
        costs.push(microseconds(&all)? - short);
    }
    figures.add("policy_200_statements_us", "us", costs)
}

/// Returns policies with this total number of statements. Several policies are necessary, because the
/// length of a policy is limited as in IAM.
fn policies(statements: usize) -> Result<Vec<Policy>, BoxError> {
    const STATEMENTS_PER_POLICY: usize = 20;
    let other = r#"{"Effect":"Allow","Action":"kms:GenerateRandom","Resource":"*","Condition":
        {"StringEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/another"},
         "DateLessThan":{"aws:CurrentTime":"2020-01-01T00:00:00Z"}}}"#;
    let ours = r#"{"Effect":"Allow","Action":"kms:GenerateRandom","Resource":"*"}"#;
    let mut texts = vec![other; statements];
    texts.pop();
    texts.push(ours);
    let policy = |texts: &[&str]| -> Result<Policy, BoxError> {
        let json = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, texts.join(","));
        Ok(Policy::parse("policy.json", json.as_bytes())?)
    };
    texts.chunks(STATEMENTS_PER_POLICY).map(policy).collect()
}

/// Returns the duration of one decision, in microseconds.
fn microseconds(policies: &[Policy]) -> Result<f64, BoxError> {
    let context = Context {
        action: Operation::GenerateRandom,
        principal_arn: Some("arn:aws:iam::123456789012:role/wallet"),
        now: UnixMillis::from_secs(1_800_000_000),
        secure_transport: Some(true),
        source_ip: None,
        measurements: None,
    };
    let start = Instant::now();
    for _ in 0..EVALUATIONS {
        match evaluate(black_box(policies), black_box(&context)) {
            Decision::Allowed(_) => {}
            _ => return Err("the policy must allow the request by its last statement".into()),
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(EVALUATIONS))
}
