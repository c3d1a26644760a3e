//! Relays client TCP to the enclave. It is untrusted: it sees bytes, and can drop or delay them.
