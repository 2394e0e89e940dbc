"""mailslot-relay: each mechanism of AUTH, and passwords that go nowhere else."""

import base64
import hashlib
import os
import re
import ssl

import pytest

from basics import sanitized
from hop import server_context
from relaying import SECRET, USER, Relay, settings
from seal import image_of, seal
from test_relay import GREETING, refused
from test_scram import digest, exclusive_or
from tls import b64, expand_label, find_in, memory_of

PASSWORD_MECHANISMS = "LOGIN PLAIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS"
PLAIN = "PLAIN " + b64(f"\0{USER}\0{SECRET}")


@pytest.fixture
def login(fresh, hops, certificates):
    """login(mechanisms, answer): the session, the scripted smarthost, and what AUTH was there."""

    def make(offer, answer="235 2.7.0 Ok", tls="starttls", conf=None, **script):
        offers = [offer] if isinstance(offer, str) else offer
        host = hops("host", tcp=True, tls=tls, extensions=offers, auth=answer, **script)
        conf = {"certificates": certificates, "smarthost_tls": tls or "none", **(conf or {})}
        settings(fresh, host, **conf)
        return Relay(fresh), host

    return make


def said(host):
    return [argument for step, argument in host.steps if step == "auth"]


@pytest.mark.parametrize(
    "offer", ["AUTH PLAIN", "AUTH LOGIN PLAIN", "auth plain", "AUTH=PLAIN", ["AUTH=LOGIN", "AUTH PLAIN"], "AUTH XOAUTH2 CRAM-MD5 PLAIN"]
)
def test_plain(login, offer):
    session, host = login(offer)
    assert session.reply() == GREETING
    assert said(host) == [PLAIN]


def ask_login(session, argument):
    user, password = session.ask("334 " + b64("Username:")), session.ask("334 " + b64("Password:"))
    return "235 Ok" if (argument, user, password) == ("LOGIN", b64(USER), b64(SECRET)) else "535 No"


def test_login(login):
    session, host = login("AUTH LOGIN CRAM-MD5", ask_login)
    assert session.reply() == GREETING and said(host) == ["LOGIN"]


def test_long_password(login):
    """A command has 512 bytes at most; what is longer goes by itself."""
    secret = "x" * 400
    got = []

    def ask(session, argument):
        got.append(session.ask("334 "))
        return "235 Ok"

    session, host = login("AUTH PLAIN", ask, conf=dict(secret=secret))
    assert session.reply() == GREETING
    assert said(host) == ["PLAIN"] and got == [b64(f"\0{USER}\0{secret}")]


def test_nothing_offered(login):
    session, host = login("SIZE 1")
    assert refused(session) == ("4.7.0", "log-in: the host offers no AUTH for passwords")
    session, host = login("AUTH XOAUTH2 CRAM-MD5")
    assert refused(session) == ("4.7.0", "log-in: the host offers no mechanism for passwords")
    session, host = login("AUTH PLAIN LOGIN", conf=dict(token="x"))
    assert refused(session) == ("4.7.0", "log-in: the host offers no mechanism for tokens")
    assert said(host) == []


def test_offers_before_tls_do_not_count(login):
    session, host = login(lambda session: ["AUTH LOGIN"] if session.tls else ["AUTH PLAIN"], ask_login)
    assert session.reply() == GREETING and said(host) == ["LOGIN"]


# ---- where no password goes --------------------------------------------------------------------


# Of the length of `smarthost-tls=implicit`.
MODES = {"none": b"smarthost-tls=none\nx=y\n", "may": b"smarthost-tls=may\nx=yy\n", "starttls": b"smarthost-tls=starttls\n"}


@pytest.mark.parametrize("mode", MODES)
def test_no_password_without_a_verified_certificate(fresh, hops, certificates, mode):
    """mailslot-build refuses such settings; the relay does not rely on it. This machine itself is an exception, by its
    address as such."""
    tls = {} if mode == "none" else {"tls": "starttls", "certificate": "stranger"}
    host = hops("host", tcp=True, extensions=["AUTH PLAIN"], **tls)

    def session(name):
        settings(fresh, f"{name}:{host.port}", certificates=certificates, smarthost_tls="implicit")
        path = fresh.etc / "relay.cdb"
        image = image_of(path.read_bytes())
        path.write_bytes(seal(image.replace(b"smarthost-tls=implicit\n", MODES[mode])))
        return Relay(fresh)

    status, why = refused(session("127.1"))
    assert status == "4.7.0" and said(host) == []
    if mode != "starttls":
        assert why == "log-in: a password is not sent without a verified certificate"
        assert session("127.0.0.1").reply() == GREETING and said(host) == [PLAIN]


