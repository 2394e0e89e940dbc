"""mailslot-check in a real systemd: after the set-up in README.md, and for sockets, services and ports."""

import json

import pytest

from house import Finding, find, wrong
from machine import Machine, set_up, skip_without_machine, start_anew
from test_systemd_forms import LIVE

CERTIFICATE = rf"""
install -d -m 700 {LIVE}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=mx.example.org \
    -addext subjectAltName=DNS:mx.example.org -keyout {LIVE}/privkey.pem -out {LIVE}/fullchain.pem 2>&1
chmod 600 {LIVE}/*
cat >>/etc/mailslot/mailslot.conf <<END
tls-certificate = {LIVE}/fullchain.pem
tls-key         = {LIVE}/privkey.pem
END
mailslot-build 2>&1
"""

# Something that uses port 25 as another mail system would.
EXIM = r"""
ln -sf "$(readlink -f /usr/bin/python3)" /usr/sbin/exim4
cat >/etc/systemd/system/exim4.service <<END
[Service]
ExecStart=/usr/sbin/exim4 -c "import socket, time; s = socket.create_server(('127.0.0.1', 25)); time.sleep(999)"
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --now exim4.service
for i in {1..200}; do grep -q ':0019 .* 0A ' /proc/net/tcp && exit 0; sleep 0.05; done; exit 1
"""


@pytest.fixture(scope="module")
def typed():
    """Set up as in README.md, and nothing more."""
    skip_without_machine()
    with Machine() as machine:
        set_up(machine)
        machine.run("cp -a /etc/mailslot /root/as-it-was")
        yield machine


@pytest.fixture
def machine(typed):
    start_anew(typed)
    typed.run("""
        systemctl stop 'exim4*'
        rm -rf /etc/mailslot /etc/letsencrypt /etc/systemd/system/{mailslot*,sockets.target.wants/mailslot*,exim4.service}
        cp -a /root/as-it-was /etc/mailslot
        systemctl daemon-reload
        systemctl enable --now mailslot.socket
    """)
    return typed


def check(machine):
    said = machine.run("code=0; mailslot-check || code=$?; echo $code")
    *lines, code = said.splitlines()
    found = [Finding(line) for line in lines]
    assert int(code) == any(one.mark == "FAIL" for one in found), said
    return found


def is_right(machine, remedy, *subjects):
    """Types it; returns whether nothing is wrong with the subjects any more."""
    machine.run(remedy)
    return not [one for one in wrong(check(machine)) if one.subject in subjects]


def test_nothing_fails_after_the_set_up(machine):
    found = check(machine)
    assert find(found, "ok", "units", "mailslot.socket is enabled") and find(found, "ok", "port", "25: mailslot.socket")
    assert {(one.mark, one.subject) for one in wrong(found)} == {("WARN", "postmaster"), ("WARN", "certificate")}


def test_typing_all_commands_leaves_nothing_wrong(machine):
    """The key belongs to root, as with certbot: systemd hands it over, and sessions can serve TLS."""
    machine.run(find(check(machine), "WARN", "postmaster", "").remedy + "\n" + CERTIFICATE)
    machine.run("systemctl enable --now mailslot-submission.socket mailslot-submissions.socket")
    machine.run(find(check(machine), "FAIL", "key", "cannot be read by mailslot").remedy)
    assert not wrong(check(machine))
    assert machine.client("send_by_tls", "large", 1000, "alice@example.org").startswith("TLSv1.3")


def test_a_key_of_root_is_reported_at_the_build(machine):
    """Typing the command twice makes no difference. If the file is lost later, mail still arrives, and the log says so."""
    said = machine.run(CERTIFICATE)
    assert f"the user mailslot cannot read {LIVE}/privkey.pem" in said and "mailslot-check prints the command" in said
    remedy = find(check(machine), "FAIL", "key", "cannot be read by mailslot").remedy
    machine.run(remedy)
    before = machine.run("cat /etc/systemd/system/mailslot*.d/tls-*.conf")
    machine.run(remedy)
    assert machine.run("cat /etc/systemd/system/mailslot*.d/tls-*.conf") == before
    assert "cannot read" not in machine.run("mailslot-build 2>&1")
    machine.run(f"mv {LIVE} {LIVE}.gone")
    machine.client("send", "127.0.0.1", "clear", "alice@example.org")
    machine.run(r"exec 3<>/dev/tcp/127.0.0.1/25; printf 'EHLO c\r\nSTARTTLS\r\n' >&3; timeout 5 cat <&3 || true")
    machine.run("journalctl --sync; journalctl -t mailslot -o cat | grep -q tls-unavailable")


