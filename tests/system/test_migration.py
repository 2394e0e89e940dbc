"""The commands of mailslot-migration(7), as a reader copies them from the page, run in a machine on sample files of
qmail, vpopmail, mailfront and Debian."""

import json
import re

import pytest
from basics import needs
from machine import Machine, skip_without_machine
from manual import displays

# The sections with commands, and how many blocks each has. The last block is a line of a file.
BLOCKS = {
    "Settings": 1,
    "Users": 1,
    "Aliases": 2,
    "Mail": 1,
    "Users of cvm-pwfile": 2,
    "System users": 1,
    "System aliases": 2,
    "SWITCHING OVER": 2,
    "A system that stays for outgoing mail": 1,
}

QMAIL = r"""
mkdir -p /var/qmail/control /var/qmail/alias
cd /var/qmail/control
echo mx.example.org >me
printf '%s\n' '# ours' localhost mx.example.org >locals
printf '%s\n' example.org example.net .example.net mx.example.org >rcpthosts
useradd -d /home/vpopmail -m vpopmail
domain=/home/vpopmail/domains/example.org
mkdir -p $domain
cd $domain
hash=$(openssl passwd -1 -salt abcdefgh 'a secret')
cat >vpasswd <<END
alice:$hash:1:0:Alice Example:$domain/alice:NOQUOTA:a secret
bob:$hash:1:2048:Bob:$domain/bob:50000000S,1000C:a secret
carol.d:$hash:1:16:Carol:$domain/carol.d:10MB
postmaster:$hash:1:2:Postmaster:$domain/0/postmaster:2048K
END
echo "| /home/vpopmail/bin/vdelivermail '' $domain/bob" >.qmail-default
printf '%s\n' '# sales' '&alice@example.org' "$domain/bob/Maildir/" >.qmail-sales
echo carol.d@example.org >.qmail-c:d
printf '%s\n' '|/usr/bin/autorespond 10 5 msg' "$domain/alice/Maildir/" >.qmail-away
echo '&postmaster' >.qmail-abuse
"""

VALIAS = """#!/bin/sh
[ "$*" = "-s example.org" ] || exit 1
echo 'info@example.org -> &alice@example.org'
echo 'info@example.org -> &bob@example.org'
"""

MESSAGES = {
    "alice": ("read", "new"),
    "bob": ("new",),
    "carol.d": (),
    "0/postmaster": (),
}


def text(name):
    return (
        b"Return-Path: <s@client.example>\nSubject: %s\nX-Odd:  two  blanks\n\tand a tab \n\n"
        b"From here on\n>From there\n.\nna\xefve\n\nFrom  no header\n" % name
    )


@pytest.fixture(scope="module")
def blocks():
    return displays("mailslot-migration.7")


def test_all_blocks_are_known(blocks):
    assert {heading: len(scripts) for heading, scripts in blocks.items()} == BLOCKS


@pytest.fixture(scope="module")
def typed():
    skip_without_machine()
    needs("swaks", "openssl")
    with Machine() as machine:
        machine.run("make install")
        yield machine


@pytest.fixture
def machine(typed):
    typed.run("rm -rf /etc/mailslot/* /var/lib/mailslot/* /var/mail/*")
    return typed


def users(machine):
    return {u["address"]: u for u in json.loads(machine.run("mailslot-user list --json"))}


def targets(machine, address):
    shown = machine.run(f"mailslot-show '{address}'")
    return re.findall(r"^  (\S+@\S+)$", shown, re.M) or [address]


def write_maildirs(machine):
    machine.run(
        "/usr/bin/python3 -",
        stdin=f"""
import mailbox, os
for user, states in {MESSAGES!r}.items():
    os.makedirs(f"/home/vpopmail/domains/example.org/{{user}}", exist_ok=True)
    box = mailbox.Maildir(f"/home/vpopmail/domains/example.org/{{user}}/Maildir", factory=None)
    for state in states:
        message = mailbox.MaildirMessage({text(b"%s")!r}.replace(b"%s", state.encode()))
        if state == "read":
            message.set_subdir("cur")
            message.set_flags("S")
        box.add(message)
""",
    )


READ = """
import mailbox, sys
for message in mailbox.mbox(sys.argv[1]):
    print(message["Subject"], repr(message.get_flags()), ascii(message.get_payload(decode=True)))
"""


def deliver(machine, tag, address):
    server = "setpriv --reuid mailslot --regid mailslot --init-groups mailslot-smtpd"
    machine.run(f"swaks --pipe '{server}' --to {address} --body '<{tag}> Dry and safe.'")


