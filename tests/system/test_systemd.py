"""The set-up of README.md in a real systemd, and checks of the units."""

import json
import re

import pytest

from machine import Machine, set_up, skip_without_machine, start_anew, wait_for_no_sessions

UNITS = "/usr/local/lib/systemd/system"
BOX = "/var/lib/mailslot/example.org/alice"
EXPOSURE = 1.5  # the highest rating that `systemd-analyze security` may give the listening service


@pytest.fixture(scope="module")
def typed():
    """A machine on which the commands of README.md were typed."""
    skip_without_machine()
    with Machine() as machine:
        set_up(machine)
        yield machine


@pytest.fixture
def machine(typed):
    start_anew(typed)
    typed.run("systemctl start mailslot.socket")
    return typed


def test_mail_arrives(machine):
    assert machine.run("systemctl is-enabled mailslot.socket") == "enabled"
    for address in ("127.0.0.1", "::1"):
        machine.client("send", address, "to." + address.replace(":", "-"), "alice@example.org")
    assert json.loads(machine.client("found", BOX)) == ["to.127.0.0.1", "to.--1"]
    assert machine.run(f"stat -c '%U %G %a' {BOX}") == "mailslot mailslot 600"
    folder = machine.run("stat -c '%U %a' /var/lib/mailslot/example.org")
    assert re.fullmatch("mailslot 7[0-5]0", folder)


def test_nobody_else_can_read_secrets(machine):
    """The folder belongs to the group mailslot, which can read the database; only root can read the passwords."""
    assert machine.run("stat -c '%U %G %a' /etc/mailslot") == "root mailslot 751"
    assert machine.run("stat -c '%U %G %a' /etc/mailslot/mailslot.cdb") == "root mailslot 640"
    assert machine.run("stat -c %a /etc/mailslot/users")[-1] == "0"
    machine.run("! setpriv --reuid nobody --clear-groups cat /etc/mailslot/mailslot.cdb")


def test_a_killed_session_leaves_no_unit(machine):
    machine.run("""
        exec 3<>/dev/tcp/127.0.0.1/25
        read -r greeting <&3
        systemctl kill --signal=KILL 'mailslot@*'
    """)
    wait_for_no_sessions(machine)
    assert machine.run("systemctl is-active mailslot.socket") == "active"


def test_units_are_clean(machine):
    """systemd-analyze finds nothing wrong; units for a newer systemd differ only in keys that this one does not know."""
    said = machine.run(f"systemd-analyze verify --man=no {UNITS}/mailslot*")
    assert "mailslot" not in said, said
    machine.run("rm -rf /tmp/newer && make install SYSTEMD_VERSION=257 DESTDIR=/tmp/newer")
    keys = machine.run(f"grep -h ^PollLimit /tmp/newer{UNITS}/*.socket | sort | uniq -c")
    assert [line.split()[0] for line in keys.splitlines()] == ["5", "5"], keys
    machine.run("make install PREFIX=/opt/mail DESTDIR=/tmp/newer")
    assert machine.run("grep -rhoE '/(usr/local|opt/mail)/[a-z]*' /tmp/newer/opt/mail/share/man | sort -u") == "/opt/mail/sbin\n/opt/mail/share"
    left = machine.run(f"grep -hE '^@|@[a-z]+@' /tmp/newer{UNITS}/* {UNITS}/mailslot*", check=False)
    assert left == "", "make has not replaced it"


def test_security(machine):
    said = machine.run("systemd-analyze security --no-pager mailslot-listen.service | tail -n 1")
    assert float(re.search(r": ([\d.]+) ", said).group(1)) <= EXPOSURE, said


def test_only_one_form_serves_a_port(machine):
    said = machine.run("systemctl enable mailslot-listen.socket 2>&1", check=False)
    assert "already exists" in said and "mailslot.socket" in said
    for one, other in (("mailslot-listen", "mailslot"), ("mailslot", "mailslot-listen")):
        machine.run(f"systemctl start {one}.socket")
        assert machine.run(f"systemctl is-active {other}.socket", check=False) == "inactive"
        machine.client("send", "127.0.0.1", one, "alice@example.org")
    assert json.loads(machine.client("found", BOX)) == ["mailslot-listen", "mailslot"]


