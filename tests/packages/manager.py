"""Plays systemd for one service in a root of its own: holds the sockets, starts, stops and restarts as units say.

`systemctl` in that root is a few lines of shell that ask here, so that package scripts and Debian's own helpers run as
they are. Everything that is done is kept in `log`.
"""

import os
import select
import signal
import socket
import time

ASK, ANSWER, NOTIFY = 'run/ask', 'run/answer', 'run/systemd/notify'
SYSTEMCTL = '''#!/bin/sh
# What only makes links is systemctl's own to do.
case "$*" in *preset*) exec /usr/bin/systemctl.real "$@" ;; esac
echo "$*" > /run/ask
read -r status words < /run/answer
[ -z "$words" ] || echo "$words"
exit "$status"
'''


def unit(root, name):
    """Section.Key: values, in order."""
    found = {}
    section = ''
    with open(f'{root}/usr/lib/systemd/system/{name}') as text:
        for line in text:
            line = line.strip()
            if line.startswith('['):
                section = line.strip('[]')
            elif '=' in line and not line.startswith('#'):
                key, value = line.split('=', 1)
                found.setdefault(f'{section}.{key}', []).append(value)
    return found


class Manager:
    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        self.sockets, self.pid, self.status = [], 0, ''
        os.mkfifo(f'{root}/{ASK}')
        os.mkfifo(f'{root}/{ANSWER}')
        self.ask = os.open(f'{root}/{ASK}', os.O_RDWR)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(f'{root}/{NOTIFY}')
        os.chmod(f'{root}/{NOTIFY}', 0o777)

    def say(self, line):
        with open(f'{self.folder}/log', 'a') as log:
            log.write(line + '\n')

    def serve(self):
        """For ever: the namespace ends it."""
        while True:
            ready, _, _ = select.select([self.ask, self.notify], [], [], 1)
            if self.notify in ready:
                self.hear()
            if self.ask in ready:
                words = os.read(self.ask, 4096).decode().split()
                answer = self.do([word for word in words if not word.startswith('--')])
                with open(f'{self.root}/{ANSWER}', 'w') as out:
                    out.write(answer + '\n')

    def do(self, words):
        verb, units = words[0], words[1:]
        if verb == 'is-enabled':
            target = 'sockets' if units[0].endswith('.socket') else 'multi-user'
            enabled = os.path.lexists(f'{self.root}/etc/systemd/system/{target}.target.wants/{units[0]}')
            return '0 enabled' if enabled else '1 disabled'
        if verb == 'is-active':
            running = self.sockets if units[0].endswith('.socket') else self.pid
            return '0' if running else '3'
        self.say(' '.join(words))
        for name in units:
            getattr(self, verb)(name)
        return '0'

    def start(self, name):
        if name.endswith('.socket'):
            self.listen(unit(self.root, name))
        elif not self.pid:
            self.run(unit(self.root, name))

    def stop(self, name):
        if name.endswith('.socket'):
            for given in self.sockets:
                given.close()
            self.sockets = []
        elif self.pid:
            self.end()
            self.remove_runtime(unit(self.root, name))

    def restart(self, name):
        """A restart keeps RuntimeDirectory= only where the unit says so."""
        words = unit(self.root, name)
        if name.endswith('.service') and self.pid:
            self.end()
            if words.get('Service.RuntimeDirectoryPreserve') != ['restart']:
                self.remove_runtime(words)
            self.run(words)
        else:
            self.stop(name)
            self.start(name)

    def reload(self, _name):
        os.kill(self.pid, signal.SIGHUP)

    def listen(self, words):
        if self.sockets:
            return
        for address in words['Socket.ListenStream']:
            host, port = address.rsplit(':', 1)
            given = socket.socket()
            given.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            given.bind((host, int(port)))
            given.listen(4096)
            self.sockets.append(given)
        self.names = words['Socket.FileDescriptorName'][0]

    def run(self, words):
        user = words['Service.User'][0]
        for base, key in (('run', 'RuntimeDirectory'), ('var/log', 'LogsDirectory')):
            for name in words.get(f'Service.{key}', []):
                path = f'{self.root}/{base}/{name}'
                os.makedirs(path, exist_ok=True)
                os.chmod(path, int(words[f'Service.{key}Mode'][0], 8))
                os.chown(path, *self.ids(user))
        command = words['Service.ExecStart'][0].split()
        env = {'PATH': '/usr/sbin:/usr/bin', 'NOTIFY_SOCKET': f'/{NOTIFY}', 'RUNTIME_DIRECTORY': '/run/keyfob'}
        for line in words.get('Service.Environment', []):
            env.update(pair.split('=', 1) for pair in line.split())
        self.pid = os.fork()
        if not self.pid:
            self.become(user, command, env)
        begun = time.monotonic()
        while not self.hear():
            if time.monotonic() - begun > 90:
                raise TimeoutError('the service is not ready')
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                raise RuntimeError('the service ended at its start')
        self.say(f'ready {self.pid} after {time.monotonic() - begun:.1f} s')

    def become(self, user, command, env):
        """The child: sockets at 3 and up, the unit's user, no privileges, the program."""
        try:
            log = os.open(f'{self.folder}/service.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            high = [os.dup2(given.fileno(), 100 + at) for at, given in enumerate(self.sockets)]
            for at, given in enumerate([os.open('/dev/null', os.O_RDONLY), log, log, *high]):
                os.dup2(given, at, inheritable=True)
            os.closerange(3 + len(high), 200)
            if high:
                env.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)), LISTEN_FDNAMES=self.names)
            os.chroot(self.root)
            os.chdir('/')
            os.umask(0o077)
            os.setsid()
            privileges = ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all']
            setpriv = ['setpriv', f'--reuid={user}', f'--regid={user}', '--init-groups', *privileges]
            os.execvpe('setpriv', setpriv + command, env)
        finally:
            os._exit(1)

    def hear(self):
        """Whether READY=1 was among what the service said."""
        if not select.select([self.notify], [], [], 0.05)[0]:
            return False
        lines = self.notify.recv(65536).decode().split('\n')
        for line in lines:
            if line.startswith('STATUS='):
                self.say(line)
        return 'READY=1' in lines

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        begun = time.monotonic()
        while not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() - begun > 20:
                os.kill(self.pid, signal.SIGKILL)
                self.say('killed: it did not end by itself')
            self.hear()
        self.pid = 0

    def remove_runtime(self, words):
        for name in words.get('Service.RuntimeDirectory', []):
            path = f'{self.root}/run/{name}'
            for left in os.listdir(path):
                os.unlink(f'{path}/{left}')
            os.rmdir(path)

    def ids(self, user):
        with open(f'{self.root}/etc/passwd') as text:
            fields = next(line.split(':') for line in text if line.startswith(f'{user}:'))
        return int(fields[2]), int(fields[3])
