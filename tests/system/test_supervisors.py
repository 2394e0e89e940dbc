"""The examples for inetd, xinetd, tcpserver and s6, installed by `make install`, in a machine with the user, ports and
folders that they name: they work when they are only copied to their places."""

import json
import re
from contextlib import contextmanager

import pytest
from basics import needs, unpacked
from machine import SOURCE, Machine, set_up, skip_without_machine

pytestmark = pytest.mark.world

EXAMPLES = "/usr/local/share/doc/mailslot/examples"
ALICE = "/var/lib/mailslot/example.org/alice"
EMIL = "/var/mail/emil"

# In addition to README.md: a certificate, and a system user's mailbox as Debian's policy requires it. DNS queries
# go to this machine.
MORE = f"""
systemctl disable --now mailslot.socket
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=mx.example.org \
    -keyout /etc/mailslot/tls.key -out /etc/mailslot/tls.crt 2>&1
chown mailslot /etc/mailslot/tls.key
printf 'tls-certificate = tls.crt\\ntls-key = tls.key\\n' >>/etc/mailslot/mailslot.conf
useradd -M emil
install -o emil -g mail -m 660 /dev/null {EMIL}
echo 'emil@example.org::mailbox={EMIL}' >>/etc/mailslot/users
mailslot-build
cd {SOURCE}/build/unpacked
for package in openbsd-inetd xinetd lib*; do
    tar -C $package -c . | tar -C / -x --keep-directory-symlink
done
echo nameserver 127.0.0.1 >/tmp/resolv.conf
mount --bind /tmp/resolv.conf "$(realpath -m /etc/resolv.conf)"
"""


@pytest.fixture(scope="module")
def machine():
    skip_without_machine()
    needs("svscan", "multilog", "s6-svscan", "s6-log", "tcpserver", "swaks")
    unpacked("openbsd-inetd", "usr/sbin/inetd")
    unpacked("xinetd", "usr/sbin/xinetd")
    with Machine() as machine:
        set_up(machine)
        machine.run(MORE)
        yield machine


def inetd(machine):
    machine.run(f"sed 's/^#sub/sub/' {EXAMPLES}/inetd.conf >/etc/inetd.conf")
    return "inetd -i"


def xinetd(machine):
    machine.run(f"sed 's/disable        = yes/disable = no/' {EXAMPLES}/xinetd.conf >/etc/xinetd.d/mailslot")
    return "xinetd -dontfork"


def supervised(example, program):
    """With the logger for port 25, and after the commands that the example's comment requires before the first start."""

    def prepare(machine):
        machine.run(f"""
            cd {EXAMPLES}
            mkdir -p /services/{{mailslot/log,submission,submissions}}
            cp {example}.run /services/mailslot/run
            cp {example}-log.run /services/mailslot/log/run
            sed 's/^port=.*/port=587 role=submission/' {example}.run >/services/submission/run
            sed 's/^port=.*/port=465 role=submissions/' {example}.run >/services/submissions/run
            chmod 755 /services/sub*/run
            eval "$(sed -n 's/^#   //p' {example}-log.run)"
        """)
        return f"{program} /services"

    return prepare


WAYS = {
    "inetd": inetd,
    "xinetd": xinetd,
    "tcpserver": supervised("tcpserver", "svscan"),
    "s6": supervised("s6", "s6-svscan"),
}
BOTH_FAMILIES = ("inetd", "xinetd", "s6")
SUPERVISED = ("tcpserver", "s6")


@contextmanager
def started(machine, way):
    """The service of this name, listening on all its ports."""
    command = WAYS[way](machine)
    try:
        machine.run(f"systemd-run --quiet --unit=supervisor -p KillSignal=KILL {command}")
        machine.run("""
            for i in {1..400}; do
                listening=$(ss -Htln 'sport = :25 or sport = :465 or sport = :587' | awk '{print $4}')
                [ "$(sed 's/.*://' <<<"$listening" | sort -u | wc -l)" -lt 3 ] || exit 0
                sleep 0.05
            done
            journalctl -u supervisor
            exit 1
        """)
        yield
    finally:
        machine.run(f"""
            systemctl stop supervisor || true
            systemctl reset-failed
            userdel mailslot-log 2>&1 || true
            rm -rf {ALICE} /var/log/mailslot /services /etc/inetd.conf /etc/xinetd.d/*
            : >{EMIL}
        """)


