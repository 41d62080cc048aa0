//! Token files on disk: found or made, read again when they change, written again when they are gone.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::access::Access;
use super::token::{Doors, Kept, Purpose};
use super::token_disk::{describe, look, make, make_folder, us, write};
use crate::config::env::Env;
use crate::config::{Auth, Problem, Role};
use crate::event::{Event, Observe, Observers};

/// Only we read the admin token, whatever `token_mode` says.
const ADMIN_MODE: u32 = 0o600;

/// Every token file of the agent; the writing end of [`Access`].
#[derive(Debug)]
pub struct TokenFiles {
    files: Vec<Kept>,
    token_mode: u32,
    access: Access,
    observers: Observers,
}

impl TokenFiles {
    /// Finds, reads or makes the main token, the roles' own and, with an admin listener, the admin token.
    ///
    /// # Errors
    /// Every file that cannot be used, with what is wrong with it.
    pub fn open(
        auth: &Auth,
        roles: &[Role],
        admin: bool,
        env: &Env,
        observers: Observers,
    ) -> Result<Self, Vec<Problem>> {
        let main = match &auth.token_file {
            Some(path) => path.clone(),
            None => {
                // A list when the unit names several.
                let given = env.filled("RUNTIME_DIRECTORY").and_then(|list| list.split(':').next());
                let folder = first_folder(given.map(Path::new), &places(env));
                folder.map_err(|problem| vec![problem])?.join("token")
            }
        };
        let beside = || main.parent().unwrap_or(Path::new("/")).join("admin.token");
        let (files, token_mode, access) = (Vec::new(), auth.token_mode, Access::default());
        let mut all = Self { files, token_mode, access, observers };
        let mut problems = Vec::new();
        let mut add = |path: &Path, mode, purpose, at: &str| {
            problems.extend(all.add(path, mode, purpose, at).err());
        };
        add(&main, token_mode, Purpose::Main, "auth.token_file");
        if admin {
            let path = auth.admin_token_file.clone().unwrap_or_else(beside);
            add(&path, ADMIN_MODE, Purpose::Admin, "auth.admin_token_file");
        }
        for (path, at) in of_roles(roles) {
            add(path, token_mode, Purpose::Role, &at);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        all.publish();
        Ok(all)
    }

    /// The reading end.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access.clone()
    }

    /// The main token's file.
    #[must_use]
    pub fn main(&self) -> &Path {
        self.path_of(Purpose::Main).unwrap_or(Path::new(""))
    }

    /// The admin token's file, when there is an admin listener.
    #[must_use]
    pub fn admin(&self) -> Option<&Path> {
        self.path_of(Purpose::Admin)
    }

    fn path_of(&self, purpose: Purpose) -> Option<&Path> {
        self.files.iter().find(|file| file.purpose == purpose).map(|file| file.path.as_path())
    }

    /// Every file, for whoever watches them.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Reads every file again: a new token is good at once, the one before for five minutes, a file that is gone is
    /// written again. What cannot be used changes nothing and is returned.
    pub fn reload(&mut self, now: Instant) -> Vec<Problem> {
        let mut problems = Vec::new();
        for index in 0..self.files.len() {
            problems.extend(self.look_again(index, now).err());
        }
        self.publish();
        problems
    }

    /// Takes on the token files of these roles; those of roles that are gone open nothing any more.
    ///
    /// # Errors
    /// Files that cannot be used: then nothing changes.
    pub fn set_roles(&mut self, roles: &[Role]) -> Result<(), Vec<Problem>> {
        let wanted = of_roles(roles);
        let known = self.files.len();
        let mode = self.token_mode;
        let problems: Vec<_> =
            wanted.iter().filter_map(|(path, at)| self.add(path, mode, Purpose::Role, at).err()).collect();
        if !problems.is_empty() {
            self.files.truncate(known);
            return Err(problems);
        }
        self.files.retain(|file| {
            file.purpose != Purpose::Role || wanted.iter().any(|(path, _)| **path == file.path)
        });
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        self.access.store(Doors::of(&self.files));
    }

    fn add(&mut self, path: &Path, mode: u32, purpose: Purpose, at: &str) -> Result<(), Problem> {
        if let Some(same) = self.files.iter().find(|file| file.path == path) {
            return if (same.purpose == Purpose::Admin) == (purpose == Purpose::Admin) {
                Ok(())
            } else {
                Err(problem(at, path, "the same file for credentials and admin", "a file of its own"))
            };
        }
        let found = look(path).map_err(|is| problem(at, path, &is, GOOD))?;
        let (token, made) = match found {
            Some(token) => (token, false),
            None => make(path, mode).map_err(|is| problem(at, path, &is, WRITABLE))?,
        };
        if self.files.iter().any(|file| file.current == token) {
            return Err(problem(at, path, "the same token as another file's", "a token of its own"));
        }
        self.files.push(Kept::new(path.to_owned(), mode, purpose, token));
        if made {
            self.observers.observe(&Event::TokenWritten(path));
        }
        Ok(())
    }

