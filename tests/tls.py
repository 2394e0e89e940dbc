"""TLS for the tests: certificates, made once per run; a client that sees and splits TLS records; a world that serves TLS."""

import base64
import hashlib
import hmac
import math
import os
import re
import ssl
import subprocess
import warnings
from pathlib import Path
from types import SimpleNamespace

from basics import HOSTNAME, WITHOUT_LEAKS, binary, needs
from client import Line, Session

PASSWORD = "correct horse battery"
OTHER_NAME = "mail.example.net"

SERVER = "tls_www_server\nsigning_key\nencryption_key\n"
CLIENT = "tls_www_client\nsigning_key\n"
HOST = f"cn = {HOSTNAME}\ndns_name = {HOSTNAME}\ndns_name = localhost\nip_address = 127.0.0.1\n"

# name: (key type, signer, template)
CERTIFICATES = {
    "ca": ("ecdsa", None, "cn = Test CA\nca\ncert_signing_key\n"),
    "ecdsa": ("ecdsa", "ca", HOST + SERVER),
    "renewed": ("ecdsa", "ca", HOST + SERVER),
    "rsa": ("rsa", "ca", HOST + SERVER),
    "other": ("ecdsa", "ca", f"cn = {OTHER_NAME}\ndns_name = {OTHER_NAME}\n" + SERVER),
    "wildcard": ("ecdsa", "ca", "cn = wild.example.com\ndns_name = *.example.com\ndns_name = exact.example.net\n" + SERVER),
    "expired": ("ecdsa", "ca", HOST + SERVER),
    "client-only": ("ecdsa", "ca", HOST + CLIENT),
    "client-ca": ("ecdsa", None, "cn = Client CA\nca\ncert_signing_key\n"),
    "alice": ("ecdsa", "client-ca", "cn = Alice\nemail = alice@example.org\n" + CLIENT),
    "relay": ("rsa", "client-ca", "cn = relay.client.example\n" + CLIENT),
    "closed": ("ecdsa", "client-ca", "cn = Closed\nemail = closed@example.org\n" + CLIENT),
    "server-only": ("ecdsa", "client-ca", "cn = x\nemail = alice@example.org\n" + SERVER),
    "host": ("ecdsa", "client-ca", "dns_name = relay.client.example\n" + SERVER),
    "old-client": ("ecdsa", "client-ca", "cn = Alice\nemail = alice@example.org\n" + CLIENT),
    "stranger-ca": ("ecdsa", None, "cn = Client CA\nca\ncert_signing_key\n"),
    "stranger": ("ecdsa", "stranger-ca", "cn = Alice\nemail = alice@example.org\n" + CLIENT),
}