@pytest.fixture(params=WAYS)
def way(request, machine):
    with started(machine, request.param):
        yield request.param


def delivered(machine, way, tag):
    """The line of the log that reports the delivery, in the place that the example names."""
    if way in SUPERVISED:
        log = "cat /var/log/mailslot/current"
    else:
        log = "journalctl --sync; journalctl -o cat -t mailslot SYSLOG_FACILITY=2"
    return machine.run(f"""
        for i in {{1..100}}; do
            ({log}) | grep 'delivered.*{tag}@client' && exit 0
            sleep 0.05
        done
        ({log}) | tail
        exit 1
    """)


def test_mail_arrives(machine, way):
    addresses = ["127.0.0.1"] + (["::1"] if way in BOTH_FAMILIES else [])
    for number, address in enumerate(addresses):
        machine.client("send", address, f"{way}.{number}", "alice@example.org")
        named = "127.0.0.1" if number == 0 else "IPv6:::1"
        assert f"[{named}])" in machine.run(f"grep '^Received:' {ALICE} | tail -n 1")
        line = delivered(machine, way, f"{way}.{number}")
        assert address in line
        if way in SUPERVISED:
            assert re.match(r"@[0-9a-f]{24} ", line), "a TAI64N time stamp"
    assert json.loads(machine.client("found", ALICE)) == [f"{way}.{n}" for n in range(len(addresses))]
    assert machine.run(f"stat -c '%U %G %a' {ALICE}") == "mailslot mailslot 600"


def test_mail_for_a_system_user_arrives(machine, way):
    """A session can lock in /var/mail only with the group mail."""
    machine.client("send", "127.0.0.1", way, "emil@example.org")
    assert json.loads(machine.client("found", EMIL)) == [way]
    assert machine.run(f"stat -c '%U %G %a' {EMIL}; ls {EMIL}?*", check=False).startswith("emil mail 660\nls:")


def test_sessions_have_no_rights_of_root(machine, way):
    """Neither our listener nor a session has a capability, except to open a port."""
    status = machine.run("""
        exec 3<>/dev/tcp/127.0.0.1/25
        read -r greeting <&3
        for pid in $(pgrep -x mailslot-smtpd); do grep -hE '^(Uid|Gid|Cap(Prm|Eff)):' /proc/$pid/status; done
    """)
    uid, gid = machine.run("id -u mailslot; id -g mailslot").split()
    rows = [line.split() for line in status.splitlines()]
    assert len(rows) >= 8, status
    for name, *values in rows:
        if name.startswith("Cap"):
            assert int(values[0], 16) & ~(1 << 10) == 0, status  # CAP_NET_BIND_SERVICE
        else:
            assert set(values) == {uid if name == "Uid:" else gid}, status


def test_no_dns_queries(machine, way):
    sent = "awk '/^Udp: [0-9]/ { print $5 }' /proc/net/snmp"
    before, after = machine.run(f"""
        {sent}
        exec 3<>/dev/tcp/127.0.0.1/25
        read -r greeting <&3
        printf 'QUIT\\r\\n' >&3
        read -r bye <&3
        {sent}
    """).split()
    assert before == after


def test_submission(machine, way):
    """587 and 465 require login."""
    swaks = "swaks --server 127.0.0.1 --from alice@example.org --to alice@example.org --body '<{}> Dry and safe.'"
    login = "--auth PLAIN --auth-user alice@example.org --auth-password 'a secret'"
    for tag, tls in (("submission", "--port 587 --tls"), ("submissions", "--port 465 --tls-on-connect")):
        command = f"{swaks.format(tag)} {tls}"
        assert "530 5.7.0" in machine.run(command, check=False)
        machine.run(f"{command} {login}")
    assert json.loads(machine.client("found", ALICE)) == ["submission", "submissions"]


@pytest.mark.parametrize("way, most", [("xinetd", 20), ("tcpserver", 256), ("s6", 100)], indirect=["way"])
def test_no_client_takes_all_sessions(machine, way, most):
    """The number of sessions is limited, by address or in total; afterwards all is as before."""
    assert machine.client("hold", most + 10, most) == str(most)
    machine.client("send", "127.0.0.1", "after", "alice@example.org")
