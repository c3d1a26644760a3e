//! A row of the corpus: an id, and cases that say what must come of some input.

use std::collections::BTreeSet;

use attestation::crypto::OperationCounts;
use attestation::{ClockReading, DebugMode, MaxAge, Rule, UnverifiedDocument};
use enclave::audit::Audit;

use crate::harness::audit_capture::{Records, Trace};
use crate::harness::configuration::Configuration;
use crate::harness::document_error::Refusal;
use crate::harness::log_capture;
use crate::harness::response::Expected;
use crate::harness::service::{Ending, NOW, Stage, Step, generate_random};
use crate::harness::summary::{Outcome, Summary};

/// A genuine document takes five: four certificates below the root, and the document itself.
const MAX_SIGNATURE_VERIFICATIONS: u64 = 6;

/// What is sent, and what must come of it.
pub(crate) enum Check {
    /// A document in an otherwise good request.
    /// `outside` is the answer where the API's model refuses before the document is looked at.
    Document { document: Vec<u8>, expected: Option<Refusal>, outside: Option<Expected> },
    /// What a client does on a connection, and the answers until it is closed.
    Exchange { steps: Vec<Step>, ending: Ending },
    /// A function called directly, for what fits no document; it gives what it refuses with.
    Inner { expected: Refusal, refused: fn() -> Option<Refusal> },
    /// A configuration with which no service starts, and the error's text.
    NoStart { configuration: Configuration, error: String },
    /// A service of the case's own, whose surroundings fail, and what it makes of it.
    Scene { play: Box<dyn Fn() + Send + Sync>, outcome: Outcome },
    /// A request, its answer, and what is to be recorded and logged of it.
    Recorded { request: Vec<u8>, answer: Expected, trace: Trace },
}

pub(crate) struct Case {
    what: String,
    check: Check,
    /// Of the service that it is checked against; without one, everybody is answered.
    configuration: Option<Configuration>,
}

/// One row, named by its id.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    what: &'static str,
    /// Of the cases that follow.
    configuration: Option<Configuration>,
    cases: Vec<Case>,
}

pub(crate) fn row(id: &'static str, what: &'static str) -> Row {
    Row { id, what, configuration: None, cases: Vec::new() }
}

impl Row {
    fn with(mut self, what: impl Into<String>, check: Check) -> Self {
        let configuration = self.configuration.clone();
        self.cases.push(Case { what: what.into(), check, configuration });
        self
    }

    /// The cases that follow are checked against a service that is configured so.
    pub(crate) fn under(self, configuration: Configuration) -> Self {
        Self { configuration: Some(configuration), ..self }
    }

    /// With `configuration` no service must start, for exactly this reason.
    pub(crate) fn no_start(
        self,
        what: impl Into<String>,
        configuration: Configuration,
        error: impl Into<String>,
    ) -> Self {
        self.with(what, Check::NoStart { configuration, error: error.into() })
    }

    /// `play` asserts what must come of it: an answer, or a refusal.
    pub(crate) fn scene(
        self,
        what: impl Into<String>,
        outcome: Outcome,
        play: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        self.with(what, Check::Scene { play: Box::new(play), outcome })
    }

    /// `request` must be answered with `answer`, and leave `trace`.
    pub(crate) fn recorded(
        self,
        what: impl Into<String>,
        request: Vec<u8>,
        answer: Expected,
        trace: Trace,
    ) -> Self {
        self.with(what, Check::Recorded { request, answer, trace })
    }

    /// `document` must be refused with exactly `expected`.
    pub(crate) fn refused(
        self,
        what: impl Into<String>,
        document: Vec<u8>,
        expected: impl Into<Refusal>,
    ) -> Self {
        let expected = Some(expected.into());
        self.with(what, Check::Document { document, expected, outside: None })
    }

    /// As [`refused`](Self::refused), but the API's own limits are broken as well.
    pub(crate) fn refused_by_model(
        self,
        what: impl Into<String>,
        document: Vec<u8>,
        expected: impl Into<Refusal>,
        outside: Expected,
    ) -> Self {
        let expected = Some(expected.into());
        self.with(what, Check::Document { document, expected, outside: Some(outside) })
    }

