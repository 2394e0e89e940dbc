"""LMTP: a reply for each recipient, each delivered to all its mailboxes or to none, independently of other recipients."""

import concurrent.futures
import contextlib
import fcntl
import os
import signal
import smtplib
import subprocess
import time
from pathlib import Path

import pytest
from basics import HOSTNAME, needs, private_mount, skip_because
from client import Closed, start_own, to_wire
from mbox import parse_mbox
from processes import spawn, wait_until
from postfix import Postfix
from tls import context

TEXT = b"Subject: t\n\nbody\n"
SEED = b"From old@client.example Mon Jan  1 00:00:00 2001\nSubject: old\n\nold body\n\n"
ALICE, BOB, CAROL, TEAM = "alice@example.org", "bob@example.org", "carol@example.net", "team@example.org"


def greeted(world, **more):
    session = world.session(args=["-r", "lmtp"], **more)
    assert session.reply().startswith(f"220 {HOSTNAME} LMTP")
    assert session.ask("LHLO client.example").startswith("250-")
    return session


def send_message(session, recipients, text=TEXT):
    """Sends the transaction up to the final dot."""
    session.send(b"MAIL FROM:<s@client.example>\r\n")
    session.send("".join(f"RCPT TO:<{r}>\r\n" for r in recipients).encode() + b"DATA\r\n")
    replies = [session.reply() for _ in [None, *recipients]]
    assert all(reply.startswith("250 2.1.") for reply in replies), replies
    assert session.reply().startswith("354")
    session.send(to_wire(text) + b".\r\n")


def replies(session, recipients):
    """The codes of the replies; nothing may follow them."""
    found = [session.reply()[:9].rstrip() for _ in recipients]
    assert session.ask("NOOP") == "250 2.0.0 OK"
    return found


def transaction(session, recipients, text=TEXT):
    send_message(session, recipients, text)
    return replies(session, recipients)


def deliver(world, *recipients, text=TEXT, **more):
    with greeted(world, **more) as session:
        return transaction(session, recipients, text)


# ---- a mailbox that cannot be written ----------------------------------------------------------


@contextlib.contextmanager
def fcntl_lock(path):
    with open(path, "r+b") as box:
        fcntl.lockf(box, fcntl.LOCK_EX)
        yield "451 4.2.0"


@contextlib.contextmanager
def dot_lock(path):
    lock = path.with_name(path.name + ".lock")
    lock.write_text(f"{os.getpid()}\n")
    yield "451 4.2.0"
    lock.unlink()


@contextlib.contextmanager
def moved_behind(path, make):
    real = path.with_name("real")
    path.rename(real)
    make(path, real)
    yield "451 4.2.0"
    path.unlink()
    real.rename(path)


def symlink(path):
    return moved_behind(path, lambda link, real: link.symlink_to(real))


def hard_link(path):
    return moved_behind(path, lambda link, real: link.hardlink_to(real))


@contextlib.contextmanager
def quota(path):
    yield "452 4.2.2"


@pytest.mark.parametrize("spoil", [fcntl_lock, dot_lock, symlink, hard_link, quota], ids=lambda spoil: spoil.__name__)
def test_others_are_delivered(fresh, spoil):
    if spoil == quota:
        fresh.users[1] = f"{BOB}::quota={len(SEED) + 10}"
    fresh.build(lock_timeout="1s")
    path = fresh.preset("bob", SEED)
    with spoil(path) as code:
        assert deliver(fresh, ALICE, BOB, CAROL, BOB, "info@example.org") == ["250 2.0.0", code, "250 2.0.0", code, code]
        assert fresh.sent("alice") == fresh.sent("carol@example.net") == [TEXT]
    assert path.read_bytes() == SEED
    if spoil != quota:
        assert deliver(fresh, BOB) == ["250 2.0.0"]
        assert path.read_bytes().startswith(SEED) and len(parse_mbox(path.read_bytes())) == 2


