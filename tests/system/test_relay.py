"""mailslot-relay: how it finds the smarthost, each step that fails, what it passes on, its confinement."""

import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import time
from pathlib import Path

import pytest

from basics import binary, sanitized, skip_because
from client import Closed, Line
from hop import CLOSE, HANG, Endless, Wait, connect_unix, server_context
from processes import children, is_alive, spawn, wait_until
from relaying import SECRET, Relay, command, settings
from tls import b64, find_in, memory_of, plain, session_in_tls, set_password, use

GREETING = "220 mx.example.org ESMTP mailslot-relay"
MAIL = ["MAIL FROM:<a@example.org>", "RCPT TO:<b@example.com>"]


@pytest.fixture
def relay(fresh, hops, certificates):
    """relay(**script): a session, and the scripted smarthost that it is for."""

    def make(tls="starttls", patience=5, conf=None, extensions=("PIPELINING", "AUTH PLAIN"), **script):
        host = hops("host", tcp=True, tls=tls, extensions=extensions, **script)
        settings(fresh, host, **{"certificates": certificates, "smarthost_tls": tls or "none", **(conf or {})})
        return Relay(fresh, patience=patience), host

    return make


def refused(session, host=None):
    """The greeting of a relay that has no line, without what is the same in all of them; it says the same in its log."""
    greeting = session.reply()
    with pytest.raises(Closed):
        session.line()
    assert session.wait() == 111
    status, where, why = re.fullmatch(r"421 (4\.\d\.\d) smarthost (\S+): (.*)", greeting).groups()
    assert host is None or where == f"127.0.0.1:{host.port}"
    assert why in session.log() and where in session.log(), session.log()
    for secret in (SECRET, b64(SECRET), b64(f"\0mail@example.org\0{SECRET}")):
        assert secret not in greeting + session.log()
    return status, why


# ---- the whole of it ---------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["implicit", "starttls", None])
def test_session(relay, tls):
    session, host = relay(tls, extensions=("PIPELINING", "SIZE 1000", "AUTH PLAIN", "REQUIRETLS", "XRELAY a b c yes"))
    assert session.reply() == GREETING
    shown = session.ask("EHLO id.hop.mx.example.org").split("\n")
    assert shown[:3] == ["250-mx.example.org", "250-PIPELINING", "250-SIZE 1000"]
    assert ("250-REQUIRETLS" in shown) == bool(tls)
    facts = r"TLS1\.[23] TLS_\w+ yes" if tls else "- - no"
    assert re.fullmatch(rf"250 XRELAY 127\.0\.0\.1 {facts}", shown[-1])
    assert not any(word in line for line in shown for word in ("STARTTLS", "AUTH", "a b c"))
    assert session.transaction(["b@example.com"], b"Subject: x\n\n.x\n") == "250 2.0.0 Taken"
    assert host.messages[0].text == b"Subject: x\n\n.x\n" and host.messages[0].recipients == ["b@example.com"]
    hello = re.fullmatch(r"([a-z0-9]+)\.hop\.mx\.example\.org", host.sessions[0].hello)[1]
    assert hello in session.log() and ("certificate verified" in session.log()) == bool(tls)
    assert f"for process {os.getpid()}\n" in session.log()
    assert [c.split()[0] for c in host.commands].count("EHLO") == (2 if tls == "starttls" else 1)
    assert session.ask("QUIT") == "221 2.0.0 Bye"
    with pytest.raises(Closed):
        session.line()
    assert session.wait() == 0 and host.wait_for_end() == ["quit"]


def test_pipelined_hello(relay):
    """What follows EHLO in the same packet is for the smarthost."""
    session, host = relay()
    assert session.reply() == GREETING
    assert session.ask("NOOP").startswith("503 5.5.1 ")
    session.send("".join(line + "\r\n" for line in ["EHLO a", *MAIL]).encode())
    assert [session.reply().split()[0][:3] for _ in range(3)] == ["250", "250", "250"]
    assert host.commands[-2:] == MAIL