    fn look_again(&mut self, index: usize, now: Instant) -> Result<(), Problem> {
        let Some(file) = self.files.get(index) else { return Ok(()) };
        let (path, at) = (file.path.clone(), "auth");
        let Some(token) = look(&path).map_err(|is| problem(at, &path, &is, GOOD))? else {
            // The same token again: whoever holds it notices nothing.
            let written = write(&path, file.mode, &file.current);
            written.map_err(|error| problem(at, &path, &describe(&error), WRITABLE))?;
            self.observers.observe(&Event::TokenWritten(&path));
            return Ok(());
        };
        let others = self.files.iter().enumerate().filter(|(other, _)| *other != index);
        if others.into_iter().any(|(_, other)| other.current == token) {
            return Err(problem(at, &path, "the same token as another file's", "a token of its own"));
        }
        if let Some(file) = self.files.get_mut(index) {
            file.seen(token, now);
        }
        Ok(())
    }
}

const GOOD: &str = "a regular file of ours or root's with 32 characters or more and no newline";
const WRITABLE: &str = "a folder that we may write";

fn problem(at: &str, path: &Path, is: &str, want: &str) -> Problem {
    Problem { at: at.to_owned(), is: format!("{}: {is}", path.display()), want: want.to_owned() }
}

fn of_roles(roles: &[Role]) -> Vec<(&PathBuf, String)> {
    let of_role = |role: &Role| format!("role \"{}\" tokens", role.name);
    roles.iter().flat_map(|role| role.tokens.iter().map(move |path| (path, of_role(role)))).collect()
}

