//! Plays a pod: starts its containers in the order that Kubernetes documents for native sidecars, probes them, starts
//! them again, ends them in order.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::container::{Process, Recipe};
use super::plane::Plane;
use super::probes::{self, Course, Verdict};
use super::sandbox::Sandbox;
use super::spec::{Container, Pod, Probe};
use super::volumes::Volumes;
use crate::support::{Finished, leaks};

/// How long a test waits for anything that must come.
const PATIENCE: Duration = Duration::from_secs(60);
const FOR_EVER: Duration = Duration::from_hours(1);
/// What a sidecar has to end in at least, when the applications have used up the grace.
const LEAST_GRACE: Duration = Duration::from_secs(2);
/// Before the second start, doubled for each one more.
const BACK_OFF: Duration = Duration::from_secs(10);
const MOST_BACK_OFF: Duration = Duration::from_mins(5);

/// A pod that is being played; every process in it ends when it is dropped.
pub struct Playing {
    node: Arc<Node>,
    kubelet: Option<JoinHandle<()>>,
}

struct Node {
    pod: Pod,
    sandbox: Arc<Sandbox>,
    plane: Arc<dyn Plane>,
    volumes: Mutex<Volumes>,
    recipes: BTreeMap<String, Recipe>,
    state: Mutex<State>,
    bell: Condvar,
}

/// What `kubectl describe pod` would tell.
#[derive(Default)]
pub struct State {
    pub phase: Phase,
    pub containers: BTreeMap<String, Seen>,
    /// What happened, in order.
    pub story: Vec<String>,
    stopping: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Pending,
    Running,
    Succeeded,
    Failed,
}

/// A container as its status has it.
#[derive(Clone, Default)]
pub struct Seen {
    pub starts: u32,
    /// Its start-up probe has succeeded, or it has none.
    pub up: bool,
    pub ready: bool,
    /// How often the start-up probe was made.
    pub probed: u32,
    pub last: Option<Ended>,
    /// From TERM to its end, when it was asked to end.
    pub took: Option<Duration>,
    process: Option<Arc<Process>>,
    over: bool,
}

/// How it ended the last time.
#[derive(Clone, Debug)]
pub struct Ended {
    pub code: i32,
    pub message: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    StartUp,
    Readiness,
    Liveness,
}

impl Playing {
    /// Plays an admitted Pod object in this sandbox. `outside` are variables of the application's image.
    #[track_caller]
    pub fn start(
        sandbox: Arc<Sandbox>,
        admitted: &Value,
        plane: Arc<dyn Plane>,
        outside: &[(String, String)],
    ) -> Playing {
        let pod = Pod::read(admitted);
        let volumes = Volumes::make(&sandbox, &pod, plane.as_ref());
        let recipe = |container: &Container| {
            let recipe = Recipe::of(&pod, container, &sandbox, &volumes, outside);
            (container.name.clone(), recipe)
        };
        let recipes = pod.spec.all().map(recipe).collect();
        let seen = |container: &Container| (container.name.clone(), Seen::default());
        let state = State { containers: pod.spec.all().map(seen).collect(), ..State::default() };
        let node = Arc::new(Node {
            pod,
            sandbox,
            plane,
            volumes: Mutex::new(volumes),
            recipes,
            state: Mutex::new(state),
            bell: Condvar::new(),
        });
        let kubelet = Arc::clone(&node);
        let kubelet =
            thread::Builder::new().name("kubelet".to_owned()).spawn(move || kubelet.play()).unwrap();
        Playing { node, kubelet: Some(kubelet) }
    }

    /// Until it is so; stops the test, with all that is known, when it does not come to that.
    #[track_caller]
    pub fn wait(&self, what: &str, so: impl Fn(&State) -> bool) {
        if self.node.wait(PATIENCE, so).is_none() {
            panic!("waited for {what} in vain\n{}", self.told());
        }
    }

