//! The way to AWS through a proxy, as the environment says it and botocore reads it. Metadata and container
//! endpoints are never asked through one: a proxy would answer with its own machine's role.

use std::fmt;
use std::time::Duration;

use aws_smithy_types::base64;
use hyper::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::broken::{Broken, Step};
use super::{Stream, port, shown};
use crate::config::env::Env;
use crate::secret::Secret;

/// Which proxy for which address.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    none_for: Option<String>,
}

/// One proxy. Its password is not shown.
#[derive(Clone)]
pub(super) struct Proxy {
    /// None is an address that cannot be one: whoever set it does not want to go without.
    url: Option<Uri>,
    authorization: Option<Secret>,
}

/// A proxy's answer to CONNECT ends well before.
const HEAD: usize = 8 * 1024;

impl Proxies {
    /// Python's `getproxies`: any case, lower case wins, and empty there means none; `ALL_PROXY` is not read.
    #[must_use]
    pub fn from_env(env: &Env) -> Self {
        let value = |scheme: &str| {
            // Of a web server's script, HTTP_PROXY is a header that anybody may send.
            let loud =
                if scheme == "http" && env.get("REQUEST_METHOD").is_some() { None } else { any(env, scheme) };
            match quiet(env, scheme) {
                Some(value) => Some(value).filter(|value| !value.is_empty()),
                None => loud,
            }
        };
        let proxy = |scheme| value(scheme).map(Proxy::parse);
        Self { http: proxy("http"), https: proxy("https"), none_for: value("no").map(str::to_owned) }
    }

    pub(super) fn of(&self, url: &Uri) -> Option<&Proxy> {
        let proxy = if url.scheme_str() == Some("https") { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.spares(url))
    }

    /// Python's `proxy_bypass_environment`: names and what ends with them, with or without the port; no CIDR, and a
    /// star only where it stands alone.
    fn spares(&self, url: &Uri) -> bool {
        let Some(none_for) = &self.none_for else { return false };
        let place = url.authority().map_or("", |authority| authority.as_str()).to_lowercase();
        let host = place.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
        let host = host.map_or(place.as_str(), |(host, _)| host);
        let fits = |name: &str| {
            let name = name.trim().trim_start_matches('.').to_lowercase();
            let under = format!(".{name}");
            // Python, too, compares with what is left of a name that is all dots.
            [host, &place].iter().any(|it| **it == name || it.ends_with(&under))
        };
        none_for == "*" || none_for.split(',').filter(|name| !name.trim().is_empty()).any(fits)
    }
}

/// The last one that is set and not empty, in whatever case.
fn any<'e>(env: &'e Env, scheme: &str) -> Option<&'e str> {
    let named = env.iter().filter(|(name, _)| is_of(name, scheme));
    named.map(|(_, value)| value).filter(|value| !value.is_empty()).last()
}

/// The last one whose ending is in lower case, empty or not.
fn quiet<'e>(env: &'e Env, scheme: &str) -> Option<&'e str> {
    let named = env.iter().filter(|(name, _)| is_of(name, scheme) && name.ends_with("_proxy"));
    named.map(|(_, value)| value).last()
}

fn is_of(name: &str, scheme: &str) -> bool {
    name.to_lowercase().strip_suffix("_proxy") == Some(scheme)
}

impl Proxy {
    /// `http://user:password@host:port`; without a scheme http is meant. A login is one of both name and password.
    fn parse(text: &str) -> Self {
        let text = text.trim();
        let full = match text {
            _ if text.starts_with("http:") || text.starts_with("https:") => text.to_owned(),
            _ if text.starts_with("//") => format!("http:{text}"),
            // Nobody speaks these; botocore looks for a host of the scheme's name.
            _ if text.contains("://") => String::new(),
            _ => format!("http://{text}"),
        };
        let (scheme, rest) = full.split_once("://").unwrap_or_default();
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (login, place) = match authority.rsplit_once('@') {
            Some((login, place)) => (login.split_once(':'), place),
            None => (None, authority),
        };
        let login = login.filter(|(user, password)| !user.is_empty() && !password.is_empty());
        let authorization = login.map(|(user, password)| {
            let plain = [unquoted(user), unquoted(password)].join(&b':');
            Secret::new(format!("Basic {}", base64::encode(plain)))
        });
        let url = format!("{scheme}://{place}/").parse().ok().filter(|url| port(url).is_some());
        Self { url, authorization }
    }

