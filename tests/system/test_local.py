"""The role local: programs of this host, whose user the kernel tells, send without login and without TLS; nobody else does."""

import os
import re
import socket
import subprocess

import pytest
from basics import needs
from client import Line, connect
from local import UNKNOWN, LocalSession, connect_as, name_of, open_folder
from processes import free_port, spawn, wait_until
from tls import use

ALICE, BOB, DAEMON = "alice@example.org", "bob@example.org", 1
ME = f"{name_of()}@example.org"
TEXT = b"Subject: t\n\nx\n"
IS_ROOT = os.geteuid() == 0


def greeted(world, **more):
    session = LocalSession(world, **more)
    session.greet()
    return session


def may_send(session, sender):
    reply = session.ask(f"MAIL FROM:<{sender}>")
    session.ask("RSET")
    return reply[:9]


def test_users_send_as_themselves(world):
    """Also without a user of that name in the database, but with <>; with neither AUTH nor TLS."""
    with greeted(world, uid=DAEMON) as session:
        assert session.transaction([ALICE], TEXT, "daemon@example.org").startswith("250 2.0.0 ")
        assert may_send(session, "DAEMON@Example.ORG") == "250 2.1.0"
        assert may_send(session, "") == "250 2.1.0"
        for other in (ALICE, "daemon@example.net", "daemon@client.example", "root@example.org", "daemonx@example.org"):
            assert may_send(session, other) == "550 5.7.1", other
    (message,) = world.messages("alice")
    assert message.header("Return-Path") == "<daemon@example.org>"
    assert re.search(r" delivered peer=local .* login=daemon@example.org ", session.log)
    assert re.search(r" refused peer=local sender=root@example.org user=daemon@example.org ", session.log)


def test_what_the_database_allows(world):
    """A system user who is a user in the database, too, may send from detail, aliases and send-as addresses."""
    world.users.append("daemon@example.org::send-as=sales@example.net,@shop.example")
    world.aliases.append("help@example.org: daemon@example.org")
    world.build()
    with greeted(world, uid=DAEMON) as session:
        for own in ("daemon+cron@example.org", "help@example.org", "sales@example.net", "any@shop.example"):
            assert may_send(session, own) == "250 2.1.0", own
        assert may_send(session, BOB) == "550 5.7.1"


@pytest.mark.skipif(not IS_ROOT, reason="needs root")
def test_root_sends_as_anybody(world):
    with greeted(world) as session:
        for sender in ("root@example.org", ALICE, "www@elsewhere.example", ""):
            assert may_send(session, sender) == "250 2.1.0", sender
        assert session.transaction([BOB], TEXT, "someone@elsewhere.example").startswith("250 2.0.0 ")
    assert re.search(r" delivered peer=local .* login=root@example.org ", session.log)


def test_listed_users_send_as_anybody(world):
    world.build(local_submission="bin daemon")
    for uid, reply in ((DAEMON, "250 2.1.0"), (3, "550 5.7.1")):  # 3: sys
        with greeted(world, uid=uid) as session:
            assert may_send(session, ALICE) == reply
            assert may_send(session, "www@elsewhere.example") == reply
            assert may_send(session, f"{name_of(uid)}@example.org") == "250 2.1.0"


@pytest.mark.parametrize("uid", [UNKNOWN, 65534], ids=["unknown", "overflow"])
def test_ids_without_a_name(world, uid):
    """The overflow user is everybody from another user name space, so it is nobody in particular."""
    with greeted(world, uid=uid) as session:
        assert "XLOCAL" not in session.ask("EHLO x")
        for sender in ("", f"{uid}@example.org", "nobody@example.org", ALICE):
            assert session.ask(f"MAIL FROM:<{sender}>").startswith("550 5.7.1 "), sender
        assert session.ask(f"RCPT TO:<{ALICE}>").startswith("503")
    assert re.search(f' reason="unknown user id" .* reply="550 5.7.1" uid={uid}\n', session.log)


def test_ehlo(world, certificates):
    """The client learns its address, for From fields and addresses without a domain. There is nothing to log in for."""
    use(world, "ecdsa", certificates=certificates)
    with LocalSession(world) as session:
        session.reply()
        answer = session.ask("EHLO x").split("\n")
        assert f"250-XLOCAL {ME}" in answer
        assert not [line for line in answer if "AUTH" in line or "STARTTLS" in line]
        assert session.ask("AUTH PLAIN AGEAYg==").startswith("502 ")
        assert session.ask("STARTTLS").startswith("502 ")
    with world.session() as other:
        other.reply()
        assert "XLOCAL" not in other.ask("EHLO x")


