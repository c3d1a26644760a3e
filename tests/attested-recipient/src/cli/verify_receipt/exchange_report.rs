//! The report of one exchange.

use attestation::MAX_CLOCK_SKEW_SECS;
use attestation::receipt::{ReceiptError, ReceiptSet, ReceiptStep};
use attestation::time::UnixMillis;
use attestation::time_stamp::verify_time_stamp;
use attested_recipient::{
    AllowedSources, ContentKey, ExchangeError, Expectations, VerifiedExchange,
};
use serde_json::{Map, Value};

use crate::cli::exchange_file::ExchangeFile;
use crate::cli::report::{Outcome, Report};

const NONCE: &str = "nonce as expected";
const SET: &str = "key and number occur once";
const DISCLOSURE: &str = "disclosure";
const TIME_STAMP: &str = "time stamp";

/// Maximum time from the receipt to the time stamp, in seconds. The certificate that signed the document is
/// valid for three hours.
const MAX_TIME_TO_STAMP_SECS: u64 = 3 * 3600;

/// The checks that the options add to the checklist.
pub(super) struct Options {
    pub(super) expectations: Expectations,
    pub(super) sources: AllowedSources,
    pub(super) nonce: Option<Vec<u8>>,
    pub(super) disclosure: Option<ContentKey>,
    pub(super) time_stamp: Option<TimeStamp>,
    /// The receipts of all files. `None` if there is one file.
    pub(super) set: Option<ReceiptSet>,
}

/// A time stamp of the file, and the root of its authority.
pub(super) struct TimeStamp {
    pub(super) token: Vec<u8>,
    pub(super) roots_pem: Vec<u8>,
}

/// The steps in the order in which the verification of a stored exchange makes them: the document comes before the
/// key that it attests.
const ORDER: [ReceiptStep; 9] = [
    ReceiptStep::Status,
    ReceiptStep::Form,
    ReceiptStep::Document,
    ReceiptStep::Measurements,
    ReceiptStep::Freshness,
    ReceiptStep::Key,
    ReceiptStep::Signature,
    ReceiptStep::Binding,
    ReceiptStep::Content,
];

/// Verifies the exchange of `file`, and returns the report.
pub(super) fn exchange_report(file: &ExchangeFile, options: &mut Options) -> Report {
    match file.exchange.verify(&options.expectations, &options.sources) {
        Ok(verified) => verified_report(&file.bytes, &verified, options),
        Err(error) => rejection_report(&error, options),
    }
}

fn rejection_report(error: &ExchangeError, options: &Options) -> Report {
    let mut report = Report::default();
    let passed = passed_steps(error);
    for step in ReceiptStep::ALL {
        let outcome = if step == error.step() {
            Outcome::Rejected(error.to_string())
        } else if passed.contains(&step) {
            passed_outcome(step, options)
        } else {
            Outcome::NotReached
        };
        report.push(step.name(), outcome);
    }
    for name in optional_checks(options) {
        report.push(name, Outcome::NotReached);
    }
    report
}

fn verified_report(file: &[u8], verified: &VerifiedExchange<'_>, options: &mut Options) -> Report {
    let mut report = Report::default();
    for step in ReceiptStep::ALL {
        report.push(step.name(), passed_outcome(step, options));
    }
    let mut content = proved(verified);
    let receipt = verified.receipt();
    if let Some(expected) = &options.nonce {
        let outcome = match receipt.nonce == &expected[..] {
            true => Outcome::Passed,
            false => {
                Outcome::Rejected(format!("the nonce is {}", const_hex::encode(receipt.nonce)))
            }
        };
        report.push(NONCE, outcome);
    }
    if let Some(set) = &mut options.set {
        let added = set.add(verified.key_id(), &receipt);
        report.push(SET, outcome(added.map_err(|error| error.to_string())));
    }
    if let Some(content_key) = &options.disclosure {
        let opened = verified.open(content_key);
        if let Ok(bytes) = &opened {
            content.insert("disclosed".to_owned(), const_hex::encode(&**bytes).into());
        }
        report.push(DISCLOSURE, outcome(opened.map(drop).map_err(|error| error.to_string())));
    }
    if let Some(time_stamp) = &options.time_stamp {
        let stamped = time_stamp.verify(file, receipt.time, verified.identity().document_time());
        if let Ok(time) = &stamped {
            content.insert("stamped".to_owned(), time.to_string().into());
        }
        report.push(TIME_STAMP, outcome(stamped.map(drop)));
    }
    if report.is_verified() {
        report.content = content.into();
    }
    report
}

