//! Which paths matter for a file: the file, every symlink on the way, and what does not exist yet.
//!
//! Kubernetes swaps a mounted volume by renaming the link `..data`; editors rename a new file over the old one;
//! a folder may appear later. To notice all of these, the folders that hold the links are watched, not the file.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
const LINKS: usize = 40;

/// The paths whose change can change what `path` reads as: each lies in a folder that exists, and the folder's path
/// has no link in it.
#[must_use]
pub(super) fn trail(path: &Path) -> Vec<PathBuf> {
    let mut steps = steps(path);
    let (mut at, mut seen, mut links) = (PathBuf::from("/"), Vec::new(), 0);
    while let Some(step) = steps.pop_front() {
        if step == ".." {
            at.pop();
            continue;
        }
        let next = at.join(&step);
        let Ok(about) = next.symlink_metadata() else {
            seen.push(next);
            return seen;
        };
        if about.is_symlink() && links < LINKS {
            links += 1;
            seen.push(next.clone());
            let Ok(target) = std::fs::read_link(&next) else { return seen };
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            for inner in steps_of(&target).into_iter().rev() {
                steps.push_front(inner);
            }
        } else if steps.is_empty() {
            seen.push(next);
        } else {
            at = next;
        }
    }
    seen
}

fn steps(path: &Path) -> VecDeque<OsString> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    steps_of(&whole).into()
}

fn steps_of(path: &Path) -> Vec<OsString> {
    let step = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_kubernetes_volume_is_followed_through_its_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("..2026_1")).unwrap();
        std::fs::write(root.join("..2026_1/credentials"), "x").unwrap();
        symlink("..2026_1", root.join("..data")).unwrap();
        symlink("..data/credentials", root.join("credentials")).unwrap();
        let want = ["credentials", "..data", "..2026_1/credentials"].map(|name| root.join(name));
        assert_eq!(trail(&root.join("credentials")), want);
    }

    #[test]
    fn what_does_not_exist_is_awaited_at_the_first_missing_step() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        assert_eq!(trail(&root.join("a/b/c")), [root.join("a")]);
        std::fs::create_dir(root.join("a")).unwrap();
        assert_eq!(trail(&root.join("a/b/c")), [root.join("a/b")]);
    }

    #[test]
    fn a_circle_of_links_ends() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert!(trail(&root.join("a")).len() <= LINKS + 1);
    }
}
