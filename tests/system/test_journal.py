"""The journal of a real systemd: events are found by their fields, explained by the catalog, and read by fail2ban."""

import os
import re

import pytest
from basics import TOP, UNPACKED, unpacked
from machine import Machine, journal, set_up, skip_without_machine, wait_for_no_sessions
from test_log import table

ALICE = "alice@example.org"

# The journal must see the session while it runs: it cannot find the unit of a process that has ended.
GUESS = """
import socket, subprocess, sys
server = socket.create_connection(("127.0.0.1", 25), 20, ("127.0.0.5", 0))
for line in sys.argv[1:]:
    server.recv(999)
    if line == "QUIT":
        subprocess.run(["journalctl", "--sync"], check=True)
    server.sendall(line.encode() + b"\\r\\n")
while server.recv(999):
    pass
"""


@pytest.fixture(scope="module")
def machine():
    skip_without_machine()
    with Machine() as machine:
        set_up(machine)
        machine.run("journalctl --update-catalog")
        machine.client("send", "127.0.0.1", "one", ALICE, "alice+x@example.org")
        guesses = [f"RCPT TO:<no{i}@example.org>" for i in range(12)]
        machine.run(f"cat >/tmp/guess.py <<'END'\n{GUESS}\nEND\n" + python("EHLO x", "MAIL FROM:<>", *guesses, "QUIT"))
        wait_for_no_sessions(machine)
        yield machine


def python(*lines):
    return "/usr/bin/python3 /tmp/guess.py " + " ".join(f"'{line}'" for line in lines)


def test_a_recipient_is_found(machine):
    (event,) = journal(machine, f"MAILSLOT_RECIPIENT={ALICE}")
    assert event["MAILSLOT_RECIPIENT"] == [ALICE, "alice+x@example.org"]
    assert event["MAILSLOT_EVENT"] == "delivered" and event["MAILSLOT_RECIPIENTS"] == "2"
    session = journal(machine, f"MAILSLOT_SESSION={event['MAILSLOT_SESSION']}")
    assert [e["MAILSLOT_EVENT"] for e in session] == ["delivered", "end"]
    shown = machine.run(f"journalctl -t mailslot -o cat MAILSLOT_ID={event['MAILSLOT_ID']}")
    assert shown == event["MESSAGE"] and len(shown) < 200


def test_each_kind_of_event_has_its_message_id(machine):
    ids = {name: id for constant, name, _, id, *_ in table() if constant != "EVENT_REFUSED_RECIPIENT"}
    ids["refused"] = next(row[3] for row in table() if row[0] == "EVENT_REFUSED_RECIPIENT")
    for event in journal(machine):
        assert event["MESSAGE_ID"] == ids[event["MAILSLOT_EVENT"]]


def test_the_catalog_explains_an_event(machine):
    """It is installed where journalctl looks for it. The commands that it suggests contain no text from a client."""
    shown = machine.run("journalctl --no-pager -x -t mailslot MAILSLOT_EVENT=refused -n 1")
    assert "Subject: There is no mail for no4@example.org" in shown, shown
    assert "mailslot-show(8) shows" in shown and not re.search(r"^ {4}.*no4@", shown, re.M)
    shown = machine.run(f"journalctl --no-pager -x -t mailslot MAILSLOT_RECIPIENT={ALICE}")
    assert "Subject: A message from " in shown and "2 recipient(s)" in shown


@pytest.mark.world
def test_fail2ban_reads_it(machine):
    """It reads what the units have logged, and not what another process logs with the same identifier."""
    unpacked("fail2ban", "usr/bin/fail2ban-regex")
    unpacked("python3-systemd", "usr/lib/python3/dist-packages/systemd/__init__.py")
    forged = 'refused peer=192.0.2.66 recipient=x reason="unknown user"'
    machine.run(f"setpriv --reuid nobody --clear-groups logger -t mailslot --id=1 '{forged}'; journalctl --sync")
    assert journal(machine)[-1]["MESSAGE"] == forged
    where = os.path.relpath(UNPACKED, TOP)
    paths = ":".join(f"$PWD/{where}/{p}/usr/lib/python3/dist-packages" for p in ("fail2ban", "python3-systemd"))
    found = machine.run(f"""
        filters=/usr/local/share/doc/mailslot/examples/fail2ban
        export PYTHONPATH={paths} PYTHONDONTWRITEBYTECODE=1
        /usr/bin/python3 {where}/fail2ban/usr/bin/fail2ban-regex -o ip systemd-journal $filters/mailslot-dictionary.conf
    """)
    assert found.split() == ["127.0.0.5"] * 6
