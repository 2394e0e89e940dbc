"""The rules of delivery: all mailboxes or none, what is written, what is refused, and locks."""

import calendar
import concurrent.futures
import email.utils
import fcntl
import mailbox
import os
import re
import shutil
import socket
import stat
import subprocess
import time

import pytest
from conftest import dead_pid, needs, parse_mbox, private_mount, python_reads, skip_aloud, spawn, wait_until

TEXT = b"Subject: t\n\nbody\n"
SEED = b"From old@client.example Mon Jan  1 00:00:00 2001\nSubject: old\n\nold body\n\n"


# ---- what is written ---------------------------------------------------------------------------


def test_trace_fields(world):
    """Return-Path, Delivered-To, Received, in this order, above the message and nothing between."""
    world.deliver("alice@example.org", text=TEXT, sender="s@client.example")
    (message,) = world.messages("alice")
    lines = message.trace.split(b"\n")
    assert lines[0] == b"Return-Path: <s@client.example>"
    assert lines[1] == b"Delivered-To: alice@example.org"
    assert lines[2].startswith(b"Received: from client.example ")
    assert max(map(len, lines)) <= 998
    assert message.sent == TEXT


def test_delivered_to_names_each_mailbox(world):
    world.deliver("team@example.org")
    assert world.messages("alice")[0].header("Delivered-To") == "alice@example.org"
    assert world.messages("bob")[0].header("Delivered-To") == "bob@example.org"
    assert world.messages("alice")[0].id == world.messages("bob")[0].id


def test_from_line(world):
    """`From SENDER DATE`, the date in UTC as asctime(3) has it."""
    before = int(time.time())
    world.deliver("alice@example.org", sender="s@client.example")
    words = world.messages("alice")[0].from_line.decode().split(" ", 2)
    assert words[1] == "s@client.example"
    written = calendar.timegm(time.strptime(words[2], "%a %b %d %H:%M:%S %Y"))
    assert before - 1 <= written <= time.time() + 1


def test_from_line_does_not_follow_the_time_zone(world):
    world.deliver("alice@example.org", env={"TZ": "Pacific/Kiritimati"})
    words = world.messages("alice")[0].from_line.decode().split(" ", 2)
    assert abs(calendar.timegm(time.strptime(words[2], "%a %b %d %H:%M:%S %Y")) - time.time()) < 30


def test_from_line_of_the_null_sender(world):
    world.deliver("alice@example.org", sender="")
    (message,) = world.messages("alice")
    assert message.from_line.startswith(b"From MAILER-DAEMON ")
    assert message.header("Return-Path") == "<>"


@pytest.mark.parametrize("sender", ['"two words"@client.example', '" From x "@client.example', '"\\""@client.example'])
def test_from_line_of_odd_senders(world, sender):
    """A quoted local part may hold blanks; the From_ line stays one that readers understand."""
    assert world.deliver("alice@example.org", sender=sender).startswith("250")
    assert world.messages("alice")[0].header("Return-Path") == f"<{sender}>"
    box = mailbox.mbox(world.mailbox("alice"))
    assert len(box) == 1
    assert email.utils.parsedate(box[0].get_from().split(" ", 1)[1]) is not None


BODIES = [
    b"",
    b"\n",
    b"\n\n\n",
    b"Subject: x\n",
    b"Subject: x\n\n",
    b"Subject: x\n\nbody\n",
    b"Subject: x\n\nbody\n\n",
    b"Subject: x\n\nbody\n\n\n\n",
    b"From first line\n",
    b"Subject: x\n\nFrom \n>From \n>>From \nFrom\nfrom x\n>From: x\n From x\n",
    b"Subject: x\n\n" + b"From x\n" * 5000,
    b"Subject: x\n\n" + b">" * 5000 + b"From x\n",
    b"Subject: x\n\n" + b"y" * 70000 + b"\nFrom x\n",
    b"Subject: x\n\n" + (b"z" * 61 + b"\n") * 5000,
    b"Subject: x\n\n.\n..\n",
    b"Subject: x\n\nFro\nF\n",
]


def test_round_trip(world):
    """mboxrd: what goes in comes out, and exactly one blank line stands behind each message."""
    with world.session() as session:
        session.greet()
        for body in BODIES:
            assert session.transaction(["alice@example.org"], body).startswith("250")
    assert world.sent("alice") == BODIES


