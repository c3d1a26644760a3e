//! A row of the corpus: an id, and cases with their expected results.

use std::collections::BTreeSet;

use attestation::crypto::OperationCounts;
use attestation::receipt::ReceiptError;
use attestation::{ClockReading, DebugMode, MaxAge, Rule, UnverifiedDocument};
use enclave::audit::Audit;

use crate::harness::audit_capture::{AuditBuffer, ExpectedLogs};
use crate::harness::configuration::Configuration;
use crate::harness::document_error::DocumentError;
use crate::harness::log_capture;
use crate::harness::response::Expected;
use crate::harness::service::{ClosedBy, NOW, Step, TestService, generate_random};
use crate::harness::summary::{Outcome, Summary};

/// Maximum number of signature verifications for any document. A genuine document needs five: four
/// for the certificates below the root and one for the document itself.
const MAX_SIGNATURE_VERIFICATIONS: u64 = 6;

/// The input of a case and its expected result.
pub(crate) enum CaseKind {
    /// A document in an otherwise valid request. If the document breaks a limit of the API,
    /// `outside` is the response of the API, which does not parse the document.
    Document { document: Vec<u8>, expected: Option<DocumentError>, outside: Option<Expected> },
    /// The steps of a client on one connection, including the expected responses.
    Exchange { steps: Vec<Step>, closed_by: ClosedBy },
    /// A call of a function with input that a document cannot contain. The function returns the
    /// error of that input.
    Function { expected: DocumentError, function: fn() -> Option<DocumentError> },
    /// A configuration with which the service does not start, and the text of the error.
    InvalidConfiguration { configuration: Configuration, error: String },
    /// A function that starts its own service, injects a fault and asserts the result. `outcome` is
    /// the outcome for the summary.
    Custom { check: Box<dyn Fn() + Send + Sync>, outcome: Outcome },
    /// The verification of a receipt or of its document, and its expected error.
    Receipt { expected: ReceiptError, verify: VerifyReceipt },
    /// A request, its response, and its expected audit record and log line.
    Logged { request: Vec<u8>, response: Expected, expected_logs: ExpectedLogs },
}

/// A function that verifies a receipt, or the document that attests its key.
type VerifyReceipt = Box<dyn Fn() -> Result<(), ReceiptError> + Send + Sync>;

pub(crate) struct Case {
    name: String,
    check: CaseKind,
    /// The configuration of the service. `None` means the development defaults.
    configuration: Option<Configuration>,
}

/// A row of the corpus. The test of the row has the id as its name.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    name: &'static str,
    /// The configuration for the cases that are added next.
    configuration: Option<Configuration>,
    cases: Vec<Case>,
}

pub(crate) fn row(id: &'static str, name: &'static str) -> Row {
    Row { id, name, configuration: None, cases: Vec::new() }
}

impl Row {
    fn with(mut self, name: impl Into<String>, check: CaseKind) -> Self {
        let configuration = self.configuration.clone();
        self.cases.push(Case { name: name.into(), check, configuration });
        self
    }

    /// Sets the configuration of the service for the cases that are added next.
    pub(crate) fn with_configuration(self, configuration: Configuration) -> Self {
        Self { configuration: Some(configuration), ..self }
    }

    /// Adds a case: the service does not start with `configuration`. `error` is the exact error.
    pub(crate) fn prevents_start(
        self,
        name: impl Into<String>,
        configuration: Configuration,
        error: impl Into<String>,
    ) -> Self {
        self.with(name, CaseKind::InvalidConfiguration { configuration, error: error.into() })
    }

    /// Adds a case: the function `check` asserts the result. The summary counts the case by
    /// `outcome`.
    pub(crate) fn custom(
        self,
        name: impl Into<String>,
        outcome: Outcome,
        check: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        self.with(name, CaseKind::Custom { check: Box::new(check), outcome })
    }

    /// Adds a case: the service returns `response` to `request`, and writes the expected audit
    /// record and log line.
    pub(crate) fn logs(
        self,
        name: impl Into<String>,
        request: Vec<u8>,
        response: Expected,
        expected_logs: ExpectedLogs,
    ) -> Self {
        self.with(name, CaseKind::Logged { request, response, expected_logs })
    }

    /// Adds a case: `document` is rejected with exactly `expected`.
    pub(crate) fn rejects(
        self,
        name: impl Into<String>,
        document: Vec<u8>,
        expected: impl Into<DocumentError>,
    ) -> Self {
        let expected = Some(expected.into());
        self.with(name, CaseKind::Document { document, expected, outside: None })
    }

    /// Adds a case like [`rejects`](Self::rejects) for a document that also breaks a limit of the
    /// API. `outside` is the response of the API.
    pub(crate) fn rejects_by_api_limit(
        self,
        name: impl Into<String>,
        document: Vec<u8>,
        expected: impl Into<DocumentError>,
        outside: Expected,
    ) -> Self {
        let expected = Some(expected.into());
        self.with(name, CaseKind::Document { document, expected, outside: Some(outside) })
    }

