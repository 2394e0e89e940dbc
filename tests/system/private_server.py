"""Mail servers of other projects, each in name spaces of its own (mounts, processes). Their packages are only unpacked; to the
server they look installed. Its users, configuration, queue and mailboxes are in a folder of the test, which it sees as /mnt.

It listens on UNIX sockets below that folder, or on a free port of 127.0.0.1.
"""

import os
import re
import shutil
import signal
import socket
import subprocess

from basics import UNPACKED, private_mount, skip_because
from hop import at_folder
from processes import children, free_port, spawn, wait_until

# $1: the folder, $2: lower folders for /usr, $3: for /etc; then the command.
# The new system calls for mounts take no list of folders longer than 255 bytes.
ENTER = r"""
mount --bind "$1" /mnt
cd "$UNPACKED"
export LIBMOUNT_FORCE_MOUNT2=always
mount -t overlay -o "lowerdir=$2/usr" overlay /usr
mount -t overlay -o "lowerdir=$3/etc" overlay /etc
mount --bind /mnt/var /var
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/dev
mount -t tmpfs -o mode=755 tmpfs /run/dev
cd /run/dev
mkdir shm -m 1777
for name in null zero full random urandom tty; do
    touch $name
    mount --bind /dev/$name $name
done
ln -s /proc/self/fd fd
ln -s /mnt/syslog log
mount --move . /dev
socat -u UNIX-RECV:/mnt/syslog,mode=666,unlink-early OPEN:/mnt/log,creat,append &
while [ ! -S /mnt/syslog ]; do sleep 0.01; done
shift 3
cd /
exec "$@"
"""


class PrivateServer:
    packages = ()  # unpacked ones, the server's first
    users = {}  # name: number; each has a group of the same name and number
    ports = ()  # the names of what listens on TCP
    network = True  # this machine's; else one of its own

    def __init__(self, folder):
        """Makes the folder. start() writes the configuration and starts the server."""
        if os.geteuid() != 0:
            skip_because("a mail system needs root for its users")
        for package in self.packages:
            if not (UNPACKED / package).is_dir():
                skip_because(f"{package} is not unpacked in {UNPACKED}")
        self.folder = folder
        self.process = None
        self.port = {}
        self.make("etc")
        for name in ("lib", "spool", "log", "tmp"):
            self.make(f"var/{name}")
        (folder / "var" / "run").symlink_to("/run")
        folder.chmod(0o755)
        for name, row in (("passwd", "{0}:x:{1}:{1}::/:/bin/sh\n"), ("group", "{0}:x:{1}:\n")):
            with open(f"/etc/{name}") as file:
                kept = [line for line in file if line.split(":")[0] not in self.users]
            self.write(f"etc/{name}", "".join(kept) + "".join(row.format(*user) for user in self.users.items()))

    # For each server

    def configure(self):
        """Writes the configuration, with the ports in self.port."""
        raise NotImplementedError

    def command(self):
        """What runs in the foreground until it is stopped."""
        raise NotImplementedError

    def ready(self):
        """Does it take connections?"""
        raise NotImplementedError

    # For all

    def write(self, name, text, owner="root", mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return self.own(path, owner, mode)

    def make(self, name, owner="root", mode=0o755):
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        return self.own(path, owner, mode)

    def own(self, path, owner, mode):
        os.chown(path, self.users.get(owner, 0), self.users.get(owner, 0))
        path.chmod(mode)
        return path

    def start(self):
        """Starts the server, on other ports if one was taken meanwhile."""
        for _ in range(3):
            self.port = {name: free_port() for name in self.ports}
            self.configure()
            with open(self.folder / "output", "ab") as out:
                self.process = spawn(
                    self.enter_anew(*self.command()), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                    env=self.environment(), cwd="/",
                )  # fmt: skip
            up = wait_until(lambda: self.ready() or self.process.poll() is not None)
            if self.process.poll() is None:
                assert up, f"{self.packages[0]} does not answer: {self.log()}"
                return self
        raise AssertionError(f"{self.packages[0]} does not start: {self.log()}")

    def environment(self):
        return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "UNPACKED": str(UNPACKED), "LC_ALL": "C.UTF-8"}

    def enter_anew(self, *argv):
        """The command in new name spaces with the server's packages; all ends with its first process."""
        libraries = sorted(p.name for p in UNPACKED.glob("lib*") if any(p.glob("usr/lib/**/*.so*")) or (p / "usr/share/perl5").is_dir())
        lower = [[p for p in packages if (UNPACKED / p / top).is_dir()]
                 for top, packages in (("usr", [*self.packages, *libraries]), ("etc", self.packages))]  # fmt: skip
        usr, etc = (":".join(f"{name}/{top}" for name in names) for names, top in zip(lower, ("usr", "etc")))
        net = [] if self.network else ["--net"]
        return [*private_mount(), *net, "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-euc", ENTER, "sh",
                self.folder, usr + ":", ":".join(["/mnt/etc", etc, ""]), *argv]  # fmt: skip

    def run(self, *argv, given=""):
        """Runs a command beside the running server; returns what it prints."""
        (inside,) = children(self.process.pid)
        done = subprocess.run(
            ["nsenter", "-t", str(inside), "-m", "-p", *([] if self.network else ["-n"]), *map(str, argv)],
            input=given, capture_output=True, text=True, timeout=60, env=self.environment(), cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def log(self):
        """What it has printed, and what it has told syslog or a file `log`."""
        paths = [path for path in (self.folder / "output", self.folder / "log") if path.exists()]
        return re.sub(r"<\d+>(?=\w{3} [ \d]\d )", "\n", "".join(path.read_text(errors="replace") for path in paths))

    def wait_for(self, what, count=1):
        """Waits until the log contains this so often; returns the log."""
        assert wait_until(lambda: self.log().count(what) >= count, 60), self.log()
        return self.log()

    def kill(self):
        """Kills all of its processes at once: they end with the first one of their name space."""
        for pid in children(self.process.pid):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """As an administrator stops it."""
        if self.process is not None and self.process.poll() is None:
            for pid in children(self.process.pid):
                os.kill(pid, signal.SIGTERM)
            wait_until(lambda: self.process.poll() is not None)
            self.kill()

    def end(self):
        """After the test: its locks and its queue go, too."""
        if self.process is not None:
            self.kill()
        shutil.rmtree(self.folder)


def greets(address):
    """Does a server greet with 220 on this UNIX socket, or at this port of 127.0.0.1?"""
    sock = socket.socket(socket.AF_INET if isinstance(address, int) else socket.AF_UNIX)
    with sock:
        sock.settimeout(20)
        try:
            if isinstance(address, int):
                sock.connect(("127.0.0.1", address))
            else:
                at_folder(address, sock.connect)
            return sock.recv(4) in (b"220 ", b"220-", b"* OK")
        except OSError:
            return False