@pytest.mark.parametrize("at", range(-8, 9))
def test_from_line_across_a_buffer_edge(world, at):
    """`From ` is found wherever reads and buffers of a power of two cut it."""
    bodies = []
    with world.session() as session:
        session.greet()
        for size in (1024, 2048, 4096, 8192, 16384, 32768, 65536):
            body = b"x" * (size + at - 1) + b"\nFrom cut\n>From cut\n.\n"
            bodies.append(body)
            assert session.transaction(["alice@example.org"], body).startswith("250")
    assert world.sent("alice") == bodies


def test_large_message(world):
    body = b"Subject: large\n\n" + b"".join(b"%070d\n" % i for i in range(280000))
    assert world.deliver("alice@example.org", "bob@example.org", text=body).startswith("250")
    assert world.sent("alice") == [body] and world.sent("bob") == [body]


# ---- what was there before ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "old, count",
    [
        (b"", 0),
        (SEED, 1),
        (SEED[:-1], 1),
        (SEED[:-2], 1),
        (SEED + SEED, 2),
        (SEED + b"\n\n", 1),
        (SEED.replace(b"old body", b"old body\n\nmore"), 1),
    ],
    ids=["empty", "good", "no blank line", "no line end", "two", "more blank lines", "blank inside"],
)
def test_behind_foreign_mail(world, old, count):
    """Other programs' mail stays byte by byte; ours begins behind a blank line."""
    path = world.preset("alice", old)
    world.deliver("alice@example.org", text=TEXT)
    assert path.read_bytes().startswith(old)
    read = python_reads(path)
    assert len(read) == count + 1 and read[-1].endswith(b"\n" + TEXT)
    joint = path.read_bytes()[len(old) :]
    assert re.match(rb"\n{0,2}From s@client\.example ", joint)
    if old.endswith(b"\n\n") or not old:
        assert joint.startswith(b"From ")


@pytest.mark.parametrize("umask", [0, 0o22, 0o77])
def test_new_mailbox_and_folders_are_private(world, umask):
    reply = world.deliver("carol@example.net", preexec_fn=lambda: os.umask(umask))
    assert reply.startswith("250")
    path = world.mailbox("carol@example.net")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_modes_of_what_exists_stay(world):
    path = world.preset("alice", SEED, mode=0o640)
    path.parent.chmod(0o750)
    world.deliver("alice@example.org")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750


def test_inode_stays(world):
    """A mailbox is appended to, never replaced: readers hold it open."""
    path = world.preset("alice", SEED)
    before = path.stat().st_ino
    world.deliver("alice@example.org")
    assert path.stat().st_ino == before


def test_mailbox_by_absolute_path(fresh):
    spool = fresh.folder / "spool"
    spool.mkdir(0o700)
    fresh.users.append(f"dave@example.org::mailbox={spool}/dave")
    fresh.build()
    assert fresh.deliver("dave@example.org", text=TEXT).startswith("250")
    assert len(python_reads(spool / "dave")) == 1 and not fresh.mailbox("dave").exists()


@pytest.mark.parametrize("spelling", ["/linked/alice", "/mail//example.org/alice", "/mail/./example.org/alice"])
def test_two_paths_one_mailbox(fresh, spelling):
    """Two users' paths may lead to one file where the administrator has made links above it. If the
    builder does not see that, the message is there once, or not at all with 4xx; never torn."""
    path = fresh.mailbox("alice")
    (fresh.folder / "linked").symlink_to(path.parent)
    fresh.users.append(f"one@example.org::mailbox={fresh.folder}{spelling}")
    try:
        fresh.build(lock_timeout="1s")
    except AssertionError as error:
        assert "users:6:" in str(error)
        return
    for order in (("alice@example.org", "one@example.org"), ("one@example.org", "bob@example.org", "alice@example.org")):
        reply = fresh.deliver(*order, text=TEXT)
        assert re.match(r"250|4\d\d 4\.", reply), reply
        assert len(fresh.sent("alice")) == (1 if reply.startswith("250") else 0)
        path.unlink(missing_ok=True)


def test_duplicates_once(world):
    assert world.deliver(
        "alice@example.org", "ALICE@example.org", "alice+x@example.org", "team@example.org", "bob@example.org", text=TEXT
    ).startswith("250")
    assert world.sent("alice") == [TEXT] and world.sent("bob") == [TEXT]


def test_alias_to_alias(fresh):
    fresh.aliases += ["outer@example.org: inner@example.org, carol@example.net", "inner@example.org: team@example.org"]
    fresh.build()
    assert fresh.deliver("outer@example.org", text=TEXT).startswith("250")
    assert [fresh.sent(who) for who in ("alice", "bob", "carol@example.net")] == [[TEXT]] * 3


