"""The other side of tests/wire: a process that asks botocore, in whatever environment it is told.

    oracle.py                        one question a line, one answer a line

`{"env": {…}, "profile": "…"}` is answered with what botocore finds there, `{"env": {…}, "urls": […]}` with the proxies
it would take. Each question has a process of its own; botocore is loaded once, in the HOME this one was started with, and
pauses between tries are left out: how often it asks is the question, not how patiently.
"""

import json
import os
import sys
import time

import botocore.httpsession
import botocore.loaders
import botocore.session
import botocore.utils

LOADER = botocore.loaders.create_loader()


def session(profile):
    made = botocore.session.Session(profile=profile)
    made.register_component("data_loader", LOADER)
    return made


def warm():
    for service in ("sts", "sso", "sso-oidc", "signin"):
        session(None).create_client(
            service, region_name="eu-west-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="x"
        )


def resolve(profile):
    found = session(profile).get_credentials()
    if found is None:
        return {"error": "nothing found"}
    return {"key": found.get_frozen_credentials().access_key}


def proxies(url):
    chosen = botocore.httpsession.ProxyConfiguration(botocore.utils.get_environ_proxies(url))
    proxy = chosen.proxy_url_for(url)
    return {"proxy": proxy, "login": chosen.proxy_headers_for(proxy).get("Proxy-Authorization") if proxy else None}


def answer(asked):
    os.environ.clear()
    os.environ.update(asked["env"])
    time.sleep = lambda seconds: None
    try:
        if "urls" in asked:
            return [proxies(url) for url in asked["urls"]]
        return resolve(asked.get("profile"))
    except Exception as error:  # whatever a program would have met
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    for name in [name for name in os.environ if name not in ("HOME", "PATH")]:
        del os.environ[name]
    warm()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            print(json.dumps(answer(json.loads(line))), flush=True)
            os._exit(0)
        os.waitpid(child, 0)


main()
