"""Killed at any instant, or with any system call failing: no mailbox is ever left torn.

A delivery to two mailboxes, one with mail and one new, is run again and again under strace. Each time,
strace kills the back at the entry of one system call of the delivery, or makes that call fail. Killing it
at each call covers every instant, because nothing changes on the disk between two calls.

After each run a fresh server, undisturbed, delivers another message. Then every message in the mailboxes
must be identical to one that was sent, every acknowledged one must be there, none twice, and no lock or
undo file may be left.

`make check` has a sample of each sweep, always the same one; `make check-world` has all.
"""

import concurrent.futures
import os
import queue
import re
import shutil

import pytest
from basics import make_library
from client import to_wire
from mbox import messages_of
from sampling import sample, sampled
from world import World

RECIPIENTS = ("alice@example.org", "carol@example.net")
SEED = b"From old@client.example Mon Jan  1 00:00:00 2001\nSubject: old\n\nold body\n\n"
# Lines that look like the start of another message, quoted or in the middle of a line.
TRICKY = b"From a@b Mon Jan  1 00:00:00 2024\n| From a@b Mon Jan  1 00:00:00 2024\n>From x\n"
SMALL = b"Subject: small\n\nFrom here\n.\n" + TRICKY + b"".join(b"%060d\n" % i for i in range(200))
LARGE = b"Subject: large\n\n" + TRICKY + b"".join(b"From %060d\n" % i for i in range(6000))
NEXT = b"Subject: next\n\nnext body\n"
ERRORS = ("ENOSPC", "EIO", "EINTR", "EDQUOT")
WORKERS = 2
SHOWN = 8  # so many of the failures of a sweep are printed

pytestmark = pytest.mark.usefixtures("strace_works")


@pytest.fixture(scope="module")
def short_writes(tmp_path_factory):
    """The library that makes writes short."""
    return make_library(tmp_path_factory.mktemp("short"), "short_writes.c")


class Stage:
    """A world that can be reset to its first state."""

    def __init__(self, folder, setting):
        self.world = World(folder).build()
        self.setting = setting
        self.boxes = [self.world.mailbox(r) for r in RECIPIENTS]
        self.before = (SEED, None)
        self.torn = None  # a copy of mailboxes after a crash

    def reset(self):
        shutil.rmtree(self.world.root)
        self.world.root.mkdir(0o700)
        if self.setting == "both there":
            self.before = (SEED, SEED[:-2])
        for recipient, raw in zip(RECIPIENTS, self.before):
            if raw is not None:
                self.world.preset(recipient, raw)
        if self.setting == "torn":
            self.tear()

    def tear(self):
        """Simulates a crash in the middle of an append: the back is killed at a write, with one text half written."""
        if self.torn is None:
            self.torn = self.make_torn()
        shutil.rmtree(self.world.root)
        put_back(self.torn)

    def make_torn(self):
        for point in [p for p in trace(self, SMALL) if "write" in p.name]:
            shutil.rmtree(self.world.root)
            self.world.root.mkdir(0o700)
            self.world.preset(RECIPIENTS[0], SEED)
            run(self, SMALL, point.strace("signal=SIGKILL"))
            files = [p for p in self.world.root.rglob("*") if p.is_symlink() or p.is_file()]
            longer = (self.world.root / "example.org" / "alice").stat().st_size > len(SEED)
            if longer and any(p.suffix == ".undo" for p in files):
                return [(p, read_any(p), p.lstat().st_ino) for p in files]
        raise AssertionError("no kill has torn a mailbox")


def read_any(path):
    return os.readlink(path) if path.is_symlink() else path.read_bytes()


def put_back(files):
    """Writes files back. An undo link contains its mailbox's inode number: the old one is replaced by the new one."""
    for path, content, _ in files:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
    for path, content, _ in files:
        if isinstance(content, str):
            box = path.with_suffix("")
            old = next(str(inode) for other, _, inode in files if other == box)
            new = str(box.stat().st_ino)
            path.symlink_to(" ".join(new if word == old else word for word in content.split(" ")))


# Calls that do not concern a file: the back may be killed there, but they cannot fail with an error of the disk.
NO_FILE = re.compile(
    r"rt_sig|set|get|clock_|send|recv|p?poll|kill|wait4|brk|mmap|munmap|mprotect|madvise|restart_"
)


class Point:
    """A system call of a delivery: the number-th of this name in the process."""

    def __init__(self, name, number, line):
        self.name, self.number, self.line = name, number, line
        self.is_on_a_file = not NO_FILE.match(name)

    def __str__(self):
        return f"{self.name} {self.number}: {self.line[:150]}"

    def strace(self, what, rest=False):
        """The options of strace that inject here; with rest=True, also at all later calls of this name."""
        when = f"{self.number}{'+' if rest else ''}"
        return ["-e", f"trace={self.name}", "-e", f"inject={self.name}:{what}:when={when}"]


