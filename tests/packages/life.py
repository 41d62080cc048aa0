"""The life of the package in a throw-away root: installed, configured, upgraded under load, removed, purged.

    unshare --mount --net --pid --fork --kill-child python3 life.py BASE FOLDER FIRST SECOND THIRD

BASE is a Debian root that stays as it is; FIRST to THIRD are packages with growing versions, each with another default
configuration. What was seen is printed as JSON; the test judges it.
"""

import ctypes
import fcntl
import json
import os
import socket
import stat
import struct
import subprocess
import sys
import time

import manager

SOON = 60
KEYS = '[default]\naws_access_key_id = AKIAPACKAGE000000001\naws_secret_access_key = {}\n'
PATH = '/usr/sbin:/usr/bin:/sbin:/bin'
AT = ('127.0.0.1', 5397)

base, folder, first, second, third = sys.argv[1:]
root = f'{folder}/root'
seen = {}


def mounts():
    """The base below, everything that changes in memory; loopback and nothing else."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(what, where, kind, flags, data):
        os.makedirs(where, exist_ok=True)
        if libc.mount(what.encode(), where.encode(), kind.encode(), flags, data.encode()):
            raise OSError(ctypes.get_errno(), f'mount {where}')

    private, recursive, bind = 1 << 18, 1 << 14, 1 << 12
    mount('none', '/', '', private | recursive, '')
    mount('none', f'{folder}/memory', 'tmpfs', 0, '')
    for name in ('upper', 'work'):
        os.mkdir(f'{folder}/memory/{name}')
    layers = f'lowerdir={base},upperdir={folder}/memory/upper,workdir={folder}/memory/work'
    mount('overlay', root, 'overlay', 0, layers)
    mount('proc', f'{root}/proc', 'proc', 0, '')
    mount('/dev', f'{root}/dev', '', bind | recursive, '')
    mount('none', f'{root}/run', 'tmpfs', 0, '')
    os.makedirs(f'{root}/run/systemd/system')
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack('16sh', b'lo', 0x49))


def chroot(*words):
    """What it said; with its status where that is not 0."""
    env = {'PATH': PATH, 'DEBIAN_FRONTEND': 'noninteractive', 'LC_ALL': 'C.UTF-8'}
    ended = subprocess.run(['chroot', root, *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True, timeout=300)
    return ended.stdout + (f'\nSTATUS {ended.returncode}' if ended.returncode else '')


def write(path, text):
    with open(f'{root}{path}', 'w') as out:
        out.write(text)


def read(path):
    with open(f'{root}{path}') as text:
        return text.read()


def until(what, condition):
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > SOON:
            raise TimeoutError(f'{what}; ' + '; '.join(log()[-5:]))
        time.sleep(0.05)


def log():
    with open(f'{folder}/log') as lines:
        return lines.read().splitlines()


def names(file):
    return {int(line.split(':')[2]): line.split(':')[0] for line in read(file).splitlines()}


def listed(paths):
    """path: kind, mode, owner and group."""
    users, groups = names('/etc/passwd'), names('/etc/group')
    found = {}
    for path in paths:
        about = os.lstat(root + path)
        found[path] = f'{stat.filemode(about.st_mode)} {users[about.st_uid]}:{groups[about.st_gid]}'
    return found


def everything():
    """All paths but what dpkg, apt and logs remember."""
    found = set()
    for place, folders, files in os.walk(root):
        inside = place[len(root):]
        if inside.startswith(('/proc', '/dev', '/run', '/var/lib/dpkg', '/var/cache', '/var/lib/apt', '/tmp')):
            folders.clear()
            continue
        found.update(f'{inside}/{name}' for name in folders + files)
    return found


def ask():
    """One fresh connection: the answer, or what went wrong."""
    try:
        token = read('/run/keyfob/token')
        with socket.create_connection(AT, timeout=SOON) as stream:
            head = f'GET /v1/credentials HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n'
            stream.sendall(head.encode())
            answer = b''
            while more := stream.recv(65536):
                answer += more
        return answer.decode()
    except OSError as error:
        return f'lost: {error!r}'


def good(answer):
    return answer.startswith('HTTP/1.1 200 ') and 'AKIAPACKAGE000000001' in answer


class Crowd:
    """Clients in processes of their own: each asks again and again, by fresh connections."""

    def __init__(self, size):
        self.files = [f'{folder}/client{at}' for at in range(size)]
        self.stop, self.pids = f'{folder}/stop', []
        for file in self.files:
            open(file, 'w').close()
            pid = os.fork()
            if not pid:
                self.client(file)
            self.pids.append(pid)

    def client(self, file):
        with open(file, 'w', buffering=1) as out:
            while not os.path.exists(self.stop):
                answer = ask()
                out.write('good\n' if good(answer) else f'{answer[:200]!r}\n')
        os._exit(0)

    def lines(self):
        return [line for file in self.files for line in open(file).read().splitlines()]

    def asked(self, more):
        before = len(self.lines())
        until('clients', lambda: len(self.lines()) >= before + more)

    def over(self):
        open(self.stop, 'w').close()
        for pid in self.pids:
            os.waitpid(pid, 0)
        lines = self.lines()
        return {'asked': len(lines), 'lost': [line for line in lines if line != 'good']}


def starts():
    return sum(line.startswith('ready ') for line in log())


def running():
    """The program that serves now, as the kernel names it."""
    pid = [line.split()[1] for line in log() if line.startswith('ready ')][-1]
    return os.readlink(f'/proc/{pid}/exe').removeprefix(root)


def prepare():
    mounts()
    open(f'{folder}/log', 'w').close()
    for name in ('first', 'second', 'third'):
        with open(globals()[name], 'rb') as package, open(f'{root}/tmp/{name}.deb', 'wb') as out:
            out.write(package.read())
    # What keeps the base small must not keep our files away.
    os.unlink(f'{root}/etc/dpkg/dpkg.cfg.d/99mmdebstrap')
    seen['before'] = sorted(everything() | {'/usr/bin/systemctl.real'})
    # Where apt's own PATH finds it.
    os.rename(f'{root}/usr/bin/systemctl', f'{root}/usr/bin/systemctl.real')
    write('/usr/bin/systemctl', manager.SYSTEMCTL)
    os.chmod(f'{root}/usr/bin/systemctl', 0o755)
    playing = manager.Manager(root, folder)
    if not os.fork():
        try:
            playing.serve()
        except BaseException as error:
            playing.say(f'the manager failed: {error!r}')
            os._exit(1)


def installed():
    seen['install'] = chroot('apt-get', '--quiet=2', 'install', '--yes', '/tmp/first.deb')
    paths = [path for path in chroot('dpkg', '-L', 'keyfob').split() if path != '/.']
    ours = ['/run/keyfob', '/run/keyfob/token', '/run/keyfob/admin.token', '/etc/keyfob/aws', '/var/log/keyfob']
    seen['files'] = listed(paths + [path for path in ours if os.path.lexists(root + path)])
    seen['links'] = {path: os.readlink(root + path) for path in everything() if path.endswith(('wants/keyfob.service', 'wants/keyfob.socket'))}
    seen['user'] = next(line for line in read('/etc/passwd').splitlines() if line.startswith('keyfob:'))
    seen['unconfigured'] = ask()
    with open(f'{root}/var/lib/systemd/catalog/database', 'rb') as catalog:
        seen['catalog'] = b'[KF-DRIFT]' in catalog.read()
    seen['checked'] = chroot('keyfob', 'check')
    seen['manual'] = chroot('sh', '-c', 'gzip -cd /usr/share/man/man1/keyfob-serve.1.gz')


def configured():
    os.makedirs(f'{root}/etc/keyfob/aws', exist_ok=True)
    write('/etc/keyfob/aws/credentials', KEYS.format('of-a-package'))
    chroot('chown', '-R', 'root:keyfob', '/etc/keyfob/aws')
    chroot('systemctl', 'reload', 'keyfob.service')
    until('credentials', lambda: good(ask()))


def upgraded():
    token, program = read('/run/keyfob/token'), os.stat(f'{root}/usr/bin/keyfob').st_ino
    crowd = Crowd(3)
    crowd.asked(100)
    seen['upgrade'] = chroot('dpkg', '--install', '/tmp/second.deb')
    crowd.asked(100)
    seen['again'] = chroot('dpkg', '--install', '/tmp/second.deb')
    crowd.asked(100)
    seen['crowd'] = crowd.over()
    seen['starts'], seen['same_token'] = starts(), token == read('/run/keyfob/token')
    seen['replaced'] = program != os.stat(f'{root}/usr/bin/keyfob').st_ino
    seen['running'] = running()
    seen['followed'] = read('/etc/keyfob/keyfob.toml')
    seen['owner'] = listed(['/etc/keyfob/keyfob.toml', '/etc/keyfob'])


def decided():
    """What an administrator has changed: the configuration, and that systemd shall not listen."""
    write('/etc/keyfob/keyfob.toml', '# mine\n')
    os.unlink(f'{root}/etc/systemd/system/sockets.target.wants/keyfob.socket')
    asked = chroot('dpkg', '--install', '/tmp/third.deb')
    seen['asked'] = asked
    seen['third'] = chroot('dpkg', '--configure', '--force-confold', 'keyfob')
    seen['mine'] = read('/etc/keyfob/keyfob.toml')
    seen['offered'] = os.path.exists(f'{root}/etc/keyfob/keyfob.toml.dpkg-dist')
    seen['overruled'] = os.path.lexists(f'{root}/etc/systemd/system/sockets.target.wants/keyfob.socket')


def gone():
    seen['remove'] = chroot('apt-get', '--quiet=2', 'remove', '--yes', 'keyfob')
    seen['refused'] = ask_without_token()
    left = everything() - set(seen['before'])
    seen['removed'] = sorted(left)
    seen['purge'] = chroot('apt-get', '--quiet=2', 'purge', '--yes', 'keyfob')
    seen['purged'] = sorted(everything() - set(seen['before']))
    seen['missing'] = sorted(set(seen['before']) - everything())
    seen['run'] = sorted(name for name in os.listdir(f'{root}/run') if 'keyfob' in name)
    seen['before'] = len(seen['before'])


def ask_without_token():
    try:
        socket.create_connection(AT, timeout=SOON).close()
        return 'taken'
    except ConnectionRefusedError:
        return 'refused'


try:
    for part in (prepare, installed, configured, upgraded, decided, gone):
        part()
except Exception as error:
    seen['failed'] = f'{part.__name__}: {error!r}'
seen['log'] = log()
if os.path.exists(f'{folder}/service.log'):
    seen['service'] = open(f'{folder}/service.log').read().splitlines()[-20:]
print(json.dumps(seen, indent=1))