# ---- SCRAM -------------------------------------------------------------------------------------


def exporter(session, keylog):
    """RFC 9266, by hand, in TLS 1.3."""
    secrets = dict(re.findall(r"^(\w+) \w+ (\w+)$", keylog.read_text(), re.M))
    algorithm = hashlib.sha384 if "SHA384" in session.tls[0] else hashlib.sha256
    none = algorithm(b"").digest()
    derived = expand_label(bytes.fromhex(secrets["EXPORTER_SECRET"]), b"EXPORTER-Channel-Binding", none, len(none), algorithm)
    return expand_label(derived, b"exporter", none, 32, algorithm)


class Scram:
    """The server's side; tests can make its messages wrong."""

    def __init__(self, password=SECRET, iterations=4096, nonce="", proof=None, keylog=None, signature=True, early=False):
        self.password, self.iterations, self.nonce, self.keylog = password.encode(), iterations, nonce, keylog
        self.signature, self.early, self.header, self.proof = signature, early, None, proof
        self.good = None

    def __call__(self, session, argument):
        mechanism, _, first = argument.partition(" ")
        first = base64.b64decode(first).decode()
        self.header, bare = re.fullmatch(r"([ny]|p=[a-z-]+)(,,.*)", first).groups()
        bare = bare[2:]
        nonce = dict(f.split("=", 1) for f in bare.split(","))["r"] + "server"
        salt = b"0123456789abcdef"
        challenge = f"r={self.nonce or nonce},s={b64(salt)},i={self.iterations}"
        final = session.ask("334 " + b64(challenge))
        if final == "*" or self.early:
            return "235 Ok" if self.early else "501 cancelled"
        final = base64.b64decode(final).decode()
        without, _, proof = final.rpartition(",p=")
        bound = base64.b64decode(dict(f.split("=", 1) for f in without.split(","))["c"])
        binding = b""
        if self.header == "p=tls-exporter":
            binding = exporter(session, self.keylog)
        elif self.header == "p=tls-unique":
            binding = session.sock.get_channel_binding("tls-unique")
        salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, self.iterations)
        client, server = digest(salted, b"Client Key"), digest(salted, b"Server Key")
        messages = f"{bare},{challenge},{without}".encode()
        self.good = bound == f"{self.header},,".encode() + binding and exclusive_or(
            base64.b64decode(proof), digest(hashlib.sha256(client).digest(), messages)
        ) == client
        if not self.good:
            return "535 5.7.8 No"
        signature = digest(server, messages) if self.signature else b"x" * 32
        assert session.ask("334 " + b64(b"v=" + base64.b64encode(signature))) == ""
        return "235 2.7.0 Ok"


def test_scram(login):
    server = Scram()
    session, host = login("AUTH PLAIN LOGIN SCRAM-SHA-256", server)
    assert session.reply() == GREETING and server.good
    assert said(host)[0].startswith("SCRAM-SHA-256 ") and server.header in "ny"
    assert not any(SECRET.encode() in one.received or b64(SECRET).encode() in one.received for one in host.sessions)
    assert "log-in SCRAM-SHA-256," in session.log()


@pytest.mark.parametrize("version, kind", [(ssl.TLSVersion.TLSv1_3, "tls-exporter"), (ssl.TLSVersion.TLSv1_2, "tls-unique")])
def test_scram_plus(login, certificates, tmp_path, version, kind):
    context = server_context(certificates)
    context.minimum_version = context.maximum_version = version
    context.keylog_filename = tmp_path / "keylog"
    server = Scram(keylog=tmp_path / "keylog")
    session, host = login("AUTH " + PASSWORD_MECHANISMS, server, context=context)
    greeting = session.reply()
    assert said(host)[0].startswith("SCRAM-SHA-256-PLUS ")
    assert server.header == "p=" + kind
    assert greeting == GREETING and server.good and "log-in SCRAM-SHA-256-PLUS," in session.log()


def test_scram_plus_without_tls(login):
    """What there is nothing to bind to is not used."""
    session, host = login("AUTH " + PASSWORD_MECHANISMS, Scram(), tls=None)
    assert session.reply() == GREETING
    assert said(host)[0].startswith("SCRAM-SHA-256 ")


WRONG = {
    "password": (dict(password="another"), "535 5.7.8 No"),
    "signature": (dict(signature=False), "the host has not proved that it knows the password"),
    "early": (dict(early=True), "the host has not proved that it knows the password"),
    "nonce": (dict(nonce="another"), "the host has not proved that it knows the password"),
    "iterations": (dict(iterations=100000000), "the host has not proved that it knows the password"),
}


