"""Says what botocore makes of a machine: the other side of the comparison in tests/parity/mod.rs.

    oracle.py VERSION                botocore's, which must be installed

Reads one machine a line, `{"env": {…}, "dir": "…", "profile": null}`, and answers each with one line. Every machine has
a process of its own, with that environment and nothing else. boto3 is loaded once, before, to save time. Some of it
looks at HOME while it is loaded, so every machine's HOME is the one that this program was started with: a link that
leads to another home each time. Nor may a machine have a variable that botocore looks at so early.
"""

import importlib.metadata
import json
import os
import select
import signal
import sys
import time

import boto3
import botocore.credentials  # noqa: F401
import botocore.tokens  # noqa: F401

# What botocore looks at while it is loaded.
EARLY = {"BOTO_DISABLE_CRT", "AWS_NEW_RETRIES_2026", "BOTO_EXPERIMENTAL__ADD_PROXY_HOST_HEADER"}

# Longer than five tries of STS with botocore's pauses between them.
BOUND = 40


def resolve(profile):
    """As a program does it: a session, its credentials, the keys of one moment."""
    session = boto3.Session(profile_name=profile)
    found = session.get_credentials()
    if found is None:
        return {"outcome": "nothing"}
    frozen = found.get_frozen_credentials()
    # botocore has no public name for the expiry of what it holds.
    expiry = getattr(found, "_expiry_time", None)
    return {
        "outcome": "keys",
        "method": found.method,
        "access_key_id": frozen.access_key,
        "secret_access_key": frozen.secret_key,
        "session_token": frozen.token,
        "account_id": frozen.account_id,
        "expires": expiry and expiry.timestamp(),
    }


def live(machine, answer):
    """The process of one machine, from its birth to its end."""
    os.setsid()  # nobody sits at a terminal
    for number in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
    os.chdir(machine["dir"])
    assert machine["env"]["HOME"] == os.environ["HOME"] and not EARLY & machine["env"].keys()
    os.environ.clear()
    os.environ.update(machine["env"])
    try:
        said = resolve(machine["profile"])
    except Exception as error:  # whatever a program would have met
        said = {"outcome": "error", "error": type(error).__name__, "message": str(error)}
    os.write(answer, json.dumps(said).encode())


def ask(machine):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            live(machine, writing)
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    said, end = b"", time.monotonic() + BOUND
    while select.select([reading], [], [], max(0, end - time.monotonic()))[0]:
        piece = os.read(reading, 65536)
        if not piece:
            break
        said += piece
    else:
        os.killpg(child, signal.SIGKILL)
        said = b""
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if not said:
        return {"outcome": "broken", "message": f"no answer in {BOUND} s; wait status {status}"}
    return json.loads(said)


def main(wanted):
    installed = importlib.metadata.version("botocore")
    if installed != wanted:
        sys.exit(f"botocore {installed} is installed and {wanted} is wanted: run `make clients`")
    for line in sys.stdin:
        print(json.dumps(ask(json.loads(line))), flush=True)


main(*sys.argv[1:])
