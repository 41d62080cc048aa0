"""An application with boto3, told nothing but its environment: who it is, again and again, each time from scratch.

    app.py once         asks once
    app.py for-ever     asks until TERM, then STOPPING times more, as one that finishes its work

Each question is a line of JSON: the identity, or "error"; "stopping" marks those after TERM.
"""

import json
import os
import signal
import sys
import time

import boto3

STOPPING = 5
stopping = False


def stop(*_):
    global stopping
    stopping = True


def ask():
    """A new session asks the agent anew: what an earlier one holds does not help it."""
    line = {"uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups()}
    try:
        session = boto3.session.Session()
        answer = session.client("sts").get_caller_identity()
        line |= {"arn": answer["Arn"], "key": session.get_credentials().access_key}
    except Exception as error:  # every kind counts
        line["error"] = f"{type(error).__name__}: {error}"
    if stopping:
        line["stopping"] = True
    print(json.dumps(line), flush=True)
    return "error" not in line


# The first process of a container: a signal without a handler does nothing to it.
signal.signal(signal.SIGTERM, stop)
fine = ask()
if sys.argv[1] == "for-ever":
    while not stopping:
        ask()
        time.sleep(0.2)
    fine = all([ask() for _ in range(STOPPING)])
sys.exit(0 if fine else 1)
