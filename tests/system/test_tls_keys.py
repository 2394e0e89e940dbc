"""TLS certificates and keys: unusable ones, client certificates, tickets."""

import ctypes
import os
import re
import shutil
import ssl
import subprocess
import time

import pytest
from basics import HOSTNAME, binary, needs
from client import Closed, start_own
from processes import wait_until
from tls import TlsSession, b64, certtool, context, der_of, offered, plain, rsa_key, use, with_tickets
from world import World

TEXT = b"Subject: t\n\nx\n"
EHLO = "EHLO client.example"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
both = pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])

# ---- what is wrong with a certificate ----------------------------------------------------------


def without_rights():
    """Takes from root the right to read files that their owner cannot read."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def spoil(world, what):
    """Makes the certificate unusable; returns what the administrator must be told, and about which file."""
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
        return "ecdsa.crt", "expired on 2020-02-01"
    if what == "unreadable":
        (etc / "ecdsa.key").chmod(0)
        return "ecdsa.key", "Permission denied"
    if what == "no PEM":
        (etc / "ecdsa.crt").write_text("this is no certificate\n")
        return "ecdsa.crt", "is not a certificate in PEM"
    if what == "no key in PEM":
        (etc / "ecdsa.key").write_bytes(b"\0" * 100)
        return "ecdsa.key", "is not a private key in PEM"
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
    return "ecdsa.key", "is not a private key in PEM"


PROBLEMS = [
    "no certificate", "no key", "mismatched", "expired", "unreadable", "no PEM", "no key in PEM", "locked", "folder",
    "FIFO", "cut short",
]  # fmt: skip


@pytest.mark.parametrize("what", PROBLEMS)
def test_unusable_certificate(secured, what):
    """The client gets 454 and can continue in plaintext; the log gives the reason."""
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
    """mailslot-build -n and mailslot-show name the file and the problem; the former also names the line."""
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
def test_unusable_certificate_on_the_tls_port(secured, what):
    """The connection is closed without any plaintext."""
    name, _ = spoil(secured, what)
    session = TlsSession(secured, args=("-r", "submissions"))
    assert session.rest() == b""
    assert session.finish() == 111
    assert re.search(rf" tls-unavailable .*{name}", session.log), session.log


def test_no_certificate_on_the_tls_port(world):
    session = world.session(args=("-r", "submissions"))
    assert session.rest() == b""
    assert session.finish() == 100
    assert " tls-unavailable " in session.log


def test_one_of_two_unusable(fresh, certificates):
    """The other one is used."""
    use(fresh, "ecdsa", "rsa", certificates=certificates)
    (fresh.etc / "ecdsa.key").unlink()
    with TlsSession(fresh) as session:
        session.greet()
        session.starttls(context(certificates))
        assert session.tls.getpeercert(True) == der_of(certificates / "rsa.crt")
    assert " tls-unavailable " in session.log


def test_credentials_directory_first(secured):
    """$CREDENTIALS_DIRECTORY has files of the same names that the service's user could not read elsewhere."""
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
    (folder / "ecdsa.key").unlink()  # if it is missing there, the one beside the configuration is used
    (folder / "ecdsa.crt").unlink()
    with TlsSession(secured, env=env) as session:
        session.greet()
        session.starttls(context(secured.certificates))
        assert session.tls.getpeercert(True) == der_of(secured.certificates / "ecdsa.crt")


DAY = 86400
SHOWN = r"valid until \d{4}-\d\d-\d\d, for"
LIVES = {  # name: (seconds since its start, seconds left, the warning)
    "6 days, new": (0, 6.6 * DAY, None),
    "6 days, renewed at half": (3.3 * DAY, 3.3 * DAY, None),
    "6 days, late": (5 * DAY, 1.5 * DAY - 60, r"expires in 35 hours"),
    "one hour left": (5.6 * DAY, 5400, r"expires in 1 hour:"),
    "45 days, renewed at a third": (30 * DAY, 15 * DAY, None),
    "45 days, late": (37 * DAY, 8.5 * DAY, r"expires in 8 days"),
    "90 days": (75 * DAY, 15 * DAY, None),
    "90 days, late": (80 * DAY, 10.5 * DAY, r"expires in 10 days"),
    "a year": (350 * DAY, 15 * DAY, None),
    "a year, late": (360 * DAY, 13.5 * DAY, r"expires in 13 days"),
}


def signed(world, began, left, names=f"dns_name = {HOSTNAME}\n", key="ecdsa"):
    """Replaces the certificate by one that began so long ago and is valid for so long."""
    written = [time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(time.time() + offset)) for offset in (-began, left)]
    template = world.folder / "template"
    template.write_text(f'activation_date = "{written[0]}"\nexpiration_date = "{written[1]}"\n' + names)
    where = world.etc / "ecdsa"
    shutil.copy(world.certificates / f"{key}.key", where.with_suffix(".key"))
    certtool("--generate-self-signed", "--load-privkey", where.with_suffix(".key"), "--template", template, "--outfile", where.with_suffix(".crt"))