def environment(preload=None, log=None, size=4000):
    more = {"ASAN_OPTIONS": "detect_leaks=0:verify_asan_link_order=0"}
    if preload:
        more.update(LD_PRELOAD=preload, SHORT_WRITES=size, SHORT_WRITES_LOG=log or "/dev/null")
    return [f"-E{name}={value}" for name, value in more.items()]


def run(stage, text, options, more=()):
    """Runs a delivery, with strace on the back only (no -f). Returns the final reply, or how the session ended."""
    wrap = ["strace", "-qq", "-o", stage.world.folder / "trace", *(more or environment()), *options]
    session = stage.world.session(wrap=wrap)
    try:
        reply = session.send_message(RECIPIENTS, text)
    finally:
        stage.code = session.finish()
    return reply


def trace(stage, text, more=()):
    """The system calls of an undisturbed delivery, from the first one that concerns a mailbox."""
    assert run(stage, text, ["-y", "-s", "100"], more).startswith("250")
    counts, points, begun = {}, [], False
    for line in (stage.world.folder / "trace").read_text(errors="replace").splitlines():
        found = re.match(r"(\w+)\(", line)
        if not found:
            continue
        name = found.group(1)
        counts[name] = counts.get(name, 0) + 1
        begun = begun or name == "openat2" and "RESOLVE_BENEATH" in line
        if begun and not name.startswith("exit"):
            points.append(Point(name, counts[name], line))
    return points


def whole(stage, sent, acknowledged):
    """Asserts that the mailboxes are whole, contain all acknowledged messages and only messages that were sent."""
    for path, before in zip(stage.boxes, stage.before):
        raw = path.read_bytes()
        assert raw.startswith(before or b""), "the old mail has changed"
        ours = raw[len(before or b"") :]
        texts = [message.sent for message in messages_of(ours.lstrip(b"\n"))]
        for text in texts:
            assert text in sent, f"torn or unknown: {text[:60]!r}... ({len(text)} bytes)"
        for text in set(sent):
            assert texts.count(text) <= sent.count(text), f"more than once: {text[:30]!r}"
        for text in set(acknowledged):
            assert texts.count(text) >= acknowledged.count(text), f"lost: {text[:30]!r}"
        assert texts[-1] == NEXT
    names = sorted(p.name for p in stage.world.root.rglob("*") if p.is_symlink() or not p.is_dir())
    assert names == ["alice", "carol"], f"left behind: {names}"


def unchanged(stage):
    """Asserts that every mailbox is as before. A new one may exist if it is empty."""
    for path, before in zip(stage.boxes, stage.before):
        now = path.read_bytes() if path.exists() else b""
        assert now == (before or b""), f"refused, but {path.name} has changed: {len(now)} bytes"


def after(stage, text, reply):
    """What must hold after any accident: the next delivery succeeds, and everything is whole."""
    final = stage.world.deliver(*RECIPIENTS, text=NEXT)
    assert final.startswith("250"), f"the next delivery: {final}"
    sent = [text, NEXT] + ([SMALL] if stage.setting == "torn" else [])
    whole(stage, sent, [NEXT] + ([text] if reply.startswith("250") else []))


def killed(stage, text, point, more=()):
    stage.reset()
    reply = run(stage, text, point.strace("signal=SIGKILL"), more)
    assert stage.code != 0 or reply.startswith("250"), f"exit {stage.code} after {reply}"
    after(stage, text, reply)
    return stage.code != 0


def failed(stage, text, point, error, rest=False):
    stage.reset()
    reply = run(stage, text, point.strace(f"error={error}", rest))
    assert stage.code == 0, f"exit {stage.code} after {reply}"
    if reply.startswith("4") and stage.setting != "torn":
        unchanged(stage)
    elif not reply.startswith("4"):
        assert reply.startswith("250"), reply
    struck = "INJECTED" in (stage.world.folder / "trace").read_text(errors="replace")
    after(stage, text, reply)
    return struck


class Stages:
    """A few stages, to run as many deliveries at once."""

    def __init__(self, tmp_path, setting):
        self.free = queue.Queue()
        for number in range(WORKERS):
            folder = tmp_path / str(number)
            folder.mkdir()
            stage = Stage(folder, setting)
            stage.reset()
            self.free.put(stage)

    def points(self, text, more=()):
        stage = self.free.get()
        stage.reset()
        points = trace(stage, text, more)
        self.free.put(stage)
        assert len(points) > 10, "the trace does not show a delivery"
        return points

    def sweep(self, jobs, most):
        """Runs job(stage) for (name, job): for `most` of them, or all. A job returns whether strace has injected. Fails with
        the names of the jobs that failed."""
        jobs = sample(jobs, most)

        def one(job):
            stage = self.free.get()
            try:
                return job[1](stage)
            except AssertionError as error:
                return f"{job[0]}\n    {error}"
            finally:
                self.free.put(stage)

        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            results = list(pool.map(one, jobs))
        wrong = [result for result in results if isinstance(result, str)]
        assert not wrong, f"{len(wrong)} of {len(jobs)}:\n" + "\n".join(wrong[:SHOWN])
        assert sum(results) > len(results) * 0.8, "strace did not inject"


