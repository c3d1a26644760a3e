//! The command line of this process.

use transport::parse_command_line;

use super::error::ConfigError;
use super::settings::Settings;
use super::values::Config;

/// What a command line asks for.
#[derive(Clone, Debug)]
pub enum Command {
    /// To relay.
    Relay(Box<Config>),
    /// To be shown what is in effect: a TOML.
    PrintConfig(String),
}

impl Command {
    /// That of this process: its command line, its environment, its file. `commit` is the commit that
    /// `--version` names.
    ///
    /// # Errors
    /// If one of them says what is not known, or all of them too little.
    pub fn from_process(commit: Option<&str>) -> Result<Self, ConfigError> {
        // It ends the process where it is at fault, or asks for help.
        Self::from_settings(parse_command_line::<Settings>(commit))
    }

    pub(super) fn from_settings(settings: Settings) -> Result<Self, ConfigError> {
        let print = settings.print_config;
        let config = Config::from_settings(settings)?;
        if !print {
            return Ok(Self::Relay(Box::new(config)));
        }
        Ok(Self::PrintConfig(toml::to_string(&config.to_settings())?))
    }
}
