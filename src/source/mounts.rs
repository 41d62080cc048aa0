//! What is mounted where, as the kernel tells it.

use std::path::Path;

/// The table of this process.
pub(super) const TABLE: &str = "/proc/self/mountinfo";

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mount<'a> {
    /// The folder of the file system that is shown.
    pub(super) root: &'a str,
    pub(super) point: &'a str,
    pub(super) kind: &'a str,
    /// Of the file system.
    options: &'a str,
}

/// All of them, in the order in which they were made.
pub(super) fn mounts(table: &str) -> impl Iterator<Item = Mount<'_>> {
    table.lines().filter_map(Mount::of)
}

/// The one that a file is on: the deepest, and of several at one place the last.
pub(super) fn of_file<'a>(table: &'a str, file: &Path) -> Option<Mount<'a>> {
    mounts(table).filter(|mount| file.starts_with(mount.point)).max_by_key(|mount| mount.point.len())
}

impl<'a> Mount<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (mount, source) = line.split_once(" - ")?;
        let mut words = mount.split(' ').skip(3);
        let (root, point) = (words.next()?, words.next()?);
        let mut words = source.split(' ');
        let (kind, _device) = (words.next()?, words.next());
        Some(Self { root, point, kind, options: words.next().unwrap_or_default() })
    }

    /// Whether a part of a file system is shown here, so that the folders above it are out of sight. A subvolume of btrfs
    /// is a whole one.
    pub(super) fn is_part(&self) -> bool {
        let volume = self.options.split(',').find_map(|option| option.strip_prefix("subvol="));
        self.root != volume.unwrap_or("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Fedora on btrfs has them, with one folder bound and one file system over another.
    const FEDORA: &str = "\
66 1 0:34 /root / rw,relatime shared:1 - btrfs /dev/vda3 rw,seclabel,compress=zstd:1,subvolid=257,subvol=/root
90 66 0:34 /home /home rw shared:50 - btrfs /dev/vda3 rw,seclabel,subvolid=256,subvol=/home
91 66 0:40 / /tmp rw shared:51 - tmpfs tmpfs rw,size=4010304k
95 90 0:34 /home/alice/.aws /home/alice/.aws ro - btrfs /dev/vda3 rw,seclabel,subvolid=256,subvol=/home
96 91 8:1 / /tmp rw - ext4 /dev/sda1 rw
";

    #[test]
    fn a_file_is_on_the_deepest_mount_and_the_last() {
        let rows = [
            ("/etc/keys", "/", "btrfs", false),
            ("/home/alice/keys", "/home", "btrfs", false),
            ("/home/alice/.aws/credentials", "/home/alice/.aws", "btrfs", true),
            ("/homely", "/", "btrfs", false),
            ("/tmp/keys", "/tmp", "ext4", false),
        ];
        for (file, point, kind, part) in rows {
            let mount = of_file(FEDORA, Path::new(file)).unwrap();
            assert_eq!((mount.point, mount.kind, mount.is_part()), (point, kind, part), "{file}");
        }
        assert_eq!(of_file("", Path::new("/x")), None);
    }
}
