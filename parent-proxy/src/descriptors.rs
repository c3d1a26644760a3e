//! The limit of open file descriptors.

use std::fs;
use std::num::NonZeroUsize;

/// Number of descriptors that are not connections: standard streams, listeners, and descriptors of the
/// runtime.
const OWN_DESCRIPTORS: usize = 32;

/// Warns if the process may open fewer file descriptors than `max_connections` needs: two for each
/// connection. The relay still works, with fewer connections.
pub fn warn_of_few_descriptors(max_connections: NonZeroUsize) {
    let needed = max_connections.get().saturating_mul(2).saturating_add(OWN_DESCRIPTORS);
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(limit) = soft_limit(&limits).filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "too few file descriptors for --max-connections: raise `ulimit -n` or LimitNOFILE="
        );
    }
}

/// Parses the soft limit of open files from the text of proc_pid_limits(5). Returns `None` if it is
/// unlimited.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_soft_limit_and_ignores_unlimited() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max processes             100                  200                  processes\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit(&limits.replace("1024", "unlimited")), None);
        assert_eq!(soft_limit(""), None);
    }
}