def certtool(*argv):
    done = subprocess.run(["certtool", *map(str, argv)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_certificates(folder):
    """All of CERTIFICATES, as NAME.crt and NAME.key."""
    needs("certtool")
    for name, (kind, signer, template) in CERTIFICATES.items():
        valid = "expiration_days = 300\n"
        if name in ("expired", "old-client"):
            valid = 'activation_date = "2020-01-01 00:00:00"\nexpiration_date = "2020-02-01 00:00:00"\n'
        (folder / name).with_suffix(".cfg").write_text(template + valid)
        key, path = folder / f"{name}.key", folder / f"{name}.crt"
        more = ["--bits", "2048"] if kind == "rsa" else ["--curve", "secp256r1"]
        certtool("--generate-privkey", "--key-type", kind, *more, "--outfile", key)
        how = ["--generate-self-signed"]
        if signer:
            how = ["--generate-certificate", "--load-ca-certificate", folder / f"{signer}.crt"]
            how += ["--load-ca-privkey", folder / f"{signer}.key"]
        certtool(*how, "--load-privkey", key, "--template", folder / f"{name}.cfg", "--outfile", path)
    return folder


def rsa_key(exponent, kind="rsa", bits=2048):
    """A private key in PEM, for rsa or rsa-pss, with this public exponent or the next possible one."""
    p, q = (int(subprocess.run(["openssl", "prime", "-generate", "-bits", str(bits // 2)], capture_output=True).stdout) for _ in "pq")
    while math.gcd(exponent, (p - 1) * (q - 1)) != 1:
        exponent += 2
    d = pow(exponent, -1, (p - 1) * (q - 1))

    def tagged(tag, body):
        size = len(body).to_bytes(2, "big")
        return bytes([tag, 0x82]) + size + body

    numbers = (0, p * q, exponent, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    body = b"".join(tagged(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in numbers)
    key = tagged(0x30, body)
    if kind == "rsa":
        name = "RSA PRIVATE KEY"
    else:  # PKCS #8, with id-RSASSA-PSS
        name, oid = "PRIVATE KEY", bytes.fromhex("06092a864886f70d01010a")
        key = tagged(0x30, b"\2\1\0" + tagged(0x30, oid) + tagged(4, key))
    return f"-----BEGIN {name}-----\n{base64.encodebytes(key).decode()}-----END {name}-----\n"


def der_of(path):
    return ssl.PEM_cert_to_DER_cert(Path(path).read_text())


def use(world, *names, certificates, **conf):
    """Builds the configuration with these certificates, copied into its folder."""
    world.etc.mkdir(mode=0o700, exist_ok=True)
    for name in names:
        for suffix in ("crt", "key"):
            copy = world.etc / f"{name}.{suffix}"
            copy.write_bytes((certificates / copy.name).read_bytes())
            copy.chmod(0o600)
    world.certificates = certificates
    return world.build(
        tls_certificate=[f"{n}.crt" for n in names], tls_key=[f"{n}.key" for n in names], **conf
    )


def run_user(world, *argv, given=""):
    """Runs mailslot-user with a password on standard input. The next build() keeps the users that it wrote."""
    argv = [binary("mailslot-user"), "-C", str(world.etc), *argv]
    done = subprocess.run(
        argv, input=given, capture_output=True, timeout=60, encoding="utf-8", errors="surrogateescape", env=WITHOUT_LEAKS
    )
    assert done.returncode == 0, done.stderr
    world.users = (world.etc / "users").read_text(errors="surrogateescape").splitlines()


_lines = {}  # by address and password: what mailslot-user has made of `ADDRESS::` in `users`


def set_password(world, address, password=PASSWORD):
    """Hashing takes long, so the same line serves all tests."""
    line, key = f"{address}::", (address, password)
    if line in world.users and key in _lines:
        world.users[world.users.index(line)] = _lines[key]
        world.build()
        return
    at = world.users.index(line) if line in world.users else None
    run_user(world, "passwd", address, given=password + "\n")
    if at is not None:
        _lines[key] = world.users[at]


def with_tickets(world, tickets="yes"):
    world.build(tls_tickets=tickets)
    done = subprocess.run([binary("mailslot-build"), "--ticket-secret", "-C", world.etc], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    secret = world.etc / "ticket-secret"
    assert secret.stat().st_size == 64 and secret.stat().st_mode & 0o027 == 0
    return world


def context(certificates=None, version=None, client=None, ciphers=None):
    """A client's SSL context; it verifies the server if it is given certificates."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificates is None:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    else:
        made.load_verify_locations(certificates / "ca.crt")
    if version:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecated versions are wanted here
            made.minimum_version = made.maximum_version = version
    if ciphers:
        made.set_ciphers(ciphers)
    if client:
        made.load_cert_chain(certificates / f"{client}.crt", certificates / f"{client}.key")
    return made


def client_hello():
    """The first record of a client's handshake."""
    said = ssl.MemoryBIO()
    try:
        context().wrap_bio(ssl.MemoryBIO(), said, server_hostname=HOSTNAME).do_handshake()
    except ssl.SSLWantReadError:
        return said.read()


class Tls:
    """Adds TLS to a Line: mix it in before Line or Session."""

    tls = None  # the SSLObject
    cut = None  # if set: send packets of so many bytes
    notified = False  # has the server sent close_notify?
    heard = b""  # all bytes received since TLS began, still encrypted

    def starttls(self, with_context, name=HOSTNAME, session=None):
        reply = self.ask("STARTTLS")
        assert reply.startswith("220 "), reply
        return self.shake(with_context, name, session)

    def shake(self, with_context, name=HOSTNAME, session=None):
        """Makes the handshake. Raises ssl.SSLError if it fails, Closed if the server closes."""
        with_context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end without close_notify is an error
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.incoming.write(self.buffer)
        self.heard, self.buffer = self.buffer, b""
        self.tls = with_context.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)
        self.drive(self.tls.do_handshake)
        return self

    def drive(self, function, *arguments):
        while True:
            try:
                result = function(*arguments)
                self.push()
                return result
            except ssl.SSLWantReadError:
                self.push()
                self.pull()
            except ssl.SSLError:
                self.push()  # the alert
                raise

    def push(self):
        """Sends the output of the TLS library, in packets if `cut` is set."""
        self.send_raw(self.outgoing.read())

    def send_raw(self, data):
        size = self.cut or max(1, len(data))
        for start in range(0, len(data), size):
            try:
                super().send(data[start : start + size])
            except OSError:
                return  # what the server sent before it closed is still to be read
            if self.cut and self.sock.family:
                self.settle()

    def pull(self, patience=20):
        more = super().read(patience)
        self.heard += more
        if more:
            self.incoming.write(more)
        else:
            self.incoming.write_eof()
        return more

    def record(self, data):
        """The record that contains these bytes, not yet sent."""
        self.tls.write(data)
        return self.outgoing.read()

    def send(self, data):
        if self.tls is None:
            super().send(data)
        elif data:
            self.send_raw(self.record(bytes(data)))

    def read(self, patience=20):
        if self.tls is None:
            return super().read(patience)
        while True:
            try:
                got = self.tls.read(65536)
                self.notified = got == b""
                return got
            except ssl.SSLWantReadError:
                self.push()
                self.pull(patience)
            except (ssl.SSLEOFError, ssl.SSLSyscallError, ssl.SSLZeroReturnError):
                return b""  # the last one after bye()

    def bye(self):
        """Sends close_notify and waits for the server's."""
        self.drive(self.tls.unwrap)
        self.notified = True

    def protocol(self):
        return self.tls.version()

    # Channel bindings

    def end_point(self):
        return hashlib.sha256(self.tls.getpeercert(True)).digest()

    def unique(self):
        return self.tls.get_channel_binding("tls-unique")

    def exporter(self, keylog):
        """RFC 9266, by hand: Python's TLS cannot export."""
        secrets = dict(re.findall(r"^(\w+) \w+ (\w+)$", Path(keylog).read_text(), re.M))
        label = b"EXPORTER-Channel-Binding"
        if self.protocol() == "TLSv1.3":
            algorithm = hashlib.sha384 if "SHA384" in self.tls.cipher()[0] else hashlib.sha256
            none = algorithm(b"").digest()
            derived = expand_label(bytes.fromhex(secrets["EXPORTER_SECRET"]), label, none, len(none), algorithm)
            return expand_label(derived, b"exporter", none, 32, algorithm)
        client_random = bytes.fromhex(re.search(r"CLIENT_RANDOM (\w+)", Path(keylog).read_text()).group(1))
        server_random = self.heard[11:43]  # record header, type and length, version
        algorithm = "sha384" if "SHA384" in self.tls.cipher()[0] else "sha256"
        secret = bytes.fromhex(secrets["CLIENT_RANDOM"])
        return prf(secret, label + client_random + server_random + b"\0\0", 32, algorithm)  # a context of length 0


def expand_label(secret, label, value, size, algorithm):
    """HKDF-Expand-Label of RFC 8446 for no more than one block."""
    label = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(value)]) + value
    return hmac.new(secret, info + b"\1", algorithm).digest()[:size]


def prf(secret, seed, size, algorithm):
    """P_hash of RFC 5246."""
    made, a = b"", seed
    while len(made) < size:
        a = hmac.new(secret, a, algorithm).digest()
        made += hmac.new(secret, a + seed, algorithm).digest()
    return made[:size]


class TlsSession(Tls, Session):
    pass


class TlsLine(Tls, Line):
    pass


def connect_tls(server):
    """A TlsLine to a Listener."""
    return TlsLine(sock=server.connect().sock)


def b64(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def plain(user, password=PASSWORD, identity=""):
    return "AUTH PLAIN " + b64(b"\0".join(x if isinstance(x, bytes) else x.encode() for x in (identity, user, password)))


def offered(reply):
    """The keywords in a reply to EHLO, {name: its parameters}."""
    return {line[4:].split(" ")[0]: line[4:].split(" ")[1:] for line in reply.split("\n")[1:]}


def session_in_tls(world, role="submission", version=None, **more):
    """A session in TLS, after EHLO; .offered has the keywords of its reply."""
    session = TlsSession(world, args=("-r", role), **more)
    if role != "submissions":
        session.greet()
        session.starttls(context(world.certificates, version))
    else:
        session.shake(context(world.certificates, version))
        assert session.reply().startswith(f"220 {HOSTNAME} ESMTP")
    session.offered = offered(session.ask("EHLO client.example"))
    return session


# ---- secrets in memory -------------------------------------------------------------------------


def memory_of(pid):
    """All memory of a process that root can read: {mapping: bytes}."""
    found = {}
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for row in maps:
            span, rights, *_, = row.split(maxsplit=5)
            start, end = (int(n, 16) for n in span.split("-"))
            if rights[0] != "r" or "[v" in row:
                continue
            try:
                found[row.strip()] = os.pread(memory.fileno(), end - start, start)
            except OSError:
                continue
    return found


def numbers_of(key_path):
    """The numbers of a private key, under certtool's names: {"private key": bytes, ...}."""
    text = certtool("-k", "--infile", key_path)
    found = {}
    for name, digits in re.findall(r"^([\w .()]+?):\n((?:\t[0-9a-f:]+\n)+)", text, re.M):
        found[name] = bytes.fromhex(re.sub(r"[^0-9a-f]", "", digits)).lstrip(b"\0")
    return found


def needles(number, size=16, step=8):
    """Pieces of a number as it may be stored in memory, in either byte order."""
    for order in (number, number[::-1]):
        for start in range(0, max(1, len(order) - size + 1), step):
            yield order[start : start + size]


_searched = {}


def contains_any(held, wanted):
    """Most mappings are the same each time that a process is looked into, and are searched once."""
    key = (hashlib.blake2b(held).digest(), wanted)
    if key not in _searched:
        _searched[key] = any(piece in held for piece in wanted)
    return _searched[key]


def find_in(memory, wanted):
    """The mappings that contain any of these."""
    wanted = tuple(dict.fromkeys(wanted))
    return [where for where, held in memory.items() if contains_any(held, wanted)]


def secrets_of(key_path):
    """(private pieces, public pieces) to look for."""
    numbers = numbers_of(key_path)
    public = ("modulus", "x", "y")
    hidden = [n for name, n in numbers.items() if len(n) >= 16 and name not in public]
    assert hidden, f"no numbers in {list(numbers)}"
    private = [piece for number in hidden for piece in needles(number)]
    text = "".join(Path(key_path).read_text().split("-----BEGIN ")[-1].split("\n")[1:-2])
    held = base64.b64decode(text)
    for start in range(0, len(text) - 16, 16):  # as in the file: never across the end of a line
        if any(held[start // 4 * 3 :][:12] in number for number in hidden):
            private.append(text[start : start + 16].encode())
    shown = [piece for name in public if name in numbers for piece in needles(numbers[name])]
    return SimpleNamespace(private=private, public=shown, numbers=numbers)
