//! What a test does with a pod that is being played: waits, looks, enters, kills, deletes.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::container::{Process, Recipe};
use super::kubelet::Node;
use super::plane::Plane;
use super::sandbox::Sandbox;
use super::spec::{Container, Pod};
use super::status::{Phase, Seen, State};
use super::volumes::Volumes;
use crate::support::{Finished, leaks};

/// How long a test waits for anything that must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A pod that is being played; every process in it ends when it is dropped.
pub struct Playing {
    node: Arc<Node>,
    kubelet: Option<JoinHandle<()>>,
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
