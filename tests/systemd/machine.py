"""A machine to throw away, and services on it inside the sandbox that their units describe. Needs root; no manager runs.

    machine.py boot ROOT [--show PATH]...     what is under ROOT is its disk; alive until stdin ends
    machine.py service PID UNIT [DROP-IN]... [--line ExecStart] [--set NAME=VALUE]... [--journal] [-- COMMAND...]
    machine.py as PID USER [--group GROUP]... -- COMMAND...

The machine has a network (loopback alone), mounts, a host name and an IPC space of its own; /usr is the host's, with
ROOT/installed/usr on top, and not to be written. A service is what its unit says: each setting is applied as systemd 252 does it, with the
kernel's own means, or stands in LEFT_OUT; any other setting is an error, so that a unit cannot say what is not tried.
"""

import argparse
import ctypes
import errno
import fcntl
import os
import re
import resource
import shlex
import socket
import stat
import struct
import subprocess
import sys

# What only a manager can do: order, restarts, deadlines, control groups, what is removed afterwards.
LEFT_OUT = {
    "Type", "NotifyAccess", "Restart", "RestartSec", "TimeoutStartSec", "TimeoutStopSec", "RuntimeDirectoryPreserve",
    "RemoveIPC", "MemorySwapMax", "DevicePolicy",
}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

libc = ctypes.CDLL(None, use_errno=True)


def called(result, what):
    if result < 0:
        number = ctypes.get_errno() or -result
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


# --- mounts

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 4, 8, 32, 4096, 16384
MS_PRIVATE, MS_SLAVE = 1 << 18, 1 << 19
CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x40000000
SPACES = {"net": CLONE_NEWNET, "uts": CLONE_NEWUTS, "ipc": CLONE_NEWIPC, "mnt": CLONE_NEWNS}


def mount(source, target, kind=None, flags=0, options=None):
    encoded = [None if word is None else os.fsencode(word) for word in (source, target, kind, options)]
    called(libc.mount(*encoded[:3], ctypes.c_ulong(flags), encoded[3]), f"mount {target}")


def bind(source, target):
    mount(source, target, flags=MS_BIND | MS_REC)


def read_only(path, wanted, recursive=False):
    """mount_setattr(2): the mount at `path`, or all below it too."""
    change = struct.pack("QQQQ", 1 if wanted else 0, 0 if wanted else 1, 0, 0)
    flags = 0x8000 if recursive else 0
    result = libc.syscall(442, -100, os.fsencode(path), flags, change, ctypes.c_size_t(len(change)))
    called(result, f"mount_setattr {path}")


def bind_for_reading(source, target):
    """What is the host's is not the machine's to change, not even its root's."""
    bind(source, target)
    read_only(target, True, recursive=True)


def folder(path, mode=0o755, owner=None):
    os.makedirs(path, exist_ok=True)
    os.chmod(path, mode)
    if owner:
        os.chown(path, *owner)


# --- the machine


def boot(words):
    asked = argparse.ArgumentParser(prog="machine.py boot")
    asked.add_argument("root")
    asked.add_argument("--show", action="append", default=[])
    asked = asked.parse_args(words)
    called(libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET), "unshare")
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    loopback_up()
    socket.sethostname("throwaway")
    root = asked.root
    os.chmod(root, 0o755)
    bind(root, root)
    for name in ("proc", "sys", "dev", "usr", "etc", "home", "run/user", "var/log", "var/lib", "opt", "srv", "root"):
        folder(f"{root}/{name}")
    folder(f"{root}/root", 0o755 if any(path.startswith("/root/") for path in asked.show) else 0o700)
    for name in ("tmp", "var/tmp"):
        folder(f"{root}/{name}", 0o1777)
    system_folders(root)
    mount("proc", f"{root}/proc", "proc")
    mount("sysfs", f"{root}/sys", "sysfs", MS_RDONLY)
    bind("/dev", f"{root}/dev")
    for path in asked.show:
        os.makedirs(root + path, exist_ok=True)
        bind_for_reading(path, root + path)
    os.chdir(root)
    called(libc.pivot_root(b".", b"."), "pivot_root")
    called(libc.umount2(b".", 2), "umount")
    os.chdir("/")
    print("up", flush=True)
    sys.stdin.read()


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x8 | 0x40))


