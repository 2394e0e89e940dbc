"""TLS: what is offered when, the handshake, what it resets, records split anywhere, the end of a session."""

import re
import socket
import ssl
import subprocess

import pytest
from basics import HOSTNAME, needs
from client import Closed, start_own, to_wire
from processes import spawn, wait_until
from tls import OTHER_NAME, TlsSession, connect_tls, context, der_of, offered, plain, session_in_tls, use

TEXT = b"Subject: t\n\nx\n"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
EHLO = "EHLO client.example"


def both(test):
    return pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])(test)


# ---- offered or not ----------------------------------------------------------------------------


def test_offered_with_a_certificate(world, secured):
    with secured.session() as session:
        session.reply()
        assert "STARTTLS" in offered(session.ask(EHLO))


def test_not_offered_without_a_certificate(world):
    with world.session() as session:
        session.reply()
        assert "STARTTLS" not in offered(session.ask(EHLO))
        assert session.ask("STARTTLS").startswith("502 5.5.1 ")
        assert session.transaction(["alice@example.org"], TEXT).startswith("250 2.0.0")


@both
def test_not_offered_under_tls(secured, version):
    with session_in_tls(secured, "smtp", version) as session:
        assert "STARTTLS" not in offered(session.ask(EHLO))
        assert session.ask("STARTTLS").startswith("503 5.5.1 ")
        assert session.transaction(["alice@example.org"], TEXT).startswith("250 2.0.0")


def test_require_tls(secured):
    """RFC 8689: REQUIRETLS is offered and accepted only in TLS, and takes no value."""
    with secured.session() as session:
        session.reply()
        assert "REQUIRETLS" not in offered(session.ask(EHLO))
        assert session.ask("MAIL FROM:<s@client.example> REQUIRETLS").startswith("555 5.5.4 ")
    with session_in_tls(secured, "smtp") as session:
        assert "REQUIRETLS" in offered(session.ask(EHLO))
        for wrong in ("REQUIRETLS=", "REQUIRETLS=yes", "REQUIRETLS REQUIRETLS"):
            assert session.ask(f"MAIL FROM:<s@client.example> {wrong}").startswith("501 5.5.4 ")
        assert session.ask("MAIL FROM:<s@client.example> SIZE=10 REQUIRETLS").startswith("250 2.1.0 ")


def test_no_parameter(secured):
    with TlsSession(secured) as session:
        session.greet()
        assert session.ask("STARTTLS now").startswith("501 5.5.4 ")
        session.starttls(context(secured.certificates))


@pytest.mark.parametrize("role", ["smtp", "mx", "submission", "submissions"])
@both
def test_every_role(secured, role, version):
    """A message in TLS; the trace and the log name the protocol."""
    with session_in_tls(secured, role, version) as session:
        sender = "s@client.example"
        if role.startswith("submission"):
            assert session.ask(plain("alice@example.org")).startswith("235 2.7.0 ")
            sender = "alice@example.org"
        assert session.transaction(["alice@example.org"], TEXT, sender).startswith("250 2.0.0")
        protocol, cipher = session.protocol(), session.tls.cipher()[0]
        assert session.ask("QUIT").startswith("221")
        assert session.rest() == b"" and session.notified
    (message,) = secured.messages("alice")
    received = message.header("Received")
    name = "ESMTPSA" if role.startswith("submission") else "ESMTPS"
    number = protocol.removeprefix("TLSv")
    found = re.search(rf"\(using TLS{re.escape(number)} with cipher ([A-Z0-9a-z_]+)\) by {HOSTNAME} with {name} id ", received)
    assert found, received
    for part in ("AES_256_GCM" if "AES256-GCM" in cipher or "AES_256_GCM" in cipher else "",):
        assert part in found.group(1)
    assert re.search(rf" tls peer=\S+ protocol=TLS{re.escape(number)} cipher={found.group(1)} ", session.log, re.M), session.log


@pytest.mark.parametrize("over", ["socket", "pipe"])
def test_records_in_packets_of_one_byte(secured, over):
    with TlsSession(secured, over=over) as session:
        session.greet()
        session.cut = 1 if over == "socket" else None
        session.starttls(context(secured.certificates))
        session.ask(EHLO)
        assert session.transaction(["alice@example.org"], TEXT).startswith("250 2.0.0")
    assert secured.sent("alice") == [TEXT]


