"""Hands: their confinement, and next hops that are slow, odd or hostile."""

import re
from pathlib import Path

import pytest
from basics import BUILD, sanitized, skip_because
from client import to_wire
from hop import CLOSE, HANG, Endless, Wait
from processes import children, is_alive, wait_until
from test_confinement import descriptors, is_bare, status
from tls import TlsSession, context, use

TEXT = b"Subject: x\n\nhello\n.\n"


def serve(world, store=None, relay=None, **conf):
    """A configuration in which bob's mailbox is in a store, and out@example.org leads elsewhere."""
    if store:
        world.users = [f"bob@example.org::mailbox=lmtp:{store.path}" if u.startswith("bob") else u for u in world.users]
    if relay:
        conf["relay"] = str(relay.path)
        world.aliases = [*world.aliases, "out@example.org: x@far.example"]
    return world.build(**conf)


def hand_of(session):
    """The process id of the hand: it was forked after the front."""
    found = wait_until(lambda: len(children(session.process.pid)) == 2 and children(session.process.pid))
    assert found, children(session.process.pid)
    return max(found, key=lambda pid: (started(pid), pid))


def started(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])  # in hundredths of a second



def begin(session, sender="s@client.example"):
    session.greet()
    assert session.ask(f"MAIL FROM:<{sender}>").startswith("250 ")


def send_text(session, text=TEXT):
    assert session.ask("DATA").startswith("354 ")
    session.try_send(to_wire(text) + b".\r\n")
    return session.reply()


def deliver(world, *recipients, text=TEXT):
    """A message: the replies to RCPT, the reply to the text (None without recipients), and the log."""
    with world.session() as session:
        begin(session)
        replies = [session.ask(f"RCPT TO:<{recipient}>") for recipient in recipients]
        last = send_text(session, text) if any(reply.startswith("2") for reply in replies) else None
    return replies, last, session.log


# ---- next hops that are slow, odd or hostile ---------------------------------------------------

ENDLESS_LINE = Endless(b"x" * 500)
ENDLESS_REPLY = Endless(b"250-x\r\n" * 50)
MALFORMED = "not an SMTP reply"
AHEAD = "a reply before its command"
CLOSED = "the connection was closed"


# step, answer: what the log says of it. All before anything is sent: the recipient is deferred.
AT_RCPT = {
    "a web server": ("greeting", "HTTP/1.1 400 Bad Request\n\n<html>", "greeting", MALFORMED),
    "a TLS server": ("greeting", b"\x15\x03\x01\x00\x02\x02\x46", "greeting", MALFORMED),
    "an endless greeting line": ("greeting", (b"220 ", ENDLESS_LINE), "greeting", MALFORMED),
    "an endless greeting": ("greeting", Endless(b"220-x\r\n" * 50), "greeting", MALFORMED),
    "a greeting of 354": ("greeting", "354 Go on", "greeting", MALFORMED),
    "no greeting": ("greeting", CLOSE, "greeting", CLOSED),
    "half a greeting": ("greeting", (b"220 hop.example", CLOSE), "greeting", CLOSED),
    "a greeting too many": ("greeting", "220 hop\n250 hop", "EHLO", AHEAD),
    "endless extensions": ("hello", Endless(b"250-X\r\n" * 50), "EHLO", MALFORMED),
    "half of EHLO": ("hello", (b"250-hop\r\n", CLOSE), "EHLO", CLOSED),
    "codes that differ": ("hello", "250-hop\n550 no", "EHLO", MALFORMED),
    "354 for MAIL": ("mail", "354 Go on", "MAIL", MALFORMED),
    "354 for RCPT": ("rcpt", "354 Go on", "RCPT", MALFORMED),
    "an endless reply": ("rcpt", ENDLESS_REPLY, "RCPT", MALFORMED),
    "an endless line": ("rcpt", (b"250 ", ENDLESS_LINE), "RCPT", MALFORMED),
    "no reply": ("rcpt", CLOSE, "RCPT", CLOSED),
    "half a reply": ("rcpt", (b"250 2.1.5 Ok", CLOSE), "RCPT", CLOSED),
    "half a reply of lines": ("rcpt", (b"250-2.1.5 Ok\r\n", CLOSE), "RCPT", CLOSED),
}  # fmt: skip


def unavailable(log, step, error):
    return re.search(rf'hop unavailable .*\bstep={step} error="{error}"', log)