def system_folders(root):
    """The host's /usr; a folder in which something is installed beside is made of links to the host's."""
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{root}/{name}")
        elif os.path.isdir(f"/{name}"):
            folder(f"{root}/{name}")
            bind_for_reading(f"/{name}", f"{root}/{name}")
    mount("tmpfs", f"{root}/usr", "tmpfs", options="mode=755")
    own = f"{root}/installed/usr"
    for name in os.listdir("/usr"):
        if os.path.islink(f"/usr/{name}") or not os.path.isdir(f"/usr/{name}"):
            continue
        folder(f"{root}/usr/{name}")
        if name == "local":
            if os.path.isdir(f"{own}/local"):
                bind(f"{own}/local", f"{root}/usr/local")
            continue
        if not os.path.isdir(f"{own}/{name}"):
            bind_for_reading(f"/usr/{name}", f"{root}/usr/{name}")
            continue
        folder(f"{root}/usr/.{name}")
        bind_for_reading(f"/usr/{name}", f"{root}/usr/.{name}")
        for entry in os.listdir(f"/usr/{name}"):
            if not os.path.exists(f"{own}/{name}/{entry}"):
                os.symlink(f"/usr/.{name}/{entry}", f"{root}/usr/{name}/{entry}")
        for entry in os.listdir(f"{own}/{name}"):
            target = f"{root}/usr/{name}/{entry}"
            if os.path.isdir(f"{own}/{name}/{entry}"):
                folder(target)
            else:
                open(target, "x").close()
            bind(f"{own}/{name}/{entry}", target)
    if os.path.isdir("/etc/alternatives"):
        folder(f"{root}/etc/alternatives")
        bind_for_reading("/etc/alternatives", f"{root}/etc/alternatives")


def enter(pid):
    spaces = {name: os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in SPACES}
    for name, kind in SPACES.items():
        called(libc.setns(spaces[name], kind), f"setns {name}")
    os.chdir("/")


class User:
    """Of the machine's own /etc/passwd and /etc/group, with the groups that list it."""

    def __init__(self, name, group=None, more=()):
        users = {line[0]: line for line in table("/etc/passwd")}
        groups = {line[0]: line for line in table("/etc/group")}
        line = users[name]
        self.name, self.uid, self.home, self.shell = name, int(line[2]), line[5], line[6]
        self.gid = int(groups[group][2]) if group else int(line[3])
        listed = [int(line[2]) for line in groups.values() if name in line[3].split(",")]
        self.groups = sorted({self.gid, *listed, *(int(groups[other][2]) for other in more)})

    def become(self):
        os.setgroups(self.groups)
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)


def table(path):
    with open(path) as lines:
        return [line.rstrip("\n").split(":") for line in lines if line.strip()]


def become_and_run(words):
    asked = argparse.ArgumentParser(prog="machine.py as")
    asked.add_argument("pid", type=int)
    asked.add_argument("user")
    asked.add_argument("--group", action="append", default=[])
    words, command = split(words)
    asked = asked.parse_args(words)
    enter(asked.pid)
    user = User(asked.user, more=asked.group)
    user.become()
    execute(command, {"HOME": user.home, "PATH": PATH, **os.environ})


def split(words):
    at = words.index("--") if "--" in words else len(words)
    return words[:at], words[at + 1:]


def execute(command, env):
    try:
        os.execvpe(command[0], command, env)
    except OSError as error:
        sys.exit(f"cannot execute {command}: {error}")


# --- the unit