def test_hundred_mailboxes(fresh):
    fresh.users += [f"user{i}@example.org::" for i in range(100)]
    fresh.build()
    assert fresh.deliver(*(f"user{i}@example.org" for i in range(100)), text=TEXT).startswith("250")
    assert all(fresh.sent(f"user{i}") == [TEXT] for i in range(100))


# ---- what is no mailbox ------------------------------------------------------------------------


def make_symlink(path, folder):
    (folder / "victim").write_bytes(SEED)
    path.symlink_to(folder / "victim")


def make_dangling(path, folder):
    path.symlink_to(folder / "victim")


def make_hard_link(path, folder):
    (folder / "victim").write_bytes(SEED)
    os.link(folder / "victim", path)


def make_fifo(path, _):
    os.mkfifo(path)


def make_folder(path, _):
    path.mkdir()


def make_device(path, _):
    if os.geteuid() != 0:
        skip_aloud("mknod needs root")
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))


def make_socket(path, _):
    with socket.socket(socket.AF_UNIX) as sock:
        here = os.open(path.parent, os.O_RDONLY)  # a path of a socket is short
        sock.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


def kind_and_content(path):
    st = path.lstat()
    return stat.S_IFMT(st.st_mode), st.st_nlink, os.readlink(path) if path.is_symlink() else None


@pytest.mark.parametrize(
    "make", [make_symlink, make_dangling, make_hard_link, make_fifo, make_folder, make_device, make_socket]
)
def test_what_is_no_mailbox(world, make):
    """A regular file with one link, or nothing: 4xx, and nothing is written anywhere."""
    path = world.mailbox("alice")
    path.parent.mkdir(0o700)
    make(path, world.folder)
    before = kind_and_content(path)
    reply = world.deliver("alice@example.org", "bob@example.org")
    assert re.match(r"4\d\d 4\.\d", reply), reply
    assert kind_and_content(path) == before
    assert world.raw("bob") == b""
    victim = world.folder / "victim"
    if make is make_dangling:
        assert not victim.exists()
    elif victim.exists():
        assert victim.read_bytes() == SEED


def test_symlinked_folder(world):
    """Below mail-root no link is followed, not even to a folder."""
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir(0o700)
    (world.root / "example.org").symlink_to(elsewhere)
    assert re.match(r"4\d\d 4\.\d", world.deliver("alice@example.org"))
    assert list(elsewhere.iterdir()) == []


def test_folder_that_is_a_file(world):
    (world.root / "example.org").write_bytes(b"x")
    assert re.match(r"4\d\d 4\.\d", world.deliver("alice@example.org"))
    assert (world.root / "example.org").read_bytes() == b"x"


def test_missing_mail_root(world):
    """mail-root is made like any other folder; where that cannot be, 4xx."""
    world.root.rmdir()
    assert world.deliver("alice@example.org", text=TEXT).startswith("250")
    assert world.sent("alice") == [TEXT]
    assert stat.S_IMODE(world.root.stat().st_mode) == 0o700
    shutil.rmtree(world.root)
    world.root.write_bytes(b"x")
    assert re.match(r"4\d\d 4\.\d", world.deliver("alice@example.org"))


def test_mailbox_swapped_for_a_link_all_the_time(world):
    """Someone replaces the file by a link, again and again: no byte lands in the link's target."""
    path = world.preset("alice", b"")
    victim = world.folder / "victim"
    victim.write_bytes(SEED)
    swap = world.folder / "swap.py"
    swap.write_text(
        "import os, sys\n"
        "path, victim = sys.argv[1:]\n"
        "while True:\n"
        "    os.symlink(victim, path + '.new'); os.rename(path + '.new', path)\n"
        "    open(path + '.new', 'x').close(); os.rename(path + '.new', path)\n"
    )
    process = spawn(["/usr/bin/python3", swap, path, victim])
    with world.session() as session:
        session.greet()
        for _ in range(40):
            assert re.match(r"250|4\d\d", session.transaction(["alice@example.org"], TEXT))
    process.kill()
    process.wait()
    assert victim.read_bytes() == SEED


