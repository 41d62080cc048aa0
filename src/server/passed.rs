//! Sockets that systemd listens on for us: they are there before the agent is, and while it restarts.

use std::io;

use listenfd::ListenFd;

use crate::config::env::Env;

/// Sockets that were handed over, each for its purpose.
#[derive(Debug, Default)]
pub struct Passed {
    /// For clients.
    pub(super) credentials: Vec<Given>,
    /// For operators.
    pub(super) admin: Option<std::net::TcpListener>,
}

/// A socket that was handed over.
#[derive(Debug)]
pub(super) enum Given {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Credentials,
    Admin,
}

impl Passed {
    /// The sockets that the environment speaks of, if it speaks to this process. To be called once, before anything else
    /// opens files: the numbers stand for sockets only once.
    ///
    /// # Errors
    /// A socket that is of another kind or for another purpose than can be served.
    pub fn take(env: &Env) -> io::Result<Self> {
        let mine = env.filled("LISTEN_PID").is_some_and(|pid| pid.parse() == Ok(std::process::id()));
        if !mine {
            return Ok(Self::default());
        }
        let mut given = ListenFd::from_env();
        let mut passed = Self::default();
        for (index, purpose) in purposes(given.len(), env.get("LISTEN_FDNAMES"))?.into_iter().enumerate() {
            passed.put(&mut given, index, purpose)?;
        }
        Ok(passed)
    }

    fn put(&mut self, given: &mut ListenFd, index: usize, purpose: Purpose) -> io::Result<()> {
        let tcp = given.take_tcp_listener(index).ok().flatten();
        match (purpose, tcp) {
            (Purpose::Credentials, Some(tcp)) => self.credentials.push(Given::Tcp(tcp)),
            (Purpose::Credentials, None) => {
                let unix = given.take_unix_listener(index)?.ok_or_else(|| wrong(index, "is not there"))?;
                self.credentials.push(Given::Unix(unix));
            }
            (Purpose::Admin, Some(tcp)) if self.admin.is_none() => self.admin = Some(tcp),
            (Purpose::Admin, Some(_)) => return Err(wrong(index, "is a second one named admin")),
            (Purpose::Admin, None) => return Err(wrong(index, "is named admin and no TCP socket")),
        }
        Ok(())
    }
}

fn wrong(index: usize, what: &str) -> io::Error {
    io::Error::other(format!("socket {} of those that were passed {what}", index + 1))
}

/// What each socket is for, by its name; without names all are for clients. systemd names a socket after its unit where
/// the unit gives no name.
fn purposes(count: usize, names: Option<&str>) -> io::Result<Vec<Purpose>> {
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        return Ok(vec![Purpose::Credentials; count]);
    };
    let purpose = |(index, name): (usize, &str)| match name {
        "credentials" | "keyfob.socket" | "unknown" => Ok(Purpose::Credentials),
        "admin" => Ok(Purpose::Admin),
        _ => Err(wrong(index, &format!("is named \"{name}\": wanted credentials or admin"))),
    };
    let all: Vec<Purpose> = names.split(':').enumerate().map(purpose).collect::<io::Result<_>>()?;
    if all.len() == count {
        Ok(all)
    } else {
        Err(io::Error::other(format!("{count} sockets were passed with {} names", all.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_socket_is_for() {
        use Purpose::{Admin, Credentials};
        let read = |count, names| purposes(count, names).map_err(|error| error.to_string());
        assert_eq!(read(2, None), Ok(vec![Credentials; 2]));
        assert_eq!(read(1, Some("")), Ok(vec![Credentials]));
        assert_eq!(
            read(3, Some("credentials:admin:keyfob.socket")),
            Ok(vec![Credentials, Admin, Credentials])
        );
        let named = "socket 2 of those that were passed is named \"web\": wanted credentials or admin";
        assert_eq!(read(2, Some("admin:web")), Err(named.to_owned()));
        assert_eq!(read(2, Some("admin")), Err("2 sockets were passed with 1 names".to_owned()));
    }

    #[test]
    fn what_was_passed_to_another_process_is_not_touched() {
        let passed = Passed::take(&Env::from([("LISTEN_PID", "1"), ("LISTEN_FDS", "1")])).unwrap();
        assert!(passed.credentials.is_empty() && passed.admin.is_none());
    }
}