class Settings:
    """What [Service] says, in the order of unit and drop-ins; an empty value forgets what came before it."""

    def __init__(self, paths):
        self.values = {}
        for path in paths:
            with open(path) as file:
                self.read(path, file.read().replace("\\\n", " "))

    def read(self, path, text):
        section = None
        for line in map(str.strip, text.splitlines()):
            if not line or line[0] in "#;":
                continue
            if line.startswith("["):
                section = line
            elif section == "[Service]":
                name, equals, value = line.partition("=")
                assert equals, f"{path}: {line}"
                self.values.setdefault(name, []).append(value)

    def all(self, name):
        """Every value since the last empty one; marks the setting as known."""
        values = self.values.pop(name, [])
        while "" in values:
            values = values[values.index("") + 1:]
        return values

    def last(self, name, otherwise=None):
        return (self.all(name) or [otherwise])[-1]

    def words(self, name):
        return [word for value in self.all(name) for word in shlex.split(value)]

    def yes(self, name):
        value = self.last(name, "no")
        assert value in ("yes", "no", "true", "false"), f"{name}={value}"
        return value in ("yes", "true")

    def nothing_is_left(self):
        unknown = set(self.values) - LEFT_OUT
        assert not unknown, f"not tried: {sorted(unknown)}; teach {__file__}"


