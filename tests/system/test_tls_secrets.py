"""TLS: which process has which secret in memory, the confinement of a front that makes a handshake, and its writes."""

import os
import re
import ssl
from pathlib import Path

import pytest
from basics import BUILD, needs, sanitized, skip_because
from client import start_listener
from processes import children, wait_until
from test_auth import authenticated
from tls import (
    PASSWORD,
    TlsSession,
    b64,
    connect_tls,
    context,
    find_in,
    memory_of,
    plain,
    secrets_of,
    use,
    with_tickets,
)

TEXT = b"Subject: t\n\nx\n"
EHLO = "EHLO client.example"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
both = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])

# ---- secrets in memory -------------------------------------------------------------------------


def look_into(pid):
    if os.geteuid() != 0:
        skip_because("only root can look into the processes' memory")
    if sanitized():
        skip_because("what sanitizers keep of freed memory is not ours")
    try:
        return memory_of(pid)
    except PermissionError:
        return skip_because("root may not look into processes here")


@pytest.mark.parametrize("key", ["ecdsa", "rsa"])
@both
def test_front_never_has_the_key(fresh, certificates, key, version):
    """No part of the private key is in the front's memory during the handshake, after it, or in DATA. To test the search,
    it must find the public part there, and the key in the back during the handshake; afterwards, the back has no key."""
    use(fresh, key, certificates=certificates)
    secrets = secrets_of(certificates / f"{key}.key")
    with TlsSession(fresh) as session:
        session.greet()
        assert session.ask("STARTTLS").startswith("220 ")
        back = session.process.pid
        assert find_in(look_into(back), secrets.private), "the key is not found where it must be"
        assert not find_in(look_into(session.front()), secrets.private)
        session.shake(context(certificates, version))
        for command in (EHLO, "MAIL FROM:<s@client.example>", "RCPT TO:<alice@example.org>", "DATA", "Subject: x"):
            front = look_into(session.front())
            assert find_in(front, secrets.public), "not even the public key is found"
            assert not find_in(front, secrets.private), command
            assert not find_in(look_into(back), secrets.private), f"the back keeps the key: {command}"
            session.send(command.encode() + b"\r\n")
            if command != "Subject: x":
                session.reply()
        session.send(b".\r\n")
        assert session.reply().startswith("250 ")


@pytest.mark.parametrize("mechanism", ["PLAIN", "PLAIN by challenge", "LOGIN"])
@pytest.mark.parametrize("outcome", ["right", "wrong"])
def test_no_password_stays_in_memory(secured, mechanism, outcome):
    """Neither the password nor its base64 stays in front or back. To test the search, it must find the user's name."""
    password = PASSWORD if outcome == "right" else "no such password at all"
    name = "alice@example.org"
    with TlsSession(secured, args=("-r", "submission")) as session:
        session.greet()
        session.starttls(context(secured.certificates))
        session.ask(EHLO)
        response = plain(name, password).split(" ")[2]
        if mechanism == "PLAIN":
            reply = session.ask("AUTH PLAIN " + response)
        elif mechanism == "LOGIN":
            assert session.ask("AUTH LOGIN").startswith("334 ")
            assert session.ask(b64(name)).startswith("334 ")
            reply = session.ask(b64(password))
        else:
            assert session.ask("AUTH PLAIN").startswith("334 ")
            reply = session.ask(response)
        assert reply.startswith("235" if outcome == "right" else "535")
        hidden = [password.encode(), b64(password).encode()[:20], response.encode()[-20:]]
        for pid in (session.process.pid, session.front()):
            assert not find_in(look_into(pid), hidden), pid
        assert find_in(look_into(session.process.pid), [name.encode()])
        for file in ("cmdline", "environ"):
            for pid in (session.process.pid, session.front()):
                assert password.encode() not in Path(f"/proc/{pid}/{file}").read_bytes()
    assert password not in session.log and response not in session.log


def test_secrets_cannot_reach_a_core(secured):
    with TlsSession(secured) as session:
        session.greet()
        session.starttls(context(secured.certificates))
        for pid in (session.process.pid, session.front()):
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert re.search(r"Max core file size\s+0\s+0\s", limits)
            assert os.stat(f"/proc/{pid}/mem").st_uid == 0


def open_files(pid):
    return [os.path.basename(os.readlink(link)) for link in Path(f"/proc/{pid}/fd").iterdir()]


def test_front_does_not_see_the_database(secured):
    """The front is forked from the back, but has neither its open files nor what it has read of the database."""
    with TlsSession(secured) as session:
        session.greet()
        session.starttls(context(secured.certificates))
        assert "mailslot.cdb" in open_files(session.process.pid)
        assert "mailslot.cdb" not in open_files(session.front())
        assert find_in(look_into(session.process.pid), [b"address=alice@example.org"])
        assert not find_in(look_into(session.front()), [b"address=alice@example.org", b"hostname=mx"])
        hashed = [u.split(":")[1].split("$")[-1].encode()[:20] for u in secured.users if "$" in u]
        assert hashed and not find_in(look_into(session.front()), hashed)


