//! Turns a path as people write it into one that can be opened, as Python's `expandvars` and `expanduser` do.

use std::path::PathBuf;

use crate::config::env::Env;

/// Variables, then the home folder: what botocore does to the paths of the AWS files.
#[must_use]
pub fn expand(text: &str, env: &Env) -> PathBuf {
    home(&variables(text, env), env)
}

/// `os.path.expandvars`: `$NAME` and `${NAME}`; what is not set stays as it stands.
#[must_use]
pub fn variables(text: &str, env: &Env) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, left) = variable(after);
        match name.and_then(|name| env.get(name)) {
            Some(value) => out.push_str(value),
            None => {
                out.push('$');
                out.push_str(after.strip_suffix(left).unwrap_or_default());
            }
        }
        rest = left;
    }
    out + rest
}

/// The name after a `$` and what follows it.
fn variable(after: &str) -> (Option<&str>, &str) {
    if let Some((name, left)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        return (Some(name), left);
    }
    let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(after.len());
    let (name, left) = after.split_at_checked(end).unwrap_or((after, ""));
    if name.is_empty() { (None, after) } else { (Some(name), left) }
}

/// `os.path.expanduser`: `~` and `~user` at the beginning.
#[must_use]
pub fn home(text: &str, env: &Env) -> PathBuf {
    let Some(after) = text.strip_prefix('~') else { return text.into() };
    let (user, rest) = after.split_at_checked(after.find('/').unwrap_or(after.len())).unwrap_or((after, ""));
    let folder = if user.is_empty() {
        env.home()
    } else {
        nix::unistd::User::from_name(user).ok().flatten().map(|user| user.dir)
    };
    let Some(folder) = folder else { return text.into() };
    let joined = format!("{}{rest}", folder.to_string_lossy().trim_end_matches('/'));
    if joined.is_empty() { "/".into() } else { joined.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row was compared with `os.path.expanduser(os.path.expandvars(…))`.
    #[test]
    fn expands_as_python_does() {
        let env = Env::from([("HOME", "/home/me/"), ("D", "/d"), ("E", ""), ("T", "~"), ("X", "$D")]);
        for (text, want) in [
            ("", ""),
            ("/a", "/a"),
            ("~", "/home/me"),
            ("~/a", "/home/me/a"),
            ("a~/b", "a~/b"),
            ("~nobody-of-that-name/a", "~nobody-of-that-name/a"),
            ("~root/a", "/root/a"),
            ("$D/a", "/d/a"),
            ("${D}a", "/da"),
            ("$Da/b", "$Da/b"),
            ("$E/a", "/a"),
            ("$NONE/a", "$NONE/a"),
            ("${NONE}/$D", "${NONE}//d"),
            ("${D", "${D"),
            ("a$", "a$"),
            ("$$D", "$/d"),
            ("${}$D", "${}/d"),
            ("$-$D", "$-/d"),
            ("$T/a", "/home/me/a"),
            ("$X/a", "$D/a"),
        ] {
            assert_eq!(expand(text, &env), PathBuf::from(want), "{text:?}");
        }
        assert_eq!(expand("~/a", &Env::from([("HOME", "")])), PathBuf::from("/a"));
        assert_eq!(expand("~", &Env::from([("HOME", "/")])), PathBuf::from("/"));
        assert_ne!(
            expand("~/a", &Env::default()),
            PathBuf::from("~/a"),
            "the password file knows the home folder"
        );
    }
}
