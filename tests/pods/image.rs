//! What stands for an image: this machine's programs and libraries read-only, and the image's own on top.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sdk::python;
use crate::support::keyfob;

/// What is in it, as lines of a plan for `container.sh`, and what it sets in the environment.
pub struct Image {
    pub plan: Vec<String>,
    pub env: Vec<(String, String)>,
}

impl Image {
    /// Of the project: nothing but the binary. Of AWS's CLI: our virtual environment with the CLI and boto3, and
    /// `app.py`; `outside` is what a stand-in for the internet needs, the address of STS.
    #[track_caller]
    pub fn named(name: &str, folder: &Path, outside: &[(String, String)]) -> Image {
        let (repository, _) = name.rsplit_once(':').unwrap_or((name, ""));
        let mut plan = machine();
        let mut path = "/image:/usr/bin:/bin".to_owned();
        let mut env = Vec::new();
        match repository {
            "keyfob" => plan.push(ro(keyfob(), "/image/keyfob")),
            "amazon/aws-cli" => {
                let venv = python().parent().unwrap().parent().unwrap().to_owned();
                plan.extend([ro(&venv, "/image/venv"), ro(&ours("app.py"), "/image/app.py")]);
                plan.extend(interpreter(&venv));
                plan.push(ro(&cli(folder), "/image/aws"));
                path = "/image:/image/venv/bin:/usr/bin:/bin".to_owned();
                env.extend_from_slice(outside);
            }
            other => panic!("there is no image {other} here"),
        }
        env.push(("PATH".to_owned(), path));
        Image { plan, env }
    }
}

fn ours(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pods").join(file)
}

fn ro(from: &Path, to: impl AsRef<Path>) -> String {
    format!("ro\t{}\t{}", from.display(), to.as_ref().display())
}

/// A Debian without anything of its user's: no home, no temporary files, nothing of the host's that runs.
fn machine() -> Vec<String> {
    let mut plan: Vec<String> =
        ["/proc", "/dev", "/etc", "/run"].map(|at| format!("folder\t0755\t{at}")).into();
    plan.push("folder\t1777\t/tmp".to_owned());
    for top in ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"] {
        match fs::read_link(top) {
            Ok(target) => plan.push(format!("link\t{}\t{top}", target.display())),
            Err(_) if Path::new(top).is_dir() => plan.push(ro(Path::new(top), top)),
            Err(_) => {}
        }
    }
    for file in ["/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/ld.so.cache", "/etc/ssl"] {
        if Path::new(file).exists() {
            plan.push(ro(Path::new(file), file));
        }
    }
    for device in ["null", "zero", "full", "random", "urandom"] {
        plan.push(format!("rw\t/dev/{device}\t/dev/{device}"));
    }
    plan
}

/// Python itself, where it is not the machine's.
fn interpreter(venv: &Path) -> Option<String> {
    let python = fs::canonicalize(venv.join("bin/python")).unwrap();
    let prefix = python.parent().unwrap().parent().unwrap();
    (!prefix.starts_with("/usr")).then(|| ro(prefix, prefix))
}

/// The CLI by the interpreter that is in the image: its own first line may name another place.
fn cli(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = folder.join("aws");
    fs::write(&file, "#!/bin/sh\nexec /image/venv/bin/python /image/venv/bin/aws \"$@\"\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    file
}
