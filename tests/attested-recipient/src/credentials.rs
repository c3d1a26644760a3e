//! Signs the client's requests with AWS Signature Version 4:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::{env, fmt};

use attestation::crypto::{HmacSha256, Sha256};
use attestation::time::UnixMillis;
use zeroize::Zeroizing;

/// AWS credentials for the requests of a client. The service lists the access key in its configuration.
pub struct Credentials {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    session_token: Option<Zeroizing<String>>,
    region: String,
}

/// The signed parts of a request, except the time.
pub(crate) struct UnsignedRequest<'a> {
    pub(crate) host: &'a str,
    pub(crate) content_type: &'a str,
    pub(crate) target: &'a str,
    pub(crate) body: &'a [u8],
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Creates credentials for requests to `region`, such as `eu-west-1`.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        region: impl Into<String>,
    ) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: Zeroizing::new(secret_access_key.into()),
            session_token: None,
            region: region.into(),
        }
    }

    /// Adds the session token of temporary credentials.
    #[must_use]
    pub fn with_session_token(self, session_token: impl Into<String>) -> Self {
        Self { session_token: Some(Zeroizing::new(session_token.into())), ..self }
    }

    /// Reads `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, and `AWS_REGION` or
    /// `AWS_DEFAULT_REGION`. Returns `None` unless the key ID, the secret and a region are set.
    pub fn from_env() -> Option<Self> {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let region = set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION"))?;
        let key = Self::new(set("AWS_ACCESS_KEY_ID")?, set("AWS_SECRET_ACCESS_KEY")?, region);
        Some(match set("AWS_SESSION_TOKEN") {
            Some(token) => key.with_session_token(token),
            None => key,
        })
    }

    /// Returns the headers of a signed `POST /` request, for tests that send the request themselves.
    #[doc(hidden)]
    pub fn signed_headers(
        &self,
        host: &str,
        target: &str,
        body: &[u8],
        now: UnixMillis,
    ) -> Vec<(String, String)> {
        let content_type = "application/x-amz-json-1.1";
        let headers = self.sign(&UnsignedRequest { host, content_type, target, body }, now);
        headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Returns the headers of a signed `POST /` request.
    pub(crate) fn sign(
        &self,
        request: &UnsignedRequest<'_>,
        now: UnixMillis,
    ) -> Vec<(&str, String)> {
        let date_time = now.basic_iso8601().to_string();
        let mut headers = vec![
            ("content-type", request.content_type),
            ("host", request.host),
            ("x-amz-date", &date_time),
        ];
        headers
            .extend(self.session_token.as_ref().map(|token| ("x-amz-security-token", &***token)));
        headers.push(("x-amz-target", request.target));
        let authorization = self.authorization(&headers, &date_time, request.body);
        let headers = headers.into_iter().map(|(name, value)| (name, value.to_owned()));
        headers.chain([("authorization", authorization)]).collect()
    }

    /// Returns the value of the Authorization header. `headers` are sorted by name.
    fn authorization(&self, headers: &[(&str, &str)], date_time: &str, body: &[u8]) -> String {
        let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", hex(&Sha256::digest(body)));
        let date = date_time.split('T').next().unwrap_or_default();
        let Self { access_key_id, region, .. } = self;
        let scope = format!("{date}/{region}/kms/aws4_request");
        let canonical = hex(&Sha256::digest(canonical.as_bytes()));
        let to_sign = format!("AWS4-HMAC-SHA256\n{date_time}\n{scope}\n{canonical}");
        let mut key = hmac(&Zeroizing::new(["AWS4", &self.secret_access_key].concat()), date);
        for part in [region, "kms", "aws4_request", &to_sign] {
            key = hmac(&key, part);
        }
        let signature = hex(&*key);
        format!(
            "AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={names}, \
             Signature={signature}"
        )
    }
}

fn hmac(key: &impl AsRef<[u8]>, text: &str) -> Zeroizing<[u8; 32]> {
    let mut hmac = HmacSha256::new(key.as_ref());
    hmac.update(text.as_bytes());
    hmac.finish()
}

fn hex(bytes: &[u8]) -> String {
    const_hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares the signature with the signature of a request that AWS CLI v1 sent.
    #[test]
    fn signature_matches_aws_cli_v1() {
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "eu-west-1",
        );
        let request = UnsignedRequest {
            host: "127.0.0.1:18111",
            content_type: "application/x-amz-json-1.1",
            target: "TrentService.GenerateRandom",
            body: br#"{"NumberOfBytes": 32}"#,
        };
        let now = UnixMillis::from_basic_iso8601("20261123T181920Z").unwrap();
        let headers = credentials.sign(&request, now);
        assert_eq!(
            headers.last().unwrap().1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/eu-west-1/kms/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
             Signature=afebad758a8a047286f2ab8769b16cbc707d28a36bea4aa1e42c19a743b3a7cc"
        );
    }

    #[test]
    fn debug_output_hides_secrets() {
        let credentials =
            Credentials::new("AKID", "secret", "eu-west-1").with_session_token("token");
        let shown = format!("{credentials:?}");
        assert!(shown.contains("AKID") && !shown.contains("secret") && !shown.contains("token"));
    }
}
