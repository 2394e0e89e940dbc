"""SCRAM-SHA-256 and -PLUS by hand (RFC 5802, 7677, 5929, 9266), non-ASCII passwords, hashes made elsewhere."""

import base64
import ctypes
import hashlib
import hmac
import re
import shutil
import ssl
import unicodedata

import pytest
from basics import skip_because
from world import World
from test_auth import ALICE, EHLO
from tls import PASSWORD, TlsSession, b64, context, offered, plain, session_in_tls, set_password, use, with_tickets

TEXT = b"Subject: t\n\nx\n"
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def digest(key, text):
    return hmac.new(key, text, "sha256").digest()


def exclusive_or(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


class Scram:
    """The client's side; tests can make its messages wrong."""

    def __init__(self, user=ALICE, password=PASSWORD, header="n,,", binding=b"", nonce="rOprNGfwEbeRWgbNEkqO"):
        self.header, self.binding, self.nonce = header.encode(), binding, nonce
        self.password = password.encode() if isinstance(password, str) else password
        name = user.replace("=", "=3D").replace(",", "=2C")
        self.bare = f"n={name},r={nonce}".encode()

    def first(self):
        return self.header + self.bare

    def keys(self):
        salted = hashlib.pbkdf2_hmac("sha256", self.password, self.salt, self.iterations)
        client = digest(salted, b"Client Key")
        return client, hashlib.sha256(client).digest(), digest(salted, b"Server Key")

    def final(self, challenge, header=None, nonce=None, extension=b""):
        fields = dict(field.split("=", 1) for field in challenge.split(","))
        self.salt, self.iterations = base64.b64decode(fields["s"], validate=True), int(fields["i"])
        assert fields["r"].startswith(self.nonce) and len(fields["r"]) >= len(self.nonce) + 16
        bound = base64.b64encode((header or self.header) + self.binding)
        last = b"c=" + bound + b",r=" + (nonce or fields["r"]).encode() + extension
        self.messages = self.bare + b"," + challenge.encode() + b"," + last
        client, stored, _ = self.keys()
        return last + b",p=" + base64.b64encode(exclusive_or(client, digest(stored, self.messages)))

    def signature(self):
        return b"v=" + base64.b64encode(digest(self.keys()[2], self.messages))


def unwrap(reply):
    assert reply.startswith("334 "), reply
    return base64.b64decode(reply[4:], validate=True).decode()


def begin(session, scram, mechanism="SCRAM-SHA-256", initial=True):
    """Begins the exchange; returns the challenge."""
    if initial:
        return unwrap(session.ask(f"AUTH {mechanism} {b64(scram.first())}"))
    assert session.ask(f"AUTH {mechanism}") == "334 "
    return unwrap(session.ask(b64(scram.first())))


def log_in(session, scram, mechanism="SCRAM-SHA-256", initial=True, **final):
    """Logs in and verifies the server's signature; returns the last reply."""
    reply = session.ask(b64(scram.final(begin(session, scram, mechanism, initial), **final)))
    if reply.startswith("334 "):
        assert unwrap(reply).encode() == scram.signature(), "the server does not know the password"
        reply = session.ask("")
    return reply


def bound(world, version, kind, tmp_path):
    """A session in this version of TLS, and the bytes of this kind of channel binding."""
    client = context(world.certificates, version)
    client.keylog_filename = tmp_path / "keylog"
    session = TlsSession(world, args=("-r", "submission"))
    session.greet()
    session.starttls(client)
    session.offered = offered(session.ask(EHLO))
    if kind == "tls-exporter":
        return session, session.exporter(tmp_path / "keylog")
    return session, session.unique() if kind == "tls-unique" else session.end_point()


def test_offered(secured):
    """In TLS, PLUS is offered, and the strongest mechanism comes first."""
    with session_in_tls(secured) as session:
        assert session.offered["AUTH"] == ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]


