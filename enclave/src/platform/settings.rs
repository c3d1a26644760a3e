//! What the machine may be like: the table `[platform]`.

/// What is accepted of the machine, in production.
#[derive(Clone, Debug)]
pub struct PlatformSettings {
    /// Names of clocksources, as in sysfs.
    pub(crate) clocksources: Vec<String>,
}

impl Default for PlatformSettings {
    /// The one that AWS documents for enclaves.
    fn default() -> Self {
        Self { clocksources: vec!["kvm-clock".to_owned()] }
    }
}
