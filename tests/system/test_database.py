"""A database that is truncated, exchanged or overwritten in place during a session, or written by an older mailslot-build."""

import os
import re
import subprocess

import pytest

from basics import binary
from seal import image_of, number, old_seal, seal

NAMES = ("more333@example.org", "more77@example.org", "nobody@example.org", "x@foreign.example")


def cut(database, _):
    os.truncate(database, 5000)


def empty(database, _):
    os.truncate(database, 0)


def exchange(database, other):
    """What `cp` does, where `mv` should be used."""
    with open(database, "r+b") as file:
        file.truncate()
        file.write(other)


def overwrite(database, other):
    """Keeps the file's length."""
    with open(database, "r+b") as file:
        file.write((other * 100)[:database.stat().st_size])


@pytest.fixture
def large(fresh):
    """A database of many blocks."""
    fresh.users += [f"more{i}@example.org::" for i in range(400)]
    return fresh.build()


@pytest.mark.parametrize("how", [cut, empty, exchange, overwrite])
def test_what_is_changed_in_place_is_never_an_unknown_user(large, how):
    """Requests for blocks that were not read before are answered 4xx, one event reports the cause, and the session
    goes on."""
    with large.session() as session:
        session.greet()
        assert session.ask("MAIL FROM:<s@client.example>").startswith("250 ")
        before = large.db.read_bytes()
        large.users = [user for user in large.users if not user.startswith("more")] + ["u@example.org::"] * (how != cut)
        other = large.folder / "other.cdb"
        large.db.rename(other)
        large.build()
        small = large.db.read_bytes()
        other.rename(large.db)
        how(large.db, small)
        assert large.db.read_bytes() != before
        for name in NAMES:
            assert session.ask(f"RCPT TO:<{name}>").startswith("451 4.3.0 "), (name, session.log)
        assert session.ask("QUIT").startswith("221 ")
    events = re.findall(r" database .*", session.log)
    assert len(events) == 1 and "was changed in place while it was in use" in events[0], session.log
    assert "mv" in events[0]


def test_a_session_keeps_the_database_that_it_opened(large):
    """A session has one snapshot, however many builds happen in the meantime."""
    with large.session() as session:
        session.greet()
        session.ask("MAIL FROM:<s@client.example>")
        large.users = [user for user in large.users if not user.startswith("more")]
        large.build()
        assert session.ask("RCPT TO:<more77@example.org>").startswith("250 ")
    with large.session() as session:
        session.greet()
        session.ask("MAIL FROM:<s@client.example>")
        assert session.ask("RCPT TO:<more77@example.org>").startswith("550 ")


def test_the_seal_is_as_the_manual_describes_it(large):
    data = large.db.read_bytes()
    assert seal(image_of(data)) == data


def test_every_block_is_checked(large):
    """mailslot-show reads all of it."""
    data = large.db.read_bytes()
    for at in range(0, number(data, len(data) - 24, 8), 1000):
        large.db.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1:])
        done = subprocess.run([binary("mailslot-show"), "-C", large.etc], capture_output=True, text=True, check=False)
        assert done.returncode == 111 and "damaged" in done.stderr, at


def make_old(world):
    """Rewrites the database as an older mailslot-build would have written it."""
    world.db.write_bytes(old_seal(image_of(world.db.read_bytes())))


def test_an_older_database_is_recognised(world):
    make_old(world)
    with world.session() as session:
        session.reply()
        session.ask("EHLO client.example")
        session.ask("MAIL FROM:<s@client.example>")
        for name in NAMES:
            assert session.ask(f"RCPT TO:<{name}>").startswith("451 4.3.0 ")
    assert re.search(r" database .*older mailslot-build.*run mailslot-build", session.log), session.log
    done = subprocess.run([binary("mailslot-show"), "-C", world.etc, "alice"], capture_output=True, text=True, check=False)
    assert done.returncode == 111 and "was made by an older mailslot-build: run mailslot-build" in done.stderr


def query(world, key):
    done = subprocess.run(["cdb", "-q", world.db, key], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.skipif(subprocess.run(["which", "cdb"], capture_output=True, check=False).returncode != 0, reason="no cdb")
def test_the_secret_of_an_older_database_is_kept(world):
    """Otherwise the salts of nonexistent names would change, and those of users would not."""
    before = query(world, "auth")
    make_old(world)
    assert query(world, "auth") == before
    world.build()
    assert query(world, "auth") == before
    with world.session() as session:
        session.greet()