def test_not_offered_without_verifiers(fresh, certificates):
    """Nobody could use SCRAM."""
    use(fresh, "ecdsa", certificates=certificates)
    with session_in_tls(fresh) as session:
        assert session.offered["AUTH"] == ["PLAIN", "LOGIN"]
        assert session.ask("AUTH SCRAM-SHA-256").startswith("504 5.5.4 ")


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("header", ["n,,", f"n,a={ALICE},", "n,a=Alice@EXAMPLE.org,"])
def test_success(secured, initial, header):
    with session_in_tls(secured) as session:
        assert log_in(session, Scram(header=header), initial=initial).startswith("235 2.7.0 ")
        assert session.transaction([ALICE], TEXT, ALICE).startswith("250 ")
    assert re.search(rf" authenticated peer=local user={ALICE} mechanism=SCRAM-SHA-256 ", session.log, re.M)


def test_success_without_tls(secured):
    """`y` is correct if PLUS is not offered."""
    secured.build(auth_without_tls="yes")
    for header in ("n,,", "y,,"):
        with TlsSession(secured, args=("-r", "submission")) as session:
            session.greet()
            assert log_in(session, Scram(header=header)).startswith("235 ")
            assert log_in_refused(session)


def log_in_refused(session):
    return session.ask("AUTH SCRAM-SHA-256").startswith("503 ")


BINDINGS = [
    (V13, "tls-exporter"), (V13, "tls-server-end-point"), (V12, "tls-exporter"), (V12, "tls-unique"),
    (V12, "tls-server-end-point"),
]  # fmt: skip
bindings = pytest.mark.parametrize("version, kind", BINDINGS, ids=[f"{v.name}-{k}" for v, k in BINDINGS])


@bindings
def test_plus(secured, version, kind, tmp_path):
    session, binding = bound(secured, version, kind, tmp_path)
    with session:
        assert log_in(session, Scram(header=f"p={kind},,", binding=binding), "SCRAM-SHA-256-PLUS").startswith("235 ")
    assert f"user={ALICE} mechanism=SCRAM-SHA-256-PLUS" in session.log


@bindings
def test_plus_of_another_connection(secured, version, kind, tmp_path):
    """An attacker in the middle has a connection to each side, with different bindings."""
    session, binding = bound(secured, version, kind, tmp_path)
    wrong = bytes([binding[0] ^ 1]) + binding[1:]
    with session:
        for bytes_ in (wrong, b"", binding[:-1], binding + b"\0"):
            scram = Scram(header=f"p={kind},,", binding=bytes_)
            reply = log_in(session, scram, "SCRAM-SHA-256-PLUS")
            assert reply.startswith("535 5.7.8 ")
            if session.log.count("auth failed") == 3:
                break


@pytest.mark.parametrize("version", [V12, V13])
def test_plus_in_a_resumed_session(fresh, certificates, version):
    """The server cannot know which of its certificates the client has seen, so it accepts a binding to any of them."""
    use(fresh, "rsa", "ecdsa", certificates=certificates)
    set_password(fresh, ALICE)
    with_tickets(fresh)
    client, kind, ticket = context(certificates, version), "tls-server-end-point", None
    for resumed in (False, True):
        with TlsSession(fresh, args=("-r", "submission")) as session:
            session.greet()
            session.starttls(client, session=ticket)
            session.ask(EHLO)
            scram = Scram(header=f"p={kind},,", binding=session.end_point())
            assert log_in(session, scram, "SCRAM-SHA-256-PLUS").startswith("235 ")
            ticket = session.tls.session
        assert ("resumed=yes" in session.log) is resumed


@pytest.mark.parametrize("extended", [True, False])
def test_unique_in_a_resumed_session(secured, extended):
    """RFC 7677 section 4: only with the extended master secret; otherwise two connections could have the same binding."""
    no_extended_master_secret = 1  # OpenSSL's SSL_OP_NO_EXTENDED_MASTER_SECRET
    with_tickets(secured)
    client, ticket = context(secured.certificates, V12), None
    client.options |= 0 if extended else no_extended_master_secret
    for resumed in (False, True):
        with TlsSession(secured, args=("-r", "submission")) as session:
            session.greet()
            session.starttls(client, session=ticket)
            session.ask(EHLO)
            scram = Scram(header="p=tls-unique,,", binding=session.unique())
            good = extended or not resumed
            assert log_in(session, scram, "SCRAM-SHA-256-PLUS").startswith("235 " if good else "535 ")
            ticket = session.tls.session
        assert ("resumed=yes" in session.log) is resumed


