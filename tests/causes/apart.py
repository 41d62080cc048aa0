"""Furnishes a network namespace of its own and runs the rest of the command line in it.

    unshare -rn python3 apart.py [silent|lost|serve ADDRESS [STATUS BODY [HEADER]]] -- keyfob explain

`silent`: the address takes connections, and nothing ever answers (a hop limit of 1). `lost`: packets to it vanish. `serve`: it
answers everything like this. `hosts NAME ADDRESS`, first, gives a name an address (with `unshare -rnm`).
"""

import http.server
import os
import socket
import subprocess
import sys
import tempfile
import threading


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def answering(status, body, header):
    class Answers(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.send_response_only(status)
            if header:
                self.send_header(*header.split(": ", 1))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        do_GET = do_PUT = do_POST = answer

        def log_message(self, *_):
            pass

    return Answers


def listening(address, port, silent):
    listener = socket.socket()
    listener.bind((address, port))
    listener.listen(64 if silent else 0)
    # Once nobody else fits into the queue, the kernel drops whoever knocks.
    clients = [socket.socket() for _ in range(0 if silent else 8)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex((address, port))
    return [listener, *clients]


def furnish(words):
    kind, address, *more = words
    ip("addr", "add", f"{address}/32", "dev", "lo")
    if kind in ("silent", "lost"):
        return [held for port in (80, 443) for held in listening(address, port, kind == "silent")]
    status, body = int(more[0]), more[1]
    header = more[2] if len(more) > 2 else ""
    server = http.server.ThreadingHTTPServer((address, 80), answering(status, body, header))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main():
    split = sys.argv.index("--")
    words, command = sys.argv[1:split], sys.argv[split + 1 :]
    ip("link", "set", "lo", "up")
    if words[:1] == ["hosts"]:
        with tempfile.NamedTemporaryFile("w", suffix=".hosts") as hosts:
            hosts.write(f"127.0.0.1 localhost\n{words[2]} {words[1]}\n")
            hosts.flush()
            subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
        words = words[3:]
    kept = furnish(words) if words else None
    # Python itself puts a locale there where there is none.
    os.environ.pop("LC_CTYPE", None)
    ended = subprocess.run(command).returncode
    del kept
    sys.exit(ended)


main()
