//! What both binaries log as: lines of text for people, or of JSON for programs.

use std::fmt;
use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, registry, reload};

/// What a line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `2026-01-31T12:00:00.000000Z  INFO draining connections=3`.
    #[default]
    Text,
    /// The same as an object: `timestamp`, `level`, `message`, and each field by its name.
    Json,
}

/// The least of what is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(LevelFilter);

/// A text that names no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("write text or json")]
pub struct UnknownFormat;

/// A text that names no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("write error, warn, info, debug or trace")]
pub struct UnknownLevel;

impl Default for Level {
    fn default() -> Self {
        Self(LevelFilter::INFO)
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(UnknownFormat),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Self, UnknownLevel> {
        Ok(Self(match text {
            "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "trace" => LevelFilter::TRACE,
            _ => return Err(UnknownLevel),
        }))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// By which a log that has begun is changed: what it is to be may be known only later.
pub struct LogHandle(Box<dyn Fn(Format, Level) + Send + Sync>);

impl LogHandle {
    /// Logs in this format, from this level on, from now on.
    pub fn reload(&self, format: Format, level: Level) {
        let Self(reload) = self;
        reload(format, level);
    }
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LogHandle").finish_non_exhaustive()
    }
}

/// Logs to what `writer` makes, from now on and for the whole process. A line that cannot be written is
/// lost: reporting that in the log would panic, or wait.
pub fn init<W: Write + 'static>(
    format: Format,
    level: Level,
    writer: impl Fn() -> W + Send + Sync + 'static,
) {
    init_reloadable(format, level, writer);
}

/// Logs as [`init`] does, until it is changed.
pub fn init_reloadable<W: Write + 'static>(
    format: Format,
    level: Level,
    writer: impl Fn() -> W + Send + Sync + 'static,
) -> LogHandle {
    let writer = Arc::new(writer);
    let (log, handle) = reload::Layer::new(log_layer(format, level, &writer));
    registry().with(log).init();
    LogHandle(Box::new(move |format, level| {
        // It fails only where there is no log any more.
        let _ = handle.reload(log_layer(format, level, &writer));
    }))
}

fn log_layer<W: Write + 'static>(
    format: Format,
    Level(level): Level,
    writer: &Arc<impl Fn() -> W + Send + Sync + 'static>,
) -> Box<dyn Layer<Registry> + Send + Sync> {
    let writer = Arc::clone(writer);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || writer())
        .with_target(false)
        .log_internal_errors(false);
    match format {
        Format::Text => Box::new(level.and_then(lines)),
        Format::Json => {
            Box::new(level.and_then(lines.json().flatten_event(true).with_current_span(false)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc;
    use std::thread::{self, ThreadId};

    use super::*;

    #[test]
    fn format_and_level_round_trip() {
        for format in ["text", "json"] {
            assert_eq!(format.parse::<Format>().unwrap().to_string(), format);
        }
        for level in ["error", "warn", "info", "debug", "trace"] {
            assert_eq!(level.parse::<Level>().unwrap().to_string(), level);
        }
        assert_eq!(Level::default().to_string(), "info");
        for other in ["", "off", "INFO", "JSON", "text "] {
            assert_eq!(other.parse::<Format>(), Err(UnknownFormat));
            assert_eq!(other.parse::<Level>(), Err(UnknownLevel));
        }
    }

    /// All in one: the log is the process's.
    #[test]
    fn reload_changes_format_and_level() {
        let (send, written) = mpsc::channel();
        let this = thread::current().id();
        let handle = init_reloadable(Format::Text, Level::default(), move || {
            ChannelWriter(send.clone(), this)
        });
        let lines = || -> Vec<String> { written.try_iter().collect() };
        let log = || {
            tracing::debug!(count = 1, "one");
            tracing::warn!(count = 2, "two \"");
        };
        log();
        let [text] = &lines()[..] else { panic!("not one line") };
        assert!(text.ends_with(" WARN two \" count=2\n"), "{text}");

        handle.reload(Format::Json, "debug".parse().unwrap());
        log();
        let [one, two] = &lines()[..] else { panic!("not two lines") };
        assert!(one.starts_with("{\"timestamp\":\""), "{one}");
        assert!(one.ends_with(",\"level\":\"DEBUG\",\"message\":\"one\",\"count\":1}\n"), "{one}");
        assert!(two.ends_with("\"message\":\"two \\\"\",\"count\":2}\n"), "{two}");

        handle.reload(Format::Text, "error".parse().unwrap());
        log();
        assert!(lines().is_empty());
    }

    /// What one thread logs; other tests log as well.
    struct ChannelWriter(mpsc::Sender<String>, ThreadId);

    impl Write for ChannelWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if thread::current().id() == self.1 {
                self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
