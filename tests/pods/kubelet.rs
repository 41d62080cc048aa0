//! Plays a pod: starts its containers in the order that Kubernetes documents for native sidecars, probes them, starts
//! them again, ends them in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::container::{Process, Recipe};
use super::plane::Plane;
use super::probes::{self, Course, Verdict};
use super::sandbox::Sandbox;
use super::spec::{Container, Pod, Probe};
use super::status::{Ended, Phase, Seen, State};
use super::volumes::Volumes;

/// In which what was killed is gone.
const PATIENCE: Duration = Duration::from_secs(60);
const FOR_EVER: Duration = Duration::from_hours(1);
/// What a sidecar has to end in at least, when the applications have used up the grace.
const LEAST_GRACE: Duration = Duration::from_secs(2);
/// Before the second start, doubled for each one more.
const BACK_OFF: Duration = Duration::from_secs(10);
const MOST_BACK_OFF: Duration = Duration::from_mins(5);

/// A pod on its node.
pub(super) struct Node {
    pub(super) pod: Pod,
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) plane: Arc<dyn Plane>,
    pub(super) volumes: Mutex<Volumes>,
    pub(super) recipes: BTreeMap<String, Recipe>,
    pub(super) state: Mutex<State>,
    pub(super) bell: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    StartUp,
    Readiness,
    Liveness,
}

