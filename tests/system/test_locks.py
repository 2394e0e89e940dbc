"""Locks: we respect those of other programs, they respect ours, and nobody waits for ever."""

import concurrent.futures
import contextlib
import fcntl
import mailbox
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from basics import needs, skip_because
from mbox import python_reads
from processes import dead_pid, spawn, wait_until

TEXT = b"Subject: t\n\nbody\n"
SEED = b"From old@client.example Mon Jan  1 00:00:00 2001\nSubject: old\n\nold body\n\n"


def lock_path(world, who):
    path = world.mailbox(who)
    return path.with_name(path.name + ".lock")


@pytest.fixture
def impatient(fresh):
    return fresh.build(lock_timeout="1s")


def boot_time():
    with open("/proc/stat") as stats:
        return int(re.search(r"^btime (\d+)", stats.read(), re.M).group(1))


def refused_and_untouched(world, **more):
    start = time.monotonic()
    reply = world.deliver("alice@example.org", "bob@example.org", **more)
    assert re.match(r"4\d\d 4\.\d", reply), reply
    assert 0.5 <= time.monotonic() - start < 10
    assert world.raw("bob") == b""


@contextlib.contextmanager
def held(path, kind):
    """Another program's lock on a mailbox."""
    if kind == "lock file":
        lock = path.with_name(path.name + ".lock")
        lock.write_text(f"{os.getpid()}\n")
        try:
            yield
        finally:
            lock.unlink()
        return
    take, how, mode = {
        "fcntl": (fcntl.lockf, fcntl.LOCK_EX, "r+b"),
        "fcntl to read": (fcntl.lockf, fcntl.LOCK_SH, "rb"),
        "flock": (fcntl.flock, fcntl.LOCK_EX, "rb"),
        "flock to read": (fcntl.flock, fcntl.LOCK_SH, "rb"),
    }[kind]
    with open(path, mode) as box:
        take(box, how)
        yield


@pytest.mark.parametrize("kind", ["fcntl", "fcntl to read", "flock", "flock to read"])
def test_kernel_lock_of_another(impatient, kind):
    """We also wait for a reader's shared lock."""
    path = impatient.preset("alice", SEED)
    with held(path, kind):
        refused_and_untouched(impatient)
        assert path.read_bytes() == SEED
        assert not lock_path(impatient, "alice").exists()
    assert impatient.deliver("alice@example.org").startswith("250")


def test_we_hold_both_kernel_locks(world):
    """While a message is being written, another program gets neither kind of lock."""
    needs("strace")
    path = world.preset("alice", SEED)
    wrap = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"]
    wrap += ["-e", "inject=fdatasync:delay_enter=1500000:when=1"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        reply = pool.submit(world.deliver, "alice@example.org", wrap=wrap, env={"ASAN_OPTIONS": "detect_leaks=0"})
        assert wait_until(lambda: path.stat().st_size > len(SEED))
        with open(path, "r+b") as box:
            for take in (fcntl.lockf, fcntl.flock):
                with pytest.raises(BlockingIOError):
                    take(box, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert re.fullmatch(r"\d+\n?", lock_path(world, "alice").read_text())  # liblockfile's form
        assert reply.result().startswith("250")


def test_blocked_alarm(impatient):
    """SIGALRM ends our wait for a lock, even if the process that started us had blocked it."""

    def block():
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})

    path = impatient.preset("alice", SEED)
    with open(path, "r+b") as box:
        fcntl.lockf(box, fcntl.LOCK_EX)
        refused_and_untouched(impatient, preexec_fn=block)
        assert path.read_bytes() == SEED


