//! Turns text and environment into a configuration, or into every problem at once.