@pytest.mark.parametrize("case", AT_RCPT)
@pytest.mark.parametrize("lmtp", [True, False], ids=["lmtp", "smtp"])
def test_hostile_before_the_text(fresh, hops, lmtp, case):
    step, answer, logged, error = AT_RCPT[case]
    hop = hops(lmtp=lmtp, **{step: answer})
    world = serve(fresh, store=hop) if lmtp else serve(fresh, relay=hop)
    (reply,), _, log = deliver(world, "bob@example.org" if lmtp else "out@example.org")
    assert reply.startswith("451 4."), reply
    assert unavailable(log, logged, error), log
    assert not [c for c in hop.commands if c == "DATA"] and not hop.messages


# These accept the recipient: the message is deferred, and the hop is sent no dot.
BEFORE_THE_DOT = {
    "354 before DATA": ({"rcpt": "250 2.1.5 Ok\n354 Go on"}, "idle", AHEAD),
    "250 before DATA": ({"rcpt": "250 2.1.5 Ok\n250 2.0.0 Taken"}, "idle", AHEAD),
    "a byte before DATA": ({"rcpt": b"250 2.1.5 Ok\r\n3"}, "idle", AHEAD),
    "250 for DATA": ({"data": "250 2.0.0 Taken"}, "DATA", MALFORMED),
    "355 for DATA": ({"data": "355 Go on"}, "DATA", MALFORMED),
    "an endless reply to DATA": ({"data": Endless(b"354-x\r\n")}, "DATA", MALFORMED),
    "no reply to DATA": ({"data": CLOSE}, "DATA", CLOSED),
    "250 before the dot": ({"text": ("250 2.0.0 Taken", HANG)}, "text", AHEAD),
    "552 before the dot": ({"text": ("552 5.3.4 Too large", HANG)}, "text", AHEAD),
    "a byte before the dot": ({"text": b"2"}, "text", AHEAD),
    "garbage before the dot": ({"text": (b"\r\n", HANG)}, "text", MALFORMED),
    "421 before the dot": ({"text": ("421 4.3.2 Stopping", HANG)}, "text", CLOSED),
    "hung up in the text": ({"text": CLOSE}, "text", CLOSED),
}  # fmt: skip


@pytest.mark.parametrize("case", BEFORE_THE_DOT)
@pytest.mark.parametrize("lmtp", [True, False], ids=["lmtp", "smtp"])
def test_hostile_before_the_dot(fresh, hops, lmtp, case):
    """The text is long enough that the hand sees what comes in it before it may send the dot."""
    script, step, error = BEFORE_THE_DOT[case]
    hop = hops(lmtp=lmtp, **script)
    world = serve(fresh, store=hop) if lmtp else serve(fresh, relay=hop)
    (reply,), last, log = deliver(world, "bob@example.org" if lmtp else "out@example.org", text=TEXT + b"x\n" * 400000)
    assert reply.startswith("250 ") and last.startswith("451 4."), last
    assert unavailable(log, step, error), log
    assert not any(message.dotted for message in hop.messages) and not hop.accepted
    assert "relayed" not in log


def test_the_reply_is_made_printable(fresh, hops):
    """One line for the client, whatever the store has said (client.py looks for odd bytes, and for long lines)."""
    said = {
        "bob@example.org": b"550-5.1.1 No\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n",
        "bob+1@example.org": b"452 \x1b[31mred\x07\t\x80\xff \xc3\xbc\r\n",
        "bob+2@example.org": b"550 5.7.1 " + b"\xc3\xbc" * 1000 + b"\r\n",
        "bob+3@example.org": b"550-5.7.1 " + b"x" * 300 + b"\r\n550 5.7.1 " + b"y" * 300 + b"\n",
        "bob+4@example.org": b"550 4.7.1 later\r\n",
        "bob+5@example.org": b"450\r\n",
        "bob+6@example.org": b"250 2.1.5 \r\x00 yes\r\n",
    }
    store = hops("store", lmtp=True, rcpt=said)
    replies, _, log = deliver(serve(fresh, store), *said)
    assert replies[:2] == ["550 5.1.1 No such user", "452 4.0.0 ?[31mred? ?? ??"]
    assert re.fullmatch(r"550 5\.7\.1 \?{390,400}", replies[2]) and re.fullmatch(r"550 5\.7\.1 x{300} y{90,100}", replies[3])
    assert replies[4] == "550 5.0.0 4.7.1 later" and replies[5].startswith("450 4.0.0") and replies[6].startswith("250 ")
    assert "\x1b" not in log and "unavailable" not in log