def seconds_of_cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def test_leased_mailbox(world):
    """A file server may hold a lease on the mailbox: 451 soon, without busy waiting."""
    path = world.preset("alice", SEED)
    with open(path, "rb") as box, world.session() as session:
        fcntl.fcntl(box, fcntl.F_SETSIG, signal.SIGURG)  # the request to release the lease: ignored
        try:
            fcntl.fcntl(box, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            skip_because(f"no leases here: {error}")
        session.greet()
        start = time.monotonic()
        reply = session.transaction(["alice@example.org", "bob@example.org"], TEXT)
        took, cpu = time.monotonic() - start, seconds_of_cpu(session.process.pid)
        assert reply.startswith("451 4.2.0"), reply
        assert took < 5 and cpu < 0.2, f"{took} s, {cpu} s of them busy"
        assert path.read_bytes() == SEED and world.raw("bob") == b""
        fcntl.fcntl(box, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        assert session.transaction(["alice@example.org"], TEXT).startswith("250")


STEPPED = "the clock has stepped two hours"  # makes a lock file older than this boot


@pytest.mark.parametrize(
    "content, age",
    [
        (f"{os.getpid()}\n", 0), (f"{os.getpid()}\n", 400), (f"{os.getpid()}\n", STEPPED), ("1\n", 0),
        ("", 0), ("0\n", 200), ("", 200), ("31337:imap.example.net", 0),
    ],
    ids=["live", "live and old", STEPPED, "init", "no pid", "pid 0", "no pid, 200 s", "other host"],
)  # fmt: skip
def test_dot_lock_of_another(impatient, content, age):
    """We wait for a lock that may be live, leave it in place, and then reply 4xx."""
    path, lock = impatient.preset("alice", SEED), lock_path(impatient, "alice")
    when = boot_time() - 7200 if age == STEPPED else time.time() - age
    if age == 200 and when < boot_time() + 2:
        skip_because("a lock without a process is older than this machine is up")
    lock.write_text(content)
    try:
        os.utime(lock, (when, when))
        refused_and_untouched(impatient)
        assert path.read_bytes() == SEED and lock.read_text() == content
    finally:
        lock.unlink()
    assert impatient.deliver("alice@example.org").startswith("250")


@pytest.mark.parametrize("stale", ["dead", "other boot", "no pid", "pid 0", "nonsense", "other host"])
def test_stale_dot_lock(impatient, stale):
    """A lock is stale if its process is dead; if it names no process, if it is older than this boot or five minutes."""
    path, lock = impatient.preset("alice", SEED), lock_path(impatient, "alice")
    contents = {
        "dead": f"{dead_pid()}\n", "other boot": "", "no pid": "", "pid 0": "0\n", "nonsense": "x\n",
        "other host": f"{os.getpid()}:imap.example.net",
    }  # fmt: skip
    lock.write_text(contents[stale])
    if stale != "dead":
        when = boot_time() - 1000 if stale == "other boot" else time.time() - 310
        os.utime(lock, (when, when))
    assert impatient.deliver("alice@example.org", text=TEXT).startswith("250")
    assert not lock.exists()
    assert len(python_reads(path)) == 2


def test_lock_that_is_released_in_time(fresh):
    """The wait ends when the other program releases the lock."""
    fresh.build(lock_timeout="10s")
    lock = lock_path(fresh, "alice")
    fresh.preset("alice", SEED)
    lock.write_text(f"{os.getpid()}\n")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(fresh.deliver, "alice@example.org")
        time.sleep(0.5)
        assert fresh.raw("alice") == SEED
        lock.unlink()
        assert future.result(15).startswith("250")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_while_waiting(world, number):
    """After the first lock, a delivery is completed and the client gets its reply, even if back and front both receive
    the signal, as they do from Ctrl-C and from a service manager."""
    bob = world.preset("bob", SEED)
    session = world.session()
    session.greet()
    with open(bob, "r+b") as box:
        fcntl.lockf(box, fcntl.LOCK_EX)
        for command in ("MAIL FROM:<s@client.example>", "RCPT TO:<alice@example.org>", "RCPT TO:<bob@example.org>"):
            assert session.ask(command).startswith("250")
        session.ask("DATA")
        session.send(b"Subject: t\r\n\r\nbody\r\n.\r\n")
        assert wait_until(lambda: is_waited_for(bob), 5, 0.001)
        os.killpg(session.process.pid, number)
        time.sleep(0.05)
        assert session.process.poll() is None and bob.read_bytes() == SEED
    assert session.reply().startswith("250 2.0.0")
    assert re.fullmatch(rb"(421 [^\r]*\r\n)?", session.rest())
    assert session.finish() == 0
    assert " end " in session.log and "reason=stopped" in session.log
    assert len(re.findall(r" delivered ", session.log)) == 1
    assert world.sent("alice") == [TEXT] and len(python_reads(bob)) == 2


@pytest.mark.parametrize("kind", ["symlink", "folder"])
def test_odd_dot_lock(impatient, kind):
    """Anything but a regular file in the lock's place is not followed, written or removed."""
    impatient.preset("alice", SEED)
    lock, victim = lock_path(impatient, "alice"), impatient.folder / "victim"
    if kind == "symlink":
        victim.write_text(f"{os.getpid()}\n")
        lock.symlink_to(victim)
    else:
        lock.mkdir()
    refused_and_untouched(impatient)
    assert impatient.raw("alice") == SEED
    if kind == "symlink":
        assert victim.read_text() == f"{os.getpid()}\n"
        lock.unlink()
    else:
        lock.rmdir()


def test_dotlockfile_keeps_us_out(impatient):
    """We respect the lock of liblockfile's own program, and it respects ours."""
    needs("dotlockfile")
    path, lock = impatient.preset("alice", SEED), lock_path(impatient, "alice")
    holder = ["sh", "-c", 'dotlockfile -l -p -r 0 "$1" && echo held && read -r _; dotlockfile -u "$1"', "sh", lock]
    process = spawn(holder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    refused_and_untouched(impatient)
    assert path.read_bytes() == SEED
    process.stdin.close()
    process.wait(10)
    assert impatient.deliver("alice@example.org").startswith("250")


def is_waited_for(path):
    """Does a process wait in the kernel for a lock on this file?"""
    inode = f":{path.stat().st_ino} "
    return any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


@pytest.mark.parametrize("role", ["smtp", "lmtp"])
@pytest.mark.parametrize("kind", ["fcntl", "flock", "lock file"])
def test_a_locked_mailbox_does_not_delay_other_recipients(fresh, kind, role):
    """Six clients send to bob and zed, and wait for zed's lock. Mail only for bob is delivered without delay."""
    fresh.users += ["zed@example.org::", "aaron@example.org::"]
    fresh.aliases.append("all: aaron, bob, zed")
    fresh.build(lock_timeout="60s")
    zed = fresh.preset("zed", b"")
    hello = "LHLO" if role == "lmtp" else "EHLO"
    waiting = [fresh.session(args=("-r", role)) for _ in range(6)]
    with held(zed, kind):
        for session in waiting:
            session.reply()
            session.ask(f"{hello} client.example")
            session.ask("MAIL FROM:<s@client.example>")
            assert session.ask("RCPT TO:<all@example.org>").startswith("250")
            session.ask("DATA")
            session.send(b"Subject: all\r\n\r\n.\r\n")
            session.settle()
        time.sleep(0.3)
        for _ in range(5):
            assert fresh.deliver("bob@example.org").startswith("250")
        assert len(fresh.messages("bob")) == 5 and zed.read_bytes() == b""
    for session in waiting:
        assert session.reply().startswith("250")
        assert session.finish() == 0
    assert [len(fresh.messages(who)) for who in ("aaron", "bob", "zed")] == [6, 11, 6]


def test_a_mailbox_made_for_deferred_mail_is_removed(impatient):
    """Its own lock was released while we waited for bob's."""
    bob = impatient.preset("bob", b"")
    with held(bob, "fcntl"):
        refused_and_untouched(impatient)
    assert not impatient.mailbox("alice").exists()


def test_slow_client_holds_no_lock(world):
    """Locks are taken only after the whole message has arrived."""
    path = world.preset("alice", SEED)
    with world.session() as session:
        session.greet()
        session.begin_text()
        session.send(b"Subject: slow\r\n\r\n" + b"x\r\n" * 50000)
        session.settle()
        assert not lock_path(world, "alice").exists()
        with open(path, "r+b") as box:
            fcntl.lockf(box, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert world.deliver("alice@example.org", text=TEXT).startswith("250")
        session.send(b".\r\n")
        assert session.reply().startswith("250")
    assert len(python_reads(path)) == 3


def test_crossed_recipients(world):
    """Two deliveries to the same mailboxes in opposite order do not deadlock."""

    def send(order):
        with world.session() as session:
            session.greet()
            return [session.transaction(order, TEXT) for _ in range(15)]

    both = ["alice@example.org", "bob@example.org"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(send, [both, both[::-1]] * 2))
    assert all(reply.startswith("250") for some in replies for reply in some)
    assert len(world.sent("alice")) == len(world.sent("bob")) == 60


def test_sixteen_senders(world):
    """Sixteen clients send large and small messages to one mailbox: none is lost or torn."""

    def body(sender, number):
        size = 1 << 20 if (sender + number) % 4 == 0 else 300
        line = b"From %02d-%02d " % (sender, number) + b"x" * 60 + b"\n"
        return b"Subject: %d-%d\n\n" % (sender, number) + line * (size // len(line) + 1)

    def send(sender):
        sent = []
        with world.session() as session:
            session.greet()
            for number in range(4):
                sent.append(body(sender, number))
                assert session.transaction(["alice@example.org"], sent[-1]).startswith("250")
        return sent

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        sent = sorted(text for some in pool.map(send, range(16)) for text in some)
    assert sorted(world.sent("alice")) == sent


def test_python_locks_and_we_do(world):
    """A reader that rewrites the mailbox under its locks, as Python's mailbox module does, loses nothing."""

    def send(number):
        return world.deliver("alice@example.org", text=b"Subject: %d\n\nx\n" % number)

    seen = []
    path = world.preset("alice", b"")

    def take():
        """Reads and removes all messages, in place, under both locks."""
        with open(path, "r+b") as file:
            box = mailbox.mbox(path)
            try:
                mailbox._lock_file(file, dotlock=False)
            except mailbox.ExternalClashError:
                return
            seen.extend(re.findall(rb"^Subject: (\d+)$", file.read(), re.M))
            file.truncate(0)
            box.close()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(send, number) for number in range(40)]
        while not all(future.done() for future in futures):
            take()
            time.sleep(0.01)
    take()
    assert all(future.result().startswith("250") for future in futures)
    assert sorted(map(int, seen)) == list(range(40))


def test_mailbox_replaced_before_we_have_the_lock_file(world):
    """A program that uses only lock files may write a new mailbox and rename it over the old one, on which we already
    have our fcntl lock. The mail must go into the new file."""
    needs("strace")
    path = world.preset("alice", SEED)
    wrap = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=linkat,openat,link"]
    wrap += ["-e", "inject=linkat:delay_enter=700000:when=1"]  # we are about to make the lock file
    with concurrent.futures.ThreadPoolExecutor() as pool:
        reply = pool.submit(
            world.deliver, "alice@example.org", wrap=wrap, env={"ASAN_OPTIONS": "detect_leaks=0"}
        )
        with open(path, "r+b") as old:
            assert wait_until(lambda: is_locked(old))
            new = path.with_name("alice.new")
            new.write_bytes(SEED)
            new.rename(path)
        assert reply.result().startswith("250")
    assert path.read_bytes().startswith(SEED)
    assert b"Subject: t\n" in path.read_bytes()


def is_locked(file):
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.lockf(file, fcntl.LOCK_UN)
    return False