@pytest.mark.parametrize("what", WRONG)
def test_scram_that_fails(login, what):
    """A host that does not know the password, or asks for too much, gets no mail; and no password by another mechanism."""
    wrong, why = WRONG[what]
    session, host = login("AUTH PLAIN LOGIN SCRAM-SHA-256", Scram(**wrong))
    assert refused(session) == ("4.7.0", f"log-in: SCRAM-SHA-256: {why}")
    assert len(said(host)) == 1


def test_without_libgsasl(login, fresh, tmp_path):
    """PLAIN, then."""
    (tmp_path / "libgsasl.so.18").write_bytes(b"not a library")
    session, host = login("AUTH PLAIN SCRAM-SHA-256", "235 Ok")
    refused(session)
    host.steps.clear()
    session = Relay(fresh, env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)})
    assert session.reply() == GREETING and said(host) == [PLAIN]


# ---- tokens ------------------------------------------------------------------------------------


TOKEN = "ya29." + "t" * 1500


def ask_token(due):
    def ask(session, argument):
        got = session.ask("334 ")
        return "235 Ok" if base64.b64decode(got).decode() == due(session) else "535 No"

    return ask


def test_oauthbearer(login):
    ask = ask_token(lambda s: f"n,a={USER},\1host=127.0.0.1\1port={s.hop.port}\1auth=Bearer {TOKEN}\1\1")
    session, host = login("AUTH PLAIN XOAUTH2 OAUTHBEARER", ask, conf=dict(token=TOKEN))
    assert session.reply() == GREETING and said(host) == ["OAUTHBEARER"]


def test_xoauth2(login):
    ask = ask_token(lambda s: f"user={USER}\1auth=Bearer {TOKEN}\1\1")
    session, host = login("AUTH PLAIN XOAUTH2", ask, conf=dict(token=TOKEN))
    assert session.reply() == GREETING and said(host) == ["XOAUTH2"]


@pytest.mark.parametrize("mechanism, due", [("XOAUTH2", ""), ("OAUTHBEARER", "AQ==")])
def test_refused_token(login, mechanism, due):
    """The host tells why in a challenge, which has to be answered."""
    got = []

    def ask(session, argument):
        got.append(session.ask("334 " + b64('{"status":"401"}')))
        return "535 5.7.8 Username and token not accepted"

    session, host = login("AUTH " + mechanism, ask, conf=dict(token="short"))
    assert refused(session) == ("4.7.0", f"log-in: {mechanism}: 535 5.7.8 Username and token not accepted")
    assert got == [due]


def test_new_token(login, fresh):
    """The file is read at each log-in."""
    session, host = login("AUTH XOAUTH2", conf=dict(token="old"))
    assert session.reply() == GREETING
    (fresh.etc / "token").write_text("new\n")
    assert Relay(fresh).reply() == GREETING
    assert [base64.b64decode(a.split()[1]).decode().split("\1")[1] for a in said(host)] == ["auth=Bearer old", "auth=Bearer new"]


def accept_login(session, argument):
    return session.ask("334 ") and session.ask("334 ") and "235 Ok"


# ---- memory ------------------------------------------------------------------------------------


@pytest.mark.skipif(sanitized(), reason="sanitizers keep freed memory")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "XOAUTH2", "OAUTHBEARER"])
def test_no_secret_in_memory(login, certificates, tmp_path, mechanism):
    """Of the process that hands through; neither in clear nor in base64, wherever it begins."""
    context = server_context(certificates)
    context.keylog_filename = tmp_path / "keylog"
    token = "OAUTH" in mechanism
    answer = accept_login if mechanism == "LOGIN" else "235 Ok"
    secret = "".join(f"{i:02}-" for i in range(24))  # long: the C library writes over the beginning of what is freed
    answer = Scram(password=secret, keylog=tmp_path / "keylog") if "SCRAM" in mechanism else answer
    session, host = login(f"AUTH {mechanism}", answer, context=context, conf={"token" if token else "secret": secret})
    assert session.reply() == GREETING
    assert session.ask("EHLO a")
    texts = [secret.encode()] + [base64.b64encode(b"x" * i + secret.encode())[4:-4] for i in range(3)]
    held = memory_of(session.process.pid)
    assert find_in(held, [b"smarthost-"]), "the search finds nothing at all"
    assert find_in(held, [text[at : at + 16] for text in texts for at in range(0, len(text) - 16, 8)]) == []
