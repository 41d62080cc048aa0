//! What the AWS files say: read as botocore reads them, merged as it merges them, and turned into a plan.

pub mod files;
pub mod ini;
pub mod merge;
pub mod plan;
