"""What mailslot-build stores so that unknown users get the same replies as known ones: secret, decoy, iterations."""

import base64
import subprocess

import pytest
from seal import image_of, seal
from tools import CHEAP, PASSWORD, auth, good, record, scram


def write_users(folder, *fields):
    (folder / "users").write_text("".join(f"u{i}:{field}\n" for i, field in enumerate(fields)))
    return good("build", folder).stderr


def test_without_users_there_are_values_for_unknown_users_too(folder):
    good("build", folder)
    made = auth(folder)
    assert list(made) == ["decoy", "iterations", "secret"]
    assert made["decoy"].startswith("$y$j9T$") and made["iterations"] == "10000"
    assert len(base64.b64decode(made["secret"], validate=True)) == 32


def test_secret_and_decoy_stay_the_same_in_each_build(folder):
    good("user", folder, "add", "alice", stdin=PASSWORD)
    first = auth(folder)
    assert first["scram"] == "yes"
    good("build", folder)
    assert auth(folder) == first
    good("user", folder, "add", "bob", stdin=b"another password\n")
    assert auth(folder) == first
    good("user", folder, "lock", "alice")
    assert auth(folder) == first
    good("user", folder, "passwd", "-n", "bob")
    assert auth(folder) == {**{name: first[name] for name in ("decoy", "iterations", "secret")}}
    good("user", folder, "unlock", "alice")
    assert auth(folder) == first


@pytest.mark.parametrize("how", ["missing", "unsafe", "damaged", "cut short"])
def test_a_database_that_cannot_be_trusted_gives_no_secret(folder, how):
    good("build", folder)
    first = auth(folder)
    database = folder / "mailslot.cdb"
    data = database.read_bytes()
    if how == "missing":
        database.unlink()
    elif how == "unsafe":
        database.chmod(0o666)
    elif how == "damaged":
        at = data.index(first["secret"].encode())
        database.write_bytes(data[:at] + b"A" * 8 + data[at + 8:])
    else:
        database.write_bytes(data[:-1])
    good("build", folder)
    made = auth(folder)
    assert made["secret"] != first["secret"] and "AAAAAAAA" not in made["secret"]
    assert len(base64.b64decode(made["secret"], validate=True)) == 32
    assert made["decoy"] != first["decoy"]


def test_an_old_database_without_the_record_is_replaced(folder):
    good("build", folder)
    data = (folder / "mailslot.cdb").read_bytes()
    first = auth(folder)
    # As an older mailslot-build would have written the database, or a newer one with other values.
    for value in ("x" * 44, first["secret"][:-1] + "x", "." * 44):
        forged = folder / "forged"
        forged.write_bytes(seal(image_of(data).replace(first["secret"].encode(), value.encode())))
        forged.replace(folder / "mailslot.cdb")
        good("show", folder)
        good("build", folder)
        assert len(base64.b64decode(auth(folder)["secret"], validate=True)) == 32
        assert auth(folder)["decoy"] == first["decoy"]


@pytest.mark.parametrize("kind", CHEAP)
def test_the_decoy_is_of_the_kind_that_most_users_have(folder, kind):
    other = CHEAP["$1$" if kind != "$1$" else "$6$"]
    write_users(folder, other, CHEAP[kind], CHEAP[kind])
    decoy, text = auth(folder)["decoy"], CHEAP[kind].split("}")[-1]
    cost = {"bsdicrypt": 5, "descrypt": 0, "$2b$": 7, "$1$": 3}.get(kind, text.find("$", 3 + (
        kind == "$gy$")) + 1)
    assert decoy[:cost] == text[:cost] and len(decoy) >= len(text) and decoy != text
    assert subprocess.run(["perl", "-e", "exit(length crypt('x', $ARGV[0]) != length $ARGV[0])",
                           decoy], check=False).returncode == 0
    # If as many users have the other kind, the decoy stays as it is.
    write_users(folder, other, other, CHEAP[kind], CHEAP[kind])
    assert auth(folder)["decoy"] == decoy
    write_users(folder, other, other, CHEAP[kind])
    assert auth(folder)["decoy"][:3] == other[:3]


def test_users_who_cannot_log_in_do_not_count(folder):
    one = CHEAP["$6$"]
    write_users(folder, one, "!" + CHEAP["$1$"], CHEAP["$1$"] + ":disabled",
                "!" + scram(b"x", 4096), scram(b"x", 4096) + ":disabled", "")
    made = auth(folder)
    assert made["decoy"].startswith("$6$rounds=1000$") and made["iterations"] == "10000"
    assert "scram" not in made
    assert [record(folder, f"credential:u{i}@example.org") is None for i in range(6)] == [
        False, True, True, True, True, True]
    write_users(folder, scram(b"x"), scram(b"x", 4096), scram(b"x"))
    assert auth(folder)["iterations"] == "5000" and auth(folder)["scram"] == "yes"
    assert record(folder, "credential:u1@example.org") == [
        scram(b"x", 4096).replace("{SCRAM-SHA-256}", "scram-sha-256=")]
    write_users(folder, scram(b"x", 4096), scram(b"x"))
    assert auth(folder)["iterations"] == "5000"
    write_users(folder, scram(b"x", 4096))
    assert auth(folder)["iterations"] == "4096"


def test_a_cost_that_crypt_refuses_does_not_prevent_a_build(folder):
    write_users(folder, "$2b$03$" + "a" * 53)
    first = auth(folder)
    assert first["decoy"].startswith("$y$j9T$")
    good("build", folder)
    assert auth(folder) == first


def test_users_without_a_verifier_cause_a_warning(folder):
    said = "has no SCRAM verifier"
    assert said not in write_users(folder, CHEAP["$6$"], CHEAP["$1$"])
    assert said not in write_users(folder, CHEAP["$6$"], "!" + scram(b"x"), "")
    assert said not in write_users(folder, "!" + CHEAP["$6$"], scram(b"x"),
                                   CHEAP["$1$"] + ":disabled", "")
    warned = write_users(folder, scram(b"x"), CHEAP["$6$"], f"{CHEAP['$1$']} {scram(b'x')}")
    assert f"{folder}/users:2: warning: u1@example.org {said}" in warned
    assert warned.count(said) == 1
    assert "mailslot-user passwd" in warned
    warned = write_users(folder, scram(b"x"), *[CHEAP["$6$"]] * 20)
    assert warned.count(said) == 10 and "more warnings not shown" in warned
