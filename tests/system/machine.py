"""A systemd to test in: the root file system of this machine beneath an overlay, booted in a container.

What the machine writes is kept in memory and gone with it. Everything (mounts, name spaces, processes)
hangs on one child of ours and goes when that one does, or when we do.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]

# Where the source tree is seen in the machine; with an overlay, too, so that `make install` there
# cannot change ours.
SOURCE = "/usr/src/mailslot"

# systemd-nspawn itself would refuse Landlock to what runs in a container; a real system does not.
LANDLOCK = "landlock_create_ruleset landlock_add_rule landlock_restrict_self"

# $1: scratch folder, $2: source tree, the rest: control groups to go to. In name spaces of its own.
START = r"""
scratch=$1 source=$2
shift 2
for group; do echo 0 >"$group/cgroup.procs"; done
mount -t tmpfs -o mode=755 tmpfs "$scratch"
mount -t tmpfs tmpfs /run # what systemd-nspawn notes about the machine
cd "$scratch"
mkdir root upper work source.upper source.work
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
mkdir -p root/usr/src/mailslot
mount -t overlay -o lowerdir="$source",upperdir=source.upper,workdir=source.work overlay \
    root/usr/src/mailslot
exec systemd-nspawn --directory=root --boot --private-network --keep-unit --register=no --quiet \
    --console=pipe --system-call-filter="$LANDLOCK" -- systemd.unit=sysinit.target
"""


def why_not():
    """Why no machine can be started here; None if one can."""
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
    return f"no overlay can be mounted: {tried.stderr.strip()}" if tried.returncode else None


def _control_groups():
    """Our control groups in the hierarchies that systemd keeps its units in."""
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
    """The first child of a process, None if it has none."""
    try:
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    except (OSError, IndexError):
        return None


class Machine:
    def __init__(self):
        self.scratch = Path(tempfile.mkdtemp(prefix="mailslot-machine-"))
        self.groups = [g / self.scratch.name for g in _control_groups()]
        self.console = tempfile.TemporaryFile("w+")

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
            self._wait_for_boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if hasattr(self, "process"):
            self.process.kill()
            self.process.wait()
        for group in self.groups:
            self._remove_group(group)
        self.scratch.rmdir()
        self.console.close()

    def _wait_for_boot(self, seconds=15):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            nspawn = _child(self.process.pid)
            self.leader = nspawn and _child(nspawn)
            if self.leader and self.run("systemctl is-active sysinit.target", check=False) == "active":
                return
            time.sleep(0.05)
        self.console.seek(0)
        raise AssertionError(f"the machine does not start: {self.console.read()}")

    @staticmethod
    def _remove_group(group):
        """A control group can be removed when its last process has been reaped."""
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
            ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]
            + ["bash", "-euc", f"cd {SOURCE}\n{command}"],
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

    @staticmethod
    def _environment():
        """With what `make` has to know to find all built outside and to build nothing anew."""
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "BUILD": os.path.relpath(os.environ.get("MAILSLOT_BUILD_DIR", TOP / "build"), TOP),
            "MAKEFLAGS": re.sub(r"-?-j\S*", "", os.environ.get("MAKEFLAGS", "")),
        }

    def python(self, script, *arguments):
        """Runs a Python script in the machine; returns what it prints."""
        quoted = " ".join(f"'{a}'" for a in arguments)
        return self.run(f"/usr/bin/python3 - {quoted}", stdin=script)


def readme_commands(heading):
    """The first block of commands under a heading of README.md."""
    text = (TOP / "README.md").read_text()
    found = re.search(rf"^#+ {re.escape(heading)}\n.*?^```sh\n(.*?)^```$", text, re.M | re.S)
    assert found, f"README.md has no commands under “{heading}”"
    return found.group(1)