def test_plus_with_an_unavailable_binding(secured, tmp_path):
    """tls-unique does not exist in TLS 1.3; other names are unknown."""
    for kind in ("tls-unique", "tls-nonsense", "TLS-EXPORTER"):
        session, binding = bound(secured, V13, "tls-exporter", tmp_path)
        with session:
            reply = session.ask("AUTH SCRAM-SHA-256-PLUS " + b64(Scram(header=f"p={kind},,").first()))
            if reply.startswith("334 "):
                for value in (binding, b""):
                    scram = Scram(header=f"p={kind},,", binding=value)
                    session.ask("*") if value == binding else None
                    assert log_in(session, scram, "SCRAM-SHA-256-PLUS").startswith("535 ")
            else:
                assert reply[:3] in ("535", "501"), reply


# ---- refused -----------------------------------------------------------------------------------


def refused(session):
    """Is there exactly one line of a refusal in the log?"""
    assert re.search(rf"auth failed peer=local user={ALICE} mechanism=SCRAM-SHA-256(-PLUS)? ", session.log, re.M), session.log


def test_wrong_password(secured):
    with session_in_tls(secured) as session:
        assert log_in(session, Scram(password="wrong")).startswith("535 5.7.8 ")
        refused(session)
        assert log_in(session, Scram()).startswith("235 ")


def test_third_failure_closes(secured):
    with session_in_tls(secured) as session:
        for _ in range(3):
            assert log_in(session, Scram(password="wrong")).startswith("535 5.7.8 ")
        assert session.rest() == b""


def test_downgrade(secured):
    """`y`: the client supports PLUS and did not see it offered, so somebody has removed it from our reply."""
    with session_in_tls(secured) as session:
        assert session.ask("AUTH SCRAM-SHA-256 " + b64(Scram(header="y,,").first())).startswith("535 5.7.8 ")
    assert len(re.findall("auth failed", session.log)) == 1


def test_nonce(secured):
    """RFC 7677, 5802: the client must repeat the whole nonce of the server."""
    for change in (lambda n: n[:-1], lambda n: n + "x", lambda n: n[:20], lambda n: n[:-1] + ("A" if n[-1] != "A" else "B")):
        with session_in_tls(secured) as session:
            scram = Scram()
            challenge = begin(session, scram)
            nonce = re.match("r=([^,]+)", challenge).group(1)
            assert session.ask(b64(scram.final(challenge, nonce=change(nonce)))).startswith("535 5.7.8 ")
            refused(session)


def test_header_changed_later(secured):
    """c= must contain the header of the first message."""
    for header in (b"y,,", b"n,a=bob@example.org,", b"p=tls-exporter,,"):
        with session_in_tls(secured) as session:
            assert log_in(session, Scram(), header=header).startswith("535 5.7.8 ")


def test_replay(secured):
    """Messages recorded in one session are of no use in another."""
    with session_in_tls(secured) as session:
        scram = Scram()
        proof = b64(scram.final(begin(session, scram)))
        assert session.ask(proof).startswith("334 ")
        session.ask("")
    with session_in_tls(secured) as session:
        begin(session, Scram())
        assert session.ask(proof).startswith("535 5.7.8 ")


def test_nonces_differ(secured):
    seen = set()
    for _ in range(3):
        with session_in_tls(secured) as session:
            for _ in range(3):
                seen.add(re.match("r=([^,]+)", begin(session, Scram())).group(1))
                session.ask("*")
    assert len(seen) == 9


def test_identity_of_another(secured):
    for identity in ("bob@example.org", "nobody", "root"):
        with session_in_tls(secured) as session:
            assert log_in(session, Scram(header=f"n,a={identity},")).startswith("535 5.7.8 ")


MALFORMED = [
    b"", b"n", b"n,", b"n,,", b"n,,n=", b"n,,n=,r=x", b"n,,n=a,r=", b"n,,n=a", b"x,,n=a,r=b", b"n,n=a,r=b", b"n,,r=b,n=a",
    b"n,,n=a=,r=b", b"n,,n=a=2,r=b", b"n,,n=a=2c,r=b", b"n,,n=a=41,r=b", b"p=,,n=a,r=b", b"n,,n=a\0,r=b", b"n,,n=a,r=\x01",
    b"n,,m=x,n=a,r=b", b"n,,n=a,r=" + b"x" * 300, b"n,,n=" + b"x" * 512 + b",r=b", b"n,,n=a,r=b" + b"x" * 8000, b"N,,n=a,r=b",
    b"p=tls-exporter,,n=a,r=b", b"n,a=,n=a,r=b", b"n,b=x,n=a,r=b",
]  # fmt: skip


