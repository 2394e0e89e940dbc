"""mailslot-check and `mailslot-show --ask`: other servers are asked as in a session, and what is wrong with them is reported, with
what to type."""

import os
import re
import socket
import subprocess
from contextlib import ExitStack

import pytest

from basics import binary, make_library
from hop import CLOSE, HANG, Endless, at_folder, bind_unix
from house import House, find, wrong
from test_check import CONF, PASSWORD, SET_UP, serve

STORE = {"alice@example.org": "250 2.1.5 Ok", None: "550 5.1.1 No such user"}


@pytest.fixture
def asked(world, hops):
    """asked(what, **script): the lines of mailslot-check about a scripted store, or relay."""

    def check(kind="store", env=None, **script):
        hop = hops("hop", lmtp=kind == "store", **script)
        if kind == "store":
            world.users = [f"alice@example.org::mailbox=lmtp:{hop.path}"]
            world.aliases = ["postmaster: alice"]
            world.build(domains="example.org")
        else:
            world.build(relay=hop.path, domains="example.org example.net")
        command = [binary("mailslot-check"), "-d", world.db]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})})
        assert done.stderr == "", done
        lines = [line for line in done.stdout.splitlines() if line.split()[1] == "hop"]
        assert "DATA" not in hop.commands
        return hop, lines

    return check


def only(lines, mark, said):
    """There is one line about a hop; everything but ok ends with a command."""
    assert len(lines) == 1 and lines[0].startswith(mark) and re.search(said, lines[0]), lines
    assert mark == "ok" or re.search("; .*type: .", lines[0]), lines


def test_store(asked):
    hop, lines = asked(rcpt=STORE)
    only(lines, "ok", "/hop: LMTP$")
    assert hop.commands[0] == "LHLO check.hop.mx.example.org"
    assert [c for c in hop.commands if c.startswith("RCPT")][0] == "RCPT TO:<alice@example.org>"
    assert re.search(r"RCPT TO:<check-[0-9a-f]{16}@example\.org>", hop.commands[-2]), hop.commands
    assert hop.commands[-1] == "QUIT"


def test_relay(asked):
    hop, lines = asked("relay")
    only(lines, "ok", "/hop: ")
    assert hop.commands[0] == "EHLO check.hop.mx.example.org"
    assert "MAIL FROM:<postmaster@example.org>" in hop.commands and hop.commands[-1] == "QUIT"


def test_name_that_needs_quotes(world, hops):
    """An address in the database has no quotes; in SMTP, and on the command line, it needs some."""
    store = hops("store", lmtp=True, rcpt={**STORE, '"john doe"@example.org': "250 2.1.5 Ok"})
    world.users = [f'"john doe"@example.org::mailbox=lmtp:{store.path}']
    world.aliases = ["postmaster: boss", 'boss: "john doe"']
    world.build(domains="example.org")
    done = subprocess.run([binary("mailslot-check"), "-d", world.db], capture_output=True, text=True, timeout=60)
    only([line for line in done.stdout.splitlines() if line.split()[1] == "hop"], "ok", "/store: LMTP$")
    out, code = show(world, "boss")
    assert '"john doe"@example.org: 250 2.1.5 Ok\n' in out and code == 0


MISTAKES = {
    "takes everybody": ({}, "WARN", "accepts mail for everybody"),
    "knows nobody": ({"rcpt": "550 5.1.1 No such user"}, "FAIL", "does not accept mail for alice.*550 5.1.1 No such user"),
    "full": ({"rcpt": {**STORE, "alice@example.org": "452 4.2.2 Full"}}, "WARN", "452 4.2.2 Full"),
    "does not like us": ({"mail": "550 5.7.1 Go away", "rcpt": "503 5.5.1 No MAIL"}, "FAIL", "550 5.7.1 Go away"),
    "busy": ({"greeting": ("421 4.3.2 Busy", CLOSE)}, "FAIL", "is not ready: .*421 4.3.2 Busy"),
    "no mail server": ({"greeting": "SSH-2.0-OpenSSH"}, "FAIL", "not an SMTP reply"),
    "no LMTP": ({"hello": "500 5.5.1 Unknown command"}, "FAIL", "is not ready: 500"),
    "closes at once": ({"greeting": CLOSE}, "FAIL", "closed the connection"),
    "closes at RCPT": ({"rcpt": CLOSE}, "FAIL", "closed the connection"),
    "endless": ({"greeting": Endless(b"220-x\r\n")}, "FAIL", "not an SMTP reply"),
    "escapes": ({"rcpt": {"alice@example.org": b"550 5.1.1 \x1b]0;owned\x07\r\n"}}, "FAIL", "550 5.1.1 [^\x1b\x07]*owned"),
    "small": ({"rcpt": STORE, "extensions": ("SIZE 1000",)}, "WARN", "max-message-size = 1000"),
}


@pytest.mark.parametrize("script, mark, said", MISTAKES.values(), ids=MISTAKES)
def test_mistakes(asked, script, mark, said):
    _, lines = asked(**script)
    only(lines, mark, said)


@pytest.mark.parametrize("step", ["greeting", "rcpt"])
def test_hanging_costs_seconds(asked, tmp_path, step):
    """On a clock that runs faster."""
    clock = {"LD_PRELOAD": str(make_library(tmp_path, "fast_clock.c")), "ASAN_OPTIONS": "verify_asan_link_order=0"}
    _, lines = asked(**{step: HANG}, env=clock)
    only(lines, "FAIL", "no reply in time")


