//! Checks of the sockets that an enclave opens. The enclave's kernel traces the system calls.

use crate::guests::Guests;

pub(super) fn all_are_vsock(guests: &Guests) {
    let consoles = guests.consoles_of_traced();
    let [from_parent, in_image] = &consoles[..] else {
        panic!("expected two traced consoles: {consoles:?}")
    };
    for console in [from_parent, in_image] {
        let families = |call: &str| -> Vec<&str> {
            let start = format!("{call}(family: ");
            let calls = console.lines().filter_map(|line| line.split_once(&start));
            calls.map(|(_, rest)| rest.split(',').next().unwrap()).collect()
        };
        // AF_VSOCK is 40 (0x28) and AF_UNIX is 1. The runtime wakes itself through a pair of
        // AF_UNIX sockets, which other machines cannot reach.
        let sockets = families("sys_socket");
        assert!(sockets.len() >= 3 && sockets.iter().all(|family| *family == "28"), "{console}");
        let pairs = families("sys_socketpair");
        assert!(!pairs.is_empty() && pairs.iter().all(|family| *family == "1"), "{console}");
        // The service listener and the admin listener.
        let bound = ["sys_bind(", "sys_listen("].map(|call| count(console, call));
        assert_eq!(bound, [2, 2], "{console}");
    }
    // The enclave connects for the heartbeat and for the configuration, or only for the heartbeat.
    assert_eq!(count(from_parent, "sys_connect("), 2, "{from_parent}");
    assert_eq!(count(in_image, "sys_connect("), 1, "{in_image}");
    // SIOCSIFFLAGS enables the interface lo.
    assert_eq!(count(in_image, "cmd: 8914,"), 1, "{in_image}");
}

fn count(console: &str, call: &str) -> usize {
    console.lines().filter(|line| line.contains(call)).count()
}
