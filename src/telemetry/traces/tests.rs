//! Traces as an observer makes them of walks and requests, and as a collector gets them.
