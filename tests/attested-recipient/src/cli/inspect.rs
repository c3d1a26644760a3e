//! The subcommand `inspect`.

use std::fmt::{self, Display, Formatter};
use std::io::{self, Write};
use std::path::PathBuf;

use attestation::time::{HumanDuration, UnixMillis};
use attestation::{Claims, PcrFamily, UnverifiedDocument, check_spki};
use clap::Args;
use enclave::clock::{Clock, SystemClock};
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::bounded_read::read;
use super::error::CommandError;

/// Print every field of an attestation document. The command does not verify the document (see
/// `verify`).
#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// File with the document, as raw bytes.
    file: PathBuf,
}

impl Inspect {
    pub(super) fn run(self) -> Result<(), CommandError> {
        let document = UnverifiedDocument::parse(read(&self.file)?)?;
        let claims = document.dangerous_unverified_claims();
        let mut stdout = io::stdout().lock();
        write!(stdout, "{}", Report { claims, now: SystemClock.now() })?;
        Ok(stdout.flush()?)
    }
}

struct Report<'a> {
    claims: Claims<'a>,
    now: UnixMillis,
}

impl Display for Report<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let claims = &self.claims;
        writeln!(out, "NOT VERIFIED: these are the document's own claims")?;
        if claims.pcrs().is_debug_mode() {
            writeln!(out, "*** DEBUG MODE: PCR0, PCR1 and PCR2 are zero; the parent instance can")?;
            writeln!(out, "*** read this enclave's console, and its measurements prove nothing")?;
        }
        writeln!(out, "module_id    {}", printable(claims.module_id()))?;
        let age = Age { timestamp: claims.timestamp(), now: self.now };
        writeln!(out, "timestamp    {} ({age})", claims.timestamp())?;
        writeln!(out, "digest       SHA384")?;
        self.write_pcrs(out)?;
        self.write_chain(out)?;
        writeln!(out, "public_key   {}", PublicKey(claims.public_key()))?;
        writeln!(out, "user_data    {}", Bytes(claims.user_data()))?;
        writeln!(out, "nonce        {}", Bytes(claims.nonce()))?;
        writeln!(out, "signature    {}", Bytes(Some(claims.signature())))
    }
}

impl Report<'_> {
    fn write_pcrs(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let pcrs = self.claims.pcrs();
        let platform = match pcrs.family() {
            PcrFamily::NitroEnclave => "a Nitro Enclave",
            PcrFamily::NitroTpm => "a NitroTPM",
        };
        writeln!(out, "{:<12} {} of {platform}", pcrs.family().field(), pcrs.iter().count())?;
        for (index, value) in pcrs.iter() {
            writeln!(out, "  PCR{index:<2}      {}", const_hex::encode(value))?;
        }
        Ok(())
    }

    fn write_chain(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "chain        from the root to the leaf")?;
        for (index, der) in self.claims.cabundle().enumerate() {
            writeln!(out, "  cabundle[{index}]  {}", Certificate(der))?;
        }
        writeln!(out, "  certificate  {}", Certificate(self.claims.certificate()))
    }
}

/// Escapes control characters, because an untrusted signer can choose the text.
fn printable(text: &str) -> String {
    text.chars().flat_map(char::escape_debug).collect()
}

struct Age {
    timestamp: UnixMillis,
    now: UnixMillis,
}

impl Display for Age {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if self.timestamp > self.now {
            return write!(out, "{} in the future", duration(self.timestamp, self.now));
        }
        write!(out, "{} old", duration(self.now, self.timestamp))
    }
}

fn duration(later: UnixMillis, earlier: UnixMillis) -> HumanDuration {
    HumanDuration(later.millis_since(earlier) / 1000)
}

struct Certificate<'a>(&'a [u8]);

impl Display for Certificate<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Ok((_, certificate)) = X509Certificate::from_der(self.0) else {
            return write!(out, "not a certificate: {}", Bytes(Some(self.0)));
        };
        let validity = certificate.validity();
        let moment = |seconds: i64| UnixMillis::from_secs(u64::try_from(seconds).unwrap_or(0));
        let not_before = moment(validity.not_before.timestamp());
        let not_after = moment(validity.not_after.timestamp());
        write!(out, "{not_before} to {not_after}  ")?;
        write!(out, "{}", printable(&certificate.subject().to_string()))
    }
}

struct PublicKey<'a>(Option<&'a [u8]>);

impl Display for PublicKey<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Some(key) = self.0 else { return out.write_str("absent") };
        match check_spki(key) {
            Ok(length) => {
                let identifier = const_hex::encode(Sha256::digest(key));
                write!(out, "RSA-{}, SHA-256 of the SPKI {identifier}", length * 8)
            }
            Err(_) => write!(out, "{} (not a supported recipient key)", Bytes(self.0)),
        }
    }
}

struct Bytes<'a>(Option<&'a [u8]>);

impl Display for Bytes<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => out.write_str("absent"),
            Some([]) => out.write_str("empty"),
            Some(bytes) => write!(out, "{} bytes, {}", bytes.len(), const_hex::encode(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_document_age_in_human_units() {
        let age = |seconds| {
            let timestamp = UnixMillis::from_secs(1_000_000);
            Age { timestamp, now: timestamp.plus_secs(seconds) }.to_string()
        };
        assert_eq!(age(59), "59 s old");
        assert_eq!(age(61), "1 min 1 s old");
        assert_eq!(age(3_660), "1 h 1 min old");
        assert_eq!(age(90_000), "1 d 1 h old");
        let future = Age { timestamp: UnixMillis::from_secs(9), now: UnixMillis::from_secs(2) };
        assert_eq!(future.to_string(), "7 s in the future");
    }

    #[test]
    fn escapes_control_characters() {
        assert_eq!(printable("a\u{1b}[2J\n"), "a\\u{1b}[2J\\n");
    }
}