class Service:
    def __init__(self, unit, settings):
        self.unit, self.settings = unit, settings
        self.user = User(settings.last("User", "root"), settings.last("Group"), settings.words("SupplementaryGroups"))
        self.env = {"PATH": PATH, "LANG": "C.UTF-8", "INVOCATION_ID": "0" * 32, "SYSTEMD_EXEC_PID": str(os.getpid())}
        self.env.update(USER=self.user.name, LOGNAME=self.user.name)
        # What says nothing is not said: root's folder as a home, a shell that is none.
        if self.user.home != "/":
            self.env["HOME"] = self.user.home
        if not self.user.shell.endswith(("/nologin", "/false")):
            self.env["SHELL"] = self.user.shell
        self.writable, self.credentials = [], f"/run/credentials/{unit}"

    def apply(self):
        settings = self.settings
        self.folders()
        secrets = [self.secret(entry) for entry in settings.all("LoadCredential")]
        watchdog = settings.last("WatchdogSec")
        if watchdog:
            self.env["WATCHDOG_USEC"] = str(1_000_000 * int(watchdog.removesuffix("s")))
            self.env["WATCHDOG_PID"] = str(os.getpid())
        self.mounts(secrets)
        self.environment()
        os.umask(int(settings.last("UMask", "0022"), 8))
        core = settings.last("LimitCORE")
        if core is not None:
            resource.setrlimit(resource.RLIMIT_CORE, (int(core), int(core)))
        if settings.last("KeyringMode") == "private":
            called(libc.syscall(System.seccomp().seccomp_syscall_resolve_name(b"keyctl"), 1, None), "keyctl")
        filters = self.filters()
        for name in ("CapabilityBoundingSet", "AmbientCapabilities"):
            assert not "".join(settings.values.pop(name, [])), f"{name}: only none is known"
        no_new_privileges = settings.yes("NoNewPrivileges")
        self.lines = {name: settings.last(name) for name in ("ExecStartPre", "ExecStart", "ExecReload")}
        settings.nothing_is_left()
        capability = 0
        while libc.prctl(24, capability, 0, 0, 0) == 0:
            capability += 1
        self.user.become()
        if no_new_privileges:
            called(libc.prctl(38, 1, 0, 0, 0), "no_new_privs")
        for one in filters:
            one.load()

    def folders(self):
        for what, above in (("Runtime", "/run"), ("Logs", "/var/log"), ("State", "/var/lib")):
            mode = int(self.settings.last(f"{what}DirectoryMode", "0755"), 8)
            paths = [f"{above}/{name}" for name in self.settings.words(f"{what}Directory")]
            for path in paths:
                folder(path, mode, (self.user.uid, self.user.gid))
            if paths:
                self.writable += paths
                self.env[f"{what.upper()}_DIRECTORY"] = ":".join(paths)

    def secret(self, entry):
        name, path = entry.split(":")
        with open(path, "rb") as file:
            return name, file.read()

    def environment(self):
        self.settings.values.pop("PassEnvironment", None)
        given = [word.replace("%d", self.credentials).replace("%%", "%") for word in self.settings.words("Environment")]
        for path in self.settings.all("EnvironmentFile"):
            try:
                with open(path.removeprefix("-")) as file:
                    given += [word for line in file if line[0] not in "#;\n" for word in shlex.split(line)]
            except FileNotFoundError:
                if not path.startswith("-"):
                    sys.exit(f"Failed to load environment files: {path}")
        self.env.update(word.split("=", 1) for word in given)
        for name in self.settings.words("UnsetEnvironment"):
            self.env.pop(name, None)

    def mounts(self, secrets):
        settings = self.settings
        called(libc.unshare(CLONE_NEWNS), "unshare")
        mount(None, "/", flags=MS_REC | MS_SLAVE)
        settings.yes("PrivateMounts")
        sources = [(path, os.open(path, os.O_PATH)) for path in settings.words("BindReadOnlyPaths")]
        hidden = self.inaccessible()
        homes = settings.last("ProtectHome", "no")
        for path in ("/home", "/root", "/run/user"):
            if homes == "tmpfs":
                mount("tmpfs", path, "tmpfs", MS_NODEV | MS_NOSUID, "mode=755")
            elif homes == "yes":
                bind(hidden, path)
            else:
                assert homes in ("no", "read-only"), homes
        for path, source in sources:
            os.makedirs(path, exist_ok=True)
            bind(f"/proc/self/fd/{source}", path)
            os.close(source)
        if secrets:
            self.hand_over(secrets)
        writable = list(self.writable)
        for path in writable:
            bind(path, path)
        if settings.yes("PrivateTmp"):
            for path in ("/tmp", "/var/tmp"):
                mount("tmpfs", path, "tmpfs", MS_NODEV | MS_NOSUID, "mode=1777")
                writable.append(path)
        if settings.yes("PrivateDevices"):
            private_devices()
        self.kernel(hidden)
        strict = settings.last("ProtectSystem")
        assert strict in (None, "strict"), strict
        if strict:
            read_only("/", True, recursive=True)
            for path in [*writable, "/proc", "/dev"]:
                read_only(path, False)

    def inaccessible(self):
        path = "/run/systemd/inaccessible/dir"
        folder(path, 0o000)
        return path

    def kernel(self, hidden):
        settings = self.settings
        self.nameless = []
        if settings.yes("ProtectHostname"):
            called(libc.unshare(CLONE_NEWUTS), "unshare")
            self.nameless = [["sethostname", "setdomainname"]]
        self.shut = [name for name in ("Clock", "KernelTunables", "KernelModules", "KernelLogs", "ControlGroups")
                     if settings.yes(f"Protect{name}")]
        if "KernelModules" in self.shut and os.path.isdir("/usr/lib/modules"):
            bind(hidden, "/usr/lib/modules")
        visible, subset = settings.last("ProtectProc", "default"), settings.last("ProcSubset", "all")
        options = [f"hidepid={visible}"] if visible != "default" else []
        options += [f"subset={subset}"] if subset != "all" else []
        if options:
            mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, ",".join(options))

    def hand_over(self, secrets):
        folder(self.credentials, 0o700)
        mount("tmpfs", self.credentials, "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, "mode=0700,size=1M")
        for name, content in secrets:
            path = f"{self.credentials}/{name}"
            with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o400), "wb") as file:
                file.write(content)
            self.let_in(path, 0o4)
        self.let_in(self.credentials, 0o5)
        read_only(self.credentials, True)
        self.env["CREDENTIALS_DIRECTORY"] = self.credentials

    def let_in(self, path, permission):
        """The files stay root's; an entry of an access list lets the user in, where the kernel has such lists."""
        nobody = 0xFFFFFFFF
        owner = permission | (0o2 if permission == 0o5 else 0)
        entries = [(1, owner, nobody), (2, permission, self.user.uid), (4, 0, nobody), (16, permission, nobody),
                   (32, 0, nobody)]
        access = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
        try:
            os.setxattr(path, "system.posix_acl_access", access)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            os.chown(path, self.user.uid, -1)

    def filters(self):
        """In systemd's order: the list of system calls last, as it may forbid to load another."""
        settings, made = self.settings, []
        families = settings.words("RestrictAddressFamilies")
        if families:
            made.append(address_families({int(getattr(socket, name)) for name in families}))
        if settings.yes("MemoryDenyWriteExecute"):
            made.append(write_or_execute())
        if settings.yes("RestrictRealtime"):
            made.append(realtime())
        if settings.yes("RestrictSUIDSGID"):
            made.append(suid())
        if settings.yes("RestrictNamespaces"):
            made.append(namespaces())
        if settings.yes("LockPersonality"):
            made.append(Filter().refuse("personality", (0, NE, libc.personality(0xFFFFFFFF))))
        sets = System.sets()
        kernel = {"Clock": "@clock", "KernelModules": "@module", "KernelLogs": "syslog", "KernelTunables": "_sysctl"}
        for names in [[kernel[name]] for name in self.shut if name in kernel] + self.nameless:
            made.append(Filter())
            for name in sorted(System.flat(sets, names)):
                made[-1].refuse(name)
        if settings.last("SystemCallArchitectures") == "native":
            made.append(Filter(other_architectures=KILL))
        listed = settings.all("SystemCallFilter")
        if listed:
            number = settings.last("SystemCallErrorNumber")
            made.append(allowed_calls(sets, listed, getattr(errno, number)))
        return made