def test_none_if_one_fails(world):
    """All mailboxes or none, whichever of them is the bad one."""
    for bad, good in (("alice", "bob"), ("bob", "alice")):
        before = world.preset(good, SEED).read_bytes()
        world.mailbox(bad).unlink(missing_ok=True)
        world.mailbox(bad).mkdir()
        reply = world.deliver("alice@example.org", "bob@example.org", "carol@example.net")
        assert re.match(r"4\d\d 4\.", reply), reply
        assert world.raw(good) == before and world.raw("carol@example.net") == b""
        world.mailbox(bad).rmdir()


def test_after_a_failure_the_session_goes_on(world):
    world.mailbox("alice").mkdir(parents=True)
    with world.session() as session:
        session.greet()
        assert session.transaction(["alice@example.org"], TEXT).startswith("4")
        assert session.ask("RCPT TO:<bob@example.org>").startswith("503")
        assert session.transaction(["bob@example.org"], TEXT).startswith("250")
        world.mailbox("alice").rmdir()
        assert session.transaction(["alice@example.org"], TEXT).startswith("250")
    assert world.sent("alice") == [TEXT] and world.sent("bob") == [TEXT]


# ---- no room -----------------------------------------------------------------------------------


def test_quota(fresh):
    fresh.users.append("small@example.org::quota=4K")
    fresh.build()
    fits, large = b"Subject: x\n\n" + b"y" * 1000 + b"\n", b"Subject: x\n\n" + b"y" * 4000 + b"\n"
    assert fresh.deliver("small@example.org", text=fits).startswith("250")
    before = fresh.raw("small")
    reply = fresh.deliver("alice@example.org", "small@example.org", text=large)
    assert reply.startswith("452 4.2.2"), reply
    assert fresh.raw("small") == before and fresh.raw("alice") == b""
    assert fresh.deliver("small@example.org", text=fits).startswith("250")
    assert fresh.deliver("alice@example.org", text=large).startswith("250")


@pytest.mark.parametrize("limit", [10_000, 100_000, 300_000])
def test_file_size_limit(world, limit):
    """RLIMIT_FSIZE: 452 4.2.2, the mailboxes as before, and no death by SIGXFSZ."""
    needs("prlimit")
    bob = world.preset("bob", SEED)
    with world.session(wrap=["prlimit", f"--fsize={limit}"]) as session:
        session.greet()
        text = b"Subject: x\n\n" + b"y" * limit + b"\n"
        reply = session.transaction(["alice@example.org", "bob@example.org"], text)
        assert reply.startswith("452 4.2.2"), reply
        assert world.raw("alice") == b"" and bob.read_bytes() == SEED
        assert session.transaction(["alice@example.org"], TEXT).startswith("250")
    assert world.sent("alice") == [TEXT]


@pytest.mark.parametrize("size", [16, 64, 256], ids=lambda kilo: f"{kilo}K")
def test_full_file_system(world, size):
    """A small tmpfs as mail-root: 452 4.3.1, both mailboxes as before, and small mail still fits."""
    script = 'mount -t tmpfs -o "size=$1k,mode=0700" none "$2" || exit 99; shift 2; exec "$@"'
    wrap = [*private_mount(), "sh", "-c", script, "sh", str(size), str(world.root)]
    with world.session(wrap=wrap) as session:
        session.greet()
        inside = f"/proc/{session.process.pid}/root{world.root}"

        def raw(who):
            try:
                with open(f"{inside}/example.org/{who}", "rb") as box:
                    return box.read()
            except FileNotFoundError:
                return b""

        assert session.transaction(["alice@example.org"], TEXT).startswith("250")
        before = raw("alice")
        assert len(parse_mbox(before)) == 1
        for share in (0.6, 1.5):  # the first fits once, not twice
            text = b"Subject: x\n\n" + b"y" * int(size * 1024 * share) + b"\n"
            reply = session.transaction(["alice@example.org", "bob@example.org"], text)
            assert reply.startswith("452 4.3.1"), reply
            assert raw("alice") == before and raw("bob") == b""
        assert session.transaction(["bob@example.org"], TEXT).startswith("250")
        assert len(parse_mbox(raw("bob"))) == 1
        names = [name for _, _, files in os.walk(inside) for name in files]
        assert sorted(names) == ["alice", "bob"]


# ---- locks -------------------------------------------------------------------------------------


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


def test_fcntl_lock_of_another(impatient):
    path = impatient.preset("alice", SEED)
    with open(path, "r+b") as box:
        fcntl.lockf(box, fcntl.LOCK_EX)
        refused_and_untouched(impatient)
        assert path.read_bytes() == SEED
        assert not lock_path(impatient, "alice").exists()
    assert impatient.deliver("alice@example.org").startswith("250")


