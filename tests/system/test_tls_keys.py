"""The keys of TLS: where they lie, what becomes of a session without them; client certificates; tickets; the confinement."""

import ctypes
import os
import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from conftest import BUILD, binary, needs, sanitized, skip_aloud, start_listener, start_own, wait_until
from tls import (
    PASSWORD,
    TlsSession,
    b64,
    certtool,
    connect_tls,
    context,
    der_of,
    find_in,
    memory_of,
    offered,
    plain,
    secrets_of,
    set_password,
    use,
)

TEXT = b"Subject: t\n\nx\n"
EHLO = "EHLO client.example"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
both = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])

# ---- what is wrong with a certificate ----------------------------------------------------------


def without_rights():
    """Root that may not read what its owner may not."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def spoil(world, what):
    """Makes the certificate unusable; returns what the administrator is to be told, and of which file."""
    etc, made = world.etc, world.certificates
    if what == "no certificate":
        (etc / "ecdsa.crt").unlink()
        return "ecdsa.crt", "No such file"
    if what == "no key":
        (etc / "ecdsa.key").unlink()
        return "ecdsa.key", "No such file"
    if what == "mismatched":
        shutil.copy(made / "other.key", etc / "ecdsa.key")
        return "ecdsa.key", "is not the key of"
    if what == "expired":
        for suffix in ("crt", "key"):
            shutil.copy(made / f"expired.{suffix}", etc / f"ecdsa.{suffix}")
        return "ecdsa.crt", "has expired on 2020-02-01"
    if what == "unreadable":
        (etc / "ecdsa.key").chmod(0)
        return "ecdsa.key", "Permission denied"
    if what == "no PEM":
        (etc / "ecdsa.crt").write_text("this is no certificate\n")
        return "ecdsa.crt", "no certificate in PEM"
    if what == "no key in PEM":
        (etc / "ecdsa.key").write_bytes(b"\0" * 100)
        return "ecdsa.key", "no private key in PEM"
    if what == "locked":
        certtool("--to-p8", "--load-privkey", made / "ecdsa.key", "--password", "x", "--outfile", etc / "ecdsa.key")
        return "ecdsa.key", "without a password"
    if what == "folder":
        (etc / "ecdsa.crt").unlink()
        (etc / "ecdsa.crt").mkdir()
        return "ecdsa.crt", "not a regular file"
    if what == "FIFO":
        (etc / "ecdsa.key").unlink()
        os.mkfifo(etc / "ecdsa.key")
        return "ecdsa.key", "not a regular file"
    os.truncate(etc / "ecdsa.key", 100)
    return "ecdsa.key", "no private key in PEM"


PROBLEMS = [
    "no certificate", "no key", "mismatched", "expired", "unreadable", "no PEM", "no key in PEM", "locked", "folder",
    "FIFO", "cut short",
]  # fmt: skip


@pytest.mark.parametrize("what", PROBLEMS)
def test_unusable_certificate(secured, what):
    """The client is told 454 and goes on in clear; the administrator sees why."""
    name, why = spoil(secured, what)
    with secured.session(preexec_fn=without_rights) as session:
        session.greet()
        for _ in range(2):
            assert session.ask("STARTTLS").startswith("454 4.7.0 ")
        assert session.transaction(["alice@example.org"], TEXT).startswith("250 2.0.0 ")
    assert secured.sent("alice") == [TEXT]
    assert re.search(rf" tls-unavailable .*what=certificate error=.*{name}.*{why}|{why}.*{name}", session.log), session.log


@pytest.mark.parametrize("what", PROBLEMS)
def test_unusable_certificate_is_reported(secured, what):
    """mailslot-build -n and mailslot-show name the file and the problem, the former with the line, too."""
    name, why = spoil(secured, what)
    line = 1 + [i for i, n in enumerate((secured.etc / "mailslot.conf").read_text().split("\n")) if "tls-certificate" in n][0]
    for argv in (["mailslot-build", "-n"], ["mailslot-show"]):
        done = subprocess.run(
            [binary(argv[0]), "-C", secured.etc, *argv[1:]], capture_output=True, text=True, timeout=60,
            preexec_fn=without_rights,
        )  # fmt: skip
        assert done.returncode == (1 if argv[0] == "mailslot-show" else 0), done
        said = done.stdout + done.stderr
        place = rf"mailslot\.conf:{line}: " if argv[0] == "mailslot-build" else ""
        assert re.search(rf"{place}.*{name}", said) and why in said, f"{argv}: {said}"


@pytest.mark.parametrize("what", ["no key", "expired"])
def test_unusable_certificate_where_tls_is_due(secured, what):
    """The connection is closed without a word in clear."""
    name, _ = spoil(secured, what)
    session = TlsSession(secured, args=("-r", "submissions"))
    assert session.rest() == b""
    assert session.finish() == 111
    assert re.search(rf" tls-unavailable .*{name}", session.log), session.log


def test_no_certificate_where_tls_is_due(world):
    session = world.session(args=("-r", "submissions"))
    assert session.rest() == b""
    assert session.finish() == 100
    assert " tls-unavailable " in session.log


def test_one_of_two_unusable(fresh, certificates):
    """The other one serves."""
    use(fresh, "ecdsa", "rsa", certificates=certificates)
    (fresh.etc / "ecdsa.key").unlink()
    with TlsSession(fresh) as session:
        session.greet()
        session.starttls(context(certificates))
        assert session.tls.getpeercert(True) == der_of(certificates / "rsa.crt")
    assert " tls-unavailable " in session.log


def test_credentials_directory_first(secured):
    """$CREDENTIALS_DIRECTORY holds what the service's user cannot read elsewhere, by the same name."""
    folder = secured.folder / "credentials"
    folder.mkdir()
    for suffix in ("crt", "key"):
        shutil.copy(secured.certificates / f"renewed.{suffix}", folder / f"ecdsa.{suffix}")
    (secured.etc / "ecdsa.key").chmod(0)
    env = {"CREDENTIALS_DIRECTORY": str(folder)}
    with TlsSession(secured, env=env, preexec_fn=without_rights) as session:
        session.greet()
        session.starttls(context(secured.certificates))
        assert session.tls.getpeercert(True) == der_of(secured.certificates / "renewed.crt")
    (folder / "ecdsa.key").unlink()  # and with no such file there: beside the configuration
    (folder / "ecdsa.crt").unlink()
    with TlsSession(secured, env=env) as session:
        session.greet()
        session.starttls(context(secured.certificates))
        assert session.tls.getpeercert(True) == der_of(secured.certificates / "ecdsa.crt")