def private_devices():
    names = ("null", "zero", "full", "random", "urandom", "tty")
    held = [(name, os.open(f"/dev/{name}", os.O_PATH)) for name in names]
    mount("tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755")
    for name, device in held:
        open(f"/dev/{name}", "x").close()
        bind(f"/proc/self/fd/{device}", f"/dev/{name}")
        os.close(device)
    folder("/dev/shm", 0o1777)
    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
                         ("stderr", "/proc/self/fd/2"), ("log", "/run/systemd/journal/dev-log")):
        os.symlink(target, f"/dev/{name}")


# --- seccomp, by the library that systemd uses too

ALLOW, KILL = 0x7FFF0000, 0x80000000
NE, LT, EQ, GT, MASKED = 1, 2, 4, 6, 7


def refusal(number):
    return 0x00050000 | number


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class System:
    library = None

    @classmethod
    def seccomp(cls):
        if cls.library is None:
            cls.library = ctypes.CDLL("libseccomp.so.2")
            cls.library.seccomp_init.restype = ctypes.c_void_p
        return cls.library

    _sets = None

    @classmethod
    def sets(cls):
        """The sets of system calls that this systemd knows."""
        if cls._sets is None:
            listed = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], capture_output=True, text=True)
            cls._sets, name = {}, None
            for line in re.sub(r"\x1b\[[0-9;]*m", "", listed.stdout).splitlines():
                word = line.strip()
                if word.startswith("@") and not line.startswith(" "):
                    name = word
                elif not line.strip() or not line.startswith(" "):
                    name = name if line.startswith(" ") else None
                elif name and not word.startswith("#"):
                    cls._sets.setdefault(name, []).append(word)
            assert {"@system-service", "@default", "@known"} <= set(cls._sets), listed
        return cls._sets

    @classmethod
    def flat(cls, sets, names):
        calls = set()
        for name in names:
            calls |= cls.flat(sets, sets[name]) if name.startswith("@") else {name}
        return calls


class Filter:
    """What a service's program may not ask of the kernel; everything else is let through unless said otherwise."""

    def __init__(self, otherwise=ALLOW, other_architectures=ALLOW):
        library = System.seccomp()
        self.context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(otherwise)))
        for attribute, value in ((2, other_architectures), (3, 0)):
            library.seccomp_attr_set(self.context, attribute, ctypes.c_uint32(value))
        # A tree instead of a list, where the library has it.
        library.seccomp_attr_set(self.context, 8, ctypes.c_uint32(2))

    def rule(self, action, call, *compare):
        library = System.seccomp()
        number = library.seccomp_syscall_resolve_name(call.encode())
        # A call of other machines.
        if number < 0:
            return self
        conditions = (Compare * len(compare))(*[Compare(*(*one, 0)[:4]) for one in compare])
        result = library.seccomp_rule_add_exact_array(
            self.context, ctypes.c_uint32(action), number, len(compare), conditions)
        called(result, f"seccomp rule for {call}")
        return self

    def refuse(self, call, *compare, number=errno.EPERM):
        return self.rule(refusal(number), call, *compare)

    def load(self):
        called(System.seccomp().seccomp_load(self.context), "seccomp_load")