def test_large_message(secured):
    """Many records, and a record that contains the end of the text and the next command."""
    text = b"Subject: t\n\n" + b"y" * 700 + b"\n" + (b"z" * 70 + b"\n") * 20000
    with session_in_tls(secured, "smtp") as session:
        session.begin_text()
        session.send(to_wire(text) + b".\r\nNOOP\r\n")
        assert session.reply().startswith("250 2.0.0 Delivered") and session.reply().startswith("250")
    assert secured.sent("alice") == [text]


# ---- versions, ciphers -------------------------------------------------------------------------


def openssl(*argv, given="QUIT\n"):
    needs("openssl")
    done = subprocess.run(
        ["openssl", *map(str, argv)], input=given.encode(), capture_output=True, timeout=60
    )
    return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


def s_client(server, *options, given="QUIT\n", starttls=("-starttls", "smtp")):
    return openssl(
        "s_client", "-connect", f"127.0.0.1:{server.port}", *starttls, *options, given=given
    )


REFUSED = [
    ("1.0", ("-tls1", "-cipher", "ALL:@SECLEVEL=0")),
    ("1.1", ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0")),
    ("RSA key exchange", ("-tls1_2", "-cipher", "AES128-GCM-SHA256:AES256-SHA:AES128-SHA256")),
    ("no encryption", ("-tls1_2", "-cipher", "NULL:@SECLEVEL=0")),
    ("anonymous", ("-tls1_2", "-cipher", "aNULL:@SECLEVEL=0")),
]


@pytest.mark.parametrize("priority", [None, "NORMAL:+RSA:+VERS-TLS1.0:+VERS-TLS1.1"])
@pytest.mark.parametrize("options", [r[1] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_refused(fresh, certificates, options, priority):
    """Refused by default, and also if tls-priority allows it."""
    more = {"tls_priority": priority} if priority else {}
    use(fresh, "ecdsa", "rsa", certificates=certificates, **more)
    server = start_own(fresh)
    out = s_client(server, *options)
    assert "Cipher is (NONE)" in out or "no cipher match" in out, out
    if "no cipher match" not in out:
        assert wait_until(lambda: " tls-failed peer=127.0.0.1 " in server.log), server.log
    assert "Cipher is (NONE)" not in s_client(server, "-tls1_2")


def test_priority_of_the_administrator(secured):
    secured.build(tls_priority="NORMAL:-VERS-TLS1.3")
    with session_in_tls(secured, "smtp") as session:
        assert session.protocol() == "TLSv1.2"


def test_renegotiation_refused(secured):
    """A client that requests renegotiation is refused."""
    needs("openssl")
    server = start_own(secured)
    path = secured.folder / "out"
    argv = ["openssl", "s_client", "-tls1_2", "-connect", f"127.0.0.1:{server.port}", "-starttls", "smtp"]
    with open(path, "wb") as out:
        client = spawn(argv, stdin=subprocess.PIPE, stdout=out, stderr=out, bufsize=0)
    for said, due in ((b"NOOP\r\n", "250 2.0.0"), (b"R\n", "no renegotiation")):
        client.stdin.write(said)
        assert wait_until(lambda: due in path.read_text()), path.read_text()
    assert wait_until(lambda: " end peer=" in server.log), server.log


def test_plaintext_on_the_tls_port(secured):
    """A client that sends plain SMTP or HTTP to the TLS port gets no plaintext reply, and no command is run."""
    for said in (b"EHLO x\r\nMAIL FROM:<s@client.example>\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" * 9):
        with TlsSession(secured, args=("-r", "submissions")) as session:
            session.send(said)
            rest = session.rest()
            assert rest == b"" or rest[0] == 0x15, rest
        assert " tls-failed " in session.log


# ---- CVE-2011-0411: plaintext before the handshake ---------------------------------------------

AHEAD = b"STARTTLS\r\nRSET\r\nEHLO e\r\nMAIL FROM:<e@x.example>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n\r\nx\r\n.\r\n"


@pytest.mark.parametrize("part", range(4))
def test_starttls_injection(secured, part):
    """CVE-2011-0411: commands sent ahead after STARTTLS are never run, wherever packets are split. They are discarded,
    or read as a handshake, which fails."""
    for at in range(part, len(AHEAD) + 1, 4):
        with TlsSession(secured) as session:
            session.greet()
            session.send(AHEAD[:at])
            session.settle()
            session.try_send(AHEAD[at:])
            assert session.reply().startswith("220 2.0.0 "), at
            try:
                session.shake(context(secured.certificates))
                assert session.ask("NOOP").startswith("250 "), at
                assert session.ask("RCPT TO:<alice@example.org>").startswith("503 5.5.1 Send HELO"), at
                failed = False
            except (ssl.SSLError, Closed):
                failed = True
            assert session.heard[:1] in (b"\x16", b"\x15", b""), f"{at}: {session.heard!r}"
        assert (" tls-failed " in session.log) is failed, at
    assert secured.everything() == {}


def test_starttls_resets_the_session(secured):
    """HELO's name, the envelope and the authenticated user are forgotten."""
    secured.build(auth_without_tls="yes")
    with TlsSession(secured, args=("-r", "submission")) as session:
        session.greet("EHLO forged.example")
        assert session.ask(plain("alice@example.org")).startswith("235 ")
        assert session.ask("MAIL FROM:<alice@example.org>").startswith("250 ")
        assert session.ask("RCPT TO:<alice@example.org>").startswith("250 ")
        session.starttls(context(secured.certificates))
        assert session.ask("DATA").startswith("503 5.5.1 Send HELO")
        assert session.ask("RCPT TO:<alice@example.org>").startswith("503 5.5.1 Send HELO")
        assert session.ask("MAIL FROM:<alice@example.org>").startswith("503 5.5.1 Send HELO")
        assert session.ask(plain("alice@example.org")).startswith("503 5.5.1 ")
        session.ask("EHLO true.example")
        assert session.ask("DATA").startswith("503 5.5.1 Send MAIL")
        assert session.ask("MAIL FROM:<alice@example.org>").startswith("530 5.7.0 ")
        assert session.ask(plain("alice@example.org")).startswith("235 ")
        assert session.transaction(["alice@example.org"], TEXT, "alice@example.org").startswith("250 ")
    received = secured.messages("alice")[0].header("Received")
    assert received.startswith("from true.example ") and "forged" not in received


@pytest.mark.parametrize("wrong", ["RCPT TO:<nobody@example.org>", "NONSENSE"], ids=["back", "front"])
def test_errors_before_starttls_count(secured, wrong):
    """max-errors counts for the whole session: STARTTLS does not reset the count, and errors before and after it are
    not taken for an attack on the wall."""
    secured.build(max_errors=5)
    with TlsSession(secured) as session:
        session.greet()
        session.ask("MAIL FROM:<s@client.example>")
        for _ in range(4):
            assert session.ask(wrong).startswith("5")
        session.starttls(context(secured.certificates))
        session.ask(EHLO)
        session.ask("MAIL FROM:<s@client.example>")
        replies = [""]
        while not replies[-1].startswith("421"):
            replies.append(session.ask(wrong))
            assert len(replies) < 4
        assert replies[-1].startswith("421 4.7.0 ")
    assert " breach " not in session.log, session.log


def test_failed_handshake_ends_the_session(secured):
    """After a handshake has begun, the session never continues in plaintext."""
    with TlsSession(secured) as session:
        session.greet()
        assert session.ask("STARTTLS").startswith("220 ")
        session.send(b"NOOP\r\nQUIT\r\n")
        rest = session.rest()
        assert rest == b"" or rest[0] == 0x15, rest
    assert " tls-failed " in session.log and "reason=\"TLS handshake failed\"" in session.log


@both
def test_client_distrusts_us(secured, certificates, version):
    """The alert of a client that does not know the authority is logged. (In TLS 1.3 OpenSSL sends it unencrypted, and
    GnuTLS cannot read it.)"""
    distrusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    distrusting.minimum_version = distrusting.maximum_version = version
    distrusting.load_verify_locations(certificates / "client-ca.crt")
    with TlsSession(secured) as session:
        session.greet()
        with pytest.raises(ssl.SSLCertVerificationError):
            session.starttls(distrusting)
        session.half_close()
        session.rest()
    due = r'alert="CA is unknown"' if version == VERSIONS[0] else ""
    assert re.search(r" tls-failed .*" + due, session.log), session.log


# ---- smuggling and truncation ------------------------------------------------------------------

FALSE_ENDS = [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\r\n.\0\r\n", b"\n.\n\r\n", b"\r\r\n.\r\r\n"]
SECOND = b"MAIL FROM:<e@x.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: second\r\n\r\nx\r\n.\r\n"


@pytest.mark.parametrize("end", FALSE_ENDS, ids=repr)
def test_smuggling_over_records(secured, end):
    """A false end, with each byte in its own record or all in one, never begins a second message."""
    for pieces in ([end], [end[i : i + 1] for i in range(len(end))]):
        with session_in_tls(secured, "smtp") as session:
            session.begin_text()
            session.send(b"Subject: first\r\n\r\nx")
            for piece in pieces:
                session.send(piece)
            session.send(SECOND)
            assert session.reply()[:3] in ("550", "250")
            session.send(b"QUIT\r\n")
            assert session.rest().startswith(b"221 ")
    assert secured.sent("bob") == []
    assert all(text.count(b"second") == 1 for text in secured.sent("alice"))


def test_true_end_over_records(secured):
    """CR LF . CR LF is the end, wherever it is split into records."""
    end = b"\r\n.\r\n"
    with session_in_tls(secured, "smtp") as session:
        for at in range(len(end) + 1):
            session.begin_text()
            session.send(b"Subject: t\r\n\r\nx" + end[:at])
            session.settle()
            session.send(end[at:])
            assert session.reply().startswith("250 2.0.0 ")
    assert secured.sent("alice") == [TEXT] * (len(end) + 1)


@both
def test_message_of_a_truncated_stream_is_not_delivered(secured, version):
    """The record with the end of the text is cut off at any byte, or missing, with and without close_notify."""
    with session_in_tls(secured, "smtp", version) as probe:
        probe.begin_text()
        length = len(probe.record(b"x\r\n.\r\n"))
    for at in [*range(length), "notify"]:
        with session_in_tls(secured, "smtp", version) as session:
            session.begin_text()
            session.send(b"Subject: t\r\n\r\nx\r\n")
            if at == "notify":
                session.bye()
            else:
                session.send_raw(session.record(b"x\r\n.\r\n")[:at])
            session.half_close()
            assert not re.search(rb"^2", session.rest())
    assert secured.everything() == {}


def test_message_in_a_changed_record_is_not_delivered(secured):
    """A bit is flipped in transit: the session ends with an alert."""
    with session_in_tls(secured, "smtp") as session:
        session.begin_text()
        session.send(b"Subject: t\r\n\r\nx\r\n")
        record = bytearray(session.record(b"x\r\n.\r\n"))
        record[-1] ^= 1
        session.send_raw(bytes(record))
        with pytest.raises(ssl.SSLError, match="bad record mac|BAD_RECORD_MAC"):
            session.rest()
    assert secured.everything() == {}


@both
def test_close_notify(secured, version):
    """At QUIT, when the client closes first, and when the server ends the session."""
    secured.build(max_errors=1)
    for last in ("QUIT", "close", "errors"):
        with session_in_tls(secured, "smtp", version) as session:
            if last == "QUIT":
                assert session.ask("QUIT").startswith("221 ")
                assert session.rest() == b""
            elif last == "close":
                session.bye()
            else:
                session.send(b"NONSENSE\r\n" * 3)
                assert session.rest().split(b"\r\n")[-2].startswith(b"421 ")
            assert session.notified and session.pull() == b""


# ---- which certificate -------------------------------------------------------------------------


@pytest.mark.parametrize("name, due", [(HOSTNAME, "ecdsa"), (OTHER_NAME, "other"), ("elsewhere.example", "ecdsa"), (None, "ecdsa")])
@both
def test_server_name_picks(fresh, certificates, name, due, version):
    use(fresh, "ecdsa", "other", certificates=certificates)
    with TlsSession(fresh) as session:
        session.greet()
        session.starttls(context(None, version), name)
        assert session.tls.getpeercert(True) == der_of(certificates / f"{due}.crt")


NAMES = {
    "exact.example.net": "wildcard", "EXACT.example.NET": "wildcard", "exact.example.net.": "wildcard", "Exact.Example.Net.": "wildcard",
    "any.example.com": "wildcard", "ANY.EXAMPLE.COM.": "wildcard", "wild.example.com": "wildcard",
    "example.com": "ecdsa", "a.b.example.com": "ecdsa", "*.example.com": "wildcard", "xexact.example.net": "ecdsa",
    OTHER_NAME.upper() + ".": "other", HOSTNAME.upper(): "ecdsa", HOSTNAME + ".": "ecdsa", "127.0.0.1": "ecdsa",
    # names for which GnuTLS by itself would end the handshake
    "mail_server": "ecdsa", "_a.example.com": "wildcard", "mail server": "ecdsa", "m\u00e4il.example.org": "ecdsa", "a/b": "ecdsa", "\x01": "ecdsa",
    "-": "ecdsa", ".": "ecdsa", "..": "ecdsa", "x" * 250: "ecdsa", "x" * 63 + ".example.com": "wildcard", "a@b": "ecdsa",
}  # fmt: skip


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_server_names(fresh, certificates, version):
    """In any letter case, with a final dot, or by a wildcard; and no odd name ends the handshake."""
    use(fresh, "ecdsa", "other", "wildcard", certificates=certificates)
    server = start_own(fresh)
    subjects = {"ecdsa": HOSTNAME, "other": OTHER_NAME, "wildcard": "wild.example.com"}
    for name, due in NAMES.items():
        out = s_client(server, version, "-servername", name)
        assert re.search(rf"^subject=CN ?= ?{re.escape(subjects[due])}$", out, re.M), f"{name}: {out}"
    assert " tls-failed " not in server.log, server.log


@both
def test_odd_server_name_with_one_certificate(secured, version):
    with TlsSession(secured) as session:
        session.greet()
        session.starttls(context(None, version), "mail_server")
        assert session.ask("NOOP").startswith("250 ")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_client_abilities_pick(fresh, certificates, version):
    """With an RSA and an ECDSA certificate for one name, the client gets the one that it supports."""
    use(fresh, "ecdsa", "rsa", "other", certificates=certificates)
    server = start_own(fresh)
    # OpenSSL 3.0 shows the key as `rsaEncryption` and the name as `CN = name`, 3.5 as `RSA` and `CN=name`.
    for algorithms, due in (("RSA-PSS+SHA256", "RSA|rsaEncryption"), ("ECDSA+SHA256", "EC|id-ecPublicKey")):
        out = s_client(server, version, "-sigalgs", algorithms, "-servername", HOSTNAME)
        assert re.search(rf"PKEY: ({due}),", out), out
        assert re.search(rf"CN ?= ?{HOSTNAME}", out), out


@both
@pytest.mark.parametrize("ends", ["idle", "session too long", "stopped"])
def test_the_server_ends(secured, version, ends):
    """The replies at a timeout, or when the server is stopped, are also sent in TLS, and logged."""
    secured.build(**{"idle": {"idle_timeout": "1s"}, "session too long": {"session_timeout": "1s"}}.get(ends, {}))
    with TlsSession(secured) as session:
        session.greet()
        session.starttls(context(secured.certificates, version))
        session.ask("EHLO client.example")
        if ends == "stopped":
            session.process.terminate()
        assert session.reply().startswith("421 4.3.2 " if ends == "stopped" else "421 4.4.2 ")
        assert session.rest() == b"" and session.notified
    assert f'reason="{ends}"' in session.log or f"reason={ends} " in session.log


def test_renewed_certificate(fresh, certificates):
    """It is used from the next connection."""
    use(fresh, "ecdsa", certificates=certificates)
    server = start_own(fresh)
    for now, due in (("ecdsa", "ecdsa"), ("renewed", "renewed"), ("rsa", "rsa")):
        for suffix in ("key", "crt"):
            new = fresh.etc / "new"
            new.write_bytes((certificates / f"{now}.{suffix}").read_bytes())
            new.rename(fresh.etc / f"ecdsa.{suffix}")
        line = connect_tls(server)
        line.greet()
        line.starttls(context(certificates))
        assert line.tls.getpeercert(True) == der_of(certificates / f"{due}.crt")
        line.close()


# ---- time --------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["smtp", "submissions"])
@pytest.mark.parametrize("how", ["silent", "trickles"])
def test_handshake_has_a_deadline(secured, role, how):
    """A client that sends nothing, or too little, is disconnected in time."""
    secured.build(idle_timeout="1s")
    hello = ssl.MemoryBIO()
    trying = context().wrap_bio(ssl.MemoryBIO(), hello)
    with pytest.raises(ssl.SSLWantReadError):
        trying.do_handshake()
    drip = hello.read() if how == "trickles" else b""
    with TlsSession(secured, args=("-r", role)) as session:
        if role == "smtp":
            session.greet()
            assert session.ask("STARTTLS").startswith("220 ")
        for byte in drip:
            if not session.try_send(bytes([byte])):
                break
            try:
                session.buffer += session.read(0.1)
                break
            except TimeoutError:
                pass
        else:
            assert how == "silent", "the server waited longer than the deadline"
        rest = session.rest()
        assert rest == b"" or rest[0] == 0x15, rest
        assert session.process.wait(20) == 0
    assert " reason=idle " in session.log, session.log


def test_client_that_ends_in_the_handshake(secured):
    with TlsSession(secured, args=("-r", "submissions")) as session:
        session.sock.shutdown(socket.SHUT_WR)
        assert session.rest() == b""
    assert " tls-failed " in session.log