def hand_of(session):
    (hand,) = set(children(session.process.pid)) - {session.front()}
    return hand


@pytest.mark.parametrize("key", ["ecdsa", "rsa"])
def test_hand_has_nothing_of_the_back(secured, hops, key):
    """A hand is forked from a back that had a key, has checked a password, has looked into the database, and has delivered
    mail for others. Nothing of that is in its memory. To test the search, it must find the recipient there, and in the
    back most of what it must not find in the hand."""
    use(secured, key, certificates=secured.certificates)
    relay = hops("relay")
    secured.build(relay=str(relay.path))
    text = b"Subject: between alice and bob\n\nnobody else reads this\n"
    with authenticated(secured) as session:
        assert session.transaction(["bob@example.org"], text, "alice@example.org").startswith("250 ")
        session.ask("MAIL FROM:<alice@example.org>")
        assert session.ask("RCPT TO:<friend@far.example>").startswith("250 ")
        back, hand = look_into(session.process.pid), look_into(hand_of(session))
        assert find_in(hand, [b"friend"]) and find_in(back, [b"friend"])
        hashed = [u.split(":")[1].split("$")[-1].encode()[:20] for u in secured.users if "$" in u]
        response = plain("alice@example.org").split(" ")[2]
        for hidden in (
            [b"address=alice@example.org", b"hostname=mx", b"mail-root=/"],
            [b"nobody else reads this"],
            [b"alice@example.org\0" + PASSWORD.encode(), PASSWORD.encode(), response.encode()[-20:], *hashed],
            secrets_of(secured.certificates / f"{key}.key").private,
        ):
            assert not find_in(hand, hidden), hidden[0]
        assert find_in(back, [b"address=alice@example.org"]) and find_in(back, [b"nobody else reads this"])
        assert not {"mailslot.cdb", "relay"} & set(open_files(hand_of(session)))


def test_filters_hand_has_nothing_of_the_back(secured, milters):
    """As above, for the hand of filters, which is forked at the first MAIL, and sees what filters see: who has logged in,
    for example, but not by which password."""
    use(secured, "ecdsa", certificates=secured.certificates)
    secured.build(milter=str(milters("filter").path))
    with authenticated(secured) as session:
        assert session.transaction(["bob@example.org"], b"Subject: x\n\nx\n", "alice@example.org").startswith("250 ")
        session.ask("MAIL FROM:<alice@example.org>")
        back, hand = look_into(session.process.pid), look_into(hand_of(session))
        assert find_in(hand, [b"alice@example.org"]) and find_in(back, [b"address=alice@example.org"])
        hashed = [u.split(":")[1].split("$")[-1].encode()[:20] for u in secured.users if "$" in u]
        response = plain("alice@example.org").split(" ")[2]
        for hidden in (
            [b"address=alice@example.org", b"hostname=mx", b"mail-root=/"],
            [b"alice@example.org\0" + PASSWORD.encode(), PASSWORD.encode(), response.encode()[-20:], *hashed],
            secrets_of(secured.certificates / "ecdsa.key").private,
        ):
            assert not find_in(hand, hidden), hidden[0]
        assert not {"mailslot.cdb", "filter"} & set(open_files(hand_of(session)))