# ---- client certificates -----------------------------------------------------------------------


def with_client_ca(world):
    shutil.copy(world.certificates / "client-ca.crt", world.etc / "clients.crt")
    return world.build(tls_client_ca="clients.crt")


def as_client(world, name, version=None, role="smtp"):
    session = TlsSession(world, args=("-r", role))
    session.greet()
    session.starttls(context(world.certificates, version, client=name))
    session.ehlo = offered(session.ask(EHLO))
    return session


@pytest.mark.parametrize("name, shown", [("alice", "alice@example.org"), ("relay", "relay.client.example")])
@both
def test_client_certificate(secured, name, shown, version):
    """Asked for: the verified name stands in the log and in the trace."""
    with as_client(with_client_ca(secured), name, version) as session:
        assert session.transaction(["alice@example.org"], TEXT).startswith("250 ")
        assert ("EXTERNAL" in session.ehlo["AUTH"]) is (name == "alice")
    received = secured.messages("alice")[0].header("Received")
    assert f", client certificate of {shown} verified)" in received
    assert re.search(rf" tls .* client={re.escape(shown)}$", session.log, re.M), session.log


@pytest.mark.parametrize("name", ["stranger", "server-only", None])
@both
def test_client_certificate_not_verified(secured, name, version):
    """Of another authority, for another purpose, or none: served all the same, as nobody."""
    with as_client(with_client_ca(secured), name, version, "submission") as session:
        assert "EXTERNAL" not in session.ehlo["AUTH"]
        assert session.ask("AUTH EXTERNAL =").startswith("504 5.5.4 ")
        assert session.ask(plain("alice@example.org")).startswith("235 ")
        assert session.transaction(["alice@example.org"], TEXT, "alice@example.org").startswith("250 ")
    assert "client certificate" not in secured.messages("alice")[0].header("Received")
    assert " client=" not in session.log
    assert ("client-certificate peer=local verified=no" in session.log) is (name is not None)


def test_client_certificate_not_asked_for(secured):
    with as_client(secured, "alice") as session:
        assert "EXTERNAL" not in session.ehlo["AUTH"]
    assert " client=" not in session.log and "client-certificate" not in session.log


