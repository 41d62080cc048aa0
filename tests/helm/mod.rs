//! The charts, as helm reads them: linted, rendered, refused; and what they render held against the agent itself.

mod alive;
pub mod charts;
mod copies;
mod documentation;
mod goldens;
mod pods;
mod readme;
mod refusals;
