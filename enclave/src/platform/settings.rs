//! The settings of the table `[platform]`.

/// The requirements for the machine in production.
#[derive(Clone, Debug)]
pub struct PlatformSettings {
    /// Names of the accepted clocksources, as in sysfs.
    pub(crate) clocksources: Vec<String>,
}

impl Default for PlatformSettings {
    /// Returns settings that accept only the hypervisor's clock. On Arm there is no such clock, so the
    /// settings accept only the counter of the architecture.
    fn default() -> Self {
        let clocksource = match cfg!(target_arch = "aarch64") {
            true => "arch_sys_counter",
            false => "kvm-clock",
        };
        Self { clocksources: vec![clocksource.to_owned()] }
    }
}