@both
def test_auth_external(secured, version):
    """The client is whom its certificate names, and nobody else."""
    with_client_ca(secured)
    for said, due in (
        ("AUTH EXTERNAL =", "235 2.7.0 "),
        ("AUTH EXTERNAL " + b64("alice@example.org"), "235 2.7.0 "),
        ("AUTH EXTERNAL " + b64("bob@example.org"), "535 5.7.8 "),
    ):
        with as_client(secured, "alice", version, "submission") as session:
            assert session.ask(said).startswith(due)
            if due[0] == "2":
                assert session.ask("MAIL FROM:<bob@example.org>").startswith("550 5.7.1 ")
                assert session.transaction(["bob@example.org"], TEXT, "alice@example.org").startswith("250 ")
    assert len(secured.sent("bob")) == 2
    assert "auth failed peer=local user=alice@example.org mechanism=EXTERNAL" in session.log


def test_auth_external_by_challenge(secured):
    with as_client(with_client_ca(secured), "alice", role="submission") as session:
        assert session.ask("AUTH EXTERNAL") == "334 "
        assert session.ask("").startswith("235 2.7.0 ")


@pytest.mark.parametrize("name", ["closed", "relay"])
def test_auth_external_of_no_user(secured, name):
    """A disabled user's certificate, and one that names none."""
    with as_client(with_client_ca(secured), name, role="submission") as session:
        assert "EXTERNAL" not in session.ehlo["AUTH"]
        assert session.ask("AUTH EXTERNAL =").startswith("504 ")


# ---- tickets -----------------------------------------------------------------------------------


