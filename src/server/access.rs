//! Who asks: the form of a request, its `Host`, what stands in between, and the token, before anything is looked up.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;

use super::host;
use super::refusal::Refusal;
use super::token::Doors;
use crate::http::USER_AGENT_MARK;

/// The reading end of the tokens. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Access(Arc<ArcSwap<Doors>>);

impl Access {
    /// The tokens as they are now.
    #[must_use]
    pub(super) fn doors(&self) -> Guard<Arc<Doors>> {
        self.0.load()
    }

    /// Replaces them. Only the token files' keeper does.
    pub(super) fn store(&self, doors: Doors) {
        self.0.store(Arc::new(doors));
    }
}

/// More header fields than any SDK sends (contract 3).
const MOST_FIELDS: usize = 64;

/// What a well-formed request brings.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    authorization: Option<&'a HeaderValue>,
    authorizations: usize,
    user_agent: Option<&'a str>,
    /// Whether one of our own sources asks.
    pub(super) ourselves: bool,
}

impl Asked<'_> {
    /// The whole value of `Authorization`.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub(super) fn token(&self) -> Result<&[u8], Refusal> {
        match (self.authorization, self.authorizations) {
            (Some(value), 1) if !value.is_empty() => Ok(value.as_bytes()),
            (Some(_), 2..) => Err(Refusal::token_wrong()),
            _ => Err(Refusal::token_missing(self.user_agent)),
        }
    }
}

/// Looks at everything but the token, in the order of contract 3. On a Unix socket (`hosts` is `None`) no name can mislead
/// anybody: `Host` says nothing there.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn admit<'a>(head: &'a Parts, hosts: Option<&[String]>) -> Result<Asked<'a>, Refusal> {
    if head.headers.len() > MOST_FIELDS {
        return Err(Refusal::too_large());
    }
    let seen = Seen::of(head);
    if head.uri.scheme().is_some() || head.uri.authority().is_some() {
        return Err(Refusal::host("the request names a server in its first line, as a proxy's would"));
    }
    if let Some(hosts) = hosts {
        seen.names_us(hosts)?;
    }
    if let Some(name) = seen.between {
        return Err(Refusal::forwarded(name));
    }
    if seen.body {
        return Err(Refusal::body());
    }
    Ok(seen.asked)
}

/// One pass over the header fields: a look-up each would hash every name anew.
struct Seen<'a> {
    host: Option<&'a HeaderValue>,
    hosts: usize,
    between: Option<&'static str>,
    body: bool,
    asked: Asked<'a>,
}

impl<'a> Seen<'a> {
    fn of(head: &'a Parts) -> Self {
        let asked = Asked { authorization: None, authorizations: 0, user_agent: None, ourselves: false };
        let mut seen = Self { host: None, hosts: 0, between: None, body: false, asked };
        for (name, value) in &head.headers {
            seen.note(name, value);
        }
        seen
    }

    fn names_us(&self, hosts: &[String]) -> Result<(), Refusal> {
        match (self.host, self.hosts) {
            (None, _) => Err(Refusal::host("the request has no Host")),
            (_, 2..) => Err(Refusal::host("the request has more than one Host")),
            (Some(value), _) if value.to_str().is_ok_and(|value| host::ours(value, hosts)) => Ok(()),
            _ => Err(Refusal::host("Host is no loopback or link-local address")),
        }
    }

    fn note(&mut self, name: &HeaderName, value: &'a HeaderValue) {
        if *name == header::HOST {
            self.host = Some(value);
            self.hosts += 1;
        } else if *name == header::AUTHORIZATION {
            self.asked.authorization = Some(value);
            self.asked.authorizations += 1;
        } else if *name == header::USER_AGENT {
            self.asked.user_agent = value.to_str().ok();
            self.asked.ourselves = value.as_bytes().starts_with(USER_AGENT_MARK.as_bytes());
        } else if *name == header::CONTENT_LENGTH {
            self.body |= value != "0";
        } else if *name == header::TRANSFER_ENCODING {
            self.body = true;
        } else if let Some(between) = between(name) {
            self.between = Some(between);
        }
    }
}

/// Fields that only a browser or a proxy sends.
fn between(name: &HeaderName) -> Option<&'static str> {
    const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    if *name == header::FORWARDED {
        Some("Forwarded")
    } else if *name == header::ORIGIN {
        Some("Origin")
    } else if *name == header::REFERER {
        Some("Referer")
    } else if *name == header::VIA {
        Some("Via")
    } else {
        (*name == X_FORWARDED_FOR).then_some("X-Forwarded-For")
    }
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    type Fields<'a> = &'a [(&'a str, &'a str)];

    fn status(uri: &str, fields: Fields<'_>) -> u16 {
        let mut request = Request::builder().uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        match admit(&head, Some(&[])) {
            Ok(_) => 200,
            Err(refusal) => refusal.status.as_u16(),
        }
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:5397");

    #[test]
    fn heads_are_judged_by_form_host_and_what_stands_between() {
        let cases: [(&str, Fields<'_>, u16); 15] = [
            ("/", &[HOST], 200),
            ("/", &[], 403),
            ("/", &[HOST, HOST], 403),
            ("/", &[("host", "example.com")], 403),
            ("http://127.0.0.1:5397/", &[HOST], 403),
            ("127.0.0.1:5397", &[HOST], 403),
            ("/", &[HOST, ("x-forwarded-for", "10.0.0.1")], 403),
            ("/", &[HOST, ("forwarded", "for=10.0.0.1")], 403),
            ("/", &[HOST, ("origin", "null")], 403),
            ("/", &[HOST, ("referer", "")], 403),
            ("/", &[HOST, ("via", "1.1 squid")], 403),
            ("/", &[HOST, ("content-length", "0")], 200),
            ("/", &[HOST, ("content-length", "1")], 413),
            ("/", &[HOST, ("transfer-encoding", "chunked")], 413),
            // The host comes first.
            ("/", &[("host", "example.com"), ("content-length", "1")], 403),
        ];
        for (uri, fields, want) in cases {
            assert_eq!(status(uri, fields), want, "{uri} {fields:?}");
        }
    }

    #[test]
    fn more_than_64_fields_are_too_many() {
        let with = |count: usize| {
            let mut fields = vec![HOST];
            fields.extend(std::iter::repeat_n(("x-many", "1"), count - 1));
            status("/", &fields)
        };
        assert_eq!((with(64), with(65)), (200, 431));
    }

    #[test]
    fn one_authorization_is_a_token_two_are_none() {
        let label = |fields: &[(&str, &str)]| {
            let mut request = Request::builder().uri("/").header("host", "localhost");
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            let asked = admit(&head, Some(&[])).unwrap();
            asked.token().map(<[u8]>::to_vec).map_err(|refusal| refusal.label)
        };
        assert_eq!(label(&[("authorization", "abc")]), Ok(b"abc".to_vec()));
        assert_eq!(label(&[]), Err("missing_token"));
        assert_eq!(label(&[("authorization", "")]), Err("missing_token"));
        assert_eq!(label(&[("authorization", "abc"), ("authorization", "abc")]), Err("bad_token"));
    }
}