def kill_everywhere(stages, text, most, more=(), only=None):
    points = [p for p in stages.points(text, more) if only is None or p.name in only]
    jobs = [(p, lambda stage, p=p: killed(stage, text, p, more)) for p in points]
    stages.sweep(jobs, most)


@sampled(24)
@pytest.mark.parametrize("setting", ["one new", "both there", "torn"])
def test_killed_at_every_call(tmp_path, setting, most):
    """`torn`: the delivery that is killed must itself restore a mailbox after an earlier crash."""
    kill_everywhere(Stages(tmp_path, setting), SMALL, most)


@sampled(6)
def test_killed_between_short_writes(tmp_path, short_writes, most):
    """Killed at each part of a text that is written in parts."""
    kill_everywhere(
        Stages(tmp_path, "one new"), SMALL, most, environment(short_writes, size=1500), only=("write", "pwrite64", "writev")
    )


@sampled(12)
def test_killed_in_a_large_message(tmp_path, most):
    """A message that is not held in memory."""
    kill_everywhere(Stages(tmp_path, "both there"), LARGE, most)


@sampled(32)
@pytest.mark.parametrize("setting", ["one new", "both there", "torn"])
def test_every_call_fails(tmp_path, setting, most):
    """Each call that concerns a file fails once: 4xx and nothing has changed, or 250 and everything is there."""
    stages = Stages(tmp_path, setting)
    points = [p for p in stages.points(SMALL) if p.is_on_a_file]
    errors = ERRORS if setting == "one new" else ("EIO", "ENOSPC")
    stages.sweep(
        [
            (f"{error}: {p}", lambda stage, p=p, error=error: failed(stage, SMALL, p, error))
            for p in points
            for error in errors
        ],
        most,
    )


@sampled(12)
def test_calls_fail_for_good(tmp_path, most):
    """From some call on, all calls of its kind fail."""
    stages = Stages(tmp_path, "both there")
    kinds = ("write", "pwrite64", "writev", "fdatasync", "fsync", "symlinkat", "linkat", "openat2")
    points = [p for p in stages.points(SMALL) if p.is_on_a_file and p.name in kinds]
    stages.sweep(
        [
            (f"{error} from {p}", lambda stage, p=p, error=error: failed(stage, SMALL, p, error, rest=True))
            for p in points
            for error in ("ENOSPC", "EIO", "EDQUOT")
        ],
        most,
    )


@sampled(8)
def test_large_message_fails(tmp_path, most):
    stages = Stages(tmp_path, "one new")
    kinds = ("write", "pwrite64", "pread64", "read", "sendfile", "copy_file_range", "lseek", "openat")
    points = [p for p in stages.points(LARGE) if p.is_on_a_file and p.name in kinds]
    stages.sweep([(f"EIO: {p}", lambda stage, p=p: failed(stage, LARGE, p, "EIO")) for p in points], most)


@pytest.mark.parametrize("size", [1, 64, 1000])
def test_short_writes(tmp_path, short_writes, size):
    """The kernel may write less than it was given: the rest is written next. (If not even a process id can be written
    to a lock file, 4xx is allowed.)"""
    stage = Stage(tmp_path, "both there")
    stage.reset()
    log = tmp_path / "short"
    text = SMALL if size > 1 else b"Subject: x\n\nFrom x\n"
    more = environment(short_writes, log, size)
    reply = run(stage, text, ["-e", "trace=none"], more)
    assert log.stat().st_size > (5 if size > 1 else 0), "no write was cut"
    if size == 1 and reply.startswith("4"):
        unchanged(stage)
    else:
        assert reply.startswith("250"), reply
    after(stage, text, reply)


def test_client_gone_at_the_end(tmp_path):
    """If the client does not wait for the final reply, its message is either delivered whole or not at all."""
    stage = Stage(tmp_path, "one new")
    for _ in range(10):
        stage.reset()
        with stage.world.session() as session:
            session.greet()
            session.send(b"MAIL FROM:<s@client.example>\r\nRCPT TO:<alice@example.org>\r\n")
            session.send(b"RCPT TO:<carol@example.net>\r\nDATA\r\n")
            for _ in range(4):
                session.reply()
            session.send(to_wire(SMALL) + b".\r\n")
        after(stage, SMALL, "closed")