def test_quit_first(relay):
    session, host = relay()
    assert session.reply() == GREETING
    assert session.ask("QUIT") == "221 2.0.0 Bye"
    assert session.wait() == 0 and host.wait_for_end() == ["quit"]


def test_hang_up_of_the_client(relay):
    """QUIT, unless the smarthost would take it for text."""
    session, host = relay()
    assert session.greet("EHLO a")
    for line in MAIL:
        assert session.ask(line).startswith("250 ")
    session.close()
    assert session.wait() == 0 and host.wait_for_end() == ["quit"]
    session, host = relay()
    assert session.greet("EHLO a")
    for line in [*MAIL, "DATA"]:
        session.ask(line)
    session.send(b"Subject: x\r\n\r\nhalf")
    wait_until(lambda: b"half" in host.sessions[0].received)
    session.close()
    assert session.wait() == 0 and host.wait_for_end() == ["closed"]
    assert not host.messages[0].dotted and b"QUIT" not in host.sessions[0].received


def test_hang_up_of_the_host(relay):
    session, host = relay(rcpt=("421 4.3.2 Going down", CLOSE))
    assert session.greet("EHLO a")
    assert session.ask(MAIL[0]).startswith("250 ")
    assert session.ask(MAIL[1]) == "421 4.3.2 Going down"
    with pytest.raises(Closed):
        session.line()
    assert session.wait() == 0


@pytest.mark.parametrize("tls", ["starttls", None])
def test_host_without_end(relay, tls):
    """What a smarthost sends without end does not keep the relay when its client has left."""
    session, host = relay(tls=tls, quit=Endless(b"250 x\r\n" * 100000))
    assert session.greet("EHLO a")
    session.close()
    assert session.wait() == 0 and host.steps[-1][0] == "quit"


@pytest.mark.world  # it waits
def test_idle(relay):
    """It hangs up some seconds after a transaction, and not in one."""
    session, host = relay(dot=(Wait(6), "250 2.0.0 Taken"))
    assert session.greet("EHLO a")
    for line in MAIL:
        session.ask(line)
    time.sleep(6)
    assert session.ask("DATA") == "354 Go on"
    assert session.ask(".") == "250 2.0.0 Taken"
    assert session.reply() == "421 4.4.2 Idle: closing the connection"
    with pytest.raises(Closed):
        session.line()
    assert session.wait() == 0 and host.wait_for_end() == ["quit"]


def test_large_message(relay):
    """Megabytes in both directions, to a host that reads slowly."""
    text = b"".join(b"%08d 1234567890123456789012345678901234567890\n" % i for i in range(100000))
    session, host = relay(text=Wait(0.5), quit=(b"221-" + b"x" * 60 + b"\r\n") * 20000 + b"221 bye\r\n")
    assert session.greet("EHLO a")
    assert session.transaction(["b@example.com"], text) == "250 2.0.0 Taken"
    assert host.messages[0].text == text
    assert len(session.ask("QUIT")) > 1000000


def test_terminate(relay):
    """SIGTERM does not tear a session apart."""
    session, host = relay()
    assert session.greet("EHLO a")
    session.process.send_signal(signal.SIGTERM)
    assert session.transaction(["b@example.com"], b"x\n") == "250 2.0.0 Taken"


# ---- steps that fail ---------------------------------------------------------------------------


