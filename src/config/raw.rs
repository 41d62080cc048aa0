//! The shape of the configuration file.