def test_full_backlog(world, tmp_path):
    """A program listens and does not accept: connect(2) does not wait."""
    path = tmp_path / "full"
    world.build(relay=path)
    with ExitStack() as stack:
        stack.enter_context(bind_unix(path)).listen(0)
        with pytest.raises(BlockingIOError):
            while True:
                one = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
                at_folder(path, one.connect)
        done = subprocess.run([binary("mailslot-check"), "-d", world.db], capture_output=True, text=True, timeout=60)
    only([line for line in done.stdout.splitlines() if line.split()[1] == "hop"], "FAIL", "accepts no connections any more")


def test_missing_socket(world, tmp_path):
    world.build(relay=tmp_path / "none")
    done = subprocess.run([binary("mailslot-check"), "-d", world.db], capture_output=True, text=True, timeout=60)
    only([line for line in done.stdout.splitlines() if line.split()[1] == "hop"], "FAIL", "no program listens")


HOP = """
import signal, sys
sys.path[:0] = [sys.argv[2]]
import hop
hop.Hop("store", path=sys.argv[1], lmtp=True, rcpt={"alice@example.org": "250 2.1.5 Ok", None: "550 5.1.1 No such user"})
print("ready", flush=True)
signal.pause()
"""


def test_permissions_of_a_socket(tmp_path, certificates):
    """As Dovecot's with a mode of its own, or one for a group."""
    house = House(tmp_path / "house", CERTIFICATES=str(certificates), CONF=CONF)
    house.type(SET_UP + "groupadd -r store; usermod -G mail mailslot\n"
               "mailslot-user set alice mailbox=lmtp:/run/store; mailslot-build", stdin=PASSWORD)  # fmt: skip
    serve(house)
    server = house.serve("/usr/bin/python3", "-c", HOP, "/run/store", str(tmp_path.joinpath(__file__).parents[1]))
    assert server.stdout.readline() == b"ready\n"
    assert find(house.check(), "ok", "hop", "/run/store: LMTP") and not wrong(house.check())

    house.type("chmod 600 /run/store")
    found = find(house.check(), "FAIL", "hop", "cannot connect: Permission denied.*user or group mailslot")
    assert "man mailslot-recipes" in found.remedy

    house.type("chgrp store /run/store; chmod 660 /run/store")
    found = find(house.check(), "FAIL", "hop", "cannot connect: Permission denied")
    assert found.remedy == "usermod -aG store mailslot"

    units = "/etc/systemd/system"
    add = "SupplementaryGroups=store"
    house.type(f"""
        mkdir -p /run/systemd/system {units}/sockets.target.wants {units}/mailslot@.service.d {units}/mailslot-lmtp@.service.d
        ln -s /dev/null {units}/sockets.target.wants/mailslot.socket
        printf '[Service]\n{add}\n' >{units}/mailslot@.service.d/store.conf
    """)
    assert find(house.check(), "ok", "hop", "/run/store: LMTP")
    house.type(f"ln -s /dev/null {units}/sockets.target.wants/mailslot-lmtp.socket")
    assert find(house.check(), "FAIL", "hop", "cannot connect"), "sessions of the other service do not have the group"
    house.type(f"rm -r /run/systemd {units}; {found.remedy}")
    assert not wrong(house.check())


# mailslot-show --ask


def show(world, *words):
    done = subprocess.run([binary("mailslot-show"), "-d", world.db, "--ask", *words], capture_output=True, text=True, timeout=60)
    assert done.stderr == "", done
    return done.stdout, done.returncode


def test_ask(world, hops):
    store = hops("store", lmtp=True, rcpt={"bob@example.org": "452 4.2.2 Quota exceeded", "any.one@example.net": "250 2.1.5 Here"})
    relay = hops("relay", rcpt={"far@example.com": "550 5.1.1 No such user"})
    world.users = [f"alice@example.org::mailbox=lmtp:{store.path}", f"bob@example.org::mailbox=lmtp:{store.path}", "carol@example.org::"]
    world.aliases = ["postmaster: carol", "far: far@example.com, carol", f"@example.net: lmtp:{store.path}"]
    world.build(relay=relay.path)

    out, code = show(world, "alice@example.org")
    assert f"  asked {store.path} about alice@example.org: 250 2.1.5 Ok\n" in out and code == 0
    out, code = show(world, "bob")
    assert "about bob@example.org: 452 4.2.2 Quota exceeded\n" in out and code == 1
    out, code = show(world, "Any.One@example.net")
    assert "asked" in out and "example.net: 250" in out and code == 0
    out, code = show(world, "far")
    assert f"  asked {relay.path} about far@example.com: 550 5.1.1 No such user\n" in out and code == 1
    assert "MAIL FROM:<postmaster@example.org>" in relay.commands
    out, code = show(world, "carol")
    assert "asked" not in out and code == 0
    out, code = show(world, "who@example.edu")
    assert f"  asked {relay.path} about who@example.edu: 250 2.1.5 Ok\n" in out
    relay.stop()
    out, code = show(world, "far")
    assert re.search("asked .* about far@example.com: cannot connect: No such file", out) and code == 1
    assert "DATA" not in store.commands + relay.commands
