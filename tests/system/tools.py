"""Runs mailslot-build, mailslot-user and mailslot-show, and reads what they have written."""

import base64
import hashlib
import hmac
import subprocess

from basics import binary

CONF = "# our mail\ndomains = example.org, example.net\nhostname = mx.example.org\n"
PASSWORD = b"correct horse battery\n"

# One hash of each kind, not of any user's password.
CHEAP = {
    "$y$": "$y$j75$abcdefgh$" + "a" * 43,
    "$gy$": "$gy$j75$abcdefgh$" + "a" * 43,
    "$2b$": "$2b$04$" + "a" * 53,
    "$6$": "$6$rounds=1000$abcdefgh$" + "a" * 86,
    "$1$": "$1$abcdefgh$" + "a" * 22,
    "bsdicrypt": "{CRYPT}_J9..Y2xuzjMCOm4ZV0o",
    "descrypt": "{DES-CRYPT}itfCIl1erVSlo",
}


def start(name, folder, *words, **options):
    command = [binary(f"mailslot-{name}"), "-C", folder, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def run(name, folder, *words, stdin=b"", **options):
    process = start(name, folder, *words, stdin=subprocess.PIPE, **options)
    out, err = process.communicate(stdin, timeout=120)
    return subprocess.CompletedProcess(words, process.returncode, out.decode(), err.decode())


def good(*arguments, **options):
    result = run(*arguments, **options)
    assert result.returncode == 0, result
    return result


def verifier(password, salt, iterations):
    """RFC 5802 section 3, computed by Python; password: prepared bytes."""
    salted = hashlib.pbkdf2_hmac("sha256", password, salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    keys = hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode() for part in (salt, *keys)]
    return ",".join([str(iterations), *parts])


def record(folder, key, database="mailslot.cdb"):
    """The lines of a record, by a second reader of CDB."""
    data = (folder / database).read_bytes()
    at, end = 2048, int.from_bytes(data[:4], "little")
    while at < end:
        key_len, len_ = (int.from_bytes(data[at + i:at + i + 4], "little") for i in (0, 4))
        if data[at + 8:at + 8 + key_len] == key.encode():
            return data[at + 8 + key_len:at + 8 + key_len + len_].decode().splitlines()
        at += 8 + key_len + len_
    return None


def auth(folder, database="mailslot.cdb"):
    return dict(line.split("=", 1) for line in record(folder, "auth", database))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def scram(password, iterations=5000, salt=b"sixteen bytes it"):
    return "{SCRAM-SHA-256}" + verifier(password, salt, iterations)
