//! The outbound client for metadata and container endpoints: deadlines, a size cap, no redirects, no proxies.

/// Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Client {}
