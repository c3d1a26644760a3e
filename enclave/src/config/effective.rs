//! Prints the effective configuration as TOML: the values of the file, the flags and environment variables that
//! override the file, and the defaults of absent keys.
//!
//! A first parse locates the secrets in the text, without copying them. The secrets are then cut from the text. A
//! second parse creates the printed values.

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use attestation::{CacheSizes, MaxAge};
use toml::value::Array;
use toml::{Table, Value};

use super::auth::AuthMode;
use super::bundle::{self, BundleError};
use super::entropy::RESEED_GENERATE_CALLS;
use super::key_store::DEFAULT_HSM_DEADLINE;
use super::profile::Profile;
use super::secret_fields::{BundleFields, SECRET_KEYS, without_secrets};
use super::{Config, ConfigError, ServerSettings};
use crate::audit::UnauthenticatedLimits;
use crate::http::Listeners;
use crate::nsm::NsmSettings;
use crate::platform::PlatformSettings;

/// The printed value of every secret.
const REDACTED: &str = "(redacted)";

impl Config {
    /// Prints the effective configuration to standard output.
    ///
    /// # Errors
    /// The errors of [`settings`](Self::settings) and of `effective`, and write errors. In the simulator, also the
    /// errors of `simulated_nsm`.
    pub fn print(self, server: &ServerSettings, profile: Profile) -> Result<(), Box<dyn Error>> {
        let text = self.effective(server, profile)?.to_string();
        #[cfg(feature = "simulator")]
        self.simulated_nsm()?;
        self.settings(profile)?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()?;
        Ok(())
    }

    /// Returns the effective configuration.
    ///
    /// # Errors
    /// If the TOML cannot be parsed.
    pub(super) fn effective(
        &self,
        server: &ServerSettings,
        profile: Profile,
    ) -> Result<Table, ConfigError> {
        let mut table = self.configured_table()?;
        table.insert("server".to_owned(), Value::Table(server_table(server)));
        for (name, key, value) in self.defaults(profile) {
            let entry = table.entry(name).or_insert_with(|| Value::Table(Table::new()));
            // Loading the file has checked that this value is a table.
            if let Value::Table(table) = entry {
                table.entry(key).or_insert(value);
            }
        }
        if let Some(Value::Array(stores)) = table.get_mut("key_store") {
            stores.iter_mut().filter_map(Value::as_table_mut).for_each(complete_key_store);
        }
        #[cfg(feature = "simulator")]
        if profile == Profile::Development {
            complete_simulator(&mut table);
        }
        Ok(table)
    }

    /// Returns the tables of the file, with every secret replaced by [`REDACTED`].
    fn configured_table(&self) -> Result<Table, ConfigError> {
        let Some(bundle) = &self.bundle else { return Ok(Table::new()) };
        let parsed = bundle::parse(bundle.path(), bundle.toml())?;
        let public = without_secrets(bundle.toml(), &BundleFields::find(&parsed).secrets);
        let mut table: Table = toml::from_str(&public)
            .map_err(|error| BundleError::parse(bundle.path(), &public, &error))?;
        redact(&mut table);
        Ok(table)
    }

