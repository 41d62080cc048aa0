//! Instructions in user space for one request, counted: the same whatever else the machine does.

use super::binary;
use super::servers::{PATH, long_lived_keys};
use crate::support::raw::Wire;
use crate::support::run::which;
use crate::support::{Run, Serving, TempHome};

/// Two runs that differ in this many requests only: start and end cancel out.
const MORE: u64 = 1000;

/// What one request costs, on one connection or with a connection of its own.
pub fn a_request(fresh: bool) -> f64 {
    let (few, many) = (count(MORE, fresh), count(2 * MORE, fresh));
    let more = many.checked_sub(few).unwrap();
    f64::from(u32::try_from(more).unwrap()) / f64::from(u32::try_from(MORE).unwrap())
}

fn count(requests: u64, fresh: bool) -> u64 {
    let home = TempHome::new();
    let out = home.path().join("callgrind.out");
    let run = Run::new(which("valgrind").unwrap())
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(binary())
        .args(["serve", "--log-format", "json", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
        .envs(home.env())
        .envs(long_lived_keys());
    let serving = Serving::launch(&run).unwrap_or_else(|log| panic!("keyfob did not start:\n{log}"));
    // Waits for the first credentials; asked once, so that the runs stay alike.
    assert_eq!(serving.credentials(PATH).status, 200);
    ask(&serving, requests, fresh);
    serving.process.stop();
    let text = std::fs::read_to_string(&out).unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
    total.trim().parse().unwrap()
}

/// Byte for byte the same request each time, with the headers that botocore sends.
fn ask(serving: &Serving, requests: u64, fresh: bool) {
    let addr = serving.bound.credentials;
    let head = format!(
        "GET {PATH} HTTP/1.1\r\nHost: {addr}\r\nAccept-Encoding: identity\r\nAccept: application/json\r\n\
         Authorization: {}\r\nUser-Agent: Botocore/1.43.11\r\n{}\r\n",
        serving.token(),
        if fresh { "Connection: close\r\n" } else { "" },
    );
    let mut wire = Wire::connect(addr);
    for turn in 0..requests {
        if fresh && turn > 0 {
            wire = Wire::connect(addr);
        }
        wire.send(head.as_bytes()).unwrap();
        assert_eq!(wire.reply().unwrap().status, 200);
    }
}
