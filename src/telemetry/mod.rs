//! Turns events into metrics and log lines: the only place that knows either.
