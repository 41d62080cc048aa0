//! Reads who issued a certificate: the one thing to know when it is not trusted, and what rustls does not say.

/// `2.5.4.3` and `2.5.4.10`.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// The issuer's common name, else its organization, of a certificate in DER.
pub(super) fn of(certificate: &[u8]) -> Option<String> {
    let (_, certificate, _) = element(certificate)?;
    let (_, signed, _) = element(certificate)?;
    let (tag, _, after) = element(signed)?;
    // The version may be left out; the serial number and the algorithm may not.
    let serial_on = if tag == VERSION { after } else { signed };
    let (_, _, algorithm_on) = element(serial_on)?;
    let (_, _, issuer_on) = element(algorithm_on)?;
    let (tag, issuer, _) = element(issuer_on)?;
    (tag == SEQUENCE).then_some(())?;
    attribute(issuer, COMMON_NAME).or_else(|| attribute(issuer, ORGANIZATION))
}

fn attribute(mut name: &[u8], wanted: &[u8]) -> Option<String> {
    while let Some((_, set, rest)) = element(name) {
        let (_, pair, _) = element(set)?;
        let (_, oid, value) = element(pair)?;
        if oid == wanted {
            let (_, text, _) = element(value)?;
            let text = String::from_utf8_lossy(text);
            return Some(text.chars().filter(|c| !c.is_control()).take(100).collect());
        }
        name = rest;
    }
    None
}

/// Tag, content and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, der) = der.split_first()?;
    let (&first, der) = der.split_first()?;
    let (length, der) = if first < 0x80 {
        (usize::from(first), der)
    } else {
        let (length, der) = der.split_at_checked(usize::from(first & 0x7f))?;
        // Four bytes are more than any certificate needs.
        (length.len() <= 4).then_some(())?;
        (length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), der)
    };
    let (content, rest) = der.split_at_checked(length)?;
    Some((tag, content, rest))
}
