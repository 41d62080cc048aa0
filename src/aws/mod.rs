//! AWS's own clients, built once, and their errors, mapped once.

/// STS through the official client.
#[derive(Clone, Debug)]
pub struct Sts {}