def test_qmail_and_vpopmail(machine, blocks):
    machine.run(QMAIL)
    machine.run("cat >/usr/local/bin/valias; chmod 755 /usr/local/bin/valias", stdin=VALIAS)
    write_maildirs(machine)

    machine.run(blocks["Settings"][0])
    settings = machine.run("cat /etc/mailslot/mailslot.conf")
    assert settings == "hostname = mx.example.org\ndomains  = localhost mx.example.org example.org example.net"

    machine.run(blocks["Users"][0])
    found = users(machine)
    assert set(found) == {f"{name}@example.org" for name in ("alice", "bob", "carol.d", "postmaster")}
    alice, bob, carol, postmaster = (found[f"{n}@example.org"] for n in ("alice", "bob", "carol.d", "postmaster"))
    assert (alice["quota"], bob["quota"], carol["quota"]) == (None, 50000000, 10 << 20)
    assert postmaster["quota"] == 2048 << 10
    assert (alice["locked"], bob["locked"], carol["disabled"]) == (False, True, True)
    assert "a secret" not in machine.run("cat /etc/mailslot/users")

    said = machine.run(blocks["Aliases"][0])
    assert ".qmail-away: left out: |/usr/bin/autorespond" in said and said.count("left out") == 1
    said = machine.run(blocks["Aliases"][1])
    assert targets(machine, "sales@example.org") == ["alice@example.org", "bob@example.org"]
    assert targets(machine, "abuse@example.org") == ["postmaster@example.org"]
    assert targets(machine, "away@example.org") == ["alice@example.org"]
    assert targets(machine, "anything@example.org") == ["bob@example.org"]
    assert targets(machine, "info@example.org") == ["alice@example.org", "bob@example.org"]
    assert "c.d@example.org: carol.d@example.org" in machine.run("cat /etc/mailslot/aliases")

    shown = machine.run(blocks["SWITCHING OVER"][0]).splitlines()
    assert [re.sub(" 2.* by.*| 5.*", "", s).split(":")[0] for s in shown] == list(found)
    assert [": 550 5.2.1" in s for s in shown] == [False, False, True, False]

    box = "/var/lib/mailslot/example.org/alice"
    machine.run(blocks["SWITCHING OVER"][1])
    assert "Subject: test" in machine.run("cat /var/lib/mailslot/example.org/postmaster")

    machine.run(blocks["Mail"][0])
    assert machine.run(f"stat -c '%U %G %a' {box}") == "mailslot mailslot 600"
    read = machine.run(f"/usr/bin/python3 - {box}", stdin=READ).splitlines()
    assert [line.split()[:2] for line in read] == [["read", "'RO'"], ["new", "''"]], read
    assert all("na\\xefve" in line and "\\n>From no" not in line for line in read)
    deliver(machine, "after", "alice@example.org")
    assert machine.run(f"grep -ac '^<after> Dry and safe.$' {box}") == "1"
    assert machine.run(f"grep -ac '^From ' {box}") == "3"


def test_mailfront(machine, blocks):
    machine.run("""
        printf 'hostname = mx.example.org\\ndomains = example.org\\n' >/etc/mailslot/mailslot.conf
        mkdir -p /etc/mailfront
        echo "alice:$(openssl passwd -6 'a secret'):1001:1001::/home/alice:" >/etc/mailfront/passwd
    """)
    machine.run(blocks["Users of cvm-pwfile"][0])
    assert users(machine)["alice@example.org"]["credentials"] == ["sha512crypt"]
    machine.run("printf '%s\\n' 'bob:Strange weather 7:1:1:::' 'carol:password:2:2:::' >/etc/mailfront/passwd")
    said = machine.run(blocks["Users of cvm-pwfile"][1], check=False)
    assert "carol" not in users(machine) and "bob@example.org" in users(machine), said


def test_exim(machine, blocks):
    machine.run("""
        printf 'hostname = mx.example.org\\ndomains = example.org example.net\\n' >/etc/mailslot/mailslot.conf
        id -u emil || useradd -m -p "$(openssl passwd -6 'a secret')" emil
        id -u fred || useradd -m fred
        printf 'From s Thu Jan  1 00:00:00 1970\\n\\nold\\n\\n' >/var/mail/emil
        chown emil:mail /var/mail/emil
        chmod 660 /var/mail/emil
        cat >/etc/aliases <<END
# /etc/aliases
mailer-daemon: postmaster
postmaster: root
root: emil,
  fred
list: |/usr/bin/list
drop: /dev/null
gone: :fail: has left
later: :defer: busy
END
    """)
    machine.run(blocks["System users"][0])
    found = users(machine)
    emil, fred = found["emil@example.org"], found["fred@example.org"]
    assert emil["mailbox"] == "/var/mail/emil" and emil["credentials"] == ["sha512crypt"]
    assert fred["mailbox"] == "/var/mail/fred" and fred["credentials"] == []
    assert machine.run("stat -c '%U %G %a' /var/mail/emil /var/mail/fred") == "emil mail 660\nfred mail 660"

    for block in blocks["System aliases"]:
        machine.run(block)
    for domain in ("example.org", "example.net"):
        assert targets(machine, f"postmaster@{domain}") == ["emil@example.org", "fred@example.org"]
    for name in ("list", "drop", "gone", "later"):
        assert "550 5.1.1" in machine.run(f"mailslot-show {name}@example.org", check=False)
    deliver(machine, "new", "postmaster@example.net")
    assert "<new> Dry and safe." in machine.run("cat /var/mail/fred")
    assert machine.run("grep -c '^From ' /var/mail/emil") == "2"
