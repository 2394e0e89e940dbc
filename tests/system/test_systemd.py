"""README.md's set-up under systemd, done in a real one."""

import json
import re

import pytest

from machine import Machine, readme_commands, why_not

SEND = """
import smtplib, sys
with smtplib.SMTP(sys.argv[1], 25, timeout=20) as smtp:
    smtp.sendmail("s@client.example", sys.argv[2:], "Subject: hi\\r\\n\\r\\nDry and safe.\\r\\n")
"""

BURST = """
import socket, sys
socks = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in socks:
    s.setblocking(False)
    s.connect_ex(("127.0.0.1", 25))
greeted = 0
for s in socks:
    s.settimeout(20)
    try:
        greeted += s.recv(512).startswith(b"220 ")
    except ConnectionError:
        pass
for s in socks:
    s.close()
print(greeted)
"""


@pytest.fixture(scope="module")
def possible():
    why = why_not()
    if why:
        print(f"SKIPPED: {why}")
        pytest.skip(why)


@pytest.fixture
def machine(possible):
    """A machine on which somebody has typed what README.md says."""
    with Machine() as machine:
        machine.run(readme_commands("Under systemd"), stdin="a secret\n")
        yield machine


def wait_for_no_sessions(machine):
    machine.run("""
        for i in {1..200}; do
            [ -n "$(systemctl list-units --all --plain --no-legend 'mailslot@*')" ] || exit 0
            sleep 0.05
        done
        systemctl list-units --all 'mailslot@*'
        exit 1
    """)


def journal(machine, *matches):
    lines = machine.run("journalctl --sync; journalctl -o json -t mailslot " + " ".join(matches))
    return [json.loads(line) for line in lines.splitlines()]


def test_mail_arrives(machine):
    assert machine.run("systemctl is-enabled mailslot.socket") == "enabled"
    for address in ("127.0.0.1", "::1"):
        machine.python(SEND, address, "alice@example.org")
    box = "/var/lib/mailslot/example.org/alice"
    assert machine.run(f"grep -c '^Dry and safe' {box}") == "2"
    assert machine.run(f"stat -c '%U %G %a' {box}") == "mailslot mailslot 600"
    folder = machine.run("stat -c '%U %a' /var/lib/mailslot/example.org")
    assert re.fullmatch("mailslot 7[0-5]0", folder)


def test_nobody_else_reads_secrets(machine):
    """The folder is group mailslot's, the database readable by it, the passwords by root alone."""
    assert machine.run("stat -c '%U %G %a' /etc/mailslot") == "root mailslot 750"
    assert machine.run("stat -c '%U %G %a' /etc/mailslot/mailslot.cdb") == "root mailslot 640"
    assert machine.run("stat -c %a /etc/mailslot/users")[-1] == "0"
    machine.run("! setpriv --reuid nobody --clear-groups cat /etc/mailslot/mailslot.cdb")


def test_the_journal_has_it(machine):
    machine.python(SEND, "127.0.0.1", "alice@example.org")
    wait_for_no_sessions(machine)
    events = journal(machine)
    assert events
    for event in events:
        assert event["SYSLOG_IDENTIFIER"] == "mailslot"
        assert event["_SYSTEMD_UNIT"].startswith("mailslot@")
    found = journal(machine, "MAILSLOT_RECIPIENT=alice@example.org")
    assert len(found) == 1, found


def test_a_burst_leaves_the_port_open(machine):
    """200 connections within two seconds are what systemd itself takes for a broken service."""
    greeted = [int(machine.python(BURST, 400)) for _ in range(2)]
    assert min(greeted) >= 50, f"MaxConnectionsPerSource are served: {greeted}"
    assert machine.run("systemctl is-active mailslot.socket") == "active"
    wait_for_no_sessions(machine)
    machine.python(SEND, "127.0.0.1", "alice@example.org")


def test_a_killed_session_leaves_no_unit(machine):
    machine.run("""
        exec 3<>/dev/tcp/127.0.0.1/25
        read -r greeting <&3
        systemctl kill --signal=KILL 'mailslot@*'
    """)
    wait_for_no_sessions(machine)
    assert machine.run("systemctl is-active mailslot.socket") == "active"


def test_units_are_clean(machine):
    units = "/usr/local/lib/systemd/system"
    said = machine.run(f"systemd-analyze verify --man=no {units}/mailslot.socket {units}/mailslot@.service")
    assert "mailslot" not in said, said


def test_uninstall_takes_all_away(machine):
    machine.run("systemctl disable --now mailslot.socket && make uninstall")
    assert machine.run("find /usr/local /etc/systemd -name '*mailslot*' -not -type d") == ""
    assert machine.run("ls /var/lib/mailslot /etc/mailslot/mailslot.cdb") != ""
