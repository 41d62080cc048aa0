//! Networks of a test's own: namespaces with interfaces and addresses, and doors from them to a fake on our loopback.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};

use crate::support::Run;
use crate::support::run::skip;
use crate::support::tools::tool;

/// A network that nothing else is on; gone when nobody holds it any more.
pub struct Network(File);

impl Network {
    /// None: skipped, this user or this machine may not.
    pub fn new() -> Option<Network> {
        tool("ip")?;
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).ok()?;
            File::open("/proc/thread-self/ns/net").ok()
        });
        let Some(file) = made.join().unwrap() else {
            skip("a network namespace needs root");
            return None;
        };
        let network = Network(file);
        network.ip("link set lo up");
        Some(network)
    }

    /// Runs this inside; the programs it starts are inside as well.
    pub fn inside<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            // What goes wrong inside is told under the test's own name.
            let name = thread::current().name().unwrap_or("inside").to_owned();
            let inside = || {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                run()
            };
            let ended = thread::Builder::new().name(name).spawn_scoped(scope, inside).unwrap().join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// A command of `ip`.
    #[track_caller]
    pub fn ip(&self, command: &str) {
        self.inside(|| {
            Run::new(tool("ip").unwrap()).args(command.split(' ')).run().expect_code(0);
        });
    }

    /// A setting of the network, as `sysctl` names it.
    pub fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        self.inside(|| std::fs::write(path, value).unwrap());
    }

    /// Joins the switch of `hub` under this address, `169.254.170.2/24` for instance.
    pub fn plug_into(&self, hub: &Network, name: &str, address: &str) {
        let there = format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd());
        hub.ip(&format!("link add {name} type veth peer name eth0 netns {there}"));
        hub.ip(&format!("link set {name} up master switch"));
        self.ip(&format!("address add {address} dev eth0"));
        self.ip("link set eth0 up");
    }

    /// Whoever connects to `at` in this network is led to `to` in ours.
    #[track_caller]
    pub fn door(&self, at: &str, to: SocketAddr) -> Door {
        self.door_with(at, move |guest| {
            let Ok(host) = TcpStream::connect(to) else { return };
            carry(guest, host);
        })
    }

    /// Whoever connects to `at` in this network is dealt with by `each`, on a thread of its own.
    #[track_caller]
    pub fn door_with(&self, at: &str, each: impl Fn(TcpStream) + Send + Sync + 'static) -> Door {
        Door::open(self.inside(|| TcpListener::bind(at).unwrap()), each)
    }
}

/// Open until it is dropped; who is in it then may finish.
pub struct Door {
    pub at: SocketAddr,
    closing: Arc<AtomicBool>,
    listening: Option<thread::JoinHandle<()>>,
}

impl Door {
    pub fn open(listener: TcpListener, each: impl Fn(TcpStream) + Send + Sync + 'static) -> Door {
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        listener.set_nonblocking(true).unwrap();
        let at = listener.local_addr().unwrap();
        let (closing, each) = (Arc::new(AtomicBool::new(false)), Arc::new(each));
        let seen = Arc::clone(&closing);
        let listening = thread::spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((guest, _)) => {
                        guest.set_nonblocking(false).unwrap();
                        let each = Arc::clone(&each);
                        thread::spawn(move || each(guest));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(LOOK_EVERY),
                    Err(_) => return,
                }
            }
        });
        Door { at, closing, listening: Some(listening) }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// Both ways, until both have said all they had to say.
fn carry(guest: TcpStream, host: TcpStream) {
    let (mut from_guest, mut to_guest) = (guest.try_clone().unwrap(), guest);
    let (mut from_host, mut to_host) = (host.try_clone().unwrap(), host);
    let asking = thread::spawn(move || {
        let _ = std::io::copy(&mut from_guest, &mut to_host);
        let _ = to_host.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut from_host, &mut to_guest);
    let _ = to_guest.shutdown(std::net::Shutdown::Write);
    let _ = asking.join();
}
