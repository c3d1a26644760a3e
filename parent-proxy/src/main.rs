//! The relay on the parent instance.
fn main() {}