    /// Adds a case: `document` is accepted, and the response can be decrypted.
    pub(crate) fn accepts(self, name: impl Into<String>, document: Vec<u8>) -> Self {
        self.with(name, CaseKind::Document { document, expected: None, outside: None })
    }

    /// Adds a case: the client sends `bytes` on one connection, and receives exactly `responses`.
    pub(crate) fn exchange(
        self,
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        responses: Vec<Expected>,
    ) -> Self {
        self.exchange_steps(name, exchange(bytes.into(), responses), ClosedBy::Client)
    }

    /// Adds a case like [`exchange`](Self::exchange) in which the client keeps its sending half
    /// open, so the service must close the connection.
    pub(crate) fn exchange_until_closed(
        self,
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        responses: Vec<Expected>,
    ) -> Self {
        self.exchange_steps(name, exchange(bytes.into(), responses), ClosedBy::Service)
    }

    /// Adds a case: the client runs `steps` on one connection, and receives exactly the responses
    /// in them.
    pub(crate) fn exchange_steps(
        self,
        name: impl Into<String>,
        steps: Vec<Step>,
        closed_by: ClosedBy,
    ) -> Self {
        self.with(name, CaseKind::Exchange { steps, closed_by })
    }

    /// Adds a case: a function rejects input that a document cannot contain.
    pub(crate) fn function_rejects(
        self,
        name: impl Into<String>,
        expected: impl Into<DocumentError>,
        function: fn() -> Option<DocumentError>,
    ) -> Self {
        self.with(name, CaseKind::Function { expected: expected.into(), function })
    }

    /// Adds a case: `verify` rejects a receipt, or the document that attests its key, with exactly
    /// `expected`.
    pub(crate) fn rejects_receipt(
        self,
        name: impl Into<String>,
        expected: impl Into<ReceiptError>,
        verify: impl Fn() -> Result<(), ReceiptError> + Send + Sync + 'static,
    ) -> Self {
        let (expected, verify) = (expected.into(), Box::new(verify));
        self.with(name, CaseKind::Receipt { expected, verify })
    }

    /// Returns whether the row contains a document that must be accepted.
    pub(crate) fn expects_acceptance(&self) -> bool {
        let is_accepted =
            |case: &Case| matches!(case.check, CaseKind::Document { expected: None, .. });
        self.cases.iter().any(is_accepted)
    }

    /// Returns the errors that the row expects for its documents and function calls.
    pub(crate) fn expected_errors(&self) -> impl Iterator<Item = &DocumentError> {
        self.cases.iter().filter_map(|case| match &case.check {
            CaseKind::Document { expected, .. } => expected.as_ref(),
            CaseKind::Function { expected, .. } => Some(expected),
            CaseKind::Exchange { .. }
            | CaseKind::InvalidConfiguration { .. }
            | CaseKind::Custom { .. }
            | CaseKind::Receipt { .. }
            | CaseKind::Logged { .. } => None,
        })
    }

    /// Returns the number of expensive operations for each document and each function call.
    pub(crate) fn operations(&self) -> Vec<OperationCounts> {
        let service = TestService::new();
        let cost = |case: &Case| match &case.check {
            CaseKind::Document { document, .. } => {
                OperationCounts::measure(|| verify_document(&service, document).is_ok()).1
            }
            CaseKind::Function { function, .. } => OperationCounts::measure(function).1,
            CaseKind::Exchange { .. }
            | CaseKind::InvalidConfiguration { .. }
            | CaseKind::Custom { .. }
            | CaseKind::Receipt { .. }
            | CaseKind::Logged { .. } => OperationCounts::default(),
        };
        self.cases.iter().map(cost).collect()
    }

    /// Returns the test's name.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.id, self.name)
    }

    /// Checks each case. Consecutive cases with equal configurations use the same service.
    pub(crate) fn run(&self, summary: &Summary) {
        assert!(!self.cases.is_empty(), "{} has no case", self.id);
        let names: BTreeSet<&str> = self.cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), self.cases.len(), "{}: two cases have the same name", self.id);
        let mut current: &Option<Configuration> = &None;
        let mut service = TestService::new();
        for Case { name, check, configuration } in &self.cases {
            let context = format!("{}: {name}", self.id);
            if configuration != current {
                current = configuration;
                service = service_for(configuration.as_ref());
            }
            let outcome = match check {
                CaseKind::Document { document, expected, outside } => {
                    let operations = check_library(&service, document, expected.as_ref(), &context);
                    summary.count_verifications(operations.signature_verifications);
                    let outside =
                        outside.clone().unwrap_or_else(|| expected_response(expected.as_ref()));
                    let steps = exchange(generate_random(document), vec![outside]);
                    check_exchange(&service, &steps, ClosedBy::Client, &context)
                }
                CaseKind::Exchange { steps, closed_by } => {
                    check_exchange(&service, steps, *closed_by, &context)
                }
                CaseKind::Custom { check, outcome } => {
                    check();
                    *outcome
                }
                CaseKind::Receipt { expected, verify } => {
                    assert_eq!(verify().as_ref(), Err(expected), "{context}");
                    Outcome::Rejected
                }
                CaseKind::Function { expected, function } => {
                    assert_eq!(function().as_ref(), Some(expected), "{context}");
                    Outcome::Rejected
                }
                CaseKind::InvalidConfiguration { configuration, error } => {
                    configuration.assert_invalid(error, &context);
                    Outcome::Rejected
                }
                CaseKind::Logged { request, response, expected_logs } => {
                    check_logs(configuration.as_ref(), request, response, expected_logs, &context)
                }
            };
            log_capture::assert_printable(&log_capture::take(), &context);
            summary.count(outcome);
        }
        summary.count_row();
    }
}