def allowed_calls(sets, listed, number):
    """What systemd does not know at all is answered as by a kernel that does not know it."""
    allowed = System.flat(sets, ["@default"])
    assert not listed[0].startswith("~"), "only a list of what is allowed is known"
    for value in listed:
        calls = System.flat(sets, value.removeprefix("~").split())
        allowed = allowed - calls if value.startswith("~") else allowed | calls
    made = Filter(otherwise=refusal(errno.ENOSYS))
    for name in sorted(allowed):
        made.rule(ALLOW, name)
    for name in sorted(System.flat(sets, ["@known"]) - allowed):
        made.refuse(name, number=number)
    return made


def address_families(allowed):
    made = Filter()
    first, last = min(allowed), max(allowed)
    made.refuse("socket", (0, LT, first), number=errno.EAFNOSUPPORT)
    made.refuse("socket", (0, GT, last), number=errno.EAFNOSUPPORT)
    for family in set(range(first, last)) - allowed:
        made.refuse("socket", (0, EQ, family), number=errno.EAFNOSUPPORT)
    return made


def write_or_execute():
    write, execute, shared = 2, 4, 0o100000
    made = Filter().refuse("mmap", (2, MASKED, write | execute, write | execute))
    for call in ("mprotect", "pkey_mprotect"):
        made.refuse(call, (2, MASKED, execute, execute))
    return made.refuse("shmat", (2, MASKED, shared, shared))


def realtime():
    made, permitted = Filter(), {os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_IDLE}
    for policy in set(range(max(permitted))) - permitted:
        made.refuse("sched_setscheduler", (1, EQ, policy))
    return made.refuse("sched_setscheduler", (1, GT, max(permitted)))


def suid():
    made = Filter()
    places = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "mkdir": 1, "mkdirat": 2, "mknod": 1, "mknodat": 2,
              "creat": 1}
    for bit in (stat.S_ISUID, stat.S_ISGID):
        for call, place in places.items():
            made.refuse(call, (place, MASKED, bit, bit))
        made.refuse("open", (1, MASKED, os.O_CREAT, os.O_CREAT), (2, MASKED, bit, bit))
        made.refuse("openat", (2, MASKED, os.O_CREAT, os.O_CREAT), (3, MASKED, bit, bit))
    return made.refuse("openat2", number=errno.ENOSYS)


def namespaces():
    made = Filter().refuse("clone3", number=errno.ENOSYS).refuse("setns", (1, EQ, 0))
    for kind in (0x2000000, *SPACES.values(), 0x20000000, 0x10000000, 0x80):
        for call, place in (("unshare", 0), ("clone", 0), ("setns", 1)):
            made.refuse(call, (place, MASKED, kind, kind))
    return made


# --- a service


def service(words):
    asked = argparse.ArgumentParser(prog="machine.py service")
    asked.add_argument("pid", type=int)
    asked.add_argument("units", nargs="+")
    asked.add_argument("--line", default="ExecStart")
    asked.add_argument("--set", action="append", default=[])
    asked.add_argument("--journal", action="store_true")
    words, command = split(words)
    asked = asked.parse_args(words)
    settings = Settings(asked.units)
    # Found out where the tools are, before the machine is entered.
    System.sets()
    System.seccomp()
    enter(asked.pid)
    one = Service(os.path.basename(asked.units[0]), settings)
    one.apply()
    one.env.update(word.split("=", 1) for word in asked.set)
    if asked.journal:
        stderr = os.fstat(2)
        one.env["JOURNAL_STREAM"] = f"{stderr.st_dev}:{stderr.st_ino}"
    said = shlex.split(one.lines[asked.line])
    said = [one.env.get(word[1:], word) if word.startswith("$") else word for word in said]
    execute(command or said, one.env)


if __name__ == "__main__":
    if sys.argv[1:] and (chosen := {"boot": boot, "service": service, "as": become_and_run}.get(sys.argv[1])):
        chosen(sys.argv[2:])
    else:
        sys.exit(__doc__)