def test_read_only_folder(world):
    world.preset("carol@example.net", SEED)
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 99; shift; exec "$@"'
    wrap = [*private_mount(), "sh", "-c", script, "sh", world.root / "example.net"]
    assert deliver(world, CAROL, ALICE, wrap=wrap) == ["451 4.2.0", "250 2.0.0"]
    assert world.sent("alice") == [TEXT] and world.raw("carol@example.net") == SEED


@pytest.mark.parametrize("size", [4_000, 200_000, 400_000])
def test_fails_during_the_write(world, size):
    """Bob's mailbox reaches the file size limit while the message is being written, and is cut back. The next mailbox
    receives the whole message."""
    needs("prlimit")
    old = SEED + SEED.replace(b"old body", b"x" * 500_000)
    world.preset("bob", old)
    text = b"Subject: x\n\n" + b"".join(b"%069d\n" % n for n in range(size // 70))
    wrap = ["prlimit", f"--fsize={len(old) + size // 2}"]
    assert deliver(world, ALICE, BOB, CAROL, text=text, wrap=wrap) == ["250 2.0.0", "452 4.2.2", "250 2.0.0"]
    assert world.sent("alice") == world.sent(CAROL) == [text]
    assert world.raw("bob") == old


def test_full_file_system(world):
    """The first recipients are served; a message that cannot even be spooled is refused for all."""
    script = 'mount -t tmpfs -o "size=64k,mode=0700" none "$1" || exit 99; shift; exec "$@"'
    wrap = [*private_mount(), "sh", "-c", script, "sh", world.root]
    with greeted(world, wrap=wrap) as session:
        inside = f"/proc/{session.process.pid}/root{world.root}/example.org"
        full, good = "452 4.3.1", "250 2.0.0"
        text = b"Subject: x\n\n" + b"y" * 300_000 + b"\n"
        assert transaction(session, [ALICE, BOB, ALICE], text) == [full, full, full]
        assert not os.path.exists(inside)
        text = b"Subject: x\n\n" + b"y" * 38_000 + b"\n"
        assert transaction(session, [ALICE, BOB, ALICE], text) == [good, full, good]
        assert transaction(session, [BOB], TEXT) == [good]
        for who, count in (("alice", 1), ("bob", 1)):
            with open(f"{inside}/{who}", "rb") as box:
                assert len(parse_mbox(box.read())) == count


# ---- recipients with several mailboxes ---------------------------------------------------------


@pytest.mark.parametrize(
    "recipients, codes, alices",
    [
        ([TEAM, CAROL], "no", 0),
        ([ALICE, TEAM, CAROL], "yno", 1),
        ([TEAM, ALICE, CAROL], "nyo", 1),
        ([TEAM, ALICE, TEAM, "postmaster@example.org"], "nyny", 1),
    ],
    ids=["alone", "first", "last", "mixed"],
)
def test_an_alias_is_all_or_none(world, recipients, codes, alices):
    """Bob's mailbox is unusable, so the alias for alice and bob does not deliver to alice either. Alice may also be a
    recipient herself."""
    bob = world.preset("bob", SEED)
    alice = world.preset("alice", SEED)
    with symlink(bob):
        wanted = ["451 4.2.0" if code == "n" else "250 2.0.0" for code in codes]
        assert deliver(world, *recipients) == wanted
    assert bob.read_bytes() == SEED
    assert len(parse_mbox(alice.read_bytes())) == 1 + alices
    assert len(world.messages(CAROL)) == recipients.count(CAROL)
    bob.unlink()
    assert deliver(world, *recipients) == ["250 2.0.0"] * len(recipients)
    assert len(parse_mbox(alice.read_bytes())) == 2 + alices and len(world.messages("bob")) == 1


def test_two_paths_one_mailbox(fresh):
    """As in SMTP (test_mailboxes.py), but here the two recipients are delivered one after the other."""
    linked = fresh.folder / "linked"
    linked.symlink_to(fresh.root)
    fresh.users.append(f"one@example.org::mailbox={fresh.mailbox('alice')}")
    fresh.build(mail_root=linked)
    fresh.mailbox("alice").parent.mkdir(0o700)
    assert deliver(fresh, "one@example.org", ALICE, "one@example.org") == ["250 2.0.0"] * 3
    assert fresh.sent("alice") == [TEXT]


def test_hundred_recipients(fresh):
    users = [f"u{n}@example.org" for n in range(100)]
    fresh.users += [f"{user}::" for user in users]
    fresh.build()
    with symlink(fresh.preset("u50", SEED)):
        wanted = ["451 4.2.0" if user.startswith("u50@") else "250 2.0.0" for user in users]
        assert deliver(fresh, *users) == wanted
    assert fresh.raw("u50") == SEED
    assert [len(fresh.messages(user)) for user in users if not user.startswith("u50@")] == [1] * 99


def test_crossed_recipients(world):
    """No lock is held from one recipient to the next, so two deliveries never wait for each other."""

    def send(order):
        with greeted(world) as session:
            return [transaction(session, order) for _ in range(20)]

    orders = [[ALICE, BOB], [BOB, ALICE], [CAROL, ALICE, BOB], [BOB, CAROL]]
    with concurrent.futures.ThreadPoolExecutor(len(orders)) as pool:
        for order, found in zip(orders, pool.map(send, orders)):
            assert found == [["250 2.0.0"] * len(order)] * 20
    assert [len(world.messages(who)) for who in (ALICE, BOB, CAROL)] == [60, 80, 40]


def test_mailboxes_are_closed(world):
    """They are open until the last recipient is served, and no longer."""
    with symlink(world.preset("bob", SEED)), greeted(world) as session:
        descriptors = f"/proc/{session.process.pid}/fd"
        if not os.access(descriptors, os.R_OK):
            skip_because("only root sees the descriptors of a process that is not to be traced")
        before = os.listdir(descriptors)
        assert transaction(session, [ALICE, TEAM, CAROL]) == ["250 2.0.0", "451 4.2.0", "250 2.0.0"]
        assert os.listdir(descriptors) == before


# ---- signals -----------------------------------------------------------------------------------


def test_stopped_while_it_delivers(world):
    """SIGTERM while it waits for bob's lock: all recipients are delivered, and the client gets a reply for each."""
    bob = world.preset("bob", SEED)
    session = greeted(world)
    with open(bob, "r+b") as box:
        fcntl.lockf(box, fcntl.LOCK_EX)
        send_message(session, [ALICE, BOB, CAROL])
        assert wait_until(lambda: world.raw("alice"), 5, 0.001)
        os.killpg(session.process.pid, signal.SIGTERM)
        time.sleep(0.05)
    assert [session.reply()[:9] for _ in range(3)] == ["250 2.0.0"] * 3
    session.rest()
    assert session.finish() == 0
    assert world.sent("alice") == world.sent(CAROL) == [TEXT] and len(parse_mbox(bob.read_bytes())) == 2


@pytest.mark.parametrize("call", ["fdatasync", "symlinkat"])
def test_killed_at_the_second_recipient(world, call):
    """SIGKILL after the first recipient's mailbox and before the end of the second's: nothing is acknowledged or torn."""
    needs("strace")
    world.preset("alice", SEED), world.preset("bob", SEED)
    wrap = ["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when=2"]
    session = greeted(world, wrap=wrap, env={"ASAN_OPTIONS": "detect_leaks=0"})
    send_message(session, [ALICE, BOB])
    with pytest.raises(Closed):
        reply = session.reply()
        assert reply.startswith("421"), reply
        session.reply()
    session.close()
    session.process.wait(20)
    assert deliver(world, ALICE, BOB) == ["250 2.0.0"] * 2
    assert len(parse_mbox(world.raw("alice"))) == 3
    assert len(parse_mbox(world.raw("bob"))) == (3 if call == "fdatasync" else 2)


# ---- sockets -----------------------------------------------------------------------------------


def is_listening(path):
    """Does this socket listen, instead of only being bound? We ask the kernel, because a connection would start the
    program."""
    rows = [row.split() for row in Path("/proc/net/unix").read_text().splitlines()]
    return any(row[3] == "00010000" and row[-1] == str(path) for row in rows)


def activated(world, *options):
    """Starts the program with a listening UNIX socket, as systemd does. Returns the socket's path."""
    needs("systemd-socket-activate")
    path = world.folder / "lmtp"
    log = open(world.log_file(), "wb")
    command = ["systemd-socket-activate", *options, "-l", path, *world.command("-r", "lmtp")]
    process = spawn(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    assert wait_until(lambda: is_listening(path) or process.poll() is not None) and process.poll() is None
    path.chmod(0o777)
    return path


@pytest.mark.parametrize("options", [(), ("--accept",), ("--accept", "--inetd")], ids=" ".join)
def test_unix_socket(world, options):
    path = activated(world, *options)
    for _ in range(2):
        with smtplib.LMTP(str(path)) as lmtp:
            lmtp.sendmail("s@client.example", [ALICE], TEXT.replace(b"\n", b"\r\n"))
    assert world.sent("alice") == [TEXT, TEXT]
    assert " (local) by " in world.messages("alice")[0].header("Received")


def test_starttls_by_tcp(secured):
    """STARTTLS is offered over TCP; after the handshake the session begins anew, with LHLO."""
    server = start_own(secured, "-r", "lmtp")
    with smtplib.LMTP("127.0.0.1", server.port, local_hostname="client.example") as lmtp:
        lmtp.ehlo()
        assert lmtp.has_extn("starttls") and not lmtp.has_extn("auth")
        lmtp.starttls(context=context(secured.certificates))
        assert lmtp.docmd("EHLO client.example")[0] == 500
        assert lmtp.docmd("MAIL FROM:<>")[0] == 503
        lmtp.ehlo()
        assert not lmtp.has_extn("starttls") and not lmtp.has_extn("auth")
        lmtp.sendmail("s@client.example", [ALICE], TEXT.replace(b"\n", b"\r\n"))
    assert " with LMTPS id " in secured.messages("alice")[0].header("Received")


def test_no_starttls_on_a_socket_of_this_machine(secured):
    with greeted(secured) as session:
        assert "STARTTLS" not in session.ask("LHLO client.example")
        assert session.ask("STARTTLS").startswith("502")


# ---- clients -----------------------------------------------------------------------------------


def test_swaks(world):
    needs("swaks")
    bob = world.preset("bob", SEED)
    with symlink(bob):
        done = subprocess.run(
            ["swaks", "--protocol", "LMTP", "--socket", activated(world), "--from", "s@client.example", "--to",
             f"{ALICE},{BOB},{CAROL}", "--h-Subject", "by swaks"],
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    assert done.stdout.count("<-  250 2.0.0 Delivered") == 2 and "<** 451 4.2.0" in done.stdout, done.stdout
    assert [m.header("Subject") for who in ("alice", CAROL) for m in world.messages(who)] == ["by swaks"] * 2


@pytest.mark.world
def test_postfix(world):
    """Postfix's lmtp(8): recipients are sent, deferred and bounced one by one; a deferred one is delivered later, once."""
    folder = world.folder / "mnt"
    folder.mkdir()
    socket = activated(world)
    system = Postfix(folder)
    bob = world.preset("bob", SEED)
    (folder / "lmtp").hardlink_to(socket)
    try:
        system.start("default_transport = lmtp:unix:/mnt/lmtp\n")
        with symlink(bob):
            nobody = [f"nobody{n}@example.org" for n in range(30)]  # more than max-errors
            system.send(TEXT, "", ALICE, BOB, "info@example.org", *nobody, CAROL)
            log = system.wait_for("status=", 34)
        assert log.count("status=sent (250 2.0.0 Delivered") == 2, log
        assert log.count("status=deferred") == log.count("said: 451 4.2.0") == 2, log
        assert log.count("status=bounced") == log.count("said: 550 5.1.1") == 30, log
        assert len(world.messages("alice")) == len(world.messages(CAROL)) == 1 and bob.read_bytes() == SEED
        system.run("postqueue -f")
        log = system.wait_for("status=sent", 4)
    finally:
        system.stop()
    assert len(world.messages("alice")) == len(world.messages(CAROL)) == 1
    assert len(parse_mbox(bob.read_bytes())) == 2