def test_a_service_that_cannot_start_closes_nothing(machine):
    """It is restarted once a second, and then serves the clients that have waited."""
    machine.run("systemctl start mailslot-listen.socket; chmod o+w /etc/mailslot/mailslot.cdb")
    machine.run("exec 3<>/dev/tcp/127.0.0.1/25; sleep 2.5")
    tried = machine.run("journalctl --sync; journalctl -o cat -u mailslot-listen | grep -c can.be.changed")
    assert 2 <= int(tried) <= 4
    machine.run("chmod o-w /etc/mailslot/mailslot.cdb")
    machine.client("send", "127.0.0.1", "after", "alice@example.org")
    assert json.loads(machine.client("found", BOX)) == ["after"]


@pytest.fixture
def watched(machine):
    """A machine that watches the text files; they are restored after the test."""
    machine.run("cp -a /etc/mailslot /tmp/as-it-was; systemctl start mailslot-build.path")
    yield machine
    machine.run("systemctl stop mailslot-build.path; rm -r /etc/mailslot; mv /tmp/as-it-was /etc/mailslot")
    machine.run("mailslot-build")


def wait_until_known(machine, address):
    machine.run(f"""
        for i in {{1..200}}; do mailslot-show {address} >/dev/null 2>&1 && exit 0; sleep 0.05; done
        systemctl status 'mailslot-build*'; journalctl -b -o short-precise | tail -n 40
        exit 1
    """)


def test_changed_files_are_built(watched):
    """Files written in place, files replaced, changes by mailslot-user, and a new file aliases."""
    watched.run("echo 'bob@example.org::' >>/etc/mailslot/users")
    wait_until_known(watched, "bob@example.org")
    watched.run("""
        cd /etc/mailslot
        { cat users; echo 'carol@example.org::'; } >users.new && chmod 600 users.new && mv users.new users
    """)
    wait_until_known(watched, "carol@example.org")
    watched.run("mailslot-user add dave@example.org", stdin="a secret\n")
    wait_until_known(watched, "dave@example.org")
    watched.run("echo 'info: bob@example.org' >/etc/mailslot/aliases")
    wait_until_known(watched, "info@example.org")
    watched.run("sed -i 's/^domains.*/& example.net/' /etc/mailslot/mailslot.conf")
    watched.run("echo 'erin@example.net::' >>/etc/mailslot/users")
    wait_until_known(watched, "erin@example.net")


def test_many_changes_at_once_are_all_built(watched):
    watched.run("for i in {1..60}; do echo u$i@example.org:: >>/etc/mailslot/users; sleep 0.02; done")
    wait_until_known(watched, "u60@example.org")
    watched.run("echo last@example.org:: >>/etc/mailslot/users")
    wait_until_known(watched, "last@example.org")
    assert watched.run("systemctl is-active mailslot-build.path") == "active"


def test_a_mistake_is_reported_and_not_built(watched):
    before = watched.run("sha256sum </etc/mailslot/mailslot.cdb")
    watched.run("sed -i '$ a nonsense = yes' /etc/mailslot/mailslot.conf")
    watched.run("for i in {1..200}; do systemctl is-failed mailslot-build && exit 0; sleep 0.05; done; exit 1")
    said = watched.run("journalctl --sync; journalctl -t mailslot-build -o cat")
    assert re.search(r"mailslot\.conf:\d+: .*nonsense", said), said
    assert watched.run("sha256sum </etc/mailslot/mailslot.cdb") == before
    watched.client("send", "127.0.0.1", "still", "alice@example.org")
    watched.run("sed -i /nonsense/d /etc/mailslot/mailslot.conf; echo ok@example.org:: >>/etc/mailslot/users")
    wait_until_known(watched, "ok@example.org")


def test_uninstall_removes_all_installed_files():
    skip_without_machine()
    with Machine() as machine:
        set_up(machine)
        assert "RequiresMountsFor=/var/lib/mailslot /var/mail" in machine.run("systemctl cat mailslot@1.service")
        machine.run("make uninstall")
        assert machine.run("find /usr/local /etc/systemd -name '*mailslot*' -not -type d") == ""
        assert machine.run("ls /var/lib/mailslot /etc/mailslot/mailslot.cdb") != ""
