//! Which token opens what, and how one follows another: pure, given what the files say and the time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Role;
use crate::secret::Secret;

/// How long a token is good after another took its place in the file (contract 3).
const GRACE: Duration = Duration::from_mins(5);
/// A shorter token could be guessed.
const SHORTEST: usize = 32;
/// Replaced tokens that are still good, at most: a writer gone wild does not fill the memory.
const MOST_REPLACED: usize = 8;
/// 43 characters of 6 bits: 256 bits and 2 more.
const LENGTH: usize = 43;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A new token made of chance.
#[must_use]
pub(super) fn spell(chance: &[u8; LENGTH]) -> Secret {
    // 64 divides 256, so that no character is likelier than another.
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte & 63)).copied().map_or('A', char::from);
    Secret::new(chance.iter().map(letter).collect::<String>())
}

/// A new token.
///
/// # Errors
/// When the system gives no randomness.
pub(super) fn make() -> Result<Secret, String> {
    let mut chance = [0; LENGTH];
    getrandom::fill(&mut chance).map_err(|error| format!("the system gives no randomness: {error}"))?;
    Ok(spell(&chance))
}

/// The token that a file holds, or what is wrong with it.
///
/// # Errors
/// A phrase for people, without a character of the content.
pub(super) fn read(bytes: &[u8]) -> Result<Secret, &'static str> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Err("a file that is not text") };
    if text.contains(['\n', '\r']) {
        return Err("a token with a newline");
    }
    if text.len() < SHORTEST {
        return Err("a token of fewer than 32 characters");
    }
    // It travels in a header, whose value is trimmed by both ends.
    let visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !visible || text.trim() != text {
        return Err("a token with characters that a header cannot carry");
    }
    Ok(Secret::new(text))
}

/// What a token file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Opens the roles that name no token of their own.
    Main,
    /// Opens the roles that name it.
    Role,
    /// Opens the admin listener's guarded routes.
    Admin,
}

/// One token file as it was last read.
#[derive(Debug)]
pub(super) struct Kept {
    /// Where.
    pub(super) path: PathBuf,
    /// Permission bits should we write it.
    pub(super) mode: u32,
    /// What for.
    pub(super) purpose: Purpose,
    /// What it says.
    pub(super) current: Secret,
    /// What it said before, each with the moment until which that is good.
    replaced: Vec<(Secret, Instant)>,
}

impl Kept {
    /// A file that was read for the first time.
    #[must_use]
    pub(super) fn new(path: PathBuf, mode: u32, purpose: Purpose, current: Secret) -> Self {
        Self { path, mode, purpose, current, replaced: Vec::new() }
    }

    /// Takes note of what the file says now. The new token is good at once, the one before for a while.
    pub(super) fn seen(&mut self, token: Secret, now: Instant) {
        self.replaced.retain(|(_, until)| *until > now);
        if token == self.current {
            return;
        }
        self.replaced.retain(|(old, _)| *old != token);
        let old = std::mem::replace(&mut self.current, token);
        self.replaced.push((old, now + GRACE));
        let excess = self.replaced.len().saturating_sub(MOST_REPLACED);
        self.replaced.drain(..excess);
    }
}

/// All tokens at one moment, ready to be compared with what a request brings.
#[derive(Debug, Default)]
pub(super) struct Doors {
    credentials: Vec<Door>,
    admin: Vec<Door>,
}

#[derive(Debug)]
struct Door {
    token: Secret,
    until: Option<Instant>,
    path: PathBuf,
    main: bool,
}

impl Doors {
    /// What these files open.
    #[must_use]
    pub(super) fn of(files: &[Kept]) -> Self {
        let mut doors = Self::default();
        for file in files {
            let list = match file.purpose {
                Purpose::Admin => &mut doors.admin,
                Purpose::Main | Purpose::Role => &mut doors.credentials,
            };
            let door = |token: &Secret, until| Door {
                token: token.clone(),
                until,
                path: file.path.clone(),
                main: file.purpose == Purpose::Main,
            };
            list.push(door(&file.current, None));
            list.extend(file.replaced.iter().map(|(token, until)| door(token, Some(*until))));
        }
        doors
    }

    /// Who brings this credentials token, if it is one.
    #[must_use]
    pub(super) fn bearer(&self, token: &[u8]) -> Option<Bearer<'_>> {
        let door = find(&self.credentials, token)?;
        Some(Bearer { path: &door.path, main: door.main })
    }

    /// Whether this is the admin token.
    #[must_use]
    pub(super) fn admin(&self, token: &[u8]) -> bool {
        find(&self.admin, token).is_some()
    }
}

