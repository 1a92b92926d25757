//! The `bowerbird` binary.
fn main() {}
