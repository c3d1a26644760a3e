//! The settings of the table `[platform]`.

/// The requirements for the machine in production.
#[derive(Clone, Debug)]
pub struct PlatformSettings {
    /// Names of the accepted clocksources, as in sysfs.
    pub(crate) clocksources: Vec<String>,
}

impl Default for PlatformSettings {
    /// Returns the hypervisor's clock. Arm processors have none, so they use the counter of the
    /// architecture.
    fn default() -> Self {
        let clocksource = match cfg!(target_arch = "aarch64") {
            true => "arch_sys_counter",
            false => "kvm-clock",
        };
        Self { clocksources: vec![clocksource.to_owned()] }
    }
}
