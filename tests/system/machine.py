"""A systemd to test in: the root file system of this machine under an overlay, booted in a container.

What the machine writes stays in memory and disappears with it. Everything (mounts, name spaces, processes)
depends on one child of ours and ends when that child ends, or when we do.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import processes
from basics import skip_because

TOP = Path(__file__).resolve().parents[2]

# Where the machine sees the source tree, also under an overlay, so that `make install` there cannot
# change ours.
SOURCE = "/usr/src/mailslot"
CLIENT = f"{SOURCE}/tests/system/machine_client.py"

# By default systemd-nspawn forbids Landlock in a container; a real system does not.
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"

# $1: scratch folder, $2: source tree, the rest: control groups to join. Runs in its own name spaces.
START = r"""
scratch=$1 source=$2
shift 2
for group; do echo 0 >"$group/cgroup.procs"; done
mount -t tmpfs -o mode=755 tmpfs "$scratch"
mount -t tmpfs tmpfs /run # for systemd-nspawn's records of the machine
cd "$scratch"
mkdir root upper work source.upper source.work
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
mkdir -p root/usr/src/mailslot
mount -t overlay -o lowerdir="$source",upperdir=source.upper,workdir=source.work overlay \
    root/usr/src/mailslot
# 133: reboot
while
    systemd-nspawn --directory=root --boot --private-network --keep-unit --register=no --quiet \
        --console=pipe --system-call-filter="$LANDLOCK" -- systemd.unit=sysinit.target
    [ $? = 133 ]
do :; done
"""


def why_not():
    """The reason why no machine can be started here; None if one can."""
    if os.geteuid() != 0:
        return "only root can start a systemd in a container"
    for program in ("systemd-nspawn", "nsenter", "unshare", "setpriv"):
        if not shutil.which(program):
            return f"{program} is not installed"
    probe = "mount -t tmpfs tmpfs /mnt && cd /mnt && mkdir u w r && " + (
        "mount -t overlay -o lowerdir=/usr,upperdir=u,workdir=w overlay r"
    )
    tried = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "sh", "-c", probe], capture_output=True, text=True
    )
    if tried.returncode:
        return f"no overlay can be mounted: {tried.stderr.strip()}"
    if subprocess.run(["unshare", "--user", "true"], capture_output=True).returncode:
        return "no user namespace can be made, as in a chroot: PrivateUsers= of the units needs one"
    return None


def _control_groups():
    """Our control groups in the hierarchies where systemd keeps its units."""
    mounts = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            mounts[""] = before.split()[4]
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            mounts["name=systemd"] = before.split()[4]
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, name, path = line.split(":", 2)
        if name in mounts:
            yield Path(mounts[name] + path)


def _child(pid):
    """The first child of a process, or None."""
    try:
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    except (OSError, IndexError):
        return None


class Talk:
    """A client that has begun, and continues when end() is called."""

    def __init__(self, process):
        self.process = process

    def go(self):
        """Lets it continue."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self):
        """Lets it continue, or end; returns its output."""
        said, _ = self.process.communicate("\n", timeout=120)
        return said.strip()