impl Node {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.bell.notify_all();
        changed
    }

    fn tell(&self, what: String) {
        self.change(|state| state.story.push(what));
    }

    fn of<T>(&self, container: &str, change: impl FnOnce(&mut Seen) -> T) -> T {
        self.change(|state| change(state.containers.get_mut(container).unwrap()))
    }

    /// None when it does not come to that in time.
    pub(super) fn wait(&self, bound: Duration, so: impl Fn(&State) -> bool) -> Option<()> {
        let state = self.state();
        let (state, _) = self.bell.wait_timeout_while(state, bound, |state| !so(state)).unwrap();
        so(&state).then_some(())
    }

    pub(super) fn play(self: &Arc<Node>) {
        let mut keepers = Vec::new();
        if self.initialise(&mut keepers) {
            for (index, container) in self.pod.spec.containers.iter().enumerate() {
                keepers.push(self.keep(move |spec| &spec.containers[index]));
                let tried = |seen: &Seen| seen.starts > 0 || seen.over;
                self.wait(FOR_EVER, |state| state.stopping || tried(&state.containers[&container.name]));
            }
            self.change(|state| state.phase = Phase::Running);
            let over = |state: &State| {
                let names = self.pod.spec.containers.iter().map(|container| &container.name);
                names.map(|name| &state.containers[name]).all(|seen| seen.over)
            };
            self.wait(FOR_EVER, |state| state.stopping || over(state));
            self.finish();
        }
        for keeper in keepers {
            let _ = keeper.join();
        }
    }

    /// One after the other: a sidecar until it is up, any other until it has done its work. False when it cannot be.
    fn initialise(self: &Arc<Node>, keepers: &mut Vec<JoinHandle<()>>) -> bool {
        for (index, container) in self.pod.spec.init_containers.iter().enumerate() {
            keepers.push(self.keep(move |spec| &spec.init_containers[index]));
            let settled = |seen: &Seen| if container.is_sidecar() { seen.up } else { seen.over };
            self.wait(FOR_EVER, |state| state.stopping || settled(&state.containers[&container.name]));
            let failed = |seen: &Seen| seen.over && seen.last.as_ref().is_some_and(|ended| ended.code != 0);
            let state = self.state();
            if state.stopping || failed(&state.containers[&container.name]) {
                return false;
            }
        }
        true
    }

    /// The applications have ended by themselves, as those of a Job do: then so do the sidecars.
    fn finish(&self) {
        let ended_well = |state: &State| {
            let last = |container: &Container| {
                state.containers[&container.name].last.as_ref().map(|ended| ended.code)
            };
            self.pod.spec.containers.iter().all(|container| last(container) == Some(0))
        };
        let already = self.change(|state| {
            let already = state.stopping;
            state.stopping = true;
            if !already {
                state.phase = if ended_well(state) { Phase::Succeeded } else { Phase::Failed };
                state.story.push(format!("the pod has {:?}", state.phase).to_lowercase());
            }
            already
        });
        if !already {
            self.stop_sidecars(Instant::now());
        }
    }

    pub(super) fn stop_sidecars(&self, begun: Instant) {
        for container in self.pod.spec.init_containers.iter().rev().filter(|container| container.is_sidecar())
        {
            let left = self.pod.spec.grace().saturating_sub(begun.elapsed()).max(LEAST_GRACE);
            self.stop(&[&container.name], left);
        }
    }

    /// TERM to all of them, KILL for those that take longer than this.
    pub(super) fn stop(&self, names: &[&str], bound: Duration) {
        let asked = Instant::now();
        let running = names.iter().filter_map(|name| {
            let process = self.of(name, |seen| seen.process.clone().filter(|_| !seen.over))?;
            self.tell(format!("{name} gets TERM"));
            process.signal(Signal::SIGTERM);
            Some((name, process))
        });
        for (name, process) in running.collect::<Vec<_>>() {
            if process.ended(bound.saturating_sub(asked.elapsed())).is_none() {
                self.tell(format!("{name} gets KILL"));
                process.signal(Signal::SIGKILL);
                process.ended(PATIENCE);
            }
            self.of(name, |seen| seen.took = Some(asked.elapsed()));
            self.wait(PATIENCE, |state| state.containers[*name].over);
        }
    }

    /// Starts a container, again and again where its policy says so, from a thread of its own.
    fn keep(
        self: &Arc<Node>,
        of: impl Fn(&super::spec::Spec) -> &Container + Send + 'static,
    ) -> JoinHandle<()> {
        let node = Arc::clone(self);
        thread::spawn(move || {
            let container = of(&node.pod.spec);
            let mut pause = Duration::ZERO;
            while let Some(process) = node.begin(container) {
                let code = node.watch(container, &process);
                if node.ended(container, &process, code) {
                    break;
                }
                node.wait(pause, |state| state.stopping);
                pause = (pause * 2).clamp(BACK_OFF, MOST_BACK_OFF);
            }
            node.of(&container.name, |seen| seen.over = true);
        })
    }

    fn begin(&self, container: &Container) -> Option<Arc<Process>> {
        if self.state().stopping {
            return None;
        }
        let name = &container.name;
        let process = match self.recipes[name].start(&self.sandbox) {
            Ok(process) => Arc::new(process),
            Err(error) => {
                self.tell(format!("{name} cannot be started: {error}"));
                return None;
            }
        };
        let stopping = self.change(|state| {
            state.story.push(format!("{name} started"));
            let seen = state.containers.get_mut(name).unwrap();
            (seen.starts, seen.process) = (seen.starts + 1, Some(Arc::clone(&process)));
            state.stopping
        });
        // The pod was deleted while the container began: it is not among those that were asked to end.
        if stopping {
            process.signal(Signal::SIGKILL);
        }
        Some(process)
    }

    /// Probes it until it has ended; its exit code.
    fn watch(&self, container: &Container, process: &Process) -> i32 {
        let mut courses: Vec<_> =
            container.startup_probe.iter().map(|probe| (Kind::StartUp, Course::begin(probe))).collect();
        if courses.is_empty() {
            courses = self.up(container);
        }
        loop {
            let due = courses.iter().map(|(_, course)| course.due).min();
            let pause = due.map_or(FOR_EVER, |due| due.saturating_duration_since(Instant::now()));
            if let Some(code) = process.ended(pause) {
                return code;
            }
            if self.state().stopping {
                courses.clear();
            }
            let Some((kind, course)) = courses.iter_mut().min_by_key(|(_, course)| course.due) else {
                continue;
            };
            let (kind, verdict) = (*kind, course.ask(|probe| self.probe(container, process, probe)));
            match (kind, verdict) {
                (Kind::StartUp, Verdict::Good) => courses = self.up(container),
                (Kind::StartUp | Kind::Liveness, Verdict::Bad) => self.unhealthy(container, process),
                (Kind::Readiness, Verdict::Good) => self.of(&container.name, |seen| seen.ready = true),
                (Kind::Readiness, Verdict::Bad) => self.of(&container.name, |seen| seen.ready = false),
                (Kind::StartUp, Verdict::Undecided) => self.of(&container.name, |seen| seen.probed += 1),
                (Kind::Liveness, Verdict::Good) | (_, Verdict::Undecided) => {}
            }
        }
    }

    /// From now on the others may start, and the other probes are made.
    fn up<'c>(&self, container: &'c Container) -> Vec<(Kind, Course<'c>)> {
        self.change(|state| {
            if container.startup_probe.is_some() {
                state.story.push(format!("{} is up", container.name));
            }
            let seen = state.containers.get_mut(&container.name).unwrap();
            (seen.up, seen.ready) = (true, container.readiness_probe.is_none());
        });
        let readiness = container.readiness_probe.iter().map(|probe| (Kind::Readiness, Course::begin(probe)));
        let liveness = container.liveness_probe.iter().map(|probe| (Kind::Liveness, Course::begin(probe)));
        readiness.chain(liveness).collect()
    }

    fn probe(&self, container: &Container, process: &Process, probe: &Probe) -> bool {
        let timeout = Duration::from_secs(probe.timeout_seconds);
        match (&probe.http_get, &probe.exec) {
            (Some(get), None) => probes::http(&self.sandbox, container, get, timeout),
            (None, Some(exec)) => {
                let words: Vec<_> = exec.command.iter().map(String::as_str).collect();
                let run = self.recipes[&container.name].enter(&self.sandbox, process, &words);
                run.within(timeout).run().code() == Some(0)
            }
            _ => panic!("this probe is not played: {probe:?}"),
        }
    }

    /// A probe has failed too often.
    fn unhealthy(&self, container: &Container, process: &Process) {
        self.tell(format!("{} is unhealthy", container.name));
        process.signal(Signal::SIGTERM);
        if process.ended(self.pod.spec.grace()).is_none() {
            process.signal(Signal::SIGKILL);
        }
    }

    /// Writes down how it ended; true when that was its last time.
    fn ended(&self, container: &Container, process: &Process, code: i32) -> bool {
        let message = process.message(&container.termination_message_policy, code);
        self.change(|state| {
            state.story.push(format!("{} ended with {code}", container.name));
            let seen = state.containers.get_mut(&container.name).unwrap();
            (seen.up, seen.ready) = (false, false);
            seen.last = Some(Ended { code, message });
            state.stopping || !self.pod.spec.starts_again(container, code)
        })
    }
}