FAILURES = {
    # script, (status, reason)
    "greeting-refused": (dict(greeting="554 5.3.2 No service"), ("4.4.2", r"greeting: 554 5\.3\.2 No service")),
    "greeting-later": (dict(greeting="421 4.3.2 Later"), ("4.4.2", r"greeting: 421 4\.3\.2 Later")),
    "greeting-closed": (dict(connect=CLOSE), ("4.4.2", "greeting: the connection was closed")),
    "greeting-hangs": (dict(connect=HANG, patience=1), ("4.4.2", "greeting: no reply in time")),
    "greeting-half": (dict(greeting=(b"220 hal", HANG), patience=1), ("4.4.2", "greeting: no reply in time")),
    "greeting-garbage": (dict(greeting=b"SSH-2.0-x\r\n"), ("4.4.2", "greeting: malformed reply")),
    "greeting-endless": (dict(greeting=Endless(b"220-x\r\n")), ("4.4.2", "greeting: malformed reply")),
    "greeting-ahead": (dict(greeting=b"220 a\r\n250 b\r\n"), ("4.4.2", "hello: .* ahead of its command")),
    "greeting-controls": (dict(greeting=b"554 5.3.2 a\x1b[2Jb\x00\r\n"), ("4.4.2", "greeting: 554 5.3.2 a[ -~]*")),
    "hello-refused": (dict(hello="550 5.7.1 Who?"), ("4.4.2", r"hello: 550 5\.7\.1 Who\?")),
    "hello-hangs": (dict(hello=HANG, patience=1), ("4.4.2", "hello: no reply in time")),
    "hello-closed": (dict(hello=CLOSE), ("4.4.2", "hello: the connection was closed")),
    "no-starttls": (dict(hello="250 x"), ("4.7.0", "TLS: the host offers no STARTTLS")),
    "starttls-refused": (dict(starttls="454 4.7.0 No"), ("4.7.0", r"TLS: 454 4\.7\.0 No")),
    "starttls-injection": (dict(starttls=b"220 go\r\n250 x\r\n"), ("4.7.0", "TLS: bytes in clear after the reply to STARTTLS")),
    "starttls-hangs": (dict(starttls=("220 go", HANG), patience=1), ("4.7.0", "TLS: .*timed out.*")),
    "starttls-closed": (dict(starttls=("220 go", CLOSE)), ("4.7.0", "TLS: .*")),
    "starttls-clear": (dict(starttls=("220 go", Wait(0.2), b"250 not TLS at all\r\n", HANG)), ("4.7.0", "TLS: .*")),
    "other-name": (dict(certificate="other"), ("4.7.0", "TLS: .*name in the certificate does not match.*")),
    "expired": (dict(certificate="expired"), ("4.7.0", "TLS: .*expired.*")),
    "self-signed": (dict(certificate="ca"), ("4.7.0", "TLS: .*")),
    "stranger": (dict(certificate="stranger"), ("4.7.0", "TLS: .*issuer is unknown.*")),
    "for-clients": (dict(certificate="client-only"), ("4.7.0", "TLS: .*purpose.*")),
    "auth-refused": (dict(auth="535 5.7.8 Bad password"), ("4.7.0", r"log-in: PLAIN: 535 5\.7\.8 Bad password")),
    "auth-later": (dict(auth="454 4.7.0 Later"), ("4.7.0", r"log-in: PLAIN: 454 4\.7\.0 Later")),
    "auth-hangs": (dict(auth=HANG, patience=1), ("4.7.0", "log-in: PLAIN: no reply in time")),
    "auth-closed": (dict(auth=CLOSE), ("4.7.0", "log-in: PLAIN: the connection was closed")),
    "auth-challenge": (dict(auth="334 "), ("4.7.0", "log-in: PLAIN: 334")),
    "auth-ahead": (dict(auth=b"235 ok\r\n250 ok\r\n"), ("4.4.2", "hello: the host has sent a reply to nothing")),
    "auth-echo": (dict(auth=lambda session, argument: f"535 5.7.8 {argument}"), ("4.7.0", r"log-in: PLAIN: 535 5\.7\.8")),
    "auth-echo-clear": (dict(auth=f"535 5.7.8 It is {SECRET[:12]}"), ("4.7.0", r"log-in: PLAIN: 535 5\.7\.8")),
}


@pytest.mark.parametrize("what", FAILURES)
def test_failure(relay, what):
    script, (status, why) = FAILURES[what]
    session, host = relay(**script)
    found = refused(session, host)
    assert found[0] == status and re.fullmatch(why, found[1]), found
    assert len(host.sessions) == 1


