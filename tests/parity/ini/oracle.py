"""What the installed botocore makes of pairs of AWS files: rows in from stdin as JSON, one answer each out.

An answer is null where it refuses a file, else the profiles, sso-sessions and services that it finds in the two.
"""

import json
import os
import pathlib
import sys
import tempfile

import botocore.exceptions
import botocore.session


def found(folder, row):
    for name in ("config", "credentials"):
        path = folder / name
        path.unlink(missing_ok=True)
        if row[name] is not None:
            path.write_bytes(row[name].encode("latin-1"))
    try:
        config = botocore.session.Session().full_config
    except botocore.exceptions.ConfigParseError:
        return None
    kinds = [("", "profiles"), ("sso-session ", "sso_sessions"), ("services ", "services")]
    # What the credentials file calls so is a profile of that name, and the same to us.
    return [{begin + name: keys for name, keys in config.get(kind, {}).items()} for begin, kind in kinds]


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        os.environ["AWS_CONFIG_FILE"] = str(folder / "config")
        os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(folder / "credentials")
        json.dump([found(folder, row) for row in json.load(sys.stdin)], sys.stdout)


main()