/// Compares with every token, so that the time taken does not tell which one was nearly right.
fn find<'a>(doors: &'a [Door], token: &[u8]) -> Option<&'a Door> {
    let mut found = None;
    for door in doors {
        if door.token.matches(token) {
            found = Some(door);
        }
    }
    found.filter(|door| door.until.is_none_or(|until| until > Instant::now()))
}

/// Whoever brought a credentials token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bearer<'a> {
    path: &'a Path,
    /// Whether it is the main token: then unknown roles may be called unknown.
    pub(super) main: bool,
}

impl Bearer<'_> {
    /// Whether the role answers to this token.
    #[must_use]
    pub(super) fn opens(&self, role: &Role) -> bool {
        if role.tokens.is_empty() { self.main } else { role.tokens.iter().any(|path| path == self.path) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::RoleName;

    fn token(letter: char) -> Secret {
        Secret::new(letter.to_string().repeat(40))
    }

    fn kept(path: &str, purpose: Purpose, letter: char) -> Kept {
        Kept::new(path.into(), 0o440, purpose, token(letter))
    }

    fn good(file: &Kept, letter: char) -> bool {
        Doors::of(std::slice::from_ref(file)).bearer(token(letter).expose().as_bytes()).is_some()
    }

    #[test]
    fn a_spelled_token_is_one_that_we_would_read() {
        let mut chance = [0; LENGTH];
        for (index, byte) in chance.iter_mut().enumerate() {
            *byte = u8::try_from(index * 5 % 256).unwrap();
        }
        let spelled = spell(&chance);
        assert_eq!(spelled.expose().len(), 43);
        assert_eq!(read(spelled.expose().as_bytes()), Ok(spelled));
        assert_ne!(make().unwrap(), make().unwrap());
    }

    #[test]
    fn what_is_wrong_with_a_token_is_said_without_it() {
        let long = "x".repeat(32);
        assert!(read(long.as_bytes()).is_ok());
        assert!(read(format!("Bearer {long}").as_bytes()).is_ok());
        for bad in [
            "".to_owned(),
            "x".repeat(31),
            format!("{long}\n"),
            format!("{long}\r"),
            format!("{long} "),
            format!(" {long}"),
            format!("{long}é"),
            format!("{long}\0"),
        ] {
            let wrong = read(bad.as_bytes()).unwrap_err();
            assert!(!wrong.contains("xx"), "{wrong}");
        }
        assert!(read(&[0xff; 40]).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_replaced_token_is_good_for_five_minutes() {
        let mut file = kept("/t", Purpose::Main, 'a');
        file.seen(token('b'), Instant::now());
        assert!(good(&file, 'a') && good(&file, 'b'));
        tokio::time::advance(Duration::from_secs(299)).await;
        file.seen(token('b'), Instant::now());
        assert!(good(&file, 'a') && good(&file, 'b'));
        // Even when nobody has looked at the file since.
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!good(&file, 'a') && good(&file, 'b'));
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_that_change_often_are_each_good_for_their_time() {
        let mut file = kept("/t", Purpose::Main, 'a');
        file.seen(token('b'), Instant::now());
        file.seen(token('c'), Instant::now());
        assert!(good(&file, 'a') && good(&file, 'b') && good(&file, 'c'));
        file.seen(token('a'), Instant::now());
        tokio::time::advance(Duration::from_secs(301)).await;
        assert!(good(&file, 'a') && !good(&file, 'b') && !good(&file, 'c'));
        for letter in 'b'..='z' {
            file.seen(token(letter), Instant::now());
        }
        assert_eq!(file.replaced.len(), MOST_REPLACED);
    }

    #[test]
    fn each_token_opens_its_own() {
        let doors = Doors::of(&[
            kept("/main", Purpose::Main, 'm'),
            kept("/app", Purpose::Role, 'a'),
            kept("/admin", Purpose::Admin, 'x'),
        ]);
        let plain = Role::named(RoleName::default_role());
        let own = Role { tokens: vec!["/app".into(), "/main2".into()], ..plain.clone() };
        let shared = Role { tokens: vec!["/app".into(), "/main".into()], ..plain.clone() };
        let bearer = |letter: char| doors.bearer(token(letter).expose().as_bytes());
        let (main, app) = (bearer('m').unwrap(), bearer('a').unwrap());
        assert!(main.opens(&plain) && !main.opens(&own) && main.opens(&shared));
        assert!(!app.opens(&plain) && app.opens(&own) && app.opens(&shared));
        assert!(bearer('x').is_none(), "the admin token opens no credentials");
        assert!(doors.admin(token('x').expose().as_bytes()));
        assert!(!doors.admin(token('m').expose().as_bytes()), "the credentials token opens no admin route");
        assert!(doors.bearer(b"").is_none() && !doors.admin(b""));
    }
}
