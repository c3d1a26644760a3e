//! What the machine may be like: the table `[platform]`.

/// What is accepted of the machine, in production.
#[derive(Clone, Debug)]
pub struct PlatformSettings {
    /// Names of clocksources, as in sysfs.
    pub(crate) clocksources: Vec<String>,
}

impl Default for PlatformSettings {
    /// The hypervisor's clock; on Arm processors, which have none, the architecture's own counter.
    fn default() -> Self {
        let clocksource = match cfg!(target_arch = "aarch64") {
            true => "arch_sys_counter",
            false => "kvm-clock",
        };
        Self { clocksources: vec![clocksource.to_owned()] }
    }
}