def test_another_mail_system_is_named(machine):
    machine.run("systemctl disable --now mailslot.socket\n" + EXIM)
    one = find(check(machine), "FAIL", "port", r"25 is in use by exim4 \(process \d+\)")
    assert one.remedy == "systemctl disable --now exim4.service && systemctl enable --now mailslot.socket"
    assert is_right(machine, one.remedy, "units", "port")
    machine.client("send", "127.0.0.1", "after", "alice@example.org")


def test_only_the_process_is_ended_if_it_is_not_the_main_one_of_its_service(machine):
    """It was started by another program, as from a shell or by cron."""
    machine.run("systemctl disable --now mailslot.socket\n" + EXIM.replace("ExecStart=", "ExecStart=/usr/bin/timeout 999 "))
    one = find(check(machine), "FAIL", "port", r"25 is in use by (exim4|python3\S*) \(process \d+\)")
    assert one.remedy.startswith("kill ")
    assert is_right(machine, one.remedy, "units", "port")


def test_another_mail_system_may_deliver_by_lmtp(machine):
    machine.run("systemctl disable --now mailslot.socket; systemctl enable --now mailslot-lmtp.socket\n" + EXIM)
    assert [one.text for one in check(machine) if one.subject == "port"] == ["/run/mailslot/lmtp: mailslot-lmtp.socket"]


@pytest.mark.parametrize(
    "mistake, mark, said",
    [
        ("systemctl disable --now mailslot.socket", "WARN", "no program listens on 25; type: systemctl enable --now mailslot.socket"),
        ("systemctl stop mailslot.socket", "FAIL", "no program listens on 25, although mailslot.socket is enabled"),
        ("systemctl disable mailslot.socket", "WARN", "25 is served now, but not after a reboot"),
        (
            "systemctl disable --now mailslot.socket; systemctl enable mailslot-listen.socket", "FAIL",
            "no program listens on 25, although mailslot-listen.socket is enabled"),
        (
            "systemctl enable --now mailslot-lmtp.socket; systemctl stop mailslot-lmtp.socket", "FAIL",
            "no program listens on /run/mailslot/lmtp, although mailslot-lmtp.socket is enabled"),
        (
            "systemctl enable --now mailslot-submit.socket; systemctl stop mailslot-submit.socket", "FAIL",
            "no program listens on /run/mailslot/submit, although mailslot-submit.socket is enabled"),
    ],
    ids=["neither", "stopped", "not enabled", "the other way", "lmtp", "submit"],
)
def test_a_socket_must_listen_now_and_after_a_reboot(machine, mistake, mark, said):
    machine.run(mistake)
    assert is_right(machine, find(check(machine), mark, "port", said).remedy, "units", "port")


def test_a_host_that_only_sends_needs_no_port(machine):
    machine.run("systemctl disable --now mailslot.socket; systemctl enable --now mailslot-submit.socket")
    found = check(machine)
    assert find(found, "ok", "port", "/run/mailslot/submit: mailslot-submit.socket")
    assert not [one for one in wrong(found) if one.subject in ("units", "port")]


@pytest.mark.parametrize("masked", ["mailslot.socket", "mailslot@.service"])
def test_a_masked_unit_is_reported(machine, masked):
    machine.run(f"systemctl stop mailslot.socket; ln -sf /dev/null /etc/systemd/system/{masked}; systemctl daemon-reload")
    one = find(check(machine), "FAIL", "units", f"{masked} is masked, so mailslot.socket does not work")
    assert is_right(machine, one.remedy, "units", "port")
    machine.client("send", "127.0.0.1", "after", "alice@example.org")


def test_two_sockets_for_one_port_are_reported(machine):
    """Enabled by hand, because systemctl refuses the second one."""
    machine.run("""
        ln -s /usr/local/lib/systemd/system/mailslot-listen.socket /etc/systemd/system/sockets.target.wants/
        systemctl daemon-reload
        systemctl start mailslot-listen.socket
    """)
    one = find(check(machine), "FAIL", "units", "mailslot.socket and mailslot-listen.socket are both enabled")
    assert is_right(machine, one.remedy, "units", "port")
    assert machine.run("systemctl is-active mailslot.socket") == "active"


