"""boto3 as a client of keyfob. It is told nothing but its environment.

    boto.py credentials              what the default chain finds
    boto.py identity                 who STS says that is
    boto.py loop SECONDS PAUSE_MS    the same client asks STS again and again

Each prints one line of JSON; a failure is {"error", "message"} and exit status 1.
"""

import json
import sys
import time

import boto3


def credentials():
    found = boto3.Session().get_credentials()
    if found is None:
        raise LookupError("no credentials")
    frozen = found.get_frozen_credentials()
    # botocore has no public name for the expiry of what it holds.
    expiry = getattr(found, "_expiry_time", None)
    return {
        "AccessKeyId": frozen.access_key,
        "account": frozen.account_id,
        "expiration": expiry and expiry.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def identity():
    answer = boto3.client("sts").get_caller_identity()
    return {"account": answer["Account"], "arn": answer["Arn"]}


def loop(seconds, pause_ms):
    client = boto3.client("sts")
    calls, failures, first = 0, 0, None
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        calls += 1
        try:
            client.get_caller_identity()
        except Exception as error:  # every kind counts
            failures += 1
            first = first or f"{type(error).__name__}: {error}"
        time.sleep(float(pause_ms) / 1000)
    return {"calls": calls, "failures": failures, "first": first}


def main():
    modes = {"credentials": credentials, "identity": identity, "loop": loop}
    try:
        answer = modes[sys.argv[1]](*sys.argv[2:])
    except Exception as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}))
        return 1
    print(json.dumps(answer))
    return 0


sys.exit(main())