    /// `document` must be accepted, and the answer must open.
    pub(crate) fn accepted(self, what: impl Into<String>, document: Vec<u8>) -> Self {
        self.with(what, Check::Document { document, expected: None, outside: None })
    }

    /// `bytes` on one connection must be answered with `answers`, and nothing more.
    pub(crate) fn exchange(
        self,
        what: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        answers: Vec<Expected>,
    ) -> Self {
        self.conversation(what, exchange(bytes.into(), answers), Ending::Client)
    }

    /// As [`exchange`](Self::exchange), but the client leaves its sending half open: the service
    /// closes.
    pub(crate) fn closed(
        self,
        what: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        answers: Vec<Expected>,
    ) -> Self {
        self.conversation(what, exchange(bytes.into(), answers), Ending::Service)
    }

    /// Each answer that `steps` receive must be as they say, and there must be no other.
    pub(crate) fn conversation(
        self,
        what: impl Into<String>,
        steps: Vec<Step>,
        ending: Ending,
    ) -> Self {
        self.with(what, Check::Exchange { steps, ending })
    }

    /// A function within must refuse what fits no document.
    pub(crate) fn inner(
        self,
        what: impl Into<String>,
        expected: impl Into<Refusal>,
        refused: fn() -> Option<Refusal>,
    ) -> Self {
        self.with(what, Check::Inner { expected: expected.into(), refused })
    }

    /// Whether one of the row's documents must be accepted.
    pub(crate) fn accepts(&self) -> bool {
        let is_accepted =
            |case: &Case| matches!(case.check, Check::Document { expected: None, .. });
        self.cases.iter().any(is_accepted)
    }

    /// What the row's documents are refused with.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = &Refusal> {
        self.cases.iter().filter_map(|case| match &case.check {
            Check::Document { expected, .. } => expected.as_ref(),
            Check::Inner { expected, .. } => Some(expected),
            Check::Exchange { .. }
            | Check::NoStart { .. }
            | Check::Scene { .. }
            | Check::Recorded { .. } => None,
        })
    }

    /// What each of the row's documents and direct calls costs.
    pub(crate) fn costs(&self) -> Vec<OperationCounts> {
        let stage = Stage::new();
        let cost = |case: &Case| match &case.check {
            Check::Document { document, .. } => {
                OperationCounts::measure(|| verdict(&stage, document).is_ok()).1
            }
            Check::Inner { refused, .. } => OperationCounts::measure(refused).1,
            Check::Exchange { .. }
            | Check::NoStart { .. }
            | Check::Scene { .. }
            | Check::Recorded { .. } => OperationCounts::default(),
        };
        self.cases.iter().map(cost).collect()
    }

    /// The test's name.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.id, self.what)
    }

    /// Checks each case, those of one configuration in a row against one service.
    pub(crate) fn run(&self, summary: &Summary) {
        assert!(!self.cases.is_empty(), "{} has no case", self.id);
        let names: BTreeSet<&str> = self.cases.iter().map(|case| case.what.as_str()).collect();
        assert_eq!(names.len(), self.cases.len(), "{}: two cases of one name", self.id);
        let mut current: &Option<Configuration> = &None;
        let mut stage = Stage::new();
        for Case { what, check, configuration } in &self.cases {
            let context = format!("{}: {what}", self.id);
            if configuration != current {
                current = configuration;
                stage = stage_of(configuration.as_ref());
            }
            let outcome = match check {
                Check::Document { document, expected, outside } => {
                    let operations = check_inside(&stage, document, expected.as_ref(), &context);
                    summary.count_verifications(operations.signature_verifications);
                    let outside = outside.clone().unwrap_or_else(|| answer_to(expected.as_ref()));
                    let steps = exchange(generate_random(document), vec![outside]);
                    check_conversation(&stage, &steps, Ending::Client, &context)
                }
                Check::Exchange { steps, ending } => {
                    check_conversation(&stage, steps, *ending, &context)
                }
                Check::Scene { play, outcome } => {
                    play();
                    *outcome
                }
                Check::Inner { expected, refused } => {
                    assert_eq!(refused().as_ref(), Some(expected), "{context}");
                    Outcome::Refused
                }
                Check::NoStart { configuration, error } => {
                    configuration.assert_no_start(error, &context);
                    Outcome::Refused
                }
                Check::Recorded { request, answer, trace } => {
                    check_recorded(configuration.as_ref(), request, answer, trace, &context)
                }
            };
            log_capture::assert_printable(&log_capture::take(), &context);
            summary.count(outcome);
        }
        summary.count_row();
    }
}