    /// Returns the defaults, each as table, key and value. Omits keys without a default value.
    fn defaults(&self, profile: Profile) -> Vec<(&'static str, &'static str, Value)> {
        let entropy = NsmSettings::default();
        let CacheSizes { chains, leaves, documents } = self.file.verification.cache_sizes();
        let nothing = || Value::Array(Array::new());
        let mode = match self.file.auth.mode(profile) {
            AuthMode::None => "none",
            AuthMode::Sigv4 => "sigv4",
        };
        let max_age = match MaxAge::default() {
            MaxAge::Seconds(seconds) => number(seconds),
            MaxAge::Chain => "chain".into(),
        };
        let plaintext = profile.default_plaintext(self.file.tls.is_provided());
        let UnauthenticatedLimits { per_second, queue_percent } = self.file.audit.limits();
        let mut defaults = vec![
            ("audit", "unauthenticated_per_second", number(per_second)),
            ("audit", "unauthenticated_queue_percent", number(queue_percent)),
            ("auth", "mode", mode.into()),
            ("entropy", "reseed", "per-request".into()),
            ("entropy", "prefetch", number(entropy.prefetch)),
            ("entropy", "max_age_ms", milliseconds(entropy.max_age)),
            ("entropy", "deadline_ms", milliseconds(entropy.deadline)),
            ("entropy", "watchdog_ms", milliseconds(entropy.watchdog)),
            ("platform", "clocksources", PlatformSettings::default().clocksources.into()),
            ("receipts", "mode", self.file.receipts.mode.as_str().into()),
            ("recipient", "require", false.into()),
            ("recipient", "max_age", max_age),
            ("recipient", "allow_debug", false.into()),
            ("recipient", "measurements", nothing()),
            ("recipient", "plaintext", plaintext.as_str().into()),
            ("throttle", "requests_per_second_per_principal", number(0_u32)),
            ("throttle", "requests_per_second_total", number(0_u32)),
            ("trust", "anchors", nothing()),
            ("verification", "threads", number(self.file.verification.threads().get())),
            ("verification", "cached_chains", number(chains)),
            ("verification", "cached_leaves", number(leaves)),
            ("verification", "cached_documents", number(documents)),
        ];
        if let Some(mode) = profile.default_tls_mode() {
            defaults.push(("tls", "mode", mode.as_str().into()));
        }
        if self.file.entropy.reseeds_at_intervals() {
            defaults.push(("entropy", "reseed_generate_calls", number(RESEED_GENERATE_CALLS)));
            defaults.push(("entropy", "reseed_interval_ms", milliseconds(entropy.max_age)));
        }
        defaults
    }
}

fn server_table(server: &ServerSettings) -> Table {
    let ServerSettings { listeners, proxy_protocol, log_endpoint, log_format, log_level } = server;
    let Listeners { clients: listen, admin: admin_listen } = listeners;
    let text = |value: &dyn ToString| Value::String(value.to_string());
    let mut table = Table::new();
    let mut insert = |key: &str, value| table.insert(key.to_owned(), value);
    insert("listen", text(listen));
    insert("proxy_protocol", Value::Boolean(*proxy_protocol));
    insert("log_format", text(log_format));
    insert("log_level", text(log_level));
    for (key, endpoint) in [("admin_listen", admin_listen), ("log_endpoint", log_endpoint)] {
        if let Some(endpoint) = endpoint {
            insert(key, text(endpoint));
        }
    }
    table
}

fn complete_key_store(store: &mut Table) {
    if store.get("type").and_then(Value::as_str) == Some("AWS_CLOUDHSM") {
        store.entry("deadline_ms").or_insert(milliseconds(DEFAULT_HSM_DEADLINE));
        store.entry("connect").or_insert(true.into());
    }
}

#[cfg(feature = "simulator")]
fn complete_simulator(table: &mut Table) {
    let empty = || Value::Table(Table::new());
    if let Value::Table(simulator) = table.entry("simulator").or_insert_with(empty)
        && let Value::Table(nsm) = simulator.entry("nsm").or_insert_with(empty)
    {
        nsm.entry("latency_ms").or_insert(number(0_u32));
    }
}

/// Writes [`REDACTED`] as the value of each key of a secret. The secrets were cut from the text, so each value is an
/// empty string before.
fn redact(table: &mut Table) {
    for (key, value) in table {
        match value {
            Value::String(text) if SECRET_KEYS.contains(&key.as_str()) => REDACTED.clone_into(text),
            Value::Table(table) => redact(table),
            Value::Array(values) => values.iter_mut().for_each(redact_value),
            _ => {}
        }
    }
}

fn redact_value(value: &mut Value) {
    match value {
        Value::Table(table) => redact(table),
        Value::Array(values) => values.iter_mut().for_each(redact_value),
        _ => {}
    }
}

fn number<N: TryInto<i64>>(number: N) -> Value {
    Value::Integer(number.try_into().unwrap_or(i64::MAX))
}

fn milliseconds(duration: Duration) -> Value {
    number(duration.as_millis())
}