def test_fcntl_read_lock_of_a_reader(impatient):
    """A reader that holds a shared lock is waited for, too."""
    path = impatient.preset("alice", SEED)
    with open(path, "rb") as box:
        fcntl.lockf(box, fcntl.LOCK_SH)
        refused_and_untouched(impatient)
        assert path.read_bytes() == SEED


@pytest.mark.parametrize(
    "content, age",
    [("%d\n" % os.getpid(), 0), ("%d\n" % os.getpid(), 400), ("1\n", 0), ("", 0), ("0\n", 200), ("", 200)],
    ids=["live", "live and old", "init", "no pid", "pid 0", "no pid, 200 s"],
)
def test_dot_lock_of_another(impatient, content, age):
    """A lock that may be alive is waited for, left in place, and then 4xx."""
    path, lock = impatient.preset("alice", SEED), lock_path(impatient, "alice")
    lock.write_text(content)
    when = time.time() - age
    if when < boot_time():
        skip_aloud("the machine is up for less than that")
    os.utime(lock, (when, when))
    refused_and_untouched(impatient)
    assert path.read_bytes() == SEED and lock.read_text() == content
    lock.unlink()
    assert impatient.deliver("alice@example.org").startswith("250")


@pytest.mark.parametrize("stale", ["dead", "other boot", "no pid", "pid 0", "nonsense"])
def test_stale_dot_lock(impatient, stale):
    """liblockfile's rules: a dead process; made before this boot; no pid and older than 5 minutes."""
    path, lock = impatient.preset("alice", SEED), lock_path(impatient, "alice")
    contents = {
        "dead": f"{dead_pid()}\n", "other boot": f"{os.getpid()}\n", "no pid": "", "pid 0": "0\n", "nonsense": "x\n",
    }  # fmt: skip
    lock.write_text(contents[stale])
    if stale != "dead":
        when = boot_time() - 1000 if stale == "other boot" else time.time() - 310
        os.utime(lock, (when, when))
    assert impatient.deliver("alice@example.org", text=TEXT).startswith("250")
    assert not lock.exists()
    assert len(python_reads(path)) == 2


def test_lock_that_is_released_in_time(fresh):
    """Waiting ends when the other is done."""
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


@pytest.mark.parametrize("kind", ["symlink", "folder"])
def test_odd_dot_lock(impatient, kind):
    """What stands in the lock's place and is no lock file is not followed, written or removed."""
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
    """The lock of liblockfile's own program counts, and ours counts for it."""
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


def test_our_lock_is_one_for_dotlockfile(world):
    """While a delivery waits for bob's lock it holds alice's (or has given it back); what it leaves
    in the lock file is its process id, in liblockfile's form."""
    needs("dotlockfile")
    world.preset("alice", SEED)
    world.preset("bob", SEED)
    locks = [lock_path(world, who) for who in ("alice", "bob")]
    seen = set()
    bob = open(world.mailbox("bob"), "r+b")
    fcntl.lockf(bob, fcntl.LOCK_EX)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(world.deliver, "alice@example.org", "bob@example.org")

        def look():
            for lock in locks:
                try:
                    seen.add(lock.read_text())
                    return True
                except FileNotFoundError:
                    pass

        assert wait_until(look, 10, 0.001)
        bob.close()
        assert future.result(40).startswith("250")
    assert all(re.fullmatch(r"\d+\n?", text) for text in seen), seen


def test_slow_client_holds_no_lock(world):
    """Locks are taken when the whole message is there, not before."""
    path = world.preset("alice", SEED)
    with world.session() as session:
        session.greet()
        for command in ("MAIL FROM:<s@client.example>", "RCPT TO:<alice@example.org>", "DATA"):
            session.ask(command)
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
    """Two deliveries with the same mailboxes in opposite order do not wait for each other for ever."""

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
    """One mailbox, sixteen at once, large and small: nothing lost, nothing torn."""

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
    """A reader that rewrites the mailbox under its locks (as Python's mailbox does) loses nothing."""

    def send(number):
        return world.deliver("alice@example.org", text=b"Subject: %d\n\nx\n" % number)

    seen = []
    path = world.preset("alice", b"")

    def take():
        """Reads and removes all that is there, in place, under both locks."""
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


# ---- what is on the disk -----------------------------------------------------------------------


