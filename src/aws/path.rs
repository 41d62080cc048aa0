//! The path of a configured endpoint, asked as it was written: AWS's client puts a slash behind it, botocore does not, and
//! what stands between us and AWS may know only the one.

use aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;

use super::Place;

/// For operations whose own path is `/`, which are those of STS.
#[derive(Debug)]
pub(super) struct AsWritten {
    /// Whether the client's slash is one too many.
    bare: bool,
}

impl AsWritten {
    pub(super) fn of(place: &Place) -> Self {
        let rest = place.endpoint.as_ref().and_then(|url| url.split_once("://")).map_or("", |(_, rest)| rest);
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        Self { bare: !path.is_empty() && !path.ends_with('/') && !path.contains(['?', '#']) }
    }
}

impl Intercept for AsWritten {
    fn name(&self) -> &'static str {
        "path"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        match request.uri().strip_suffix('/').map(str::to_owned) {
            Some(bare) if self.bare => Ok(request.set_uri(bare)?),
            _ => Ok(()),
        }
    }
}
