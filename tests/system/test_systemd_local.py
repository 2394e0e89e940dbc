"""Units for this host's own programs and other servers: mailslot-submit.socket and sendmail, the proxy to a port, filters, Dovecot's
users after each build."""

import json
import re

import pytest

from machine import Machine, journal, set_up, skip_without_machine, start_anew, wait_for_no_sessions
from manual import displays

BOX = "/var/lib/mailslot/example.org/alice"
UNITS = "/usr/local/lib/systemd/system"
STORE = "127.0.0.1:2424"

MORE = """
ln -sf /usr/local/sbin/mailslot-sendmail /usr/sbin/sendmail
getent passwd emil || useradd -M emil
getent group dovecot || groupadd -r dovecot
mkdir -p /etc/dovecot
"""


@pytest.fixture(scope="module")
def typed():
    skip_without_machine()
    with Machine() as machine:
        set_up(machine)
        machine.run(MORE)
        machine.run("systemctl disable --now mailslot.socket")
        yield machine


@pytest.fixture
def machine(typed):
    start_anew(typed)
    typed.run("rm -f /etc/dovecot/mailslot-users*")
    return typed


def as_user(user, command):
    return f"setpriv --reuid {user} --regid {user} --clear-groups sh -c {command!r}"


def found(machine):
    return json.loads(machine.client("found", BOX))


def test_programs_send(machine):
    """Every user may connect. The kernel tells who it is; the session runs as the user mailslot, and nothing stays."""
    machine.run("systemctl enable --now mailslot-submit.socket")
    assert machine.run("stat -c %a /run/mailslot/submit") == "666"
    assert machine.run("stat -c '%U %a' /run/mailslot") == "root 755"
    machine.run(as_user("emil", 'printf "Subject: emil\\n\\n<emil> Dry and safe.\\n" | sendmail alice'))
    machine.run('printf "Subject: root\\n\\n<root> Dry and safe.\\n" | sendmail -f anybody@elsewhere.example alice')
    said = machine.run(as_user("emil", 'printf "Subject: no\\n\\n<no> Dry and safe.\\n" | sendmail -f alice alice; echo $?'))
    assert "550 5.7.1 You may not send from this address" in said and said.endswith("77")
    assert found(machine) == ["emil", "root"]
    wait_for_no_sessions(machine)
    delivered = [entry for entry in journal(machine) if entry["MESSAGE"].startswith("delivered")]
    assert [entry["MAILSLOT_LOGIN"] for entry in delivered[-2:]] == ["emil@example.org", "root@example.org"]
    assert {entry["_UID"] for entry in delivered} == {machine.run("id -u mailslot")}
    machine.run("systemctl disable --now mailslot-submit.socket")
    assert machine.run(as_user("emil", "echo x | sendmail alice; echo $?")).endswith("75")


def test_without_systemd(machine):
    """The example submit.run."""
    machine.run("command -v s6-ipcserver >/tmp/found || true")
    if not machine.run("cat /tmp/found"):
        pytest.skip("s6-ipcserver is not installed")
    machine.run("setsid /usr/local/share/doc/mailslot/examples/submit.run >/tmp/submit.log 2>&1 & echo $! >/run/submit.pid")
    machine.run("for i in {1..200}; do [ -S /run/mailslot/submit ] && exit 0; sleep 0.05; done; cat /tmp/submit.log; exit 1")
    machine.run(as_user("emil", 'printf "Subject: s6\\n\\n<s6> Dry and safe.\\n" | sendmail alice'))
    assert found(machine) == ["s6"]
    machine.run("kill $(cat /run/submit.pid); rm -f /run/mailslot/submit*")


def test_port_of_a_store(machine):
    """systemd-socket-proxyd passes what sessions send to a socket, to which nobody else can connect."""
    machine.run("systemctl start mailslot-proxy@127.0.0.1:2424.socket")
    machine.run(f"setsid mailslot-smtpd -r lmtp -l {STORE} >/dev/null 2>&1 & echo $! >/run/store.pid")
    assert machine.run(f"stat -c '%U %a' /run/mailslot/{STORE}") == "mailslot 600"
    machine.client("send_by_lmtp", f"/run/mailslot/{STORE}", "proxy", "alice@example.org")
    assert found(machine) == ["proxy"]
    denied = machine.run(as_user("emil", f"nc -NU /run/mailslot/{STORE} </dev/null 2>&1"), check=False)
    assert "denied" in denied
    machine.run("kill $(cat /run/store.pid)")


OTHER = f"""
cp -a /etc/mailslot /tmp/as-it-was
install -d -m 755 /etc/store && install -d -o mailslot -g mailslot /var/lib/store
printf 'hostname = store.example.org\\ndomains = example.org\\nmail-root = /var/lib/store\\n' >/etc/store/mailslot.conf
echo dora@example.org:: >/etc/store/users
mailslot-build -C /etc/store && chmod 644 /etc/store/mailslot.cdb
echo dora@example.org::mailbox=lmtp:/run/mailslot/{STORE} >>/etc/mailslot/users
mailslot-build
setsid mailslot-smtpd -d /etc/store/mailslot.cdb -r lmtp -l {STORE} >/dev/null 2>&1 & echo $! >/run/store.pid
"""