def test_replies_in_drips(fresh, hops):
    def drips(text):
        return tuple(part for byte in text.encode() for part in (bytes([byte]), Wait(0.002)))

    store = hops("store", lmtp=True, greeting=drips("220 h\r\n"), hello=drips("250-h\n250 PIPELINING\n"), rcpt=drips("250 a\r\n"),
                 data=drips("354 b\r\n"), dot=drips("250 c\r\n"))  # fmt: skip
    replies, last, _ = deliver(serve(fresh, store), "bob@example.org")
    assert replies[0].startswith("250 ") and last.startswith("250 ")
    assert store.messages[0].text.endswith(TEXT)


def test_a_reply_too_many_after_the_dot(fresh, hops):
    """The message is delivered. What is asked next is deferred, and after that there is a new connection."""
    store = hops("store", lmtp=True, dot=["250 2.0.0 Taken\n250 2.0.0 Taken", "250 2.0.0 Taken"])
    with serve(fresh, store).session() as session:
        begin(session)
        assert session.ask("RCPT TO:<bob@example.org>").startswith("250 ")
        assert send_text(session).startswith("250 ")
        assert session.ask("MAIL FROM:<s@client.example>").startswith("250 ")
        assert session.ask("RCPT TO:<bob@example.org>").startswith("451 ")
        assert session.ask("RCPT TO:<bob@example.org>").startswith("250 ")
        assert send_text(session).startswith("250 ")
    assert len(store.sessions) == 2 and [len(one.messages) for one in store.sessions] == [1, 1]
    assert unavailable(session.log, "idle", AHEAD), session.log


def test_421_after_the_dot(fresh, hops):
    """For one of several recipients by LMTP: the others' replies count, too. The store is then connected anew."""
    store = hops("store", lmtp=True, dot={"bob@example.org": ["421 4.3.0 Busy", "250 2.0.0 Taken"]})
    fresh.users.append(f"dora@example.org::mailbox=lmtp:{store.path}")
    with serve(fresh, store).session(args=("-r", "lmtp")) as session:
        assert session.reply().startswith("220 ") and session.ask("LHLO client.example").startswith("250-")
        for results in (["451 ", "250 "], ["250 ", "250 "]):
            assert session.ask("MAIL FROM:<s@client.example>").startswith("250 ")
            for name in ("bob", "dora"):
                assert session.ask(f"RCPT TO:<{name}@example.org>").startswith("250 ")
            assert [send_text(session)[:4], session.reply()[:4]] == results
            session.send(b"RSET\r\n")
            session.reply()
    assert "uncertain" not in session.log and len(store.sessions) == 2


# ---- a hop that is cut ------------------------------------------------------------------------

SHORT = {"greeting": "220 g", "hello": "250-h\n250 PIPELINING", "mail": "250 m", "rcpt": "250 r", "data": "354 d", "dot": "250 t"}


@pytest.mark.world
@pytest.mark.parametrize("lmtp", [True, False], ids=["lmtp", "smtp"])
def test_cut_at_every_byte(fresh, hops, lmtp):
    """Each of its sessions is cut after so many bytes. The client gets 250 only if the hop has taken the message for all
    recipients; no transaction sends two dots; what the hop has taken unheard is `uncertain`, or `partly delivered`."""
    hop = hops(lmtp=lmtp, **SHORT)
    fresh.users.append(f"also@example.org::mailbox=lmtp:{hop.path}")
    if not lmtp:
        fresh.aliases.append("other@example.org: y@far.example")
    world = serve(fresh, store=hop) if lmtp else serve(fresh, relay=hop)
    recipients = ["bob@example.org", "also@example.org"] if lmtp else ["out@example.org", "other@example.org"]
    delivered = []
    for size in range(200):
        hop.sessions.clear()
        hop.cut = size
        replies, last, log = deliver(world, *recipients, text=b"Subject: cut %d\n\nx\n" % size)
        wait_until(lambda: len(hop.ends()) == len(hop.sessions))
        accepted, dots = [to for to, _ in hop.accepted], sum(m.dotted for m in hop.messages)
        assert dots <= 1 and len(accepted) == len(set(accepted)), size
        if last and last.startswith("2"):
            assert len(accepted) == sum(reply.startswith("2") for reply in replies), (size, replies, accepted)
            assert "uncertain" not in log
            delivered.append(size)
            if all(reply.startswith("2") for reply in replies) and not any(s.ended == "cut" for s in hop.sessions):
                break
        else:
            assert last is None or last.startswith("4"), (size, last)
            assert not dots or re.search("uncertain|partly delivered", log), (size, log)
            # The cut may be seen only after the dot.
            has_data = any("DATA" in session.commands for session in hop.sessions)
            assert has_data or "uncertain" not in log, (size, log)
    assert delivered and size - min(delivered) < 20, (delivered, size)