fn stage_of(configuration: Option<&Configuration>) -> Stage {
    configuration.map_or_else(Stage::new, Stage::under)
}

/// The exact variant, and no more work than a genuine document takes.
fn check_inside(
    stage: &Stage,
    document: &[u8],
    expected: Option<&Refusal>,
    context: &str,
) -> OperationCounts {
    let (verdict, operations) = OperationCounts::measure(|| verdict(stage, document));
    assert_eq!(verdict.err().as_ref(), expected, "{context}");
    let verifications = operations.signature_verifications;
    assert!(verifications <= MAX_SIGNATURE_VERIFICATIONS, "{context}: {verifications} signatures");
    let Some(refusal) = expected else { return operations };
    if refusal.rule().is_some_and(|rule| rule < Rule::ChainSignatures) {
        assert_eq!(
            operations,
            OperationCounts::default(),
            "{context}: nothing dear before rule 15"
        );
    }
    // A key that breaks a rule of form is never handed to the provider.
    assert_eq!(operations.rsa_keys, 0, "{context}");
    operations
}

fn verdict(stage: &Stage, document: &[u8]) -> Result<(), Refusal> {
    let document = UnverifiedDocument::parse(document.to_vec())?;
    let (now, max_age) = (ClockReading::enclave(NOW), MaxAge::default());
    let verified = document.verify_live(stage.anchors(), now, max_age, DebugMode::Reject)?;
    verified.recipient_key()?;
    Ok(())
}

/// What a caller is told of a document.
fn answer_to(refusal: Option<&Refusal>) -> Expected {
    match refusal {
        None => Expected::Sealed { length: 32 },
        Some(refusal) => Expected::validation(&format!("Recipient.AttestationDocument: {refusal}")),
    }
}

/// Everything is sent before anything is read.
fn exchange(bytes: Vec<u8>, answers: Vec<Expected>) -> Vec<Step> {
    let answers = answers.into_iter().map(Step::Receive);
    std::iter::once(Step::Send(bytes)).chain(answers).collect()
}

/// The exact answers, and no entropy but for them.
fn check_conversation(stage: &Stage, steps: &[Step], ending: Ending, context: &str) -> Outcome {
    let before = stage.draws();
    let received = stage.converse(steps, ending);
    let drawn = stage.draws() - before;
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
    // A good request behind a refused one shows where the refused one ended.
    let refused = received.is_empty() || expected.clone().any(Expected::is_refusal);
    if refused { Outcome::Refused } else { Outcome::Accepted }
}

/// The exact answer, record and log, of a service of the case's own: what ends writes its records.
fn check_recorded(
    configuration: Option<&Configuration>,
    request: &[u8],
    answer: &Expected,
    trace: &Trace,
    context: &str,
) -> Outcome {
    let records = Records::default();
    let audit = Audit::to_writer(records.clone()).unwrap();
    let settings = match configuration {
        Some(configuration) => configuration.settings(),
        None => Configuration::none().settings(),
    };
    let stage = Stage::start(settings.unwrap(), audit);
    drop(log_capture::take());
    let steps = exchange(request.to_vec(), vec![answer.clone()]);
    let outcome = check_conversation(&stage, &steps, Ending::Client, context);
    drop(stage);
    trace.assert_is(&records.take(), &log_capture::take(), context);
    outcome
}
