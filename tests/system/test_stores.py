"""Mailboxes in real mail stores, Dovecot and Cyrus: what is accepted is read back by IMAP, what they refuse reaches the client."""

import fcntl
import os
import platform
import re
import signal
import subprocess
from pathlib import Path

import pytest
from basics import needs, skip_because
from client import to_wire
from mixture import events, without_trace
from private_server import greets
from processes import children, spawn, wait_until
from stores import Cyrus, Dovecot
from test_private_servers import EREJECT, FILEINTO

pytestmark = pytest.mark.world

ALICE, BOB, DORA = "alice@example.org", "bob@example.org", "dora@example.org"
CAROL = "carol@example.net"  # her mailbox is here
TEXT = b"From: s@client.example\nDate: Mon, 1 Jan 2001 00:00:00 +0000\nMessage-ID: <1@client.example>\nSubject: x\n\n.\n..dots\nFrom here\nna\xc3\xafve\n\n\n"
SYS_FCNTL = {"x86_64": 72, "aarch64": 25}.get(platform.machine())
BIG = TEXT + 4000 * b"too much for bob\n"


def use_store(world, store, *more, **conf):
    """All mailboxes are in the store, except carol's; and it alone knows who is at shop.example."""
    world.conf["domains"] += " shop.example"
    world.users = [f"{user}::" for user in (ALICE, BOB, DORA)]
    world.users.append(f"{CAROL}::mailbox={world.preset(CAROL, b'')}")
    world.aliases += [f"@shop.example: lmtp:{store.path}", f"all@example.org: {ALICE}, {BOB}, {CAROL}", *more]
    return world.build(mailboxes=f"lmtp:{store.path}", **conf)


@pytest.fixture(params=[Dovecot, Cyrus], ids=["dovecot", "cyrus"])
def store(request, fresh, servers):
    """Either store. bob has a quota, which BIG is too large for."""
    quota = {BOB: 30000 if request.param is Dovecot else 30}
    made = servers(request.param, ALICE, BOB, DORA, quota=quota)
    use_store(fresh, made)
    return made


@pytest.fixture
def dovecot(fresh, servers):
    made = servers(Dovecot, ALICE, BOB, DORA)
    use_store(fresh, made)
    return made


def texts(store, user):
    """As they were sent: without what the store has added at the top, and without our Received field."""
    found = []
    for text in store.read(user):
        start = re.search(rb"^Received: from \S+ [^\n]*\n?[^\n]*by mx\.example\.org", text, re.M)
        assert start, text
        found.append(without_trace(text[start.start() :]))
    return found


def begin(session, *recipients, parameters=""):
    """From the greeting to RCPT; returns the replies to RCPT."""
    session.greet()
    assert session.ask("MAIL FROM:<s@client.example>" + parameters).startswith("250")
    return [session.ask(f"RCPT TO:<{recipient}>").strip() for recipient in recipients]


def finish(session, text=TEXT):
    """The text of a message; returns the reply."""
    assert session.ask("DATA").startswith("354")
    session.send(to_wire(text) + b".\r\n")
    return session.reply(60)


@pytest.mark.parametrize("way", ["data", "bdat", "lmtp"])
def test_delivered_and_read(fresh, store, way):
    """Byte for byte, to the store and to a mailbox here, twice in a session."""
    with fresh.session(args=("-r", "lmtp" if way == "lmtp" else "smtp")) as session:
        if way == "lmtp":
            assert session.reply().startswith("220") and session.ask("LHLO c").startswith("250")
        else:
            session.greet()
        for _ in range(2):
            assert session.ask("MAIL FROM:<s@client.example> BODY=8BITMIME").startswith("250")
            for address in (ALICE, "Dora@example.ORG", CAROL):
                assert session.ask(f"RCPT TO:<{address}>").startswith("250 2.1.5")
            if way == "bdat":
                wire = TEXT.replace(b"\n", b"\r\n")
                session.send(b"BDAT %d LAST\r\n%s" % (len(wire), wire))
            else:
                assert session.ask("DATA").startswith("354")
                session.send(to_wire(TEXT) + b".\r\n")
            for _ in range(3 if way == "lmtp" else 1):
                assert session.reply(60).startswith("250 2.0.0")
    for user in (ALICE, DORA):
        assert texts(store, user) == [TEXT, TEXT]
        assert b"\nDelivered-To: carol" not in store.read(user)[0]
    assert len(fresh.messages(CAROL)) == 2


def test_refused_at_rcpt(fresh, store):
    """By the database; by the store, with its code and its text in one line. One user of the store remains."""
    with fresh.session() as session:
        unknown, unknown_there, known = begin(session, "nobody@example.org", "nobody@shop.example", ALICE)
        assert unknown.startswith("550 5.1.1 ") and known.startswith("250 2.1.5 ")
        assert re.fullmatch(r"550 5\.1\.1 .*(User doesn't exist|User unknown).*", unknown_there), unknown_there
        assert finish(session).startswith("250 2.0.0")
    assert texts(store, ALICE) == [TEXT]
    assert not events(session.log, "hop unavailable")


