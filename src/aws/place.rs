//! Which of AWS's endpoints is asked, and for which region a call is signed: as botocore works it out from region and
//! settings.

use super::Manner;

/// Whose STS is asked, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// None is botocore's fallback: the global endpoint.
    pub region: Option<String>,
    /// In place of AWS's own endpoint.
    pub endpoint: Option<String>,
    /// Which of AWS's own.
    pub variant: Variant,
    /// How.
    pub manner: Manner,
}

/// Which of the endpoints that AWS has in a region. One that is configured goes before all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variant {
    /// The one with validated cryptography.
    pub fips: bool,
    /// The one that is also there over IPv6.
    pub dual_stack: bool,
    /// `sts_regional_endpoints = legacy`: the global one, for the regions that are older than the regional ones.
    pub legacy: bool,
}

/// What a client is built with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The region that is signed for.
    pub(super) region: String,
    /// In place of what the client works out.
    pub(super) endpoint: Option<String>,
    pub(super) fips: bool,
    pub(super) dual_stack: bool,
}

/// Without a region botocore asks the global endpoint and signs for its home region.
const GLOBAL_ENDPOINT: &str = "https://sts.amazonaws.com";
pub(super) const GLOBAL_REGION: &str = "us-east-1";

/// botocore's name for no region.
const NOWHERE: &str = "aws-global";

/// `LEGACY_GLOBAL_STS_REGIONS`.
const LEGACY: [&str; 16] = [
    "ap-northeast-1",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "aws-global",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

impl Place {
    pub(super) fn target(&self) -> Target {
        // `_normalize_fips_region`: once regions were called fips-us-gov-west-1 and the like.
        let plain = self.region.as_ref().map(|region| region.replace("fips-", "").replace("-fips", ""));
        let Variant { fips, dual_stack, .. } = self.variant;
        let fips = fips || plain != self.region;
        let target = |region: Option<String>, endpoint: Option<&str>| Target {
            region: region.unwrap_or_else(|| GLOBAL_REGION.to_owned()),
            endpoint: endpoint.map(str::to_owned),
            fips: false,
            dual_stack: false,
        };
        if let Some(endpoint) = &self.endpoint {
            target(plain, Some(endpoint))
        } else if (fips || dual_stack) && plain.as_ref().is_none_or(|region| region == NOWHERE) {
            // The pseudo-region is part of the host, and the signature is for its home region.
            let (service, domain) =
                (if fips { "sts-fips" } else { "sts" }, if dual_stack { "api.aws" } else { "amazonaws.com" });
            target(None, Some(&format!("https://{service}.{NOWHERE}.{domain}")))
        } else if fips || dual_stack {
            Target { fips, dual_stack, ..target(plain, None) }
        } else if self.global() {
            target(None, Some(GLOBAL_ENDPOINT))
        } else {
            target(plain, None)
        }
    }

    /// Whether the global endpoint would be asked, variants aside.
    #[must_use]
    pub fn global(&self) -> bool {
        let legacy = |region: &String| self.variant.legacy && LEGACY.contains(&region.as_str());
        self.endpoint.is_none() && self.region.as_ref().is_none_or(legacy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(region: Option<&str>, endpoint: Option<&str>, variant: Variant) -> String {
        let place = Place {
            region: region.map(str::to_owned),
            endpoint: endpoint.map(str::to_owned),
            variant,
            ..Place::default()
        };
        let Target { region, endpoint, fips, dual_stack } = place.target();
        let endpoint = endpoint.as_deref().unwrap_or("-");
        format!(
            "{region} {endpoint}{}{}",
            if fips { " fips" } else { "" },
            if dual_stack { " dual" } else { "" }
        )
    }

    /// Which address comes of it is compared with botocore in tests/parity/situations/endpoints.toml.
    #[test]
    fn region_endpoint_and_variant_give_the_target() {
        let none = Variant::default();
        let fips = Variant { fips: true, ..none };
        let dual = Variant { dual_stack: true, ..none };
        let legacy = Variant { legacy: true, ..none };
        let (global, own) = ("us-east-1 https://sts.amazonaws.com", Some("https://own"));
        let cases = [
            (None, None, none, global),
            (Some("eu-west-1"), None, none, "eu-west-1 -"),
            (Some("eu-west-1"), own, none, "eu-west-1 https://own"),
            (None, own, none, "us-east-1 https://own"),
            (Some("eu-west-1"), None, legacy, global),
            (Some("eu-south-1"), None, legacy, "eu-south-1 -"),
            (Some("eu-west-1"), own, legacy, "eu-west-1 https://own"),
            (Some("us-east-1"), None, fips, "us-east-1 - fips"),
            (Some("us-east-1"), None, Variant { legacy: true, ..fips }, "us-east-1 - fips"),
            (None, None, fips, "us-east-1 https://sts-fips.aws-global.amazonaws.com"),
            (Some("aws-global"), None, dual, "us-east-1 https://sts.aws-global.api.aws"),
            (Some("us-east-1"), own, fips, "us-east-1 https://own"),
            (Some("eu-west-1"), None, dual, "eu-west-1 - dual"),
            (Some("eu-west-1"), None, Variant { fips: true, ..dual }, "eu-west-1 - fips dual"),
            (Some("fips-us-gov-west-1"), None, none, "us-gov-west-1 - fips"),
            (Some("us-east-1-fips"), own, none, "us-east-1 https://own"),
        ];
        for (region, endpoint, variant, wanted) in cases {
            assert_eq!(told(region, endpoint, variant), wanted, "{region:?} {endpoint:?} {variant:?}");
        }
    }
}