@pytest.mark.parametrize("message", MALFORMED, ids=lambda m: repr(m[:24]))
def test_malformed_first(secured, message):
    with session_in_tls(secured) as session:
        assert session.ask("AUTH SCRAM-SHA-256").startswith("334 ")
        assert session.ask(b64(message)).startswith("501 5.5.2 ")
        assert log_in(session, Scram()).startswith("235 ")


@pytest.mark.parametrize(
    "change",
    [
        lambda m: b"",
        lambda m: m.rpartition(b",p=")[0],
        lambda m: m.rpartition(b",p=")[0] + b",p=",
        lambda m: m.rpartition(b",p=")[0] + b",p=AAAA",
        lambda m: m + b",x=y",
        lambda m: m[2:],
        lambda m: m.replace(b",r=", b",s="),
        lambda m: m + b"\0",
        lambda m: m[:-1] + b"!",
        lambda m: m + b"x" * 5000,
    ],
)
def test_malformed_final(secured, change):
    with session_in_tls(secured) as session:
        scram = Scram()
        challenge = begin(session, scram)
        assert session.ask(b64(change(scram.final(challenge)))).startswith("501 5.5.2 ")
        assert log_in(session, Scram()).startswith("235 ")


def test_extensions_are_signed_and_ignored(secured):
    with session_in_tls(secured) as session:
        assert log_in(session, Scram(), extension=b",x=y,z=1").startswith("235 ")


def test_cancelled_at_each_step(secured):
    with session_in_tls(secured) as session:
        assert session.ask("AUTH SCRAM-SHA-256").startswith("334 ")
        assert session.ask("*").startswith("501 5.7.0 ")
        begin(session, Scram())
        assert session.ask("*").startswith("501 5.7.0 ")
        scram = Scram()
        assert session.ask(b64(scram.final(begin(session, scram)))).startswith("334 ")
        assert session.ask("*").startswith("501 5.7.0 ")  # a client that does not accept our signature
        assert session.ask(f"MAIL FROM:<{ALICE}>").startswith("530 5.7.0 ")
        # ... or that only wanted to test the password; therefore this is logged.
        assert session.log.count(f" user={ALICE} mechanism=SCRAM-SHA-256 ") == 1 and "authenticated peer=" in session.log
        assert log_in(session, Scram()).startswith("235 ")


def parameters(world, name):
    with session_in_tls(world) as session:
        fields = dict(field.split("=", 1) for field in begin(session, Scram(user=name)).split(","))
        session.ask("*")
    return fields["s"], fields["i"]


def test_user_enumeration_by_salt(secured):
    """An unknown user has a salt too: always the same one, different from others, and of the same form as a real one."""
    set_password(secured, "closed@example.org")
    names = ["nobody@example.org", "nobody2@example.org", "bob@example.org", "closed@example.org", "x@elsewhere.example", "no address"]
    first = {name: parameters(secured, name) for name in names}
    assert len({salt for salt, _ in first.values()}) == len(names)
    assert first == {name: parameters(secured, name) for name in names}
    real = parameters(secured, ALICE)
    for salt, iterations in first.values():
        assert len(base64.b64decode(salt)) == len(base64.b64decode(real[0])) and iterations == real[1]
    secured.build()  # a new database does not change the salts
    assert first == {name: parameters(secured, name) for name in names}
    for name in names:
        with session_in_tls(secured) as session:
            assert log_in(session, Scram(user=name)).startswith("535 5.7.8 ")


# ---- forms of a password -----------------------------------------------------------------------

# Composed and decomposed, compatibility characters, a no-break space, a soft hyphen that SASLprep removes.
FORMS = ["Pässwörd für alle", "Ⅸ ﬁnally ＡＢＣ ²", "p\xa0a\xadss wor\u200bd", "пароль-пароль", "密码很长也不容易猜", "🔑🗝🔒🔓🔐🔏🚪🏠"]


def saslprep(text):
    """RFC 4013, as far as these passwords need it."""
    gone = "".join(" " if c in "\xa0" else c for c in text if c not in "\xad\u200b")
    return unicodedata.normalize("NFKC", gone)


