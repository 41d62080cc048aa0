//! What the suites stand on: a fake AWS, private homes, bounded child processes, a raw HTTP client.
//!
//! Everything is on loopback, everything has an end.
#![expect(dead_code, reason = "the suites grow into it; delete this line when everything is used")]

pub mod aws;
pub mod home;
pub mod leaks;
pub mod papers;
pub mod raw;
pub mod run;
pub mod running;
pub mod serving;
pub mod tools;

pub use aws::FakeAws;
pub use home::TempHome;
pub use run::{Finished, Run, keyfob};
pub use running::Running;
pub use serving::Serving;