# ---- the confinement --------------------------------------------------------------------------


def in_every_phase(session):
    """Yields whenever the hand waits: for a recipient, for the text, in the text, after the message."""
    begin(session)
    assert session.ask("RCPT TO:<bob@example.org>").startswith("250 ")
    yield "recipient"
    assert session.ask("DATA").startswith("354 ")
    session.send(b"Subject: x\r\n\r\n" + b"x\r\n" * 100000)
    session.settle()
    yield "text"
    session.send(b".\r\n")
    assert session.reply().startswith("250 ")
    yield "delivered"


def test_hand_is_confined(fresh, hops):
    """It has three descriptors, no rights and little room; one thread; the same process in all phases."""
    pids = set()
    with serve(fresh, hops("store", lmtp=True)).session() as session:
        for phase in in_every_phase(session):
            hand = hand_of(session)
            pids.add(hand)
            rows = status(hand)
            assert rows["Seccomp"].strip() == "2" and rows["NoNewPrivs"].strip() == "1" and rows["Threads"].strip() == "1", phase
            assert int(rows["Seccomp_filters"]) == int(status(session.process.pid)["Seccomp_filters"]) + 1, phase
            found = descriptors(hand)
            assert is_bare(found) and found[0] == found[1] != found[2], f"{phase}: {found}"
            limits = Path(f"/proc/{hand}/limits").read_text()
            for name in ("Max open files", "Max processes", "Max core file size"):
                soft, hard = re.search(rf"{name}\s+(\S+)\s+(\S+)", limits).groups()
                assert soft == hard and int(soft) <= 3, f"{name}: {soft} {hard}"
    assert len(pids) == 1


def test_no_hand_without_a_hop(fresh, hops):
    """A session pays only for what it uses."""
    store = hops("store", lmtp=True)
    with serve(fresh, store).session() as session:
        begin(session)
        assert session.ask("RCPT TO:<alice@example.org>").startswith("250 ")
        assert len(children(session.process.pid)) == 1
        assert send_text(session).startswith("250 ")
    assert not store.sessions


@pytest.mark.parametrize("hook", ["open", "socket", "execve", "ptrace", "kill", "fork", "readv", "exec-memory", "map-exec",
    "map-shared", "map-stack", "send-fast-open", "send-elsewhere", "connect"])  # fmt: skip
def test_hook(fresh, hops, hook):
    """As in test_confinement.py, for a hand: it is killed, that is logged, and the recipient is deferred."""
    if not (BUILD / "mailslot-smtpd-hook").exists():
        skip_because("mailslot-smtpd-hook is not built")
    if hook in ("exec-memory", "map-exec", "map-shared", "map-stack") and sanitized():
        skip_because("the sanitizers' run-time may map and protect memory")
    store = hops("store", lmtp=True, greeting=HANG)
    with serve(fresh, store).session(hook=True, env={"MAILSLOT_TEST_HOOK_HAND": hook}) as session:
        begin(session)
        assert session.ask("RCPT TO:<bob@example.org>").startswith("451 4.")
        assert session.ask("RCPT TO:<alice@example.org>").startswith("250 ")
        assert send_text(session).startswith("250 ")
    assert re.search(r" hand-killed .*\bsignal=31\b", session.log), session.log
    assert not store.messages


def test_starttls_ends_all_hands(fresh, certificates, hops):
    """What a hand has learnt in clear is nothing that a session in TLS begins with."""
    use(fresh, "ecdsa", certificates=certificates)
    store = hops("store", lmtp=True)
    with TlsSession(serve(fresh, store)) as session:
        begin(session)
        assert session.ask("RCPT TO:<bob@example.org>").startswith("250 ")
        hand = hand_of(session)
        assert session.ask("RSET").startswith("250 ")
        session.starttls(context(certificates))
        assert not is_alive(hand) and store.wait_for_end() == ["quit"]
        session.ask("EHLO client.example")
        assert session.ask("MAIL FROM:<s@client.example>").startswith("250 ")
        assert session.ask("RCPT TO:<bob@example.org>").startswith("250 ")
    assert len(store.sessions) == 2
