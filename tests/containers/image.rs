//! The image: what `rootfs.sh` assembles of the binary under test, and how the Dockerfile says it is run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::ours;
use crate::support::running::Running;
use crate::support::{Run, keyfob};

/// How long a container may take to end after TERM.
const STOP: Duration = Duration::from_secs(20);

/// The root file system, assembled once for all tests by the script that the Dockerfile calls.
pub struct Image {
    root: tempfile::TempDir,
    /// Every path with its mode and owner, as assembled.
    pub contents: String,
}

impl Image {
    /// The image's own tree, where the engine adds mount points.
    pub fn assembled() -> &'static Image {
        static IMAGE: OnceLock<Image> = OnceLock::new();
        IMAGE.get_or_init(|| {
            let root = tempfile::tempdir().unwrap();
            // Other users have to get in, as they do where engines keep images.
            Run::new("chmod").arg("755").arg(root.path()).run().expect_code(0);
            let script = Run::new(ours("deploy/docker/rootfs.sh")).arg(keyfob()).arg(root.path());
            script.dir(&ours("")).env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").run().expect_code(0);
            let list =
                Run::new("find").args([".", "-mindepth", "1", "-printf", "%P %m %U:%G\n"]).dir(root.path());
            let mut lines: Vec<_> = list.run().expect_code(0).stdout.lines().map(str::to_owned).collect();
            lines.sort();
            Image { root, contents: lines.join("\n") }
        })
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// Whether this line of the contents is a folder that has something in it.
    pub fn is_way(&self, line: &str) -> bool {
        let path = line.split(' ').next().unwrap();
        self.contents.contains(&format!("\n{path}/"))
    }
}

/// What the last stage of the Dockerfile says.
pub struct Dockerfile {
    instructions: Vec<(String, String)>,
}

impl Dockerfile {
    pub fn read() -> Dockerfile {
        let text = fs::read_to_string(ours("deploy/docker/Dockerfile")).unwrap().replace("\\\n", " ");
        let lines =
            text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' '));
        let instructions = lines.map(|(word, rest)| (word.to_owned(), rest.trim().to_owned())).collect();
        Dockerfile { instructions }
    }

    pub fn all(&self, word: &str) -> Vec<&str> {
        let wanted = self.instructions.iter().filter(|(found, _)| found == word);
        wanted.map(|(_, rest)| rest.as_str()).collect()
    }

    /// An instruction whose words are a list.
    pub fn list(&self, word: &str) -> Vec<String> {
        let last = self.all(word).pop().unwrap_or_else(|| panic!("no {word}"));
        serde_json::from_str(&last[last.find('[').unwrap()..]).unwrap()
    }

    pub fn env(&self) -> impl Iterator<Item = (String, String)> {
        self.all("ENV")
            .into_iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.into(), value.into()))
    }

    pub fn user(&self) -> &str {
        self.all("USER")[0]
    }
}

/// A container about to run: the image, and what its user changes.
pub struct Container {
    user: String,
    volumes: Vec<String>,
    command: Vec<String>,
    env: Vec<(String, String)>,
}

impl Container {
    /// The image with these words in place of `CMD`; with none as it is.
    pub fn of(words: &[&str]) -> Container {
        let file = Dockerfile::read();
        let mut command = file.list("ENTRYPOINT");
        command.extend(if words.is_empty() {
            file.list("CMD")
        } else {
            words.iter().map(|word| (*word).to_owned()).collect()
        });
        Container { user: file.user().to_owned(), volumes: Vec::new(), command, env: file.env().collect() }
    }

    /// In place of `ENTRYPOINT` and `CMD`.
    pub fn command(mut self, words: Vec<String>) -> Container {
        self.command = words;
        self
    }

    pub fn user(mut self, user: &str) -> Container {
        self.user = user.to_owned();
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Container {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file or folder of ours, or `tmpfs`, at this place; `ro` last makes it read-only.
    pub fn volume(mut self, from: impl AsRef<Path>, to: &str, mode: &str) -> Container {
        let from = from.as_ref();
        let place = Image::assembled().root().join(to.trim_start_matches('/'));
        // Made as engines make them, in a layer that is not the image's.
        if from.is_file() {
            file_at(&place)
        } else {
            fs::create_dir_all(&place).unwrap()
        }
        self.volumes.push(format!("{}:{to}:{mode}", from.display()));
        self
    }

    /// In the network of the thread that starts it.
    pub fn run(self) -> Run {
        let root = Image::assembled().root();
        fs::create_dir_all(root.join("proc")).unwrap();
        file_at(&root.join("dev/null"));
        let run = Run::new(ours("tests/containers/contain")).arg(root).arg(&self.user).args(&self.volumes);
        run.arg("--").args(&self.command).envs(self.env)
    }

    #[track_caller]
    pub fn start(self) -> Contained {
        Contained::start(&self.run())
    }
}

fn file_at(place: &Path) {
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    if !place.exists() {
        fs::write(place, "").unwrap();
    }
}

/// A container that runs; its process 1 gets TERM when it is dropped.
pub struct Contained {
    pub process: Running,
}

impl Contained {
    #[track_caller]
    pub fn start(run: &Run) -> Contained {
        Contained { process: Running::start(run) }
    }

    /// Process 1 of the container, as we see it; none when it has ended.
    fn first(&self) -> Option<Pid> {
        let outside = self.process.pid();
        let children = fs::read_to_string(format!("/proc/{outside}/task/{outside}/children")).ok()?;
        Some(Pid::from_raw(children.split_whitespace().next()?.parse().ok()?))
    }

    /// A file of the kernel's about process 1.
    pub fn proc(&self, name: &str) -> String {
        let path = PathBuf::from(format!("/proc/{}", self.first().unwrap())).join(name);
        fs::read_to_string(path).unwrap()
    }

    /// TERM to process 1, as engines do; how long it took to end, and how it ended.
    pub fn stop(&self) -> Option<(Duration, Option<i32>)> {
        let began = Instant::now();
        kill(self.first()?, Signal::SIGTERM).ok()?;
        let status = self.process.wait(STOP)?;
        Some((began.elapsed(), status.code()))
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        self.stop();
    }
}