def said_by(world, *argv):
    done = subprocess.run([binary(argv[0]), "-C", world.etc, *argv[1:]], capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize("life", LIVES)
def test_certificate_that_ends_soon(secured, life):
    """Whether to warn depends on the share of its lifetime that is left."""
    began, left, due = LIVES[life]
    signed(secured, began, left)
    built, checked = said_by(secured, "mailslot-build", "-n"), said_by(secured, "mailslot-check")
    if due is None:
        assert "expires" not in built + checked
    else:
        assert re.search(due, built), built
        assert re.search(rf"^WARN  certificate .*{due.rstrip(':')}", checked, re.M), checked


NAMES = {
    "an address": ("ip_address = 127.0.0.1\nip_address = ::1\n", "127.0.0.1 ::1"),
    "both": (f"dns_name = {HOSTNAME}\nip_address = 192.0.2.1\n", f"{HOSTNAME} 192.0.2.1"),
    "a common name": ("cn = mx.old.example\n", "mx.old.example"),
    "mail": ("email = a@example.org\n", "no name"),
    "nothing": ("organization = x\n", "no name"),
}


@pytest.mark.parametrize("names", NAMES)
def test_what_a_certificate_is_for(secured, names):
    template, due = NAMES[names]
    signed(secured, 0, 90 * DAY, template)
    for argv in (("mailslot-show",), ("mailslot-check",)):
        assert re.search(rf"{SHOWN} {re.escape(due)}$", said_by(secured, *argv), re.M), said_by(secured, *argv)


def test_costly_key(secured):
    """A long RSA key makes handshakes costly for the server."""
    certtool("--generate-privkey", "--key-type", "rsa", "--bits", "4224", "--outfile", secured.folder / "large.key")
    signed(secured, 0, 90 * DAY, key=secured.folder / "large")
    assert "RSA key of 4224 bits" in said_by(secured, "mailslot-build", "-n")


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
    """The server requests it: the verified name is in the log and in the trace."""
    with as_client(with_client_ca(secured), name, version) as session:
        assert session.transaction(["alice@example.org"], TEXT).startswith("250 ")
        assert ("EXTERNAL" in session.ehlo["AUTH"]) is (name == "alice")
    received = secured.messages("alice")[0].header("Received")
    assert f", client certificate of {shown} verified)" in received
    assert re.search(rf" tls .* client={re.escape(shown)}$", session.log, re.M), session.log


UNVERIFIED = {
    "stranger": ("alice@example.org", "issuer is unknown"),
    "old-client": ("alice@example.org", "expired"),
    None: (None, None),
}


@pytest.mark.parametrize("name", UNVERIFIED)
@both
def test_client_certificate_not_verified(secured, name, version):
    """From another authority, or expired: the client is served anyway, unauthenticated; the log has the name and the
    reason."""
    with as_client(with_client_ca(secured), name, version, "submission") as session:
        assert "EXTERNAL" not in session.ehlo["AUTH"]
        assert session.ask("AUTH EXTERNAL =").startswith("504 5.5.4 ")
        assert session.ask(plain("alice@example.org")).startswith("235 ")
        assert session.transaction(["alice@example.org"], TEXT, "alice@example.org").startswith("250 ")
    assert "client certificate" not in secured.messages("alice")[0].header("Received")
    assert " client=" not in session.log
    claim, reason = UNVERIFIED[name]
    logged = re.findall(r" client-certificate peer=local verified=no name=(\S+) reason=\"(.*?)\" ", session.log)
    assert [found[0] for found in logged] == ([claim] if claim else []), session.log
    assert not logged or reason in logged[0][1]


@pytest.mark.parametrize("name, shown", [("server-only", "x"), ("host", "relay.client.example")])
@both
def test_client_certificate_for_servers_only(secured, name, shown, version):
    """Public authorities make such certificates. The host name is verified, logged and in the trace, but cannot be used
    to log in."""
    with as_client(with_client_ca(secured), name, version, "submission") as session:
        assert "EXTERNAL" not in session.ehlo["AUTH"]
        assert session.ask("AUTH EXTERNAL =").startswith("504 5.5.4 ")
        assert session.ask(plain("alice@example.org")).startswith("235 ")
        assert session.transaction(["alice@example.org"], TEXT, "alice@example.org").startswith("250 ")
    assert f", client certificate of {shown} verified)" in secured.messages("alice")[0].header("Received")
    assert f' client-certificate peer=local verified=server name={shown} reason="for servers, not for clients"' in session.log
    assert re.search(rf" tls .* client={re.escape(shown)}$", session.log, re.M), session.log


EXPONENTS = {65537: True, (1 << 63) + 1: True, (1 << 80) + 1: False, (1 << 2040) + 1: False}


@pytest.mark.parametrize("exponent", EXPONENTS, ids=lambda n: f"{n.bit_length()} bits")
@pytest.mark.parametrize("kind", ["rsa", "rsa-pss"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_costly_key_of_a_client(secured, exponent, version, kind):
    """With a long exponent, verifying one signature would take the server seconds. Such keys are refused."""
    needs("gnutls-cli")
    key, path = secured.folder / "odd.key", secured.folder / "odd.crt"
    key.write_text(rsa_key(exponent, kind))
    (secured.folder / "template").write_text("cn = x\nexpiration_days = 9\ntls_www_client\nsigning_key\n")
    certtool("--generate-self-signed", "--load-privkey", key, "--template", secured.folder / "template", "--outfile", path)
    server = start_own(with_client_ca(secured))
    argv = ["gnutls-cli", "--starttls-proto=smtp", "--insecure", "-p", server.port, f"--x509certfile={path}", f"--x509keyfile={key}",
            f"--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}", "127.0.0.1"]  # fmt: skip
    subprocess.run([str(a) for a in argv], input=b"QUIT\r\n", capture_output=True, timeout=60)
    assert wait_until(lambda: " end peer=" in server.log), server.log
    assert (" tls peer=" in server.log) is EXPONENTS[exponent], server.log
    assert (" tls-failed peer=" in server.log) is not EXPONENTS[exponent], server.log


@pytest.mark.parametrize("count, good", [(20, True), (60, False), (400, False)])
@both
def test_crowd_of_client_certificates(secured, version, count, good):
    """Each certificate is parsed before any signature is verified, so their number is limited to that of a chain."""
    path, made = secured.folder / "crowd.crt", context(secured.certificates, version)
    path.write_text((secured.certificates / "stranger.crt").read_text() * count)
    made.load_cert_chain(path, secured.certificates / "stranger.key")
    with TlsSession(with_client_ca(secured)) as session:
        session.greet()
        try:
            session.starttls(made)
            served = session.ask("QUIT").startswith("221 ")
        except (ssl.SSLError, Closed):
            served = False
    assert served is good and (" tls peer=" in session.log) is good, session.log
    assert (" tls-failed peer=" in session.log and "too large" in session.log) is not good, session.log


def test_client_certificate_not_asked_for(secured):
    with as_client(secured, "alice") as session:
        assert "EXTERNAL" not in session.ehlo["AUTH"]
    assert " client=" not in session.log and "client-certificate" not in session.log


@both
def test_auth_external(secured, version):
    """The client is logged in as the user named in its certificate, and as nobody else."""
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
def test_auth_external_without_a_user(secured, name):
    """A disabled user's certificate, and one that names no user."""
    with as_client(with_client_ca(secured), name, role="submission") as session:
        assert "EXTERNAL" not in session.ehlo["AUTH"]
        assert session.ask("AUTH EXTERNAL =").startswith("504 ")


# ---- tickets -----------------------------------------------------------------------------------


def resume(world, client, session=None, role="smtp"):
    """A session in TLS: (whether it was resumed, the session to resume next)."""
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


def test_ticket_after_finished(secured):
    """In TLS 1.3 the ticket is not sent before the client's Finished."""
    client = context(with_tickets(secured).certificates, VERSIONS[1])
    early = []
    for tickets in ("no", "yes"):
        secured.build(tls_tickets=tickets)
        with TlsSession(secured) as session:
            session.greet()
            session.starttls(client)
            assert not session.tls.session.has_ticket
            flight = len(session.heard)
            assert session.ask("NOOP").startswith("250 ")
            assert session.tls.session.has_ticket is (tickets == "yes")
            early.append(flight)
    assert abs(early[0] - early[1]) < 20, early  # the length of an ECDSA signature varies, but less than a ticket


@both
def test_ticket_and_odd_name(secured, version):
    """A name that GnuTLS by itself would refuse does not prevent resumption."""
    client = context(with_tickets(secured).certificates, version)
    client.check_hostname = False
    ticket = None
    for due in (False, True):
        with TlsSession(secured) as session:
            session.greet()
            session.starttls(client, "mail_server", ticket)
            assert session.ask("NOOP").startswith("250 ")
            assert session.tls.session_reused is due
            ticket = session.tls.session


@both
def test_ticket_works_across_machines(secured, version, tmp_path):
    """Another configuration with the same secret accepts the ticket; with another secret there is a full handshake."""
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
    """TLS still works; the log says what is missing."""
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
def test_no_tickets_with_client_certificates(secured, version):
    """A ticket would replace a client's certificate, and an attacker who controls a front can forge tickets. So each
    session makes a full handshake, in which the certificate is verified."""
    with_tickets(with_client_ca(secured))
    client = context(secured.certificates, version, client="alice")
    ticket = resume(secured, client)[1]
    with TlsSession(secured) as session:
        session.greet()
        session.starttls(client, session=ticket)
        assert "EXTERNAL" in offered(session.ask(EHLO))["AUTH"] and not session.tls.session_reused
    shutil.copy(secured.certificates / "stranger-ca.crt", secured.etc / "clients.crt")
    with TlsSession(secured) as session:
        session.greet()
        session.starttls(client, session=ticket)
        assert "EXTERNAL" not in offered(session.ask(EHLO))["AUTH"]
