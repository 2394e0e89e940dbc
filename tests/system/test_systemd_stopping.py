"""Mail to other domains in a real systemd: stops and a reboot while a message is on its way."""

import pytest
from machine import Machine, journal, set_up, skip_without_machine, start_anew, wait_for_no_sessions

pytestmark = pytest.mark.world

FAR = "friend@far.example"
SESSIONS = "'mailslot-submission@*' 'mailslot-relay@*'"
SMARTHOST = """
printf 'smarthost = 127.0.0.1:2525\nsmarthost-tls = none\nauth-without-tls = yes\n' >>/etc/mailslot/mailslot.conf
mailslot-build
systemctl enable --now mailslot-relay.socket mailslot-submission.socket
cat >/etc/systemd/system/opendkim.service <<'END'
[Service]
ExecStart=/bin/sleep infinity
ExecStop=/bin/cp /var/tmp/accepted /var/tmp/accepted-when-stopped
END
"""


@pytest.fixture(scope="module")
def typed():
    skip_without_machine()
    with Machine() as machine:
        set_up(machine)
        machine.run(SMARTHOST)
        yield machine


@pytest.fixture
def machine(typed):
    start_anew(typed)
    typed.run("rm -f /run/answer /run/dotted; systemctl start mailslot-relay.socket mailslot-submission.socket")
    return typed


def wait_for(machine, condition):
    machine.run(f"for i in {{1..400}}; do {condition} && exit 0; sleep 0.05; done; systemctl list-units 'mailslot*'; exit 1")


def stop(machine, what="stop " + SESSIONS):
    """Returns as soon as the session is being stopped."""
    machine.run(f"systemctl --no-block {what}")
    wait_for(machine, "systemctl list-units --plain --no-legend 'mailslot-submission@*' | grep -q deactivating")


def messages(machine):
    return [entry["MESSAGE"].split(" peer=")[0] for entry in journal(machine, "-b")]


def test_mail_leaves(machine):
    """The relay runs as its own user and ends some seconds later; nothing stays."""
    machine.run("touch /run/answer")
    with machine.talk("held_smarthost", 2525) as smarthost:
        with machine.talk("send_slowly", "one", FAR) as client:
            assert machine.run("ps -o user= -C mailslot-relay") == "mailslot-relay"
            assert client.end().startswith("250 2.0.0")
        wait_for_no_sessions(machine)
        assert smarthost.end() == "one"
    assert "relayed" in messages(machine)


def test_stopped_in_the_text(machine):
    """Before the first dot: 421, and the smarthost has nothing."""
    with machine.talk("held_smarthost", 2525) as smarthost:
        with machine.talk("send_slowly", "early", FAR) as client:
            stop(machine)
            assert client.end().startswith("421 4.3.2")
        assert smarthost.end() == "" and "relayed" not in machine.run("journalctl -t mailslot -n 3 -o cat")


def test_stopped_after_the_dot(machine):
    """The session and its relay wait for the smarthost's reply, and the client gets it."""
    with machine.talk("held_smarthost", 2525) as smarthost, machine.talk("send_slowly", "late", FAR) as client:
        client.go()
        wait_for(machine, "[ -e /run/dotted ]")
        stop(machine)
        machine.run("touch /run/answer")
        assert client.end().startswith("250 2.0.0")
        assert smarthost.end() == "late"
    wait_for_no_sessions(machine)


def test_rebooted_after_the_dot(machine):
    """The machine goes down after the reply, and other servers, such as a filter, after the session; all works again when it is
    up."""
    machine.run("systemctl start opendkim.service")
    with machine.talk("held_smarthost", 2525), machine.talk("send_slowly", "rebooted", FAR) as client:
        client.go()
        wait_for(machine, "[ -e /run/dotted ]")
        stop(machine, "reboot")
        machine.run("touch /run/answer")
        assert client.end().startswith("250 2.0.0")
        machine.wait_for_reboot()
    assert machine.run("cat /var/tmp/accepted") == "rebooted"
    assert machine.run("cat /var/tmp/accepted-when-stopped") == "rebooted"
    machine.run("touch /run/answer; systemctl start sockets.target")
    with machine.talk("held_smarthost", 2525) as smarthost, machine.talk("send_slowly", "again", FAR) as client:
        assert client.end().startswith("250 2.0.0")
        assert smarthost.end() == "again"