    /// Address and port.
    pub(super) fn place(&self) -> Result<(&Uri, u16), Broken> {
        let place = self.url.as_ref().and_then(|url| Some((url, port(url)?)));
        place.ok_or_else(|| Broken::new(Step::Address, "its address is no URL of a proxy"))
    }

    pub(super) fn authorization(&self) -> Option<&Secret> {
        self.authorization.as_ref()
    }

    /// Asks the proxy for a tunnel; the stream then is the server's.
    pub(super) async fn tunnel(
        &self,
        stream: &mut impl Stream,
        url: &Uri,
        patience: Duration,
    ) -> Result<(), Broken> {
        match timeout(patience, self.connect(stream, url)).await {
            Ok(outcome) => outcome.map_err(|broken| broken.through(self)),
            Err(_) => {
                let silent = Broken::new(Step::AnswerTimeout, format!("no tunnel in {patience:?}"));
                Err(silent.through(self))
            }
        }
    }

    async fn connect(&self, stream: &mut impl Stream, url: &Uri) -> Result<(), Broken> {
        let cut = |error: std::io::Error| Broken::new(Step::Cut, error.to_string());
        let place = format!("{}:{}", url.host().unwrap_or_default(), port(url).unwrap_or_default());
        let login =
            self.authorization.as_ref().map(|login| format!("Proxy-Authorization: {}\r\n", login.expose()));
        let request =
            format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{}\r\n", login.unwrap_or_default());
        stream.write_all(request.as_bytes()).await.map_err(cut)?;
        let mut head = Vec::new();
        // A proxy that refuses has a page to show, which may come along. A server speaks only after us.
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.map_err(cut)? == 0 || head.len() > HEAD {
                return Err(Broken::new(Step::Cut, "it answered no HTTP"));
            }
        }
        let first = String::from_utf8_lossy(head.split(|&byte| byte == b'\r').next().unwrap_or_default())
            .into_owned();
        match first.split(' ').nth(1) {
            Some("200") => Ok(()),
            _ => Err(Broken::new(Step::Proxy, format!("it refused the tunnel: {}", plain(&first)))),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Some(url) => write!(f, "the proxy {}", shown(url)),
            None => f.write_str("the proxy that is set"),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

/// The user part of a URL with its percent signs undone.
fn unquoted(text: &str) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&byte, after)) = rest.split_first() {
        let quoted = after.split_at_checked(2).filter(|_| byte == b'%');
        let decoded = quoted.and_then(|(hex, after)| {
            let byte = u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?;
            Some((byte, after))
        });
        let (byte, after) = decoded.unwrap_or((byte, after));
        plain.push(byte);
        rest = after;
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clock::Clock;
    use crate::http::fake::{Fake, Reply, ok};
    use crate::http::{Answer, Ask, Client};
    use crate::report::Notes;

    #[derive(serde::Deserialize)]
    struct Row {
        env: BTreeMap<String, String>,
        url: String,
        /// As botocore would connect to it.
        proxy: Option<String>,
        login: Option<String>,
    }

    /// Written by `tests/parity/tables.py` from what the installed botocore does; `tests/wire` asks it again.
    #[test]
    fn the_environment_is_read_as_botocore_reads_it() {
        let rows: Vec<Row> =
            serde_json::from_str(include_str!("../../tests/parity/tables/proxies.json")).unwrap();
        assert!(rows.len() >= 40);
        for Row { env, url, proxy, login } in rows {
            let proxies = Proxies::from_env(&env.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect());
            let chosen = proxies.of(&url.parse().unwrap());
            // Which login it is is told beside it.
            let bare = |text: String| {
                let (scheme, rest) = text.split_once("://").unwrap();
                let place = rest.split(['/', '?']).next().unwrap();
                format!("{scheme}://{}", place.rsplit_once('@').map_or(place, |(_, place)| place))
            };
            let ours = chosen.map(|chosen| bare(chosen.url.as_ref().unwrap().to_string()));
            assert_eq!(ours, proxy.map(bare), "{env:?} {url}");
            let ours = chosen.and_then(Proxy::authorization).map(|login| login.expose().to_owned());
            assert_eq!(ours, login, "{env:?} {url}");
        }
    }

    async fn through(proxy: &str, url: &str) -> (Result<Answer, Broken>, Notes) {
        let env = Env::from([("HTTPS_PROXY", proxy), ("HTTP_PROXY", proxy)]);
        let client = Client::new(Clock::host()).through(Proxies::from_env(&env));
        let ask = Ask::get("sts", "AssumeRole", url.parse().unwrap(), Duration::from_secs(5));
        let mut notes = Notes::default();
        (client.send(ask, &mut notes).await, notes)
    }

    #[tokio::test]
    async fn plain_requests_are_handed_to_the_proxy_whole() {
        let fake = Fake::serving(|_| ok("hello"));
        let (answer, _) =
            through(&format!("http://me:p%40ss@{}", fake.address), "http://sts.local/path?q=1").await;
        assert_eq!(answer.unwrap().text().unwrap(), "hello");
        let heard = fake.heard().remove(0);
        assert!(heard.starts_with("GET http://sts.local/path?q=1 HTTP/1.1\r\n"), "{heard}");
        assert!(
            heard.contains("host: sts.local\r\n")
                && heard.contains("proxy-authorization: Basic bWU6cEBzcw==\r\n")
        );
    }

    #[tokio::test]
    async fn tls_asks_for_a_tunnel_and_names_the_proxy_that_refuses() {
        let fake = Fake::serving(|_| Reply::Status(407, "<html>Login</html>".to_owned()));
        let (answer, notes) =
            through(&format!("http://me:secret@{}", fake.address), "https://sts.local/").await;
        let broken = answer.unwrap_err();
        assert_eq!(broken.step, Step::Proxy);
        assert!(broken.to_string().contains("407") && broken.to_string().contains(&fake.address.to_string()));
        let heard = fake.heard().remove(0);
        assert!(heard.starts_with("CONNECT sts.local:443 HTTP/1.1\r\nHost: sts.local:443\r\n"), "{heard}");
        assert!(heard.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"));
        assert!(!format!("{broken:?}{notes:?}").contains("secret"));
    }

    #[tokio::test]
    async fn after_a_tunnel_stands_it_is_tls_that_speaks() {
        let fake = Fake::serving(|_| Reply::Raw(b"HTTP/1.0 200 Connection established\r\n\r\n".to_vec()));
        let (answer, _) = through(&format!("http://{}", fake.address), "https://sts.local/").await;
        assert_eq!(answer.unwrap_err().step, Step::Handshake);
    }

    #[tokio::test]
    async fn a_proxy_that_is_not_there_or_cannot_be_is_named() {
        let closed = crate::http::fake::closed();
        let (answer, _) = through(&format!("http://{closed}"), "https://sts.local/").await;
        let broken = answer.unwrap_err();
        assert!(broken.step == Step::Refused && broken.to_string().contains("the proxy http://"), "{broken}");
        for odd in ["socks5://proxy.local:1", "http://proxy.local:port", "http://", "https://a b"] {
            let (answer, _) = through(odd, "https://sts.local/").await;
            let broken = answer.unwrap_err();
            assert_eq!(
                (broken.step, broken.to_string().as_str()),
                (Step::Address, "the proxy that is set: its address is no URL of a proxy")
            );
        }
    }

    #[test]
    fn what_is_quoted_is_unquoted_and_the_rest_is_kept() {
        for (text, plain) in [("", ""), ("a%40b", "a@b"), ("100%", "100%"), ("%zz%4", "%zz%4"), ("%25", "%")]
        {
            assert_eq!(unquoted(text), plain.as_bytes(), "{text}");
        }
    }
}