    /// Everything that is known, for the reader of a failure.
    pub fn told(&self) -> String {
        let state = self.node.state();
        let mut told = state.story.join("\n");
        for (name, seen) in &state.containers {
            let log = seen.process.as_ref().map_or_else(String::new, |process| process.log());
            told += &format!("\n--- {name}, last ended {:?}\n{log}", seen.last);
        }
        told
    }

    pub fn story(&self) -> Vec<String> {
        self.node.state().story.clone()
    }

    pub fn phase(&self) -> Phase {
        self.node.state().phase
    }

    #[track_caller]
    pub fn seen(&self, container: &str) -> Seen {
        self.node.state().containers[container].clone()
    }

    /// What the container, as it runs now or ran last, has said.
    #[track_caller]
    pub fn log(&self, container: &str) -> String {
        self.process(container).log()
    }

    /// The first line of the container's log of which this makes something.
    #[track_caller]
    pub fn line<T>(&self, container: &str, what: &str, wanted: impl Fn(&str) -> Option<T>) -> T {
        self.wait(what, |state| state.containers[container].starts > 0);
        let found = self.process(container).find(PATIENCE, wanted);
        found.unwrap_or_else(|| panic!("{container} never said {what}\n{}", self.told()))
    }

    /// Another program in the container, as `kubectl exec` does it.
    #[track_caller]
    pub fn exec(&self, container: &str, words: &[&str]) -> Finished {
        let recipe = &self.node.recipes[container];
        recipe.enter(&self.node.sandbox, &self.process(container), words).run()
    }

    /// Does it in the pod's network.
    pub fn inside<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.node.sandbox.inside(work)
    }

    /// As the kernel does it, when memory runs out.
    #[track_caller]
    pub fn kill(&self, container: &str) {
        self.process(container).signal(Signal::SIGKILL);
    }

    /// ConfigMaps as the API server has them now.
    pub fn sync(&self) {
        self.node.volumes.lock().unwrap().sync(&self.node.pod, self.node.plane.as_ref());
    }

    /// New tokens, as after four fifths of their life.
    pub fn renew(&self) {
        self.node.volumes.lock().unwrap().renew(&self.node.pod, self.node.plane.as_ref());
    }

    /// `kubectl delete pod`; returns when nothing runs any more.
    pub fn delete(&self) {
        let ordinary = |container: &&Container| !container.is_sidecar();
        let names = self.node.pod.spec.all().filter(ordinary).map(|container| container.name.as_str());
        let begun = Instant::now();
        self.node.change(|state| {
            state.stopping = true;
            state.story.push("deleted".to_owned());
        });
        self.node.stop(&names.collect::<Vec<_>>(), self.node.pod.spec.grace());
        self.node.stop_sidecars(begun);
    }

    #[track_caller]
    fn process(&self, container: &str) -> Arc<Process> {
        let process = self.seen(container).process;
        process.unwrap_or_else(|| panic!("{container} was never started\n{}", self.told()))
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        self.node.change(|state| state.stopping = true);
        self.node.sandbox.close();
        if let Some(kubelet) = self.kubelet.take() {
            let _ = kubelet.join();
        }
        for (name, seen) in &self.node.state().containers {
            if let Some(process) = &seen.process {
                leaks::look(&format!("the container {name}"), &process.log());
            }
        }
    }
}

impl Node {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
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
    fn wait(&self, bound: Duration, so: impl Fn(&State) -> bool) -> Option<()> {
        let state = self.state();
        let (state, _) = self.bell.wait_timeout_while(state, bound, |state| !so(state)).unwrap();
        so(&state).then_some(())
    }

    fn play(self: &Arc<Node>) {
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

    fn stop_sidecars(&self, begun: Instant) {
        for container in self.pod.spec.init_containers.iter().rev().filter(|container| container.is_sidecar())
        {
            let left = self.pod.spec.grace().saturating_sub(begun.elapsed()).max(LEAST_GRACE);
            self.stop(&[&container.name], left);
        }
    }

    /// TERM to all of them, KILL for those that take longer than this.
    fn stop(&self, names: &[&str], bound: Duration) {
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