def opaque(text):
    """RFC 8265 OpaqueString."""
    return unicodedata.normalize("NFC", "".join(" " if unicodedata.category(c) == "Zs" else c for c in text))


@pytest.mark.parametrize("password", FORMS)
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_password_in_every_form(secured, password, typed):
    """The password is set once, in the form that the terminal produced; each client sends its own form."""
    typed_as = unicodedata.normalize(typed, password)
    set_password(secured, ALICE, typed_as)
    forms = {"as it was typed": typed_as, "SASLprep": saslprep(password), "OpaqueString": opaque(password)}
    forms |= {form: unicodedata.normalize(form, password) for form in ("NFC", "NFD")}
    for name, form in forms.items():
        with session_in_tls(secured) as session:
            assert session.ask(plain(ALICE, form)).startswith("235 "), f"PLAIN, {name}"
    for name in ("SASLprep", "OpaqueString"):
        with session_in_tls(secured) as session:
            assert log_in(session, Scram(password=forms[name])).startswith("235 "), f"SCRAM, {name}"
    with session_in_tls(secured) as session:
        assert session.ask(plain(ALICE, password + "x")).startswith("535 ")


# ---- hashes made elsewhere ---------------------------------------------------------------------


def crypt(password, setting):
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    made = library.crypt(password, setting.encode())
    if not made or made.startswith(b"*"):
        skip_because(f"crypt(3) here does not know {setting}")
    return made.decode()


def give(world, credentials):
    world.users = [f"{ALICE}:{credentials}:" if u.startswith(ALICE) else u for u in world.users]
    return world.build()


@pytest.mark.parametrize(
    "prefix, setting",
    [
        ("", "$6$saltsalt$"), ("", "$5$saltsalt$"), ("", "$1$saltsalt$"), ("", "$2y$05$abcdefghijklmnopqrstuu"),
        ("", "$y$j9T$saltsaltsaltsalt$"), ("{CRYPT}", "$6$saltsalt$"), ("{SHA512-CRYPT}", "$6$saltsalt$"),
        ("{SHA256-CRYPT}", "$5$saltsalt$"), ("{MD5-CRYPT}", "$1$saltsalt$"), ("{BLF-CRYPT}", "$2y$05$abcdefghijklmnopqrstuu"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("password", [b"an old password", "Pässwörd".encode("latin-1"), "Pa\u0308ssword".encode()], ids=["ASCII", "Latin-1", "decomposed"])
def test_hash_made_elsewhere(secured, prefix, setting, password):
    """Such a hash is of the bytes as they were typed there, in any encoding."""
    give(secured, prefix + crypt(password, setting))
    with session_in_tls(secured) as session:
        assert session.ask(plain(ALICE, b"wrong")).startswith("535 ")
        assert session.ask(plain(ALICE, password)).startswith("235 ")


def verifier(password, salt=b"0123456789abcdef", iterations=5000):
    scram = Scram(password=password)
    scram.salt, scram.iterations = salt, iterations
    _, stored, server = scram.keys()
    return ",".join([str(iterations), *(base64.b64encode(x).decode() for x in (salt, stored, server))])


def test_verifier_alone(secured):
    """A user with only a {SCRAM-SHA-256} verifier made elsewhere can also use PLAIN and LOGIN."""
    give(secured, "{SCRAM-SHA-256}" + verifier(PASSWORD))
    assert parameters(secured, ALICE) == (b64("0123456789abcdef"), "5000")
    for attempt in (plain(ALICE), None):
        with session_in_tls(secured) as session:
            assert session.ask(plain(ALICE, "wrong")).startswith("535 ")
            reply = session.ask(attempt) if attempt else log_in(session, Scram())
            assert reply.startswith("235 "), reply
    with session_in_tls(secured) as session:
        session.ask("AUTH LOGIN " + b64(ALICE))
        assert session.ask(b64(PASSWORD)).startswith("235 ")


def test_two_servers_give_the_same_salts(secured, tmp_path):
    """The secret for the salts of unknown users is in the database, so a copy on another machine gives the same ones."""
    (tmp_path / "copy").mkdir()
    other = use(World(tmp_path / "copy"), "ecdsa", certificates=secured.certificates)
    shutil.copy(secured.db, other.db)
    assert parameters(secured, "nobody") == parameters(other, "nobody")
