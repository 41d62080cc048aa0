//! Verifies Signature Version 4 as AWS does: from the received request, with the secret behind the key id.

use std::collections::BTreeSet;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Caller;
use super::xml::Refusal;
use crate::support::aws::mint::{Issued, Mint, hex, hmac_sha256, sha256_hex};
use crate::support::aws::wire::Asked;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const COMPACT: &str = "%Y%m%dT%H%M%SZ";
const SKEW: SignedDuration = SignedDuration::from_mins(15);

/// What the `Authorization` header claims.
struct Claim<'a> {
    key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

pub fn verify(mint: &Mint, regions: &BTreeSet<String>, asked: &Asked) -> Result<Caller, Refusal> {
    let header = asked.header("authorization").ok_or_else(|| {
        let text = "Request is missing Authentication Token";
        Refusal::new(403, "MissingAuthenticationToken", text)
    })?;
    let claim = Claim::parse(header)?;
    check_scope(&claim, regions)?;
    let stamp = check_date(&claim, asked, mint.now())?;
    let keys = mint.issued(claim.key_id).ok_or_else(Refusal::unknown_keys)?;
    check_token(keys, asked, mint.now())?;
    let right = sign(&claim, &keys.secret, stamp, asked);
    if right != claim.signature {
        return Err(Refusal::signature(MISMATCH));
    }
    Ok(Caller { keys: keys.clone(), region: claim.region.to_owned() })
}

impl Claim<'_> {
    fn parse(header: &str) -> Result<Claim<'_>, Refusal> {
        let incomplete = |text: &str| Refusal::new(400, "IncompleteSignature", text);
        let fields = header
            .strip_prefix(ALGORITHM)
            .ok_or_else(|| incomplete("Unsupported AWS 'algorithm': only AWS4-HMAC-SHA256 is known"))?;
        let field = |name: &str| {
            let mut pairs = fields.split(',').map(str::trim);
            pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
        };
        let (Some(credential), Some(signed), Some(signature)) =
            (field("Credential"), field("SignedHeaders"), field("Signature"))
        else {
            let text =
                "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' parameters.";
            return Err(incomplete(text));
        };
        let scope: Vec<&str> = credential.split('/').collect();
        let [key_id, date, region, service, "aws4_request"] = scope[..] else {
            let text = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term";
            return Err(incomplete(text));
        };
        let signed: Vec<&str> = signed.split(';').collect();
        if !signed.contains(&"host") {
            let text = "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.";
            return Err(Refusal::signature(text));
        }
        Ok(Claim { key_id, date, region, service, signed, signature })
    }
}

fn check_scope(claim: &Claim<'_>, regions: &BTreeSet<String>) -> Result<(), Refusal> {
    if !regions.contains(claim.region) {
        let text = "Credential should be scoped to a valid region. ";
        return Err(Refusal::signature(text));
    }
    if claim.service != "sts" {
        let text = "Credential should be scoped to correct service: 'sts'. ";
        return Err(Refusal::signature(text));
    }
    Ok(())
}

fn check_date<'a>(claim: &Claim<'_>, asked: &'a Asked, now: Timestamp) -> Result<&'a str, Refusal> {
    let stamp = asked.header("x-amz-date").unwrap_or_default();
    let parsed =
        DateTime::strptime(COMPACT, stamp).and_then(|date| date.to_zoned(TimeZone::UTC)).map_err(|_| {
            let text = "Date must be in ISO-8601 'basic format'. Got 'X-Amz-Date'.";
            Refusal::new(400, "IncompleteSignature", text)
        })?;
    let date = parsed.timestamp();
    let compact = |at: Timestamp| at.strftime(COMPACT).to_string();
    if date < now - SKEW {
        return Err(Refusal::signature(format!(
            "Signature expired: {stamp} is now earlier than {} ({} - 15 min.)",
            compact(now - SKEW),
            compact(now)
        )));
    }
    if date > now + SKEW {
        return Err(Refusal::signature(format!(
            "Signature not yet current: {stamp} is still later than {} ({} + 15 min.)",
            compact(now + SKEW),
            compact(now)
        )));
    }
    if !stamp.starts_with(claim.date) || claim.date.len() != 8 {
        return Err(Refusal::signature(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{}', from '{stamp}'.",
            claim.date,
            &stamp[..8]
        )));
    }
    Ok(stamp)
}

/// The token must be the one that belongs to the key, and absent for keys that have none; an empty one is a wrong one.
fn check_token(keys: &Issued, asked: &Asked, now: Timestamp) -> Result<(), Refusal> {
    let given: Vec<&str> = asked.headers_named("x-amz-security-token").collect();
    let wanted: Vec<&str> = keys.session_token.as_deref().into_iter().collect();
    if given != wanted {
        return Err(Refusal::unknown_keys());
    }
    if keys.expires.is_some_and(|expires| expires <= now) {
        let text = "The security token included in the request is expired";
        return Err(Refusal::new(403, "ExpiredToken", text));
    }
    Ok(())
}

fn sign(claim: &Claim<'_>, secret: &str, stamp: &str, asked: &Asked) -> String {
    let scope = [claim.date, claim.region, claim.service, "aws4_request"];
    let canonical = canonical_request(&claim.signed, asked);
    let text = [ALGORITHM, stamp, &scope.join("/"), &sha256_hex(canonical.as_bytes())].join("\n");
    let first = format!("AWS4{secret}").into_bytes();
    let key = scope.iter().fold(first, |key, part| hmac_sha256(&key, part.as_bytes()).to_vec());
    hex(&hmac_sha256(&key, text.as_bytes()))
}

fn canonical_request(signed: &[&str], asked: &Asked) -> String {
    let headers = signed.iter().map(|name| {
        let values: Vec<String> = asked.headers_named(name).map(squeeze).collect();
        format!("{name}:{}\n", values.join(","))
    });
    let mut query: Vec<String> = asked
        .query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.contains('=') {
            true => pair.to_owned(),
            false => format!("{pair}="),
        })
        .collect();
    query.sort();
    [
        asked.method.clone(),
        asked.path.clone(),
        query.join("&"),
        headers.collect(),
        signed.join(";"),
        sha256_hex(&asked.body),
    ]
    .join("\n")
}

/// Trimmed, and with single spaces.
fn squeeze(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
