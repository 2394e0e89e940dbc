"""A house to set mailslot up in, with the paths of the manuals: /etc and /var of this machine under overlays,
/run, network and processes of its own. It disappears with the process that holds it."""

import os
import re
import subprocess

from basics import BUILD, WITHOUT_LEAKS, skip_because
from processes import children, spawn, wait_until
from machine import why_not

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# $1: scratch folder, $2: a folder that save() has filled, or nothing.
HOLD = r"""
mount -t tmpfs tmpfs "$1" && cd "$1"
for name in etc var; do
    mkdir $name $name.work
    mount -t overlay -o lowerdir="${2:+$2/$name:}/$name",upperdir=$name,workdir=$name.work overlay /$name
done
mount -t tmpfs -o mode=755 tmpfs /run
echo ready
exec sleep infinity
"""


class Finding:
    """A line of mailslot-check."""

    def __init__(self, line):
        self.line = line
        self.mark, self.subject, self.text = re.fullmatch(r"(\S+) +(\S+) +(.*)", line).groups()

    @property
    def remedy(self):
        """The command; None: there is none."""
        return (re.findall(r"; .*?type: (.*)$", self.text) or [None])[0]

    def __repr__(self):
        return self.line


def wrong(findings):
    return [one for one in findings if one.mark in ("WARN", "FAIL")]


def find(findings, mark, subject, said):
    for one in findings:
        if (one.mark, one.subject) == (mark, subject) and re.search(said, one.text):
            return one
    raise AssertionError(f"no {mark} {subject} {said!r} in {findings}")


class House:
    def __init__(self, scratch, like="", **environment):
        """like: a folder that save() has filled. environment: for all commands that are typed there."""
        why = why_not()
        if why and "overlay" in why or os.geteuid() != 0:
            skip_because(f"no house can be made here: {why}")
        scratch.mkdir()
        holder = spawn(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
            + ["sh", "-euc", HOLD, "sh", scratch, like],
            stdout=subprocess.PIPE,
        )
        self.scratch, self.holder = scratch, holder
        assert holder.stdout.readline() == b"ready\n"
        self.environment = {**environment, "PATH": f"{BUILD}:{PATH}", "LC_ALL": "C.UTF-8"}
        (self.inside,) = wait_until(lambda: children(holder.pid))

    def save(self, folder):
        """Copies what is in /etc and /var to a folder: a house that is made like this one begins with it."""
        self.type(f"cp -a '{self.scratch}'/etc '{self.scratch}'/var '{folder}'; rm -f '{folder}'/etc/.pwd.lock")

    def close(self):
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

    def _enter(self, *argv):
        return ["nsenter", "-t", str(self.inside), "-m", "-n", "-p", "-r", *map(str, argv)]  # -r: not what is outside of a chroot

    def type(self, command, stdin=""):
        """Runs a bash script as root; returns what it prints."""
        done = subprocess.run(
            self._enter("bash", "-euc", command),
            input=stdin, capture_output=True, text=True, timeout=60, env={**WITHOUT_LEAKS, **self.environment},
        )
        assert done.returncode == 0, f"{command}: {done}"
        return done.stdout

    def serve(self, *argv):
        """Starts a program that runs until the house disappears."""
        return spawn(self._enter(*argv), env={**os.environ, **self.environment}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def check(self, *options, user=None):
        """Runs mailslot-check; returns its lines."""
        program, who = BUILD / "mailslot-check", []
        if user:  # who may not reach the folder where it was built
            self.type(f"install -m 755 {program} /run")
            program = "/run/mailslot-check"
            who = ["setpriv", f"--reuid={user}", "--regid=" + self.type(f"id -g {user}").strip(), "--init-groups"]
        done = subprocess.run(
            self._enter(*who, program, *options),
            capture_output=True, text=True, timeout=60, env={**os.environ, **self.environment},
        )
        assert done.stderr == "", done
        found = [Finding(line) for line in done.stdout.splitlines()]
        assert done.returncode == any(one.mark == "FAIL" for one in found), done
        for one in found:
            assert one.mark in ("ok", "skip") or one.remedy, one
        return found