def with_tickets(world, tickets="yes"):
    world.build(tls_tickets=tickets)
    done = subprocess.run([binary("mailslot-build"), "--ticket-secret", "-C", world.etc], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    secret = world.etc / "ticket-secret"
    assert secret.stat().st_size == 64 and secret.stat().st_mode & 0o027 == 0
    return world


def resume(world, client, session=None, role="smtp"):
    """A session in TLS, perhaps resumed: (was it, what can be resumed now)."""
    with TlsSession(world, args=("-r", role)) as line:
        line.greet()
        line.starttls(client, session=session)
        line.ask(EHLO)
        assert line.transaction(["alice@example.org"], TEXT).startswith("250 ") or role != "smtp"
        reused, ticket = line.tls.session_reused, line.tls.session
    assert ("resumed=yes" in line.log) is reused
    return reused, ticket


@both
def test_no_tickets_by_default(secured, version):
    with_tickets(secured, "no")
    client = context(secured.certificates, version)
    reused, ticket = resume(secured, client)
    assert not reused and not ticket.has_ticket
    assert not resume(secured, client, ticket)[0]


@both
def test_ticket_works_across_processes(secured, version):
    client = context(with_tickets(secured).certificates, version)
    ticket = resume(secured, client)[1]
    assert ticket.has_ticket
    assert resume(secured, client, ticket)[0]
    assert not resume(secured, client)[0]


@both
def test_ticket_works_across_machines(secured, version, tmp_path):
    """Another configuration with the same secret takes it; with another secret it does not, and serves all the same."""
    from conftest import World

    client = context(with_tickets(secured).certificates, version)
    ticket = resume(secured, client)[1]
    (tmp_path / "other").mkdir()
    other = with_tickets(use(World(tmp_path / "other"), "ecdsa", certificates=secured.certificates))
    assert not resume(other, client, ticket)[0]
    shutil.copy(secured.etc / "ticket-secret", other.etc / "ticket-secret")
    assert resume(other, client, resume(secured, client)[1])[0]


@both
def test_ticket_is_for_one_role(secured, version):
    client = context(with_tickets(secured).certificates, version)
    ticket = resume(secured, client)[1]
    assert not resume(secured, client, ticket, role="submission")[0]
    assert not resume(secured, client, ticket, role="mx")[0]


@pytest.mark.parametrize("secret", [None, b"", b"x" * 63, b"x" * 65])
def test_no_ticket_without_a_secret(secured, secret):
    """TLS is served; the log says what is missing."""
    with_tickets(secured)
    path = secured.etc / "ticket-secret"
    path.unlink() if secret is None else path.write_bytes(secret)
    client = context(secured.certificates)
    assert not resume(secured, client)[1].has_ticket
    with TlsSession(secured) as session:
        session.greet()
        session.starttls(client)
    assert " tickets-unavailable " in session.log
    done = subprocess.run([binary("mailslot-build"), "-n", "-C", secured.etc], capture_output=True, text=True)
    assert "ticket-secret" in done.stderr


@both
def test_resumed_session_has_its_client_certificate(secured, version):
    """AUTH EXTERNAL in a resumed session, too; the certificate is verified again."""
    with_tickets(with_client_ca(secured))
    client = context(secured.certificates, version, client="alice")
    ticket = resume(secured, client)[1]
    with TlsSession(secured) as session:
        session.greet()
        session.starttls(client, session=ticket)
        assert "EXTERNAL" in offered(session.ask(EHLO))["AUTH"] and session.tls.session_reused
    shutil.copy(secured.certificates / "stranger-ca.crt", secured.etc / "clients.crt")
    with TlsSession(secured) as session:
        session.greet()
        session.starttls(client, session=ticket)
        assert "EXTERNAL" not in offered(session.ask(EHLO))["AUTH"]


# ---- where the secrets are ---------------------------------------------------------------------


def look_into(pid):
    if os.geteuid() != 0:
        skip_aloud("only root can look into the processes' memory")
    if sanitized():
        skip_aloud("what sanitizers keep of freed memory is not ours")
    try:
        return memory_of(pid)
    except PermissionError:
        return skip_aloud("root may not look into processes here")


@pytest.mark.parametrize("key", ["ecdsa", "rsa"])
@both
def test_front_never_has_the_key(fresh, certificates, key, version):
    """No part of it lies in the front's memory, in the handshake, behind it, or in DATA. The same search finds the
    public part there, and the key in the back, which has it for the handshake alone."""
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
    """Neither it nor its base64, in front or back; the user's name shows that the search finds what is there."""
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


def test_front_does_not_see_the_database(secured):
    """Names, aliases and credentials are mapped in the back, not in the front, which was forked from it."""
    with TlsSession(secured) as session:
        session.greet()
        session.starttls(context(secured.certificates))
        assert "mailslot.cdb" in Path(f"/proc/{session.process.pid}/maps").read_text()
        assert "mailslot.cdb" not in Path(f"/proc/{session.front()}/maps").read_text()
        hashed = [u.split(":")[1].split("$")[-1].encode()[:20] for u in secured.users if "$" in u]
        assert hashed and not find_in(look_into(session.front()), hashed)


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
@pytest.mark.parametrize("hook", ["open", "socket", "execve", "ptrace", "kill", "fork", "readv", "exec-memory", "map-exec"])
def test_hook(secured, role, hook):
    """As in test_confinement.py; the front that makes a handshake has a filter of its own."""
    if not (BUILD / "mailslot-smtpd-hook").exists():
        skip_aloud("mailslot-smtpd-hook is not built")
    if hook in ("exec-memory", "map-exec") and sanitized():
        skip_aloud("the sanitizers' run-time may map and protect memory")
    session = TlsSession(secured, hook=True, args=("-r", role), env={"MAILSLOT_TEST_HOOK": hook})
    assert session.rest() == b""
    session.finish()
    assert re.search(r" front-killed .*\bsignal=31\b", session.log), session.log


# ---- no stall ----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["ecdsa", "rsa"])
@pytest.mark.parametrize("tickets", ["no", "yes"])
@both
def test_one_write_per_flight(fresh, certificates, key, tickets, version):
    """What makes other servers' clients wait 41 ms are small writes, each held back for an acknowledgement: each
    flight of the handshake and each reply leaves in one piece, with TCP_NODELAY."""
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
    front = re.search(r'^(\d+) +read\(0, "\\26\\3', text, re.M)  # who reads the client's handshake
    assert front, text[:2000]
    calls = [row for row in text.split("\n") if row.startswith(front.group(1) + " ")]
    kinds = "".join(
        "w" if re.search(r" (sendto|write)\(1, ", row) else "r" if re.search(r" read\(0, \"[^\"]", row) else "" for row in calls
    )
    # What is read in the handshake is acknowledged at once, lest clients wait 40 ms in its midst or behind it.
    acknowledged = "".join(
        "q" if "SOL_TCP, TCP_QUICKACK, [1]" in row else "r" if re.search(r' read\(0, "[^"]', row) else "" for row in calls
    )
    assert re.fullmatch("(rq){2,}r+", acknowledged), acknowledged
    # One or two flights, then EHLO, the envelope, the text, QUIT: never two writes without a read between them,
    # but for close_notify.
    flights = 2 if version == VERSIONS[0] else 1
    assert re.fullmatch("(r+w){%d}r*w?" % (flights + 4), kinds), kinds