class Machine:
    def __init__(self):
        self.scratch = Path(tempfile.mkdtemp(prefix="mailslot-machine-"))
        self.groups = [g / self.scratch.name for g in _control_groups()]
        self.console = tempfile.TemporaryFile("w+")
        self.talking = []

    def __enter__(self):
        try:
            for group in self.groups:
                group.mkdir()
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL"]
                + ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
                + ["sh", "-euc", START, "sh", self.scratch, TOP, *self.groups],
                stdin=subprocess.DEVNULL,
                stdout=self.console,
                stderr=self.console,
                env={**os.environ, "LANDLOCK": LANDLOCK},
            )
            processes.kept.add(self.process.pid)
            self._wait_for_boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if hasattr(self, "process"):
            self.process.kill()
            self.process.wait()
            processes.kept.discard(self.process.pid)
        for group in self.groups:
            self._remove_group(group)
        self.scratch.rmdir()
        self.console.close()

    def _wait_for_boot(self, seconds=15):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            self.leader = self._first_process()
            if self.leader and self.run("systemctl is-active sysinit.target", check=False) == "active":
                return
            time.sleep(0.05)
        self.console.seek(0)
        raise AssertionError(f"the machine does not start: {self.console.read()}")

    def _first_process(self):
        """The machine's systemd: a child of systemd-nspawn, which is a child of our shell; None if there is none."""
        pid = self.process.pid
        for _ in range(3):
            pid = pid and _child(pid)
        return pid

    def wait_for_reboot(self):
        """After `systemctl reboot`. It stops all processes before it ends them; then nsenter stops, too, and reaps none."""
        before = self.leader
        deadline = time.monotonic() + 60
        while self._first_process() in (before, None):
            for process in self.talking:
                process.send_signal(signal.SIGCONT)
            assert time.monotonic() < deadline, "the machine does not go down"
            time.sleep(0.05)
        self._wait_for_boot()

    @staticmethod
    def _remove_group(group):
        """Waits as long as needed: a control group can only be removed after its last process was reaped."""
        for folder, _, _ in os.walk(group, topdown=False):
            for _ in range(100):
                try:
                    os.rmdir(folder)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.05)

    def run(self, command, stdin="", check=True, seconds=60):
        """Runs a bash script as root in the machine, in the source tree; returns what it prints."""
        done = subprocess.run(
            self._inside("bash", "-euc", command),
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            env=self._environment(),
        )
        output = done.stdout.strip()
        assert not check or done.returncode == 0, f"{command}: exit {done.returncode}: {output}"
        return output

    def _inside(self, *argv):
        enter = ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r"]
        return enter + [f"--wdns={SOURCE}", *argv]

    def client(self, *arguments):
        """Runs a client of machine_client.py; returns its output."""
        return self.run(shlex.join(["/usr/bin/python3", CLIENT, *map(str, arguments)]), seconds=120)

    @contextmanager
    def talk(self, *arguments):
        """Starts a client of machine_client.py, and returns when it is ready. It waits for Talk.end()."""
        with subprocess.Popen(
            self._inside("/usr/bin/python3", CLIENT, *map(str, arguments)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment(),
        ) as process:
            try:
                self.talking.append(process)
                assert process.stdout.readline(), "the client has ended"
                yield Talk(process)
            finally:
                self.talking.remove(process)
                process.kill()

    @staticmethod
    def _environment():
        """The variables by which `make` finds the existing build and rebuilds nothing."""
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "BUILD": os.path.relpath(os.environ.get("MAILSLOT_BUILD_DIR", TOP / "build"), TOP),
            "MAKEFLAGS": re.sub(r"-?-j\S*", "", os.environ.get("MAKEFLAGS", "")),
        }


def skip_without_machine():
    why = why_not()
    if why:
        skip_because(why)


def set_up(machine):
    """Runs the commands of README.md."""
    machine.run(readme_commands("Set-up"), stdin="a secret\n")


def start_anew(machine):
    """Returns to the state after set_up(): nothing runs, there is no mail."""
    machine.run("""
        systemctl stop 'mailslot*'
        systemctl reset-failed
        rm -rf /var/lib/mailslot/* /run/systemd/system/mailslot*
        systemctl daemon-reload
    """)


def journal(machine, *matches):
    """The journal's entries with the identifier mailslot."""
    lines = machine.run("journalctl --sync; journalctl -o json -t mailslot " + " ".join(matches))
    return [json.loads(line) for line in lines.splitlines()]


def wait_for_no_sessions(machine):
    machine.run("""
        for i in {1..400}; do
            [ -n "$(systemctl list-units --all --plain --no-legend 'mailslot*@*')" ] || exit 0
            sleep 0.05
        done
        systemctl list-units --all 'mailslot*@*'
        exit 1
    """)


def readme_commands(heading):
    """The first block of commands under a heading of README.md."""
    text = (TOP / "README.md").read_text()
    found = re.search(rf"^#+ {re.escape(heading)}\n.*?^```sh\n(.*?)^```$", text, re.M | re.S)
    assert found, f"README.md has no commands under “{heading}”"
    return found.group(1)
