"""The tools with every system call failing, and killed at every system call: each file is either the old one or the new one.

strace lists the calls of an undisturbed run, from the first one that concerns the folder. In further runs each of
them fails, and the tool is killed at each of them. `make check` has a sample of these, check-world has all.
"""

import os
import re
import shutil
import subprocess

import pytest
from basics import binary, sanitized
from sampling import sample, sampled

# Calls that cannot fail, or whose failure does not matter. (glibc ends the program if getrandom or futex fails.)
HARMLESS = re.compile(r"exit|rt_sig|brk|munmap|madvise|mprotect|close|clock_|gete?[ug]id|getpid|sysinfo|getrandom|futex")
# If one of these fails, nothing is done. (The content of the lock file does not matter.)
COUNTS = re.compile(r'p?write\w*\(\d+, (?!"\d+\\n")|f(data)?sync|rename')
MAIL = b"From a@b Mon Jan  1 00:00:00 2024\nSubject: x\n\nbody\n\n"
JOBS = {
    "build": ("mailslot-build", "-C", "."),
    "ticket-secret": ("mailslot-build", "-C", ".", "--ticket-secret"),
    "add": ("mailslot-user", "-C", ".", "add", "-n", "bob@example.org"),
    "del": ("mailslot-user", "-C", ".", "del", "carol@example.org"),
    "lock": ("mailslot-user", "-C", ".", "lock", "carol@example.org"),
    "rotate": ("mailslot-rotate", "{folder}/box", "{folder}/archive"),
}
ADDRESSES = ["alice@example.org", "bob@example.org", "carol@example.org"]


pytestmark = pytest.mark.usefixtures("strace_works")


def ours(line):
    """Is this a call of the program? A sanitizer's requests for memory differ from run to run."""
    return not (sanitized() and "MAP_ANONYMOUS" in line)


def conf(word, job):
    """All of these jobs build; one of them writes relay.cdb, too."""
    smarthost = f"smarthost = {word}.example.net:587\n" if job == "build" else ""
    return f"domains = example.org\nhostname = {word}.example.org\n{smarthost}".encode()


class Stage:
    """A folder whose databases are older than mailslot.conf, with a mailbox. `old` and `new`: the files before and after the
    job."""

    def __init__(self, folder, job):
        self.folder, self.start, self.job, self.answers = folder / "etc", folder / "start", JOBS[job], {}
        self.log = folder / "trace"
        self.folder.mkdir()
        self.write("users", b"alice:\ncarol:$6$abcdefgh$" + b"x" * 86 + b"\n")
        self.write("aliases", b"postmaster: alice\n")
        self.write("mailslot.conf", conf("old", job))
        for first in ("build", "ticket-secret"):
            assert self.run(JOBS[first]).returncode == 0
        self.write("mailslot.conf", conf("new", job))
        self.write("box", MAIL)
        shutil.copytree(self.folder, self.start)
        self.old = self.files()
        self.points = self.trace()
        self.new = self.files()
        assert self.new != self.old

    def write(self, name, content):
        (self.folder / name).write_bytes(content)
        (self.folder / name).chmod(0o600)

    def files(self):
        """The content of each file; for the database, its answers."""
        files = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        database = files["mailslot.cdb"]
        if database not in self.answers:
            shown = [self.run(("mailslot-show", "-C", ".", *addresses)) for addresses in ([], ADDRESSES)]
            assert [done.returncode for done in shown] == [0, 1] or "bob" in shown[1].stdout, shown
            self.answers[database] = "".join(done.stdout for done in shown)
        return {**files, "mailslot.cdb": self.answers[database]}

    def run(self, job=None, wrap=()):
        program, *words = job or self.job
        environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
        command = [*wrap, binary(program), *(word.format(folder=self.folder) for word in words)]
        return subprocess.run(
            command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )

    def trace(self):
        """(name, number, line) of each call: it is the number-th call of this name in the process."""
        assert self.run(wrap=["strace", "-qq", "-o", self.log]).returncode == 0
        counts, points, begun = {}, [], False
        for line in self.log.read_text(errors="replace").splitlines():
            name = line.partition("(")[0]
            counts[name] = counts.get(name, 0) + 1
            begun = begun or (name != "execve" and re.search(r'/box"|ticket-secret|/mailslot\.conf', line))
            if begun and ours(line) and re.fullmatch(r"\w+", name) and not HARMLESS.match(name):
                points.append((name, counts[name], line))
        assert len(points) > 8, points
        return points

    def strike(self, point, what):
        """Runs the job from the beginning, with the fault injected at this point."""
        shutil.rmtree(self.folder)
        shutil.copytree(self.start, self.folder)
        wrap = ["strace", "-qq", "-o", self.log, "-e", f"trace={point[0]}", "-e", f"inject={point[0]}:{what}:when={point[1]}"]
        return self.run(wrap=wrap)

    def is_whole(self):
        """Asserts that each file is as before or as after the job, and that the mail is in one file. Returns other files."""
        now = self.files()
        for name in {*self.old, *self.new}:
            if name in ("ticket-secret", "box", "archive"):
                continue
            assert now.get(name) in (self.old.get(name), self.new.get(name)), name
        assert len(now["ticket-secret"]) == len(self.old["ticket-secret"])
        assert sorted((now["box"], now.get("archive", b""))) == [b"", MAIL]
        return {*now} - {*self.old, *self.new}

    def is_done(self):
        now = self.files()
        return all(now.get(name) == content for name, content in self.new.items() if name != "ticket-secret")


@pytest.fixture(params=JOBS)
def stage(request, tmp_path):
    stage = Stage(tmp_path, request.param)
    yield stage
    shutil.rmtree(stage.folder)  # it may have a lock file left


@sampled(8)
@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_every_call_fails(stage, error, most):
    """The tool reports the failure, or has done its work."""
    wrong, struck = [], 0
    points = sample(stage.points, most)
    for point in points:
        done = stage.strike(point, f"error={error}")
        injected = [line for line in stage.log.read_text(errors="replace").splitlines() if "INJECTED" in line]
        if not all(map(ours, injected)):
            continue
        struck += len(injected)
        try:
            left = stage.is_whole()
            assert "unlink" in point[0] or left == set(), left
            if done.returncode == 0:
                assert stage.is_done() and not COUNTS.match(point[2]), "done, it says"
            else:
                assert done.returncode in (100, 111), done.returncode
                assert re.match(r"mailslot-\w+: ", done.stderr), done.stderr
        except AssertionError as failure:
            wrong.append(f"{point}: exit {done.returncode}: {done.stderr}\n    {failure}")
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong)
    assert struck > len(points) * 0.9


@sampled(8)
def test_killed_at_every_call(stage, most):
    """All files are whole, and the next run of mailslot-build or mailslot-rotate works."""
    killed, points = 0, sample(stage.points, most)
    for point in points:
        killed += stage.strike(point, "signal=SIGKILL").returncode != 0
        stage.is_whole()
        if stage.job == JOBS["rotate"]:
            if stage.files()["box"] == MAIL:
                assert stage.run().returncode == 0, point
            assert stage.is_done(), (point, stage.files())
            continue
        for again in ("build", "ticket-secret", "add"):
            done = stage.run(JOBS[again])
            assert done.returncode == 0 or (stage.job == JOBS["add"] and "already exists" in done.stderr), (point, done)
        assert not list(stage.folder.glob("*.tmp")), point
    assert killed > len(points) * 0.9
