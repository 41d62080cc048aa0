//! The fake AWS is itself held to what AWS does.

mod boto3;
mod helpers;
mod metadata;
mod rust_sdk;
mod sign_in;
mod signing;
mod sts;