def test_stores_in_both_forms(machine):
    """No directive of a unit keeps a session from a store: neither of a session's, nor of the listening service."""
    machine.run(OTHER)
    machine.run(f"systemctl start mailslot-proxy@{STORE}.socket")
    try:
        for form in ("mailslot", "mailslot-listen"):
            machine.run(f"systemctl start {form}.socket")
            machine.client("send", "127.0.0.1", form, "dora@example.org", "alice@example.org")
        assert json.loads(machine.client("found", "/var/lib/store/example.org/dora")) == ["mailslot", "mailslot-listen"]
        assert found(machine) == ["mailslot", "mailslot-listen"]
    finally:
        machine.run("""
            systemctl stop 'mailslot*'; kill $(cat /run/store.pid)
            rm -r /etc/mailslot; mv /tmp/as-it-was /etc/mailslot; mailslot-build
        """)


def commands_of_group():
    """What mailslot-filtering(7) gives to type, so that only the units get the group of a filter."""
    (commands,) = [text for text in displays("mailslot-filtering.7")["SOCKETS"] if "SupplementaryGroups" in text]
    return re.sub("^# ", "", commands, flags=re.M)


SIGNER = "/run/opendkim/opendkim.sock"
FILTERS = f"""
cp -a /etc/mailslot /tmp/as-it-was
getent passwd opendkim || useradd -r -U -M opendkim
install -d -o opendkim -g opendkim -m 750 /run/opendkim
printf 'milter = /run/mailslot/127.0.0.1:11332\\nmilter = {SIGNER} mx\\n' >>/etc/mailslot/mailslot.conf
mailslot-build
systemctl start mailslot-proxy@127.0.0.1:11332.socket
"""


def test_filters_in_both_forms(machine):
    """One on a port, by the proxy, and one whose socket is for its group, as rspamd and OpenDKIM in Debian. No directive of a unit
    keeps a session from them. A message is with both, or deferred; mailslot-check says what is to be typed."""
    machine.run(FILTERS)
    try:
        with machine.talk("milter", 11332, "spam") as spam, machine.talk("milter", SIGNER, "signer") as signer:
            machine.run(f"chown opendkim:opendkim {SIGNER}; chmod 770 {SIGNER}; systemctl start mailslot.socket")
            told = machine.run("mailslot-check | grep 'filter '", check=False).splitlines()
            assert told[0].startswith("ok ") and told[1].startswith("FAIL ") and told[1].endswith("; type: usermod -aG opendkim mailslot")
            with pytest.raises(AssertionError, match="451"):
                machine.client("send", "127.0.0.1", "early", "alice@example.org")
            for command in ("usermod -aG opendkim mailslot", "gpasswd -d mailslot opendkim; " + commands_of_group()):
                machine.run(command)
                for form in ("mailslot", "mailslot-listen"):
                    machine.run(f"systemctl start {form}.socket")
                    machine.client("send", "127.0.0.1", form, "alice@example.org")
                machine.run("systemctl stop mailslot-listen.service")
            assert found(machine) == ["mailslot", "mailslot-listen"] * 2
            assert machine.run(f"grep ^X-Filter: {BOX}").split() == ["X-Filter:", "spam", "X-Filter:", "signer"] * 4
            assert spam.end() == "4 6" and signer.end() == "4 4"
    finally:
        machine.run("""
            systemctl stop 'mailslot*'; gpasswd -d mailslot opendkim || :
            rm -rf /etc/systemd/system/mailslot@.service.d /etc/systemd/system/mailslot-.service.d; systemctl daemon-reload
            rm -r /etc/mailslot; mv /tmp/as-it-was /etc/mailslot; mailslot-build
        """)


def wait_for_user(machine, user):
    machine.run(f"""
        for i in {{1..200}}; do grep -q ^{user}@ /etc/dovecot/mailslot-users 2>/dev/null && exit 0; sleep 0.05; done
        systemctl status 'mailslot-dovecot*'; cat /etc/dovecot/*; exit 1
    """)


def test_users_of_dovecot(machine):
    """They are those of the last build, whoever has built it; a folder that is missing is no failure."""
    machine.run("cp -a /etc/mailslot /tmp/as-it-was; systemctl enable --now mailslot-dovecot-users.path")
    machine.run("systemctl start mailslot-dovecot-users.service")
    assert machine.run("stat -c '%U %G %a' /etc/dovecot/mailslot-users") == "root dovecot 640"
    assert machine.run("cut -d: -f1 /etc/dovecot/mailslot-users") == "alice@example.org"
    machine.run("mailslot-user add bob@example.org", stdin="a secret\n")
    wait_for_user(machine, "bob")
    machine.run("for i in {1..10}; do mailslot-user add -n u$i@example.org; done")
    wait_for_user(machine, "u10")
    assert machine.run("ls /etc/dovecot/mailslot-users*") == "/etc/dovecot/mailslot-users"
    machine.run("mv /etc/dovecot /etc/dovecot.away; systemctl start mailslot-dovecot-users.service; mv /etc/dovecot.away /etc/dovecot")
    assert machine.run("systemctl is-failed mailslot-dovecot-users.service", check=False) == "inactive"
    machine.run("systemctl disable --now mailslot-dovecot-users.path; rm -r /etc/mailslot; mv /tmp/as-it-was /etc/mailslot; mailslot-build")


def test_security(machine):
    """What runs for longer than a session."""
    for unit, most in (("mailslot-proxy@x:1.service", 2.0), ("mailslot-dovecot-users.service", 3.0)):
        said = machine.run(f"systemd-analyze security --no-pager {unit} | tail -n 1")
        assert float(said.split(": ")[1].split()[0]) <= most, said