def test_fields_are_added(world):
    """Date and Message-ID as in a submission; Received says ESMTP, not ESMTPA, because there was no AUTH (RFC 3848)."""
    with greeted(world) as session:
        assert session.transaction([ALICE], TEXT, ME).startswith("250 2.0.0 ")
    (message,) = world.messages("alice")
    assert message.header("Date") and message.header("Message-ID").endswith("@mx.example.org>")
    assert re.match(r"from client\.example \(local\) by mx\.example\.org with ESMTP id ", message.header("Received"))


def test_bare_newlines(world):
    with greeted(world) as session:
        session.send(f"MAIL FROM:<{ME}>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\n".encode())
        assert [session.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
        session.send(b"Subject: t\n\nx\n.\nQUIT\n.\r\nend\r\n.\r\n")
        assert session.reply().startswith("250 2.0.0 ")
    assert world.messages("alice")[0].text.endswith(b"x\n.\nQUIT\n.\nend\n")


def test_recipients_elsewhere(world):
    """Without a relay the reply says what authenticated users are told."""
    with greeted(world) as session:
        session.ask(f"MAIL FROM:<{ME}>")
        assert session.ask("RCPT TO:<x@elsewhere.example>").startswith("550 5.7.1 This server sends no mail")


def test_broken_database(world):
    world.db.write_bytes(b"x" * 4096)
    with LocalSession(world) as session:
        session.reply()
        assert "XLOCAL" not in session.ask("EHLO x")
        assert session.ask(f"MAIL FROM:<{ME}>").startswith("451 4.3.0 ")


# ---- only UNIX-domain sockets tell who the client is -------------------------------------------


def test_not_over_tcp(world):
    """As inetd would start it: the client hears that the server is misconfigured, and the administrator why."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        ours = socket.create_connection(listening.getsockname())
        theirs, _ = listening.accept()
    with theirs, open(world.log_file(), "wb") as log:
        process = spawn(world.command("-r", "local"), stdin=theirs, stdout=theirs, stderr=log)
    line = Line(sock=ours)
    assert line.rest() == b""
    line.close()
    assert process.wait(20) == 100
    written = (world.folder / f"log.{world.logs}").read_text()
    assert "the role local is for clients on a UNIX-domain socket, not for 127.0.0.1" in written


@pytest.mark.parametrize("variables", [{}, {"PROTO": "TCP", "TCPREMOTEIP": "127.0.0.1"}, {"PROTO": "UNIX", "UNIXREMOTEEUID": "0"}])
def test_not_over_pipes(world, variables):
    env = {**os.environ, **variables}
    done = subprocess.run(world.command("-r", "local"), input=b"EHLO x\r\n", capture_output=True, env=env, timeout=20)
    assert done.returncode == 100 and b"UNIX-domain socket" in done.stderr and b"250" not in done.stdout, done


def test_not_on_a_port(world):
    done = subprocess.run(world.command("-r", "local", "-l", f"127.0.0.1:{free_port()}"), capture_output=True, timeout=20)
    assert done.returncode == 100 and b"role local: it needs a UNIX-domain socket" in done.stderr, done


def activated(world, where, *options):
    needs("systemd-socket-activate")
    log = open(world.log_file(), "wb")
    return spawn(["systemd-socket-activate", *options, "-l", where, *world.command()], stderr=log, stdin=subprocess.DEVNULL)


def test_named_by_systemd(world):
    """FileDescriptorName=local: a listening socket with a path; a port of that name is refused."""
    path = open_folder(world) / "submit"
    activated(world, path, "--fdname=local")
    assert wait_until(path.exists)
    path.chmod(0o666)
    for uid in (None, DAEMON):
        line = connect_as(path, uid)
        line.greet()
        assert may_send(line, f"{name_of(uid)}@example.org") == "250 2.1.0"
        assert may_send(line, ALICE) == ("250 2.1.0" if IS_ROOT and uid is None else "550 5.7.1")
        line.close()
    port = free_port()
    process = activated(world, f"127.0.0.1:{port}", "--fdname=local")
    line = connect(port)
    assert line.rest() == b""
    line.close()
    assert process.wait(20) == 100


@pytest.mark.world
def test_super_server(world):
    """s6-ipcserver, as in the example submit.run: what it says of the client in the environment is not needed."""
    needs("s6-ipcserver")
    path = open_folder(world) / "submit"
    log = open(world.log_file(), "wb")
    server = spawn(["s6-ipcserver", "-a", "0666", "--", path, *world.command("-r", "local")], stderr=log, stdin=subprocess.DEVNULL)
    for uid in (None, DAEMON):
        line = connect_as(path, uid)
        line.greet()
        assert may_send(line, f"{name_of(uid)}@example.org") == "250 2.1.0"
        assert may_send(line, ALICE) == ("250 2.1.0" if IS_ROOT and uid is None else "550 5.7.1")
        line.close()
    server.terminate()
    assert server.wait(20) is not None
    (path.parent / "submit.lock").unlink()  # its own