def test_submission_without_tls_is_reported(machine):
    machine.run("systemctl enable --now mailslot-submission.socket")
    find(check(machine), "FAIL", "certificate", "nobody can log in")
    machine.run(CERTIFICATE + "systemctl enable --now mailslot-submission.socket")
    machine.run("echo auth = no >>/etc/mailslot/mailslot.conf; mailslot-build 2>&1")
    one = find(check(machine), "FAIL", "passwords", "remove `auth = no`")
    machine.run("sed -i '/^auth = no/d' /etc/mailslot/mailslot.conf; sed -i 's/:.*/::/' /etc/mailslot/users")
    machine.run(one.remedy + " 2>&1")
    one = find(check(machine), "FAIL", "passwords", "no user has one")
    machine.run(one.remedy, stdin="correct horse battery\n")
    assert not [one for one in wrong(check(machine)) if one.subject == "passwords"]


def test_a_service_that_cannot_write_to_the_mail_is_reported(machine):
    machine.run("""
        install -d -o mailslot -g mailslot -m 750 /srv/'the mail'
        echo "mail-root = /srv/the mail" >>/etc/mailslot/mailslot.conf
        mailslot-build
        systemctl disable --now mailslot.socket
        systemctl enable --now mailslot-listen.socket
    """)
    one = find(check(machine), "FAIL", "units", "mailslot-listen.service cannot write to /srv/the mail")
    assert is_right(machine, one.remedy, "units", "port")
    machine.client("send", "127.0.0.1", "there", "alice@example.org")
    assert json.loads(machine.client("found", "/srv/the mail/example.org/alice")) == ["there"]


DROP_IN = "/etc/systemd/system/mailslot-listen.service.d/mail.conf"


@pytest.mark.parametrize(
    "unit, writes",
    [
        ("[Service]\nReadWritePaths = '/srv/mail/'", True),
        ("[Service]\n  ReadWritePaths=-/a \\\\\n  -/srv", True),
        ("[Service]\nReadWritePaths=/sr'v/m'ai\\\\l", True),
        ("[Service]\nReadWritePaths=/", False),
        ("[Service]\n# no word of it \\\\\nReadWritePaths=-\\\"/srv/mail\\\"", True),
        ("[Service]\nReadWritePaths=-/a \\\\\n# /srv/mail \\\\\n -/b", False),
        ("[Service]\nProtectSystem=", False),
        ("[Service]\nProtectSystem=strict\nProtectSystem=no", True),
        ("[Service]\nReadWritePaths=-/srv/mai -/srv/mail/x", False),
        ("[Service]\nReadWritePaths=/srv/mail\nReadWritePaths=", False),
        ("[Unit]\nReadWritePaths=/srv/mail", False),
        ("[Service]\n#ReadWritePaths=/srv/mail", False),
    ],
)
def test_a_unit_is_read_as_systemd_reads_it(machine, unit, writes):
    """The check agrees with whether mail arrives."""
    machine.run(f"""
        install -d -o mailslot -g mailslot -m 750 /srv/mail
        sed -i '/^mail-root/d' /etc/mailslot/mailslot.conf
        echo mail-root = /srv/mail >>/etc/mailslot/mailslot.conf
        mailslot-build
        mkdir -p {DROP_IN.rpartition("/")[0]}
        printf "{unit}\n" >{DROP_IN}
        systemctl disable --now mailslot.socket
        systemctl enable --now mailslot-listen.socket
        systemctl daemon-reload
        systemctl stop mailslot-listen.service
    """)
    found = [one for one in check(machine) if "cannot write to /srv/mail" in one.text]
    assert (found == []) is writes, found
    if found:
        machine.run(found[0].remedy)
    machine.client("send", "127.0.0.1", "there", "alice@example.org")
    assert json.loads(machine.client("found", "/srv/mail/example.org/alice"))[-1] == "there"


def test_mail_and_keys_in_homes_need_the_drop_ins(machine):
    """The listening service cannot see homes until the drop-ins that the check names are there."""
    machine.run(CERTIFICATE.replace(LIVE, "/home/certs") + """
        chown -R mailslot: /home/certs
        install -d -o mailslot -g mailslot -m 750 /home/mail
        sed -i '/^mail-root/d' /etc/mailslot/mailslot.conf
        echo mail-root = /home/mail >>/etc/mailslot/mailslot.conf
        mailslot-build
        systemctl disable --now mailslot.socket
        systemctl enable --now mailslot-listen.socket
    """)
    machine.run(find(check(machine), "FAIL", "key", "cannot be read by mailslot").remedy)
    assert is_right(machine, find(check(machine), "FAIL", "units", "cannot write to /home/mail").remedy, "units", "key", "certificate")
    machine.client("send", "127.0.0.1", "there", "alice@example.org")
    assert json.loads(machine.client("found", "/home/mail/example.org/alice")) == ["there"]