fn service_for(configuration: Option<&Configuration>) -> TestService {
    configuration.map_or_else(TestService::new, TestService::with_configuration)
}

/// Asserts the exact error of the library. Asserts that the library verifies at most
/// `MAX_SIGNATURE_VERIFICATIONS` signatures.
fn check_library(
    service: &TestService,
    document: &[u8],
    expected: Option<&DocumentError>,
    context: &str,
) -> OperationCounts {
    let (verify_document, operations) =
        OperationCounts::measure(|| verify_document(service, document));
    assert_eq!(verify_document.err().as_ref(), expected, "{context}");
    let verifications = operations.signature_verifications;
    assert!(verifications <= MAX_SIGNATURE_VERIFICATIONS, "{context}: {verifications} signatures");
    let Some(rejection) = expected else { return operations };
    if rejection.rule().is_some_and(|rule| rule < Rule::ChainSignatures) {
        assert_eq!(
            operations,
            OperationCounts::default(),
            "{context}: expensive operations before rule 15"
        );
    }
    // The library must not pass a malformed key to the provider.
    assert_eq!(operations.rsa_keys, 0, "{context}");
    operations
}

fn verify_document(service: &TestService, document: &[u8]) -> Result<(), DocumentError> {
    let document = UnverifiedDocument::parse(document.to_vec())?;
    let (now, max_age) = (ClockReading::enclave(NOW), MaxAge::default());
    let verified = document.verify_live(service.anchors(), now, max_age, DebugMode::Reject)?;
    verified.recipient_key()?;
    Ok(())
}

/// Returns the response to a request with the document.
fn expected_response(rejection: Option<&DocumentError>) -> Expected {
    match rejection {
        None => Expected::Sealed { length: 32 },
        Some(rejection) => {
            Expected::validation(&format!("Recipient.AttestationDocument: {rejection}"))
        }
    }
}

/// Returns the steps of a client that sends all bytes and then reads the responses.
fn exchange(bytes: Vec<u8>, responses: Vec<Expected>) -> Vec<Step> {
    let responses = responses.into_iter().map(Step::Receive);
    std::iter::once(Step::Send(bytes)).chain(responses).collect()
}

/// Asserts the exact responses. Asserts that the service draws entropy only for successful
/// responses.
fn check_exchange(
    service: &TestService,
    steps: &[Step],
    closed_by: ClosedBy,
    context: &str,
) -> Outcome {
    let before = service.draws();
    let received = service.exchange(steps, closed_by);
    let drawn = service.draws() - before;
    let expected = steps.iter().filter_map(|step| match step {
        Step::Receive(expected) => Some(expected),
        Step::Send(_) | Step::SendAll(_) => None,
    });
    assert_eq!(received.len(), expected.clone().count(), "{context}: {received:#?}");
    for (received, expected) in received.iter().zip(expected.clone()) {
        received.assert_is(expected, context);
    }
    let needed: usize = expected.clone().map(Expected::draws).sum();
    assert_eq!(usize::try_from(drawn), Ok(needed), "{context}: draws");
    // A response to a valid request after a rejected request shows that the service found the end
    // of the rejected request.
    let is_rejected = received.is_empty() || expected.clone().any(Expected::is_rejection);
    if is_rejected { Outcome::Rejected } else { Outcome::Accepted }
}

/// Starts a service for this case alone, and asserts the exact response, audit record and log line.
/// The service is stopped before its records are read, so all records have been written.
fn check_logs(
    configuration: Option<&Configuration>,
    request: &[u8],
    response: &Expected,
    expected_logs: &ExpectedLogs,
    context: &str,
) -> Outcome {
    let records = AuditBuffer::default();
    let audit = Audit::to_writer(records.clone());
    let settings = match configuration {
        Some(configuration) => configuration.settings(),
        None => Configuration::none().settings(),
    };
    let service = TestService::start(settings.unwrap(), audit);
    drop(log_capture::take());
    let steps = exchange(request.to_vec(), vec![response.clone()]);
    let outcome = check_exchange(&service, &steps, ClosedBy::Client, context);
    drop(service);
    expected_logs.assert_is(&records.take(), &log_capture::take(), context);
    outcome
}