def test_implicit_tls_in_clear(relay):
    """The host speaks SMTP where TLS is due, and the other way round."""
    session, host = relay(None, conf=dict(smarthost_tls="implicit"))
    assert refused(session)[1].startswith("TLS: ")
    session, host = relay("implicit", conf=dict(smarthost_tls="starttls"), patience=1)
    assert refused(session)[1].startswith("greeting: ")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls(relay, certificates):
    context = server_context(certificates)
    try:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    except ValueError:
        skip_because("OpenSSL has no TLS 1.1 here")
    session, host = relay("implicit", context=context)
    assert refused(session)[1].startswith("TLS: ")


@pytest.mark.parametrize("tls", ["starttls", None])
def test_may(relay, tls):
    """Opportunistic: whatever certificate, and without TLS, too; the client is told which. No password goes there, except to
    this machine."""
    certificate = dict(certificate="stranger") if tls else {}
    session, host = relay(tls, conf=dict(smarthost_tls="may", user=None), **certificate)
    assert session.reply() == GREETING
    shown = session.ask("EHLO a").split("\n")[-1]
    assert re.fullmatch(r"250 XRELAY 127\.0\.0\.1 TLS1\.3 \w+ no" if tls else r"250 XRELAY 127\.0\.0\.1 - - no", shown)


def test_helo_only(relay):
    """A host that knows no EHLO."""
    session, host = relay(None, conf=dict(user=None), hello=["500 5.5.1 What?", "250 x"])
    assert session.reply() == GREETING
    assert session.ask("EHLO a") == "250-mx.example.org\n250 XRELAY 127.0.0.1 - - no"


# ---- hosts and addresses -----------------------------------------------------------------------


def test_names(fresh, hops, tmp_path):
    """A name with several addresses, the first of which are dead; the next host, when none answers."""
    host = hops("host", tcp=True)
    settings(fresh, f"localhost:{host.port}", user=None, smarthost_tls="none")
    assert Relay(fresh).reply() == GREETING
    settings(fresh, f"127.0.0.2:{host.port}", f"[::1]:{host.port}", host, user=None, smarthost_tls="none")
    session = Relay(fresh)
    assert session.reply() == GREETING
    for dead in ("127.0.0.2", "[::1]"):
        assert f"smarthost {dead}:{host.port}: connect: " in session.log()


def full(address):
    """A listening socket that answers nobody: its queue is full."""
    listener = socket.create_server((address, 0), backlog=0)
    held = [socket.socket() for _ in range(3)]
    for one in held:
        one.setblocking(False)
        one.connect_ex(listener.getsockname())
    return listener.getsockname()[1], [listener, *held]


@pytest.mark.world  # it waits
def test_dead_host(fresh, hops):
    """One that does not even refuse costs its share of the time; then comes the next one."""
    host = hops("host", tcp=True)
    port, held = full("127.0.0.3")
    settings(fresh, f"127.0.0.3:{port}", user=None, smarthost_tls="none")
    assert refused(Relay(fresh, patience=1)) == ("4.4.1", "connect: Connection timed out")
    settings(fresh, f"127.0.0.3:{port}", host, user=None, smarthost_tls="none")
    assert Relay(fresh, patience=30).reply() == GREETING
    for one in held:
        one.close()


def test_next_host(fresh, hops, certificates):
    """Another one is tried after every failure, except a refused password."""
    bad = hops("bad", tcp=True, greeting="421 4.3.2 Later")
    good = hops("good", tcp=True, tls="starttls", extensions=("AUTH PLAIN",))
    settings(fresh, bad, good, certificates=certificates)
    session = Relay(fresh)
    assert session.reply() == GREETING and "421 4.3.2 Later" in session.log()
    wrong = hops("wrong", tcp=True, tls="starttls", extensions=("AUTH PLAIN",), auth="535 5.7.8 No")
    settings(fresh, wrong, good, certificates=certificates)
    assert refused(Relay(fresh), wrong) == ("4.7.0", "log-in: PLAIN: 535 5.7.8 No")
    assert len(good.sessions) == 1


