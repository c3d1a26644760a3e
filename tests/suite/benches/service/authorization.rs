//! The cost of authentication and authorization.

use std::fmt::Write as _;

use attested_recipient::Credentials;

use crate::figures::Figures;
use crate::load::BoxError;
use crate::scenarios::{self, RelayedService};
use crate::signed_request;

const REGION: &str = "eu-west-1";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// The last statement of a policy, which applies to the request. The other statements do not apply.
const ALLOW: &str = r#"{"Effect":"Allow","Action":"kms:GenerateRandom","Resource":"*"}"#;
const OTHERS: &str = r#"{"Effect":"Allow","Action":"kms:GenerateRandom","Resource":"*","Condition":{"StringEquals":{"kms:RecipientAttestation:PCR8":"a0db3a57fad76c813b7d065d6d3a3a94c0efa65d8db41bdc7a952267c2569093b96b04d72bf3a95adda02cd4df94c545"}}}"#;

/// Measures signed requests with 1 and 1,000 configured principals, and with policies of 1 and 200
/// statements.
pub(crate) fn signed(figures: &mut Figures) -> Result<(), BoxError> {
    let settings =
        [("signed", 1, 1), ("signed_principals_1000", 1000, 1), ("signed_policy_200", 1, 200)];
    let mut services = Vec::new();
    for (name, principals, statements) in settings {
        let statements = [&vec![OTHERS; statements - 1][..], &[ALLOW]].concat().join(",");
        let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        services.push((
            name,
            RelayedService::start(&configuration(principals)?, &[("p.json", &policy)])?,
        ));
    }
    // The credentials of the first principal.
    let request = signed_request::signed_request(&Credentials::new("AKID0", SECRET, REGION));
    scenarios::signed(&services, &request, figures)
}

fn configuration(principals: usize) -> Result<String, BoxError> {
    let mut toml = format!("[auth]\nmode = \"sigv4\"\nregion = \"{REGION}\"\n");
    for number in 0..principals {
        write!(
            toml,
            "[[credential]]\naccess_key_id = \"AKID{number}\"\nsecret_access_key = \"{SECRET}\"\n\
             principal = \"arn:aws:iam::123456789012:role/wallet{number}\"\n\
             policies = [\"p.json\"]\n"
        )?;
    }
    Ok(toml)
}
