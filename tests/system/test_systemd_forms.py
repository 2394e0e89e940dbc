"""Both forms of service under systemd, a process per connection and the listening service: no directive of a unit breaks
a feature, no burst closes a port, and no mail is lost when something is killed or restarted."""

import json

import pytest

from machine import (
    Machine,
    journal,
    set_up,
    skip_without_machine,
    start_anew,
    wait_for_no_sessions,
)

HOME = "/var/lib/mailslot/example.org"
LIVE = "/etc/letsencrypt/live/mx.example.org"
EXAMPLES = "/usr/local/share/doc/mailslot/examples"

# In addition to README.md: a certificate as certbot keeps it, which the example for certbot passes to the
# sessions; a mailbox in /var/mail as Debian's policy requires it, and one elsewhere.
MORE = rf"""
install -d -m 700 {LIVE}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=mx.example.org \
    -addext subjectAltName=DNS:mx.example.org -keyout {LIVE}/privkey.pem -out {LIVE}/fullchain.pem 2>&1
chmod 600 {LIVE}/privkey.pem
for folder in mailslot@.service.d mailslot-.service.d; do
    install -D -m 644 {EXAMPLES}/certbot.conf /etc/systemd/system/$folder/certbot.conf
done
install -D -m 644 /dev/stdin /etc/systemd/system/mailslot-listen.service.d/elsewhere.conf <<END
[Service]
ReadWritePaths=/srv/mail
END
systemctl daemon-reload

useradd -M emil
install -o emil -g mail -m 660 /dev/null /var/mail/emil
install -d -o mailslot -g mailslot -m 750 /srv/mail
cat >>/etc/mailslot/mailslot.conf <<END
tls-certificate = {LIVE}/fullchain.pem
tls-key         = {LIVE}/privkey.pem
lock-timeout    = 2
END
cat >>/etc/mailslot/users <<END
emil@example.org::mailbox=/var/mail/emil
elsewhere@example.org::mailbox=/srv/mail/elsewhere
END
mailslot-build
"""

SWAKS = "swaks --server 127.0.0.1 --from alice@example.org --to {to} --auth PLAIN --auth-user alice@example.org " + (
    "--auth-password 'a secret' --header 'Subject: swaks' --body '<swaks> Dry and safe.' --silent 2"
)
CURL = (
    f"curl --silent --show-error --ssl-reqd --cacert {LIVE}/fullchain.pem --connect-to ::127.0.0.1:587 "
    "--user 'alice@example.org:a secret' --mail-from alice@example.org --mail-rcpt {to} -T - smtp://mx.example.org:587"
)


@pytest.fixture(scope="module")
def typed():
    skip_without_machine()
    with Machine() as machine:
        set_up(machine)
        machine.run(MORE)
        machine.run("systemctl disable --now mailslot.socket")
        yield machine


class Form:
    """A form of service."""

    def __init__(self, machine, name, stem):
        self.machine, self.name, self.stem = machine, name, stem

    def socket(self, role):
        return f"mailslot{self.stem}{role}.socket"

    def start(self, *roles):
        self.machine.run("systemctl start " + " ".join(self.socket(role) for role in roles))

    def is_open(self):
        return self.machine.run(f"systemctl is-active {self.socket('')}", check=False) == "active"

    def found(self, mailbox=f"{HOME}/alice"):
        return json.loads(self.machine.client("found", mailbox))


@pytest.fixture(params=["session", "listen"])
def form(request, typed):
    """A form of service; nothing runs yet, and the mailboxes are empty."""
    start_anew(typed)
    typed.run("truncate -s 0 /var/mail/emil; rm -f /var/mail/*.lock /srv/mail/*")
    return Form(typed, request.param, {"session": "", "listen": "-listen"}[request.param])


def test_features(form):
    """Four roles, TLS, AUTH, credentials, every kind of mailbox, a message so large that it is spooled to a file."""
    machine = form.machine
    form.start("", "-submission", "-submissions")
    machine.client("send", "::1", "plain", "alice@example.org", "emil@example.org", "elsewhere@example.org")
    assert machine.client("send_by_tls", "large", 3_000_000, "alice@example.org").startswith("TLSv1.3")
    machine.run(SWAKS.format(to="alice@example.org") + " --tls-on-connect --port 465")
    machine.run(CURL.format(to="alice@example.org"), stdin="Subject: curl\r\n\r\n<curl> Dry and safe.\r\n")
    assert form.found() == ["plain", "large", "swaks", "curl"]
    assert form.found("/var/mail/emil") == form.found("/srv/mail/elsewhere") == ["plain"]
    assert machine.run("stat -c '%U %G %a' /var/mail/emil") == "emil mail 660"
    assert machine.run("stat -c '%U %a' /srv/mail/elsewhere") == "mailslot 600"
    assert machine.client("refused", 587, "alice@example.org") == "530", "587 requires TLS first"


def test_lmtp(form):
    machine = form.machine
    form.start("-lmtp")
    assert machine.run("stat -c '%G %a' /run/mailslot/lmtp") == "mail 660"
    machine.client("send_by_lmtp", "/run/mailslot/lmtp", "lmtp", "alice@example.org", "emil@example.org")
    assert form.found() == form.found("/var/mail/emil") == ["lmtp"]
    said = machine.run("setpriv --reuid nobody --clear-groups nc -NU /run/mailslot/lmtp </dev/null 2>&1", check=False)
    assert "denied" in said


