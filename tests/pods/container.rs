//! One container as a process: its root, its user, its environment, its end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::image::Image;
use super::sandbox::{ADDRESS, Sandbox};
use super::spec::{Container, Pod};
use super::volumes::Volumes;
use crate::support::running::Running;
use crate::support::{Run, leaks};

const START: Duration = Duration::from_secs(30);

/// What of a log the kubelet keeps as the termination message.
const MESSAGE_BYTES: usize = 2048;
const MESSAGE_LINES: usize = 80;

/// How a container is started, each time in the same way.
pub struct Recipe {
    folder: PathBuf,
    plan: Vec<String>,
    command: Vec<String>,
    /// Such as `cat`, in the same place and as the same user.
    enter: Vec<String>,
}

/// A container that was started.
pub struct Process {
    running: Running,
    pid: Pid,
    message: PathBuf,
    /// What stands between us and the container does not pass the signal's number on.
    killed: AtomicBool,
}

impl Recipe {
    #[track_caller]
    pub fn of(
        pod: &Pod,
        container: &Container,
        sandbox: &Sandbox,
        volumes: &Volumes,
        outside: &[(String, String)],
    ) -> Recipe {
        let folder = sandbox.folder().join("containers").join(&container.name);
        fs::create_dir_all(folder.join("root")).unwrap();
        let image = Image::named(&container.image, &folder, outside);
        let mut plan = image.plan;
        fs::write(folder.join("hosts"), format!("127.0.0.1 localhost\n{ADDRESS} {}\n", pod.name)).unwrap();
        plan.push(format!("ro\t{}\t/etc/hosts", folder.join("hosts").display()));
        plan.push(format!("rw\t{}\t/dev/termination-log", folder.join("message").display()));
        for mount in &container.volume_mounts {
            let kind = if mount.read_only { "ro" } else { "rw" };
            plan.push(format!("{kind}\t{}\t{}", volumes.folder(&mount.name).display(), mount.mount_path));
        }
        if pod.spec.user(container).read_only_root {
            plan.push("seal".to_owned());
        }
        let env = environment(pod, container, image.env);
        let words = container.command.iter().chain(&container.args).map(|word| expand(word, &env));
        let enter = as_user(pod, container, &env);
        let command = enter.iter().cloned().chain(words).collect();
        Recipe { folder, plan, command, enter }
    }

    /// The error is what kept it from starting.
    pub fn start(&self, sandbox: &Sandbox) -> Result<Process, String> {
        let (plan, message) = (self.folder.join("plan"), self.folder.join("message"));
        fs::write(&plan, self.plan.join("\n") + "\n").unwrap();
        fs::write(&message, "").unwrap();
        fs::set_permissions(&message, fs::Permissions::from_mode(0o666)).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pods/container.sh");
        let run = sandbox.contained().arg("bash").arg(script).arg(self.folder.join("root")).arg(plan);
        let running = Running::start(&run.args(&self.command));
        match running.stderr.find(START, |line| line.parse().ok()) {
            Some(pid) => {
                Ok(Process { running, pid: Pid::from_raw(pid), message, killed: AtomicBool::new(false) })
            }
            None => Err(running.stderr.text()),
        }
    }

    /// Another program in a running container, as its user and with its environment.
    pub fn enter(&self, sandbox: &Sandbox, process: &Process, words: &[&str]) -> Run {
        sandbox.within(process.pid.as_raw()).args(&self.enter).args(words)
    }
}

impl Process {
    /// To its first process, and only while that is there.
    pub fn signal(&self, signal: Signal) {
        if self.ended(Duration::ZERO).is_none() {
            // It may have ended just now.
            let sent = kill(self.pid, signal).is_ok();
            self.killed.fetch_or(sent && signal == Signal::SIGKILL, Ordering::Relaxed);
        }
    }

    /// The exit code, 128 and more for a signal, when it ends within the bound.
    pub fn ended(&self, bound: Duration) -> Option<i32> {
        use std::os::unix::process::ExitStatusExt;
        let status = self.running.wait(bound)?;
        if self.killed.load(Ordering::Relaxed) {
            return Some(137);
        }
        Some(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }

    /// All that it said so far, on both streams.
    pub fn log(&self) -> String {
        self.running.stdout.text()
    }

    /// The first line of which this makes something.
    pub fn find<T>(&self, bound: Duration, wanted: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.running.stdout.find(bound, wanted)
    }

    /// What the pod's status says about its end: its own words, or the end of its log after a failure.
    pub fn message(&self, policy: &str, code: i32) -> String {
        let own = fs::read_to_string(&self.message).unwrap();
        if !own.is_empty() || code == 0 || policy != "FallbackToLogsOnError" {
            return own;
        }
        // Until the pipe has ended.
        self.find(Duration::from_secs(5), |_| None::<()>);
        let log = self.log();
        leaks::look("a container", &log);
        let lines: Vec<_> = log.lines().collect();
        let kept = lines[lines.len().saturating_sub(MESSAGE_LINES)..].join("\n");
        let mut from = kept.len().saturating_sub(MESSAGE_BYTES);
        while !kept.is_char_boundary(from) {
            from += 1;
        }
        kept[from..].to_owned()
    }
}

/// What enters the root and becomes the user, with nothing but these variables.
fn as_user(pod: &Pod, container: &Container, env: &[(String, String)]) -> Vec<String> {
    let user = pod.spec.user(container);
    let groups = user.groups.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let groups = if groups.is_empty() { "--clear-groups".to_owned() } else { format!("--groups={groups}") };
    let mut words = vec![
        "setpriv".to_owned(),
        format!("--reuid={}", user.uid),
        format!("--regid={}", user.gid),
        groups,
        "--bounding-set=-all".to_owned(),
        "--inh-caps=-all".to_owned(),
        "--no-new-privs".to_owned(),
        "env".to_owned(),
        "-i".to_owned(),
    ];
    words.extend(env.iter().map(|(name, value)| format!("{name}={value}")));
    words
}

/// The image's variables, then those of every container in a cluster, then the container's own.
fn environment(pod: &Pod, container: &Container, image: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut env = image;
    let fixed = [
        ("HOSTNAME", pod.name.as_str()),
        ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
    ];
    env.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
    for variable in &container.env {
        let value = match &variable.value_from {
            Some(from) => pod.field(from.path()),
            None => expand(&variable.value, &env),
        };
        env.retain(|(name, _)| *name != variable.name);
        env.push((variable.name.clone(), value));
    }
    env
}

/// `$(NAME)` of a variable that is known by then, `$$` for a dollar; everything else stays as it is.
fn expand(text: &str, env: &[(String, String)]) -> String {
    let (mut done, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        done += before;
        let named = after.strip_prefix('(').and_then(|named| named.split_once(')'));
        let known = named.and_then(|(name, left)| Some((env.iter().find(|(known, _)| known == name)?, left)));
        rest = if let Some(((_, value), left)) = known {
            done += value;
            left
        } else {
            done.push('$');
            after.strip_prefix('$').unwrap_or(after)
        };
    }
    done + rest
}

#[test]
fn variables_are_expanded_as_kubernetes_says() {
    let env = [("A".to_owned(), "1".to_owned())];
    assert_eq!(expand("$(A),$$(A),$(B) $A 5$ $(A", &env), "1,$(A),$(B) $A 5$ $(A");
}