def test_synced_before_the_reply(world):
    """250 comes after an fdatasync of each mailbox, and an fsync of the folder of a new one."""
    needs("strace")
    if os.geteuid() != 0:
        skip_aloud("only root sees what the server names in its system calls")
    trace = world.folder / "trace"
    world.preset("bob", SEED)
    wrap = ["strace", "-qq", "-y", "-o", trace, "-e", "trace=fdatasync,fsync"]
    reply = world.deliver(
        "carol@example.net", "bob@example.org", wrap=wrap, env={"ASAN_OPTIONS": "detect_leaks=0"}
    )
    assert reply.startswith("250")
    synced = set(re.findall(r"<(\S+)>\) += 0", trace.read_text()))
    for path in (world.mailbox("bob"), world.mailbox("carol@example.net")):
        assert str(path) in synced, synced
    assert str(world.mailbox("carol@example.net").parent) in synced, synced
    assert str(world.root) in synced, synced


def test_order_of_what_is_done(world):
    """What a power cut may not turn round: undo before the text, the text on the disk before the undo
    goes, and the locks go last."""
    needs("strace")
    if os.geteuid() != 0:
        skip_aloud("only root sees what the server names in its system calls")
    trace = world.folder / "trace"
    world.preset("alice", SEED)
    wrap = ["strace", "-qq", "-y", "-o", trace]
    world.deliver("alice@example.org", wrap=wrap, env={"ASAN_OPTIONS": "detect_leaks=0"})
    wanted = [
        r'linkat\(.*"alice\.lock"',
        r'symlinkat\(.*"alice\.undo"',
        r"write\(\d+</\S*/alice>",
        r"fdatasync\(\d+</\S*/alice>",
        r'unlinkat\(.*"alice\.undo"',
        r'unlinkat\(.*"alice\.lock"',
    ]
    lines = trace.read_text(errors="replace").splitlines()
    found = [[i for i, line in enumerate(lines) if re.match(w, line)] for w in wanted]
    assert all(found), list(zip(wanted, found))
    for earlier, later in zip(found, found[1:]):
        assert earlier[-1] < later[0], list(zip(wanted, found))


@pytest.mark.parametrize("owner", ["stranger", "ours"])
def test_forged_undo(world, owner):
    """An undo link that somebody else has put into the folder takes no mail away; one of ours that does
    not fit any more neither."""
    if owner == "stranger" and os.geteuid() != 0:
        skip_aloud("chown needs root")
    path = world.preset("alice", SEED)
    world.deliver("alice@example.org", text=TEXT)
    whole = path.read_bytes()
    message_id = re.search(rb"\bid (\w+)", whole).group(1).decode()
    link = path.with_name("alice.undo")
    end = len(whole) + (1000 if owner == "stranger" else 0)
    link.symlink_to(f"{len(SEED)} {end} {path.stat().st_ino} {message_id}")
    if owner == "stranger":
        os.lchown(link, 4242, 4242)
    assert re.match(r"250|4\d\d 4\.", world.deliver("alice@example.org", text=TEXT))
    assert path.read_bytes().startswith(whole)
    link.unlink(missing_ok=True)


def test_undo_that_is_nonsense(world):
    """Neither an odd link nor another kind of file in its place is believed."""
    path = world.preset("alice", SEED)
    link = path.with_name("alice.undo")
    for text in ("x", "0 0 0 x", f"0 99999 {path.stat().st_ino} x", "-5 99999 1 x", "9" * 100, "/etc/passwd"):
        link.symlink_to(text)
        assert re.match(r"250|4\d\d 4\.", world.deliver("alice@example.org", text=TEXT))
        assert path.read_bytes().startswith(SEED)
        link.unlink(missing_ok=True)
    for make in (lambda: link.write_text("0 99999 1 x"), link.mkdir, lambda: os.mkfifo(link)):
        make()
        assert re.match(r"250|4\d\d 4\.", world.deliver("alice@example.org", text=TEXT))
        assert path.read_bytes().startswith(SEED)
        link.rmdir() if link.is_dir() else link.unlink(missing_ok=True)


def test_large_alias(fresh):
    """Whatever the builder lets stand can be delivered."""
    fresh.users += [f"user{i}@example.org::" for i in range(500)]
    fresh.aliases.append("all@example.org: " + ", ".join(f"user{i}@example.org" for i in range(500)))
    try:
        fresh.build()
    except AssertionError as error:
        assert "aliases:4" in str(error)
        return
    assert fresh.deliver("all@example.org", text=TEXT).startswith("250")
    assert all(fresh.sent(f"user{i}") == [TEXT] for i in range(500))