def test_no_such_name(fresh):
    settings(fresh, "does-not-exist.invalid:25", user=None, smarthost_tls="none")
    status, why = refused(Relay(fresh))
    assert status == "4.4.3" and why.startswith("look-up: ")


# ---- settings ----------------------------------------------------------------------------------


def test_database(fresh, hops):
    host = hops("host", tcp=True)
    settings(fresh, host, user=None, smarthost_tls="none")
    path = fresh.etc / "relay.cdb"

    def said():
        session = Relay(fresh)
        assert session.reply() == "421 4.3.5 settings: the relay's database cannot be used"
        assert session.wait() == 100 and str(path) in session.log()
        return session.log()

    path.chmod(0o666)
    assert "can be changed by others" in said()
    path.chmod(0o644)
    damaged = path.read_bytes()
    path.write_bytes(b"x" + damaged[1:])
    said()
    path.unlink()
    assert "No such file" in said()
    assert not host.sessions


def test_files(fresh, hops, certificates):
    host = hops("host", tcp=True, tls="starttls", extensions=("AUTH PLAIN",))
    settings(fresh, host, certificates=certificates)
    secret = fresh.etc / "password"
    secret.write_text("\n")
    assert refused(Relay(fresh)) == ("4.3.5", f"settings: {secret}: the first line is empty")
    secret.unlink()
    assert refused(Relay(fresh)) == ("4.3.5", f"settings: cannot read {secret}: No such file or directory")
    settings(fresh, host, certificates=fresh.etc)
    status, why = refused(Relay(fresh))
    assert status == "4.3.5" and why.startswith(f"settings: no authorities in {fresh.etc}/ca.crt")