def test_full_after_the_dot(fresh, store):
    """A message that is too large for bob's quota: nobody has it."""
    with fresh.session() as session:
        assert begin(session, BOB)[0].startswith("250")
        reply = finish(session, BIG)
        assert reply.startswith("552 5.2.2 "), reply
        assert session.ask("MAIL FROM:<s@client.example>").startswith("250")
        assert session.ask(f"RCPT TO:<{ALICE}>").startswith("250") and finish(session).startswith("250")
    assert events(session.log, "refused by hop") or events(session.log, "refused")
    assert store.read(BOB) == [] and texts(store, ALICE) == [TEXT]


def test_full_for_one_of_several(fresh, store):
    """The others get it; the reply names who does not. By LMTP each has a reply of its own."""
    with fresh.session() as session:
        assert begin(session, ALICE, BOB, CAROL)[0].startswith("250")
        reply = finish(session, BIG)
        assert reply.startswith("55") and BOB in reply and ALICE not in reply, reply
    assert events(session.log, "partly delivered")
    assert texts(store, ALICE) == [BIG] and len(fresh.messages(CAROL)) == 1 and store.read(BOB) == []
    with fresh.session(args=("-r", "lmtp")) as session:
        begin_lmtp(session, BOB, ALICE)
        assert finish(session, BIG + b"again\n").startswith("552 5.2.2 ")
        assert session.reply(60).startswith("250 2.0.0 ")
    assert len(store.read(ALICE)) == 2 and store.read(BOB) == []


def begin_lmtp(session, *recipients):
    assert session.reply().startswith("220") and session.ask("LHLO c").startswith("250")
    assert session.ask("MAIL FROM:<s@client.example>").startswith("250")
    for recipient in recipients:
        assert session.ask(f"RCPT TO:<{recipient}>").startswith("250")


def test_full_at_rcpt(fresh, store):
    """When nothing more fits, RCPT is refused, and the text need not be sent. The store is told the declared size."""
    part = TEXT + 150 * b"a bit for bob\n"
    for _ in range(40):
        with fresh.session() as session:
            (reply,) = begin(session, BOB, parameters=f" SIZE={len(to_wire(part)) + 3}")
            if not reply.startswith("250"):
                break
            finish(session, part)
    assert reply.startswith("552 5.2.2 "), reply
    assert len(store.read(BOB)) > 3
    with fresh.session() as session:
        assert begin(session, "all@example.org", parameters=" SIZE=20000")[0].startswith("250"), "bob is left out"
        assert finish(session).startswith("250 2.0.0 ")
    assert events(session.log, "target refused") and texts(store, ALICE) == [TEXT] and len(fresh.messages(CAROL)) == 1


def test_sieve_rejects(fresh, servers):
    cyrus = servers(Cyrus, ALICE, BOB, DORA, sieve={DORA: EREJECT})
    use_store(fresh, cyrus)
    assert fresh.deliver(DORA) == "550 5.7.1 Not for me"
    reply = fresh.deliver(DORA, ALICE, text=TEXT)
    assert reply.startswith("550 ") and DORA in reply, reply
    assert texts(cyrus, ALICE) == [TEXT] and cyrus.read(DORA) == []


def test_sieve_files(fresh, servers):
    dovecot = servers(Dovecot, ALICE, BOB, DORA, sieve={DORA: FILEINTO})
    use_store(fresh, dovecot)
    assert fresh.deliver(DORA, text=TEXT).startswith("250 2.0.0")
    assert dovecot.read(DORA) == [] and len(dovecot.read(DORA, "lists")) == 1


def test_mailbox_that_cannot_be_opened(fresh, dovecot):
    """The store defers; when the fault is mended, the retry is delivered once, also to who had it already."""
    folder = dovecot.own(dovecot.folder / "mail" / BOB, "root", 0o700)
    with fresh.session() as session:
        replies = begin(session, ALICE, BOB)
        reply = finish(session) if replies[1].startswith("250") else replies[1]
        assert re.match(r"4\d\d 4\.", reply), reply
    dovecot.own(folder, "vmail", 0o700)
    assert fresh.deliver(ALICE, BOB, text=TEXT).startswith("250 2.0.0")
    assert texts(dovecot, ALICE) == texts(dovecot, BOB) == [TEXT]
    assert folder.is_dir()


# ---- the store goes away -----------------------------------------------------------------------


def test_not_there(fresh, dovecot):
    """It is deferred, with 4xx and no more; the log tells the administrator."""
    dovecot.kill()
    with fresh.session() as session:
        assert re.match(r"451 4\.\d\.\d ", begin(session, ALICE)[0])
    assert "error=\"Connection refused\"" in events(session.log, "hop unavailable")[0] or "refused" in session.log
    dovecot.start()
    assert fresh.deliver(ALICE, text=TEXT).startswith("250 2.0.0")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_restarted_before_the_text(fresh, store, how):
    """The envelope is sent again to the new one, and nobody notices."""
    with fresh.session() as session:
        assert [reply[:3] for reply in begin(session, ALICE, DORA)] == ["250", "250"]
        getattr(store, how)()
        store.start()
        assert finish(session).startswith("250 2.0.0")
    assert texts(store, ALICE) == texts(store, DORA) == [TEXT]


