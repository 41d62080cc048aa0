
//! keyfob.