def test_locks(form):
    """The server sees whether the process in a mailbox's lock file is alive, whatever its user; stale locks are broken."""
    machine = form.machine
    form.start("")
    machine.run("setsid sleep 60 >/dev/null 2>&1 & echo $! >/var/mail/emil.lock")
    assert machine.client("refused", 25, "emil@example.org") == "451"
    machine.run("kill $(cat /var/mail/emil.lock)")
    machine.client("send", "127.0.0.1", "free", "emil@example.org")
    assert form.found("/var/mail/emil") == ["free"]
    assert machine.run("ls /var/mail/*.lock", check=False).startswith("ls: cannot access")


def test_journal(form):
    """Mail can be found by any of its recipients, and all events of a session by its id."""
    machine = form.machine
    form.start("")
    machine.client("send", "127.0.0.1", form.name, "elsewhere@example.org", "emil@example.org")
    wait_for_no_sessions(machine)
    # The journal may not know the unit of a process that has ended, so we do not query by unit.
    for address in ("elsewhere@example.org", "emil@example.org"):
        found = journal(machine, f"MAILSLOT_RECIPIENT={address}", "-n 1")
        assert found and found[-1]["MAILSLOT_EVENT"] == "delivered", found
        assert found[-1]["SYSLOG_IDENTIFIER"] == "mailslot"
        assert found[-1]["MAILSLOT_PEER"] == "127.0.0.1"
        assert found[-1]["MAILSLOT_SENDER"] == f"{form.name}@client.example"
        assert found[-1]["PRIORITY"] == "6"
        session = journal(machine, f"MAILSLOT_SESSION={found[-1]['MAILSLOT_SESSION']}")
        assert [event["MAILSLOT_EVENT"] for event in session] == ["delivered", "end"]


def test_a_burst_leaves_the_port_open(form):
    """A thousand connections as fast as possible: none is refused, and mail is accepted afterwards."""
    machine = form.machine
    form.start("")
    greeted, refused = map(int, machine.client("burst", 1000).split())
    assert refused == 0
    assert greeted >= 50, "at least so many are served, whatever the limit for one client"
    assert form.is_open()
    wait_for_no_sessions(machine)
    machine.client("send", "127.0.0.1", "after", "alice@example.org")
    assert form.found() == ["after"]


# In a session, the back is the parent of the front.
WHICH = {
    "front": "children=$(pgrep -P $(pgrep -xd, mailslot-smtpd)); for p in $children; do "
    "pgrep -P $p >/dev/null || echo $p; done",
    "back": "for p in $(pgrep -x mailslot-smtpd); do c=$(pgrep -P $p) && "
    "! pgrep -P $(echo $c | tr ' ' ,) >/dev/null && echo $p; done",
    "first": "pgrep -ox mailslot-smtpd",
}


@pytest.mark.parametrize("which", WHICH)
def test_killed_in_mid_session(form, which):
    """Acknowledged mail stays, unacknowledged mail is in no mailbox, and the next message is delivered."""
    machine = form.machine
    form.start("")
    machine.client("send", "127.0.0.1", "before", "alice@example.org")
    wait_for_no_sessions(machine)
    with machine.talk("half", "alice@example.org") as client:
        victim = machine.run(WHICH[which] + " || true").split()
        assert len(victim) == 1, victim
        machine.run(f"kill -KILL {victim[0]}")
        # If the front has died, the back tells the client: 421. Otherwise there is nobody to tell it. Sessions
        # without a listener go on until systemd ends them, so one may finish first.
        end = client.end()
    assert end in ("lost", "421") or (end == "250" and which == "first")
    machine.client("send", "127.0.0.1", "after", "alice@example.org")
    assert form.found() == ["before", *["half"] * (end == "250"), "after"]
    assert form.is_open()
    machine.run("""
        for i in {1..200}; do [ "$(pgrep -c mailslot-smtpd)" -gt 1 ] || exit 0; sleep 0.05; done
        pgrep -a mailslot-smtpd
        exit 1 # there is at most the listener
    """)


def test_a_stop_waits_for_messages(typed):
    """A restart while a message arrives: the old process accepts it, and the new one accepts the next."""
    start_anew(typed)
    form = Form(typed, "listen", "-listen")
    form.start("")
    with typed.talk("half", "alice@example.org") as client:
        old = typed.run("systemctl show -P MainPID mailslot-listen.service")
        typed.run("systemctl restart --no-block mailslot-listen.service; sleep 0.3")
        assert client.end() == "250"
    typed.client("send", "127.0.0.1", "after", "alice@example.org")
    assert typed.run("systemctl show -P MainPID mailslot-listen.service") != old
    assert form.found() == ["half", "after"]


def test_restarts_under_load(typed):
    """No connection is refused, and each acknowledged message is delivered once."""
    start_anew(typed)
    form = Form(typed, "listen", "-listen")
    form.start("")
    with typed.talk("load", 6, "alice@example.org") as client:
        for _ in range(3):
            typed.run("sleep 0.4; systemctl restart mailslot-listen.service")
        typed.run("sleep 0.3; systemctl kill --kill-whom=main --signal=KILL mailslot-listen.service; sleep 1.5")
        result = json.loads(client.end())
    found = form.found()
    assert result["refused"] == []
    assert len(result["acknowledged"]) > 20
    assert len(set(found)) == len(found), "twice"
    assert set(result["acknowledged"]) <= set(found), "lost"
