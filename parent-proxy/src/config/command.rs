//! The command that the process was started with.

use transport::parse_command_line;

use super::error::ConfigError;
use super::settings::Settings;
use super::values::Config;

/// The action that the command line requests.
#[derive(Clone, Debug)]
pub enum Command {
    /// Run the relay.
    Relay(Box<Config>),
    /// Print the configuration in effect, as TOML.
    PrintConfig(String),
}

impl Command {
    /// Reads the command line, the environment and the configuration file. `--version` prints `commit`.
    ///
    /// # Errors
    /// The errors of `Config::from_arguments` for the environment and the file. Also an error if the
    /// configuration cannot be printed.
    pub fn from_process(commit: Option<&str>) -> Result<Self, ConfigError> {
        // Ends the process if the command line is invalid, and for --help and --version.
        Self::from_settings(parse_command_line::<Settings>(commit))
    }

    /// Resolves the settings of the command line and the environment to a command.
    pub(super) fn from_settings(settings: Settings) -> Result<Self, ConfigError> {
        let print = settings.print_config;
        let config = Config::from_settings(settings)?;
        if !print {
            return Ok(Self::Relay(Box::new(config)));
        }
        Ok(Self::PrintConfig(toml::to_string(&config.to_settings())?))
    }
}