/// Where the main token goes when nothing is said, best first (contract 2).
fn places(env: &Env) -> Vec<PathBuf> {
    let absolute = |name| env.filled(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = || env.home().filter(|home| home.is_absolute()).map(|home| home.join(".cache/keyfob"));
    let session = || absolute("XDG_RUNTIME_DIR").map(|path| path.join("keyfob"));
    [Some(PathBuf::from("/run/keyfob")), session(), cache()].into_iter().flatten().collect()
}

/// The first folder that we may make or use.
fn first_folder(given: Option<&Path>, places: &[PathBuf]) -> Result<PathBuf, Problem> {
    // As systemd made it, whatever its mode: the unit's author decides.
    if let Some(folder) = given.filter(|folder| folder.is_dir() && writable(folder)) {
        return Ok(folder.to_owned());
    }
    if let Some(folder) = places.iter().find(|folder| usable_folder(folder)) {
        return Ok(folder.clone());
    }
    let tried = given.into_iter().chain(places.iter().map(PathBuf::as_path));
    let list = tried.map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Err(Problem {
        at: "auth.token_file".to_owned(),
        is: format!("not set, and we may write in none of {list}"),
        want: "a path in a folder that we may write".to_owned(),
    })
}

/// Whether the folder is there, ours and nobody else's to write; made when missing.
fn usable_folder(folder: &Path) -> bool {
    let _exists_or_cannot = make_folder(folder);
    let Ok(about) = folder.symlink_metadata() else { return false };
    about.is_dir() && about.uid() == us() && about.mode() & 0o022 == 0 && writable(folder)
}

fn writable(folder: &Path) -> bool {
    nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::credentials::RoleName;

    fn auth(folder: &Path) -> Auth {
        let token_file = Some(folder.join("token"));
        Auth { token_file, token_mode: 0o440, admin_token_file: None }
    }

    fn open_in(folder: &Path) -> Result<TokenFiles, Vec<Problem>> {
        TokenFiles::open(&auth(folder), &[], true, &Env::default(), Observers::default())
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o7777
    }

    fn opens(files: &TokenFiles, token: &str) -> bool {
        files.access().doors().bearer(token.as_bytes()).is_some()
    }

    #[test]
    fn missing_tokens_are_made_with_their_modes_and_kept_by_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("a/b");
        let files = open_in(&home).unwrap();
        let (main, admin) = (home.join("token"), home.join("admin.token"));
        assert_eq!((files.main(), files.admin()), (main.as_path(), Some(admin.as_path())));
        assert_eq!((mode(&home), mode(&main), mode(&admin)), (0o700, 0o440, 0o600));
        assert_ne!(text(&main), text(&admin));
        let before = text(&main);
        assert!(opens(&files, &before) && !opens(&files, &text(&admin)));
        let again = open_in(&home).unwrap();
        assert_eq!(text(&main), before);
        assert!(opens(&again, &before));
        let left: Vec<_> =
            std::fs::read_dir(&home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    }

    #[test]
    fn a_file_that_is_no_good_is_a_problem_and_stays_as_it_is() {
        for bad in ["short", &format!("{}\n", "x".repeat(40)), ""] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("token"), bad).unwrap();
            let problems = open_in(folder.path()).unwrap_err();
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].at, "auth.token_file");
            assert_eq!(text(&folder.path().join("token")), bad);
        }
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("token")).unwrap();
        assert!(open_in(folder.path()).unwrap_err()[0].is.contains("no regular file"));
    }

    #[test]
    fn links_of_ours_are_followed_links_to_nothing_are_not_filled() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real");
        std::fs::write(&real, "y".repeat(40)).unwrap();
        std::os::unix::fs::symlink(&real, folder.path().join("token")).unwrap();
        assert!(opens(&open_in(folder.path()).unwrap(), &"y".repeat(40)));
        std::fs::remove_file(&real).unwrap();
        assert!(open_in(folder.path()).is_err());
        assert!(!real.exists());
    }

    #[test]
    fn strangers_files_and_links_are_refused() {
        if us() != 0 {
            eprintln!("skipped: only root can make another user's file");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "y".repeat(40)).unwrap();
        std::os::unix::fs::chown(&token, Some(12345), None).unwrap();
        assert!(open_in(folder.path()).unwrap_err()[0].is.contains("user 12345"));
        std::fs::rename(&token, folder.path().join("real")).unwrap();
        std::os::unix::fs::chown(folder.path().join("real"), Some(0), None).unwrap();
        std::os::unix::fs::symlink(folder.path().join("real"), &token).unwrap();
        std::os::unix::fs::lchown(&token, Some(12345), None).unwrap();
        assert!(open_in(folder.path()).unwrap_err()[0].is.contains("symbolic link of user 12345"));
    }

    #[test]
    fn a_change_counts_at_once_a_bad_one_not_and_a_deleted_file_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = open_in(folder.path()).unwrap();
        let main = files.main().to_owned();
        let first = text(&main);
        let replace = |with: &str| {
            std::fs::write(folder.path().join("new"), with).unwrap();
            std::fs::rename(folder.path().join("new"), &main).unwrap();
        };
        replace(&"n".repeat(40));
        assert_eq!(files.reload(Instant::now()), []);
        assert!(opens(&files, &first) && opens(&files, &"n".repeat(40)));
        replace("torn");
        assert_eq!(files.reload(Instant::now()).len(), 1);
        assert!(opens(&files, &"n".repeat(40)) && !opens(&files, "torn"));
        std::fs::remove_file(&main).unwrap();
        assert_eq!(files.reload(Instant::now()), []);
        assert_eq!((text(&main), mode(&main)), ("n".repeat(40), 0o440));
    }

    #[test]
    fn roles_bring_tokens_of_their_own_and_take_them_along() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("app.token");
        let role = Role { tokens: vec![own.clone()], ..Role::named(RoleName::parse("app").unwrap()) };
        let mut files = open_in(folder.path()).unwrap();
        files.set_roles(std::slice::from_ref(&role)).unwrap();
        assert!(opens(&files, &text(&own)));
        assert_eq!(files.paths().count(), 3);
        files.set_roles(&[]).unwrap();
        assert!(!opens(&files, &text(&own)));
        let clash = Role { tokens: vec![folder.path().join("admin.token")], ..role.clone() };
        assert!(files.set_roles(&[clash]).is_err());
        std::fs::copy(files.main(), folder.path().join("copy")).unwrap();
        let copy = Role { tokens: vec![folder.path().join("copy")], ..role };
        assert!(files.set_roles(&[copy]).unwrap_err()[0].is.contains("same token"));
    }

    #[test]
    fn folders_are_tried_in_the_order_of_the_contract() {
        let env = Env::from([("XDG_RUNTIME_DIR", "/run/user/7"), ("HOME", "/home/u")]);
        let want: Vec<PathBuf> =
            ["/run/keyfob", "/run/user/7/keyfob", "/home/u/.cache/keyfob"].map(PathBuf::from).into();
        assert_eq!(places(&env), want);
        let odd = Env::from([("XDG_RUNTIME_DIR", "relative"), ("HOME", "relative")]);
        assert_eq!(places(&odd), [PathBuf::from("/run/keyfob")]);
    }

    #[test]
    fn the_first_folder_that_is_ours_alone_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let [given, open, fresh] = ["given", "open", "a/fresh"].map(|name| folder.path().join(name));
        let places = [open.clone(), fresh.clone()];
        let first = |given| first_folder(given, &places);
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(first(Some(&given)).unwrap(), fresh, "neither missing nor open to all");
        assert_eq!(mode(&fresh), 0o700);
        std::fs::create_dir(&given).unwrap();
        assert_eq!(first(Some(&given)).unwrap(), given);
        let problem = first_folder(None, &[PathBuf::from("/proc/keyfob")]).unwrap_err();
        assert!(problem.is.contains("/proc/keyfob"), "{problem}");
    }
}
