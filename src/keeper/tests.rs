//! The keeper on a paused clock.