/// Returns the checks that the options add.
fn optional_checks(options: &Options) -> Vec<&'static str> {
    let checks = [
        (NONCE, options.nonce.is_some()),
        (SET, options.set.is_some()),
        (DISCLOSURE, options.disclosure.is_some()),
        (TIME_STAMP, options.time_stamp.is_some()),
    ];
    checks.into_iter().filter_map(|(name, is_made)| is_made.then_some(name)).collect()
}

impl TimeStamp {
    /// Verifies the time stamp of `file`, and compares it with the times of receipt and document.
    fn verify(
        &self,
        file: &[u8],
        receipt_time: UnixMillis,
        document_time: UnixMillis,
    ) -> Result<UnixMillis, String> {
        let time = verify_time_stamp(&self.token, file, &self.roots_pem)
            .map_err(|error| error.to_string())?;
        check_stamp_time(time, "receipt", receipt_time)?;
        // A document of old keys can attest a new receipt key, so its time counts as well.
        check_stamp_time(time, "document", document_time)?;
        Ok(time)
    }
}

/// Checks that a time stamp of `time` is neither before `signed_at` nor over three hours after it. `what` was signed
/// at that time.
fn check_stamp_time(time: UnixMillis, what: &str, signed_at: UnixMillis) -> Result<(), String> {
    // The clocks of both differ, and the time stamp has whole seconds.
    if signed_at.millis_since(time) > MAX_CLOCK_SKEW_SECS * 1000 {
        return Err(format!("the time stamp is of {time}, before the {what} of {signed_at}"));
    }
    if time.millis_since(signed_at) > MAX_TIME_TO_STAMP_SECS * 1000 {
        return Err(format!(
            "the time stamp is of {time}, over 3 h after the {what} of {signed_at}"
        ));
    }
    Ok(())
}

fn outcome(result: Result<(), String>) -> Outcome {
    match result {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::Rejected(reason),
    }
}

/// Returns the steps that passed before `error`.
fn passed_steps(error: &ExchangeError) -> &'static [ReceiptStep] {
    let last = match error {
        // The form of the attested key is checked with the document.
        ExchangeError::Receipt(ReceiptError::NotOnCurve) => ReceiptStep::Measurements,
        error => error.step(),
    };
    let position = ORDER.iter().position(|step| *step == last).unwrap_or_default();
    ORDER.get(..position).unwrap_or_default()
}

/// Returns the outcome of a step that did not reject the exchange.
fn passed_outcome(step: ReceiptStep, options: &Options) -> Outcome {
    match step {
        ReceiptStep::Status => Outcome::Waived("a stored exchange has no HTTP status"),
        ReceiptStep::Measurements if options.expectations.sets().is_none() => {
            Outcome::Waived("not compared, because of --simulator")
        }
        ReceiptStep::Time => {
            Outcome::Waived("a stored exchange is not compared with the current time")
        }
        _ => Outcome::Passed,
    }
}

/// Returns the facts that the exchange proves.
fn proved(verified: &VerifiedExchange<'_>) -> Map<String, Value> {
    let (identity, receipt) = (verified.identity(), verified.receipt());
    let hex = |bytes: &[u8]| Value::from(const_hex::encode(bytes));
    let facts = [
        ("measurements", identity.set_name().into()),
        ("module_id", identity.module_id().into()),
        ("kid", verified.key_id().to_string().into()),
        ("document_time", identity.document_time().to_string().into()),
        ("operation", receipt.operation.name().into()),
        ("request_id", receipt.request_id.into()),
        ("seq", receipt.sequence.into()),
        ("src", receipt.source.into()),
        ("time", receipt.time.to_string().into()),
        ("nonce", hex(receipt.nonce)),
        ("req", hex(&receipt.request_digest)),
        ("res", hex(&receipt.response_digest)),
    ];
    facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