def test_gone_before_the_text(fresh, store):
    """Nothing is anywhere; the retry is delivered."""
    with fresh.session() as session:
        begin(session, ALICE, CAROL)
        store.kill()
        assert re.match(r"451 4\.\d\.\d ", finish(session))
    assert fresh.messages(CAROL) == []
    store.start()
    assert fresh.deliver(ALICE, CAROL, text=TEXT).startswith("250 2.0.0")
    assert texts(store, ALICE) == [TEXT] and len(fresh.messages(CAROL)) == 1


def lmtp_processes(store):
    """The processes of the store that take mail."""
    (inside,) = children(store.process.pid)
    found, left = [], [inside]
    while left:
        left += children(left[0])
        found.append(left.pop(0))
    names = {pid: os.path.basename(os.readlink(f"/proc/{pid}/exe")) for pid in found}
    return [pid for pid, name in names.items() if name in ("lmtp", "lmtpd")]


def test_killed_after_data(fresh, store):
    """It never says 354, so no dot is sent: nothing is anywhere; the retry is delivered."""
    with fresh.session() as session:
        begin(session, ALICE, CAROL)
        for pid in lmtp_processes(store):
            os.kill(pid, signal.SIGSTOP)
        assert session.ask("DATA").startswith("354")
        session.send(to_wire(TEXT) + b".\r\n")
        assert wait_until(lambda: unread_by(lmtp_processes(store)[0]))
        store.kill()
        assert re.match(r"451 4\.\d\.\d ", session.reply(60))
    assert fresh.messages(CAROL) == []
    store.start()
    assert fresh.deliver(ALICE, CAROL, text=TEXT).startswith("250 2.0.0")
    assert texts(store, ALICE) == [TEXT] and len(fresh.messages(CAROL)) == 1


def waits_for_lock(pid):
    """Is the process in fcntl(2), which takes time only for locks?"""
    return Path(f"/proc/{pid}/syscall").read_text().split()[0] == str(SYS_FCNTL)


def test_killed_after_the_dot(fresh, dovecot):
    """It has the whole message, and waits for a lock: nobody knows whether alice has it. carol gets it. The retry completes, and
    carol gets nothing twice."""
    if not SYS_FCNTL:
        skip_because(f"unknown system calls of {platform.machine()}")
    assert fresh.deliver(ALICE, text=b"Subject: first\n\n").startswith("250")
    index = dovecot.folder / "mail" / ALICE / "Maildir" / "dovecot.index.log"
    with open(index, "rb+") as file, fresh.session() as session:
        fcntl.lockf(file, fcntl.LOCK_EX)
        begin(session, ALICE, CAROL)
        assert session.ask("DATA").startswith("354")
        session.send(to_wire(TEXT) + b".\r\n")
        assert wait_until(lambda: any(map(waits_for_lock, lmtp_processes(dovecot))))
        dovecot.kill()
        assert re.match(r"4\d\d 4\.\d\.\d ", session.reply(60))
    assert events(session.log, "uncertain") and len(fresh.messages(CAROL)) == 1
    (index.parent / "dovecot-uidlist.lock").unlink(missing_ok=True)  # its process number is another process's now
    dovecot.start()
    assert fresh.deliver(ALICE, CAROL, text=TEXT).startswith("250 2.0.0")
    assert texts(dovecot, ALICE)[1:] == [TEXT] and len(fresh.messages(CAROL)) == 1


def unread_by(pid):
    """Does a UNIX socket of this process have bytes that it has not read?"""
    shown = subprocess.run(["ss", "-xnpH"], capture_output=True, text=True).stdout
    return any(f"pid={pid}," in line and int(line.split()[2]) > 0 for line in shown.splitlines())


def test_idle_during_a_slow_upload(fresh, servers):
    """The connection to the store is closed while the client sends its text: the envelope is sent again, the client notices
    nothing. (Dovecot and Cyrus close after five minutes and have no setting for it; socat in front of Dovecot has one.)"""
    needs("socat")
    dovecot = servers(Dovecot, ALICE, BOB, DORA)
    impatient = dovecot.folder / "impatient"
    spawn(["socat", "-T", "0.5", f"UNIX-LISTEN:{impatient},fork,mode=666", f"UNIX-CONNECT:{dovecot.path}"])
    assert wait_until(lambda: greets(impatient))
    dovecot.path = impatient
    use_store(fresh, dovecot)
    with fresh.session() as session:
        begin(session, ALICE, DORA, CAROL)
        before = dovecot.log().count("Disconnect from local")
        assert session.ask("DATA").startswith("354")
        wire = to_wire(BIG)
        session.send(wire[:1000])
        dovecot.wait_for("Disconnect from local", before + 1)
        session.send(wire[1000:] + b".\r\n")
        assert session.reply(60).startswith("250 2.0.0")
    assert texts(dovecot, ALICE) == texts(dovecot, DORA) == [BIG] and len(fresh.messages(CAROL)) == 1
