//! Logging of both binaries, as text or JSON.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, registry, reload};

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Text, such as `2026-01-31T12:00:00.000000Z  INFO draining connections=3`.
    #[default]
    Text,
    /// A JSON object in printable ASCII with `timestamp`, `level`, `message` and one member per field.
    Json,
}

/// The minimum level of logged events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level(LevelFilter);

/// The error for a text that is not a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("write text or json")]
pub struct UnknownFormat;

/// The error for a text that is not a level.
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

/// A handle that changes the format and the level of the log. Logging may have to start before the process has
/// read the configuration that sets them.
pub struct LogHandle(Box<dyn Fn(Format, Level) + Send + Sync>);

impl LogHandle {
    /// Changes the format and the minimum level.
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

/// Starts logging for the whole process. `writer` creates a writer for each line.
///
/// A line that cannot be written is lost. Reporting it in the log would panic or block.
pub fn init<W: Write + 'static>(
    format: Format,
    level: Level,
    writer: impl Fn() -> W + Send + Sync + 'static,
) {
    init_reloadable(format, level, writer);
}

/// Starts logging like [`init`]. Returns a handle that changes format and level.
pub fn init_reloadable<W: Write + 'static>(
    format: Format,
    level: Level,
    writer: impl Fn() -> W + Send + Sync + 'static,
) -> LogHandle {
    let writer = Arc::new(writer);
    let (log, handle) = reload::Layer::new(log_layer(format, level, &writer));
    registry().with(log).init();
    LogHandle(Box::new(move |format, level| {
        // Reloading fails only after the subscriber was dropped.
        let _ = handle.reload(log_layer(format, level, &writer));
    }))
}

fn log_layer<W: Write + 'static>(
    format: Format,
    Level(level): Level,
    writer: &Arc<impl Fn() -> W + Send + Sync + 'static>,
) -> Box<dyn Layer<Registry> + Send + Sync> {
    let writer = Arc::clone(writer);
    let lines = tracing_subscriber::fmt::layer().with_target(false).log_internal_errors(false);
    match format {
        Format::Text => Box::new(level.and_then(lines.with_writer(move || writer()))),
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            Box::new(level.and_then(lines.with_writer(move || AsciiJsonWriter(writer()))))
        }
    }
}

/// A writer that escapes DEL and all non-ASCII characters of a JSON line. Clients can send control characters
/// and bidirectional overrides that terminals interpret. The JSON formatter escapes only the control
/// characters below the space.
struct AsciiJsonWriter<W>(W);

impl<W: Write> Write for AsciiJsonWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let Self(writer) = self;
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\n');
        if line.iter().all(is_plain) {
            return writer.write(line);
        }
        let mut escaped = String::with_capacity(2 * line.len());
        let mut units = [0; 2];
        // Outside of strings, JSON has only plain characters.
        for character in String::from_utf8_lossy(line).chars() {
            if matches!(character, ' '..='~' | '\n') {
                escaped.push(character);
                continue;
            }
            for unit in character.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
        writer.write_all(escaped.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
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

    /// A single test makes all changes, because the log is global to the process.
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

        tracing::warn!(name = "\u{9b}\u{202e}\u{7f}\u{1f512}", "three");
        let [three] = &lines()[..] else { panic!("not one line") };
        let escaped = "\"name\":\"\\u009b\\u202e\\u007f\\ud83d\\udd12\"}\n";
        assert!(three.ends_with(escaped), "{three}");

        handle.reload(Format::Text, "error".parse().unwrap());
        log();
        assert!(lines().is_empty());
    }

    /// A writer that sends the lines of one thread to a channel. Other tests log as well.
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
