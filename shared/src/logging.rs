//! What both binaries log as: lines of text for people, or of JSON for programs.

use std::fmt;
use std::io::Write;
use std::str::FromStr;

use thiserror::Error;
use tracing::level_filters::LevelFilter;

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

/// Logs to what `writer` makes, from now on and for the whole process. A line that cannot be written is
/// lost: reporting that in the log would panic, or wait.
pub fn init<W: Write + 'static>(
    format: Format,
    level: Level,
    writer: impl Fn() -> W + Send + Sync + 'static,
) {
    let log = tracing_subscriber::fmt()
        .with_max_level(level.0)
        .with_writer(writer)
        .with_target(false)
        .log_internal_errors(false);
    match format {
        Format::Text => log.init(),
        Format::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_parsed_to_the_same() {
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
}
