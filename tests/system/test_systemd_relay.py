"""mailslot-relay under systemd: mail that leaves by the units and commands of mailslot-relay(8) and mailslot-relaying(7), and
under a supervisor. The smarthost is another mailslot, which offers SCRAM-SHA-256-PLUS."""

import re

import pytest

from machine import CLIENT, Machine, set_up, skip_without_machine, start_anew, wait_for_no_sessions

EXAMPLES = "/usr/local/share/doc/mailslot/examples"
BOX = "/srv/smart/mail/example.com/bob"

# The smarthost, and what the manual says to type.
MORE = f"""
install -d -m 755 /srv/smart
install -d -g nogroup -m 750 /srv/smart/etc
install -d -o nobody -m 700 /srv/smart/mail
cd /srv/smart/etc
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=localhost \\
    -addext subjectAltName=DNS:localhost -keyout tls.key -out tls.crt 2>&1
cat >mailslot.conf <<END
hostname        = smart.example.net
domains         = example.com
mail-root       = /srv/smart/mail
tls-certificate = tls.crt
tls-key         = tls.key
END
touch aliases
echo 'bob@example.com::' >users
echo 'Strange weather 7' | mailslot-user -C /srv/smart/etc passwd bob@example.com
chown nobody tls.key
mailslot-build -C /srv/smart/etc

cp tls.crt /etc/mailslot/smart.crt
install -m 640 -g mailslot-relay /dev/null /etc/mailslot/smarthost.password
echo 'Strange weather 7' >/etc/mailslot/smarthost.password
cat >>/etc/mailslot/mailslot.conf <<'END'
smarthost          = localhost:10587
smarthost-ca       = smart.crt
smarthost-user     = bob@example.com
smarthost-password = smarthost.password
forward-sender     = bob@example.com
END
echo 'far: bob@example.com' >>/etc/mailslot/aliases
mailslot-build
"""

START = """
setsid mailslot-smtpd -d /srv/smart/etc/mailslot.cdb -u nobody -r submission -l 127.0.0.1:10587 >/dev/null 2>&1 &
echo $! >/run/smart.pid
"""


@pytest.fixture(scope="module")
def typed():
    skip_without_machine()
    with Machine() as machine:
        set_up(machine)
        machine.run(MORE)
        yield machine


@pytest.fixture
def machine(typed):
    start_anew(typed)
    typed.run(f"rm -rf {BOX}; {START}")
    yield typed
    typed.run("kill $(cat /run/smart.pid)")


def send(machine, tag):
    machine.run("systemctl start mailslot.socket")
    machine.client("send", "127.0.0.1", tag, "far@example.org")


def arrived(machine):
    return re.findall(r"^Subject: (\w+)", machine.run(f"cat {BOX}"), re.M)


def relay_log(machine):
    return machine.run("journalctl --sync; journalctl -o cat -t mailslot-relay")


def test_units(machine):
    """Mail leaves; the process has no rights but those that it needs, and ends."""
    machine.run("systemctl start mailslot-relay.socket")
    assert machine.run("stat -c '%U %G %a' /run/mailslot/relay") == "root mailslot 660"
    send(machine, "first")
    assert arrived(machine) == ["first"]
    log = relay_log(machine)
    assert re.search(r"^smarthost localhost:10587 127\.0\.0\.1: connected, TLS1\.3 \S+, certificate verified", log, re.M), log
    assert "log-in SCRAM-SHA-256-PLUS," in log
    wait_for_no_sessions(machine)
    exposure = machine.run("systemd-analyze security --no-pager mailslot-relay@.service | tail -1", check=False)
    assert float(re.search(r"(\d\.\d) ", exposure)[1]) <= 2.0, exposure


@pytest.fixture
def closed(machine):
    """Only root can read the password."""
    machine.run("chmod 600 /etc/mailslot/smarthost.password; chgrp root /etc/mailslot/smarthost.password")
    yield machine
    machine.run("chgrp mailslot-relay /etc/mailslot/smarthost.password; chmod 640 /etc/mailslot/smarthost.password")


def test_password_of_root(closed):
    """LoadCredential=, as the manual shows it."""
    machine = closed
    machine.run("""
        systemctl start mailslot-relay.socket mailslot.socket
    """)
    assert "(451, b'4." in machine.run(f"python3 {CLIENT} send 127.0.0.1 early far@example.org", check=False)
    assert "settings: cannot read /etc/mailslot/smarthost.password: Permission denied" in relay_log(machine)
    machine.run("""
        mkdir -p /run/systemd/system/mailslot-relay@.service.d
        cat >/run/systemd/system/mailslot-relay@.service.d/password.conf <<'END'
[Service]
LoadCredential=smarthost.password:/etc/mailslot/smarthost.password
END
        systemctl daemon-reload
    """)
    send(machine, "credential")
    assert arrived(machine) == ["credential"]


def test_check(machine):
    """mailslot-check connects as the relay does."""
    machine.run("systemctl start mailslot-relay.socket mailslot.socket")
    assert re.search(r"^ok +smarthost +localhost, TLS1\.3, verified, logged in$", machine.run("mailslot-check", check=False), re.M)


def test_supervisor(machine):
    """The example relay.run."""
    machine.run(f"""
        cp /etc/mailslot/mailslot.conf /tmp/mailslot.conf
        echo 'relay = /run/mailslot-relay/relay' >>/etc/mailslot/mailslot.conf
        mailslot-build
        setsid {EXAMPLES}/relay.run >/tmp/relay.log 2>&1 & echo $! >/run/relay.pid
        for i in {{1..200}}; do [ -S /run/mailslot-relay/relay ] && break; sleep 0.05; done
    """)
    assert machine.run("stat -c '%U %G %a' /run/mailslot-relay/relay") == "mailslot-relay mailslot 660"
    send(machine, "supervised")
    assert arrived(machine) == ["supervised"]
    status = machine.run("grep -hE '^(Uid|CapEff|NoNewPrivs):' /proc/$(cat /run/relay.pid)/status; id -u mailslot-relay").split()
    assert status[1] == status[-1] and int(status[6], 16) == 0 and status[8] == "1"
    machine.run("""
        kill $(cat /run/relay.pid)
        for i in {1..200}; do [ -d /proc/$(cat /run/relay.pid) ] || break; sleep 0.05; done
        cp /tmp/mailslot.conf /etc/mailslot/mailslot.conf
        mailslot-build
    """)
    assert machine.run("ls -A /run/mailslot-relay") == ""