def test_hand_has_one_hop(secured, hops):
    """In, out and the wall: neither the client nor another hop; and its filter and limits are those of a front."""
    first, second = hops("first", lmtp=True), hops("second", lmtp=True)
    secured.users += [f"dora@example.org::mailbox=lmtp:{first.path}", f"emma@example.org::mailbox=lmtp:{second.path}"]
    secured.build()
    with TlsSession(secured) as session:
        session.greet()
        session.ask("MAIL FROM:<s@client.example>")
        for name in ("dora", "emma"):
            assert session.ask(f"RCPT TO:<{name}@example.org>").startswith("250 ")
        hands = set(children(session.process.pid)) - {session.front()}
        assert len(hands) == 2
        sockets = {}
        for pid in [*hands, session.front()]:
            found = {int(fd.name): os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
            assert sorted(found)[:3] == [0, 1, 2] and (len(found) == 3 or sanitized()), found
            assert found[0] == found[1] and found[0] != found[2]
            sockets[pid] = {found[0], found[2]}
            rows = Path(f"/proc/{pid}/status").read_text()
            assert re.search(r"^Seccomp:\s+2$", rows, re.M) and re.search(r"^NoNewPrivs:\s+1$", rows, re.M)
            limits = Path(f"/proc/{pid}/limits").read_text()
            assert re.search(r"Max open files\s+3\s+3\s", limits) and re.search(r"Max processes\s+0\s+0\s", limits)
        assert len(set().union(*sockets.values())) == 6


# ---- the confinement ---------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["smtp", "submissions"])
def test_front_is_confined(secured, role):
    with TlsSession(secured, args=("-r", role)) as session:
        if role == "smtp":
            session.greet()
            session.starttls(context(secured.certificates))
        else:
            session.shake(context(secured.certificates))
            session.reply()
        session.ask(EHLO)
        rows = Path(f"/proc/{session.front()}/status").read_text()
        assert re.search(r"^Seccomp:\s+2$", rows, re.M) and re.search(r"^NoNewPrivs:\s+1$", rows, re.M)
        found = sorted(int(entry.name) for entry in Path(f"/proc/{session.front()}/fd").iterdir())
        assert found[:3] == [0, 1, 2] and (len(found) == 3 or sanitized())
        assert len(list(Path(f"/proc/{session.front()}/task").iterdir())) == 1


@pytest.mark.parametrize("role", ["smtp", "submissions"])
@pytest.mark.parametrize("hook", ["open", "socket", "execve", "ptrace", "kill", "fork", "readv", "exec-memory", "map-exec",
    "map-shared", "map-stack", "send-fast-open", "send-elsewhere", "connect"])
def test_hook(secured, role, hook):
    """As in test_confinement.py, for a front that makes a handshake: it has another filter."""
    if not (BUILD / "mailslot-smtpd-hook").exists():
        skip_because("mailslot-smtpd-hook is not built")
    if hook in ("exec-memory", "map-exec", "map-shared", "map-stack") and sanitized():
        skip_because("the sanitizers' run-time may map and protect memory")
    session = TlsSession(secured, hook=True, args=("-r", role), env={"MAILSLOT_TEST_HOOK": hook})
    assert session.rest() == b""
    session.finish()
    assert re.search(r" front-killed .*\bsignal=31\b", session.log), session.log


def test_front_has_little_memory(secured):
    """A front that allocates all memory that it can gets no more than 64 MiB, including GnuTLS."""
    if not (BUILD / "mailslot-smtpd-hook").exists():
        skip_because("mailslot-smtpd-hook is not built")
    if sanitized():
        skip_because("the sanitizers' run-time reserves terabytes")
    session = TlsSession(secured, hook=True, args=("-r", "submissions"), env={"MAILSLOT_TEST_HOOK": "memory"})
    said = session.rest().decode()
    assert 16 < int(re.fullmatch(r"hook: memory returned (\d+)\r\n", said).group(1)) < 64
    session.finish()


# ---- writes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["ecdsa", "rsa"])
@pytest.mark.parametrize("tickets", ["no", "yes"])
@both
def test_one_write_per_flight(fresh, certificates, key, tickets, version):
    """With several small writes, each waits for an acknowledgement, and clients wait 41 ms. Here each flight of the
    handshake and each reply is sent in one write, with TCP_NODELAY."""
    needs("strace")
    with_tickets(use(fresh, key, certificates=certificates), tickets)
    trace = fresh.folder / "trace"
    wrap = ["strace", "-f", "-qq", "-o", trace, "-e", "trace=setsockopt,sendto,write,read,recvfrom"]
    env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    server = start_listener(fresh, lambda port: [*wrap, *fresh.command("-l", f"127.0.0.1:{port}")], env=env)
    line = connect_tls(server)
    line.greet()
    line.starttls(context(certificates, version))
    line.ask(EHLO)
    assert line.transaction(["alice@example.org"], TEXT).startswith("250 ")
    line.ask("QUIT")
    line.rest()
    line.close()
    assert wait_until(lambda: " end peer=" in server.log)
    text = trace.read_text()
    assert re.search(r"setsockopt\(\d+, SOL_TCP, TCP_NODELAY, \[1\]", text), text[:2000]
    front = re.search(r'^(\d+) +read\(0, "\\26\\3', text, re.M)  # the process that reads the client's handshake
    assert front, text[:2000]
    calls = [row for row in text.split("\n") if row.startswith(front.group(1) + " ")]
    kinds = "".join(
        "w" if re.search(r" (sendto|write)\(1, ", row) else "r" if re.search(r" read\(0, \"[^\"]", row) else "" for row in calls
    )
    # What is read in the handshake is acknowledged at once; otherwise clients wait 40 ms during or after it.
    acknowledged = "".join(
        "q" if "SOL_TCP, TCP_QUICKACK, [1]" in row else "r" if re.search(r' read\(0, "[^"]', row) else "" for row in calls
    )
    assert re.fullmatch("(rq){2,}r+", acknowledged), acknowledged
    # One or two flights, then EHLO, the envelope, the text, QUIT: except for close_notify, never two writes
    # without a read between them.
    flights = 2 if version == VERSIONS[0] else 1
    assert re.fullmatch("(r+w){%d}r*w?" % (flights + 4), kinds), kinds