def test_credentials_directory(fresh, hops, certificates, tmp_path):
    """systemd's credentials come before the files of the same names."""
    host = hops("host", tcp=True, tls="starttls", extensions=("AUTH PLAIN",))
    settings(fresh, host, certificates=certificates)
    (tmp_path / "password").write_text("from systemd\r\nx")
    session = Relay(fresh, env={**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert session.reply() == GREETING
    assert ("auth", "PLAIN " + b64("\0mail@example.org\0from systemd")) in host.steps


# ---- the process -------------------------------------------------------------------------------


def status_of(pid):
    return dict(re.findall(r"^(\w+):\s*(.*)$", Path(f"/proc/{pid}/status").read_text(), re.M))


def test_confinement(relay):
    """Two sockets, no other descriptor, no system calls but those of the filter; no password in memory."""
    session, host = relay()
    assert session.reply() == GREETING
    assert session.ask("EHLO a")
    pid = session.process.pid
    found = status_of(pid)
    assert found["Seccomp"] == "2" and found["NoNewPrivs"] == "1"
    assert sorted(map(int, os.listdir(f"/proc/{pid}/fd"))) in ([0, 1, 2], [0, 1, 2, 3] if sanitized() else [])
    assert all(os.readlink(f"/proc/{pid}/fd/{fd}").startswith("socket:") for fd in (0, 1, 2))
    limits = dict(re.findall(r"^(Max [a-z ]+?)  +(\S+)", Path(f"/proc/{pid}/limits").read_text(), re.M))
    assert (limits["Max core file size"], limits["Max processes"], limits["Max open files"]) == ("0", "0", "3")
    assert session.transaction(["b@example.com"], b"x\n") == "250 2.0.0 Taken"
    if sanitized():
        return
    held = memory_of(pid)
    assert find_in(held, [b"TLS_AES_256"]), "the search finds nothing at all"
    said = f"\0mail@example.org\0{SECRET}"
    assert not find_in(held, [SECRET.encode(), b64(SECRET)[:-4].encode(), said.encode(), b64(said)[:-4].encode()])
    assert int(status_of(pid)["RssAnon"].split()[0]) < 6000


# ---- how it is started -------------------------------------------------------------------------


def run(*argv, **more):
    return subprocess.run([binary("mailslot-relay"), *argv], capture_output=True, text=True, timeout=20, **more)


def test_usage(world):
    assert run("--version").stdout.startswith("mailslot-relay ") and run("--help").returncode == 0
    for argv in (["-x"], ["-t", "0"], ["-t", "x"], ["-d"], ["more"]):
        done = run(*argv)
        assert done.returncode == 100 and "usage: " in done.stderr and done.stdout == ""
    done = subprocess.run(command(world), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 100 and "connected socket" in done.stderr


class Listening:
    def __init__(self, world, path, *more):
        self.path, self.log_path = path, world.log_file()
        with open(self.log_path, "wb") as log:
            self.process = spawn(command(world, "-l", path, *more), stdin=subprocess.DEVNULL, stderr=log)

    def connect(self):
        def attempt():
            try:
                return connect_unix(self.path)
            except OSError:
                return None

        return Line(sock=wait_until(attempt))

    def stop(self):
        self.process.terminate()
        return self.process.wait(20)


def test_listening(fresh, hops, short):
    host = hops("host", tcp=True)
    settings(fresh, host, user=None, smarthost_tls="none")
    short.chmod(0o2750)
    if os.geteuid() == 0:
        os.chown(short, -1, 12345)
    path = short / "relay"
    server = Listening(fresh, path)
    lines = [server.connect() for _ in range(2)]
    for line in lines:
        assert line.greet("EHLO a")
        assert line.transaction(["b@example.com"], b"x\n") == "250 2.0.0 Taken"
    found = path.stat()
    assert stat.S_IMODE(found.st_mode) == 0o660 and found.st_gid == short.stat().st_gid
    # A second one leaves it alone.
    done = subprocess.run(command(fresh, "-l", path), capture_output=True, text=True, timeout=20)
    assert done.returncode == 111 and "another program listens there" in done.stderr
    # A stop waits for sessions, and leaves nothing.
    server.process.terminate()
    assert wait_until(lambda: not path.exists())
    assert is_alive(server.process.pid)
    assert lines[0].transaction(["b@example.com"], b"y\n") == "250 2.0.0 Taken"
    for line in lines:
        assert line.ask("QUIT").startswith("221 ")
        line.close()
    assert server.process.wait(20) == 0


def test_stale_socket(fresh, hops, short):
    host = hops("host", tcp=True)
    settings(fresh, host, user=None, smarthost_tls="none")
    path = short / "relay"
    server = Listening(fresh, path)
    server.connect().close()
    wait_until(lambda: not children(server.process.pid))
    server.process.kill()
    server.process.wait()
    assert path.exists()
    server = Listening(fresh, path)
    line = server.connect()
    assert line.reply() == GREETING
    line.close()
    assert server.stop() == 0 and not path.exists()
    path.write_text("not a socket")
    done = subprocess.run(command(fresh, "-l", path), capture_output=True, text=True, timeout=20)
    assert done.returncode == 111 and "is not a socket" in done.stderr and path.read_text() == "not a socket"


def test_through_mailslot(fresh, hops, certificates, short):
    """A user's message, from mailslot-smtpd by a hand and the relay to the smarthost; and why it is deferred, if it is."""
    host = hops("host", tcp=True, tls="starttls", extensions=("PIPELINING", "AUTH PLAIN"), auth=["235 ok", "535 5.7.8 No"])
    use(fresh, "ecdsa", certificates=certificates)
    set_password(fresh, "alice@example.org")
    path = short / "relay"
    settings(fresh, host, certificates=certificates, relay=str(path))
    server = Listening(fresh, path)
    server.connect().close()
    host.wait_for_end()
    host.taken.clear()
    for reply in ("250 2.0.0 ", "4"):
        session = session_in_tls(fresh)
        assert session.ask(plain("alice@example.org")).startswith("235 ")
        assert session.transaction(["x@example.com"], b"Subject: x\n\nhello\n", sender="alice@example.org").startswith(reply)
        assert session.ask("QUIT").startswith("221 ")
        session.finish()
    assert b"hello" in host.messages[0].text and host.messages[0].recipients == ["x@example.com"]
    assert "log-in: PLAIN: 535 5.7.8 No" in session.log
    assert server.stop() == 0
