"""The commands of mailslot-recipes(7), word for word, in a real systemd.

What the machine does not have is stood in for by the programs in stand_ins/: apt (no archive is reached), certbot and acme.sh
(no authority), ssh and scp (no second machine), curl (no server with tokens). The provider's server is a scripted one. Dovecot,
Postfix, OpenSMTPD, dma, rspamd, OpenDKIM, ClamAV, mutt and mb2md are the real ones.
"""

import json
import re
import shlex
from contextlib import contextmanager

import pytest
from basics import UNPACKED, needs, skip_because
from filters import EICAR
from machine import Machine, readme_commands, set_up, skip_without_machine, start_anew, wait_for_no_sessions
from manual import displays

pytestmark = pytest.mark.world

PAGE = "mailslot-recipes.7"
HOME = "/var/lib/mailslot/example.org"

# The sections with commands, and how many blocks each has.
BLOCKS = {
    "System users": 1,
    "Mailboxes in mail-root": 4,
    "READING MAIL WITH MUTT": 2,
    "With a password": 1,
    "With a token": 2,
    "With a queue on this machine": 4,
    "DOVECOT AS THE MAIL STORE": 5,
    "FORWARDING": 2,
    "Spam": 3,
    "DKIM signatures": 2,
    "Viruses": 1,
    "With certbot": 2,
    "With acme.sh": 1,
    "UPGRADING": 1,
    "BACKUP": 1,
    "RESTORE": 1,
    "UNINSTALLING": 1,
    "SEVERAL MACHINES WITH ONE DATABASE": 1,
    "MONITORING": 6,
    "Postfix in front": 1,
    "mailslot in front": 1,
    "MOVING IN": 1,
    "MOVING OUT": 1,
}


@pytest.fixture(scope="module")
def typed():
    """What README.md says, and bob; emil is a user of the machine."""
    skip_without_machine()
    with Machine() as machine:
        set_up(machine)
        machine.run("cp tests/system/stand_ins/* /usr/local/bin")
        machine.run("mailslot-user add bob@example.org", stdin="Strange weather 7\n")
        machine.run("useradd -m emil && echo emil:Strange.weather.8 | chpasswd")
        machine.run("tar -C /etc -cf /root/as-it-was.tar mailslot")
        yield machine


@pytest.fixture
def machine(typed):
    start_anew(typed)
    typed.run("""
        rm -rf /etc/mailslot /etc/systemd/system/mailslot* /usr/local/sbin/mailslot-copy /var/mail/*
        tar -C /etc -xpf /root/as-it-was.tar
        systemctl daemon-reload
        systemctl enable --now mailslot.socket
    """)
    return typed


@pytest.fixture(scope="module")
def recipe():
    """recipe(machine, heading, number): types a block."""
    blocks = displays(PAGE)

    def type_it(machine, heading, number=0):
        return machine.run("cd /usr/src/mailslot\n" + blocks[heading][number], seconds=120)

    return type_it


def send(machine, tag, *recipients):
    machine.client("send", "127.0.0.1", tag, *recipients)


def found(machine, name):
    return json.loads(machine.client("found", f"{HOME}/{name}"))


def test_all_blocks_are_known():
    assert {heading: len(blocks) for heading, blocks in displays(PAGE).items()} == BLOCKS


def needs_unpacked(*packages):
    for package in packages:
        if not (UNPACKED / package).is_dir():
            skip_because(f"{package} is not unpacked in {UNPACKED}")


def test_dovecot(machine, recipe):
    """First for the machine's users, with Debian's settings as they are; then for mail-root."""
    needs_unpacked("dovecot-core", "dovecot-imapd")
    recipe(machine, "System users")
    send(machine, "system", "emil@example.org")
    assert "hdr.subject: system" in machine.run("doveadm fetch -u emil hdr.subject mailbox INBOX")
    read_during_delivery(machine, "emil@example.org", "emil", "Strange.weather.8")

    send(machine, "virtual", "alice@example.org")
    recipe(machine, "Mailboxes in mail-root")
    recipe(machine, "Mailboxes in mail-root", 1 if machine.run("dovecot --version").startswith("2.3") else 2)
    machine.run("mailslot-user add elsewhere@example.org mailbox=/srv/elsewhere", stdin="Strange weather 9\n")
    assert "hdr.subject: virtual" in recipe(machine, "Mailboxes in mail-root", 3)
    assert machine.run("stat -c '%G %a' /etc/dovecot/mailslot-users") == "dovecot 640"
    assert re.search(r"mail_inbox_path\s+/srv/elsewhere$", machine.run("doveadm user elsewhere@example.org"), re.M)
    read_during_delivery(machine, "alice@example.org", "alice@example.org", "a secret")

    machine.run("mailslot-user add later@example.org", stdin="Strange weather 9\n")
    machine.run("""
        for i in {1..100}; do
            doveadm auth test later@example.org 'Strange weather 9' && exit 0
            sleep 0.1
        done
        exit 1
    """)
    machine.run("systemctl disable --now mailslot-dovecot-users.path; systemctl stop dovecot")


def read_during_delivery(machine, address, user, password):
    """Each message is read and expunged once: none is lost, none torn."""
    with machine.talk("load", 3, address) as senders, machine.talk("read_by_imap", user, password) as reader:
        machine.run("sleep 2")
        sent = json.loads(senders.end())["acknowledged"]
        wait_for_no_sessions(machine)
        read = json.loads(reader.end())
    assert len(sent) > 10
    assert [tag for tag in read if tag.startswith("m")] and sorted(set(read)) == sorted(read)
    assert set(sent) <= set(read)


def test_mutt(machine, recipe):
    """Deletes a message; only looks."""
    needs("mutt", "script")
    machine.run("mailslot-user add -n --system emil")
    for tag in ("one", "two"):
        send(machine, tag, "emil@example.org", "alice@example.org")
    own, look = (text.strip() for text in displays(PAGE)["READING MAIL WITH MUTT"])

    def mutt(user, command, keys):
        machine.run(f"cat >~{user}/.muttrc", stdin=f"set folder=~ quit=yes delete=yes\npush '{keys}'\n")
        run = f"stty rows 24 columns 80; exec su {user} -c \"MAIL=/var/mail/{user} TERM=xterm {command}\""
        return machine.run("script -qec " + shlex.quote(run) + " /dev/null")

    mutt("emil", own, "<first-entry><delete-message><quit>")
    assert json.loads(machine.client("found", "/var/mail/emil")) == ["two"]
    before = machine.run(f"sha256sum {HOME}/alice")
    assert "one" in mutt("root", look, "<first-entry><quit>")
    assert machine.run(f"sha256sum {HOME}/alice") == before


@contextmanager
def provider(machine, name, port, *mechanisms):
    """The server of a provider, with a certificate that the machine trusts; the end of the talk is what it has received."""
    pem = f"/etc/ssl/private/{name}.pem"
    machine.run(f"""
        grep -q ' {name}$' /etc/hosts || echo '127.0.0.1 {name}' >>/etc/hosts
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN={name} \\
            -addext subjectAltName=DNS:{name} -keyout {pem} -out /usr/local/share/ca-certificates/{name}.crt 2>/dev/null
        cat /usr/local/share/ca-certificates/{name}.crt >>{pem}
        update-ca-certificates >/dev/null
    """)
    with machine.talk("smarthost", port, name, *mechanisms) as server:
        yield server


def good_hops(said):
    """What mailslot-check prints of other servers, all of it ok."""
    lines = [line for line in said.splitlines() if line[6:].startswith(("hop ", "smarthost "))]
    assert lines and all(line.startswith("ok ") for line in lines), said
    return lines


def send_as_alice(machine, tag, to):
    """By port 587, after login."""
    machine.run(f"""
        echo 'auth-without-tls = yes' >>/etc/mailslot/mailslot.conf
        mailslot-build
        systemctl start mailslot-submission.socket
        swaks --server 127.0.0.1:587 --auth PLAIN --auth-user alice@example.org --auth-password 'a secret' \\
            --from alice@example.org --to {to} --header 'Subject: {tag}' --body '<{tag}> Dry and safe.'
    """)


def send_as_program(machine, tag, to):
    """By the sendmail command: the provider has port 587 of this machine."""
    machine.run("systemctl start mailslot-submit.socket")
    machine.run(f"mailslot-sendmail -f alice@example.org {to}", stdin=f"Subject: {tag}\n\n<{tag}> Dry and safe.\n")


def received(server, tag, to):
    """The one message that the provider has got."""
    said = json.loads(server.end())
    (message,) = said["messages"]
    assert message["sender"] == "alice@example.org" and message["recipients"] == [to]
    assert f"<{tag}> Dry and safe." in message["text"] and message["text"].startswith("Received: from ")
    return said["commands"]


def test_mail_leaves_after_five_commands(machine):
    """Those of README.md."""
    with provider(machine, "smtp.example.net", 587, "PLAIN", "LOGIN") as server:
        machine.run(readme_commands("Mail to other domains"))
        (message,) = json.loads(server.end())["messages"]
    assert message["sender"] == "root@example.org" and message["recipients"] == ["friend@example.com"]
    assert message["text"].endswith("\nThis has left.\n")
    machine.run("systemctl disable --now mailslot-relay.socket mailslot-submit.socket")


def test_provider_with_a_password(machine, recipe):
    with provider(machine, "smtp.example.net", 587, "PLAIN", "LOGIN") as server:
        lines = good_hops(recipe(machine, "With a password"))
        assert any("smarthost" in line and "smtp.example.net" in line for line in lines)
        send_as_program(machine, "far", "s@example.com")
        commands = received(server, "far", "s@example.com")
        assert any(command.startswith("AUTH PLAIN") for command in commands)


def test_provider_with_a_token(machine, recipe):
    with provider(machine, "smtp.gmail.com", 465, "PLAIN", "XOAUTH2") as server:
        recipe(machine, "With a token")
        good_hops(recipe(machine, "With a token", 1))
        assert machine.run("stat -c '%U %G %a' /etc/mailslot/smarthost.token") == "root mailslot-relay 640"
        send_as_alice(machine, "far", "s@example.com")
        commands = received(server, "far", "s@example.com")
        assert any(command.startswith("AUTH XOAUTH2") for command in commands)
    remove_token(machine)


def remove_token(machine):
    machine.run("""
        systemctl disable --now mailslot-token.timer
        rm /etc/mailslot/token.curl /etc/systemd/system/mailslot-token* /usr/local/sbin/mailslot-token
    """)


@pytest.mark.parametrize("number, packages, queue, stop", [
    (0, ["postfix"], "mailq", "systemctl disable --now postfix"),
    (1, ["opensmtpd"], "smtpctl show queue", "systemctl stop opensmtpd"),
    (2, ["dma", "msmtp-mta"], "for i in {1..100}; do cat /var/spool/dma/M* 2>/dev/null && exit 0; sleep 0.1; done; exit 1", "systemctl disable --now mailslot-dma"),
], ids=["postfix", "opensmtpd", "dma"])  # fmt: skip
def test_queue_next_door(machine, recipe, number, packages, queue, stop):
    """What is accepted for another domain is in its queue, because the machine has no network."""
    needs_unpacked(*packages)
    recipe(machine, "With a queue on this machine", number)
    good_hops(recipe(machine, "With a queue on this machine", 3))
    send_as_alice(machine, "far", "s@example.com")
    assert "s@example.com" in machine.run(queue)
    machine.run(stop + "; rm -f /etc/systemd/system/mailslot-dma.service")


def test_dovecot_as_the_store(machine, recipe):
    needs_unpacked("dovecot-core", "dovecot-imapd", "dovecot-lmtpd")
    name = "DOVECOT AS THE MAIL STORE"
    send(machine, "before", "alice@example.org")
    recipe(machine, name)
    recipe(machine, name, 1 if machine.run("dovecot --version").startswith("2.3") else 2)
    said = recipe(machine, name, 3)
    assert re.search("asked /run/dovecot/lmtp about alice@example.org: 250", said)
    assert any("/run/dovecot/lmtp" in line for line in good_hops(said))
    send(machine, "stored", "alice@example.org", "bob@example.org")
    subjects = "doveadm fetch -u alice@example.org hdr.subject mailbox INBOX"
    assert "hdr.subject: stored" in machine.run(subjects)
    recipe(machine, name, 4)
    assert "hdr.subject: before" in machine.run(subjects)

    machine.run("mailslot-user add later@example.org", stdin="Strange weather 9\n")
    machine.run("""
        for i in {1..100}; do
            doveadm auth test later@example.org 'Strange weather 9' && exit 0
            sleep 0.1
        done
        exit 1
    """)
    send(machine, "later", "later@example.org")
    machine.run("systemctl disable --now mailslot-dovecot-users.path; systemctl stop dovecot")
    assert "451 4.4.1" in machine.run("swaks --server 127.0.0.1 --to alice@example.org", check=False)


def test_forwarding(machine, recipe):
    with provider(machine, "smtp.example.net", 587, "PLAIN") as server:
        recipe(machine, "With a password")
        assert "about carol@example.com: 250" in recipe(machine, "FORWARDING")
        send(machine, "kept", "carol@example.org")
        recipe(machine, "FORWARDING", 1)
        send(machine, "own", "carol@example.org")
        messages = json.loads(server.end())["messages"]
    assert [m["sender"] for m in messages] == ["kept@client.example", "postmaster@example.org"]
    assert all(m["recipients"] == ["carol@example.com"] for m in messages)
    assert found(machine, "alice") == ["kept", "own"]


def filters_are_good(said):
    """mailslot-check has negotiated with each filter."""
    lines = [line for line in said.splitlines() if line[6:].startswith(("filter ", "milter "))]
    assert lines and all(line.startswith("ok ") for line in lines), said


def wait_for_socket(machine, path):
    machine.run(f"for i in {{1..600}}; do [ -S {path} ] && exit 0; sleep 0.1; done; systemctl --no-pager status; exit 1")


def spam(machine):
    """What swaks says when it sends GTUBE."""
    return machine.run("swaks --server 127.0.0.1 --to alice@example.org --header 'Subject: spam' --body 'XJS*C4JDBQADN1.NSBN3*2IDNEN*"
                       "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'", check=False)  # fmt: skip


def sent_as_example(machine):
    """The same by the command in mailslot-filtering(7). Does it print what is there?"""
    (block,) = [text for text in displays("mailslot-filtering.7")["EXAMPLES"] if "GTUBE" in text]
    *command, due = block.removeprefix("# ").strip().split("\n")
    machine.run("systemctl start mailslot-submit.socket")
    return machine.run("(" + "\n".join(command) + ") 2>&1", check=False).strip() == due


@pytest.mark.parametrize("way", ["socket", "port"])
def test_rspamd(machine, recipe, way):
    """Sessions with Accept=yes, and those of the listening service."""
    needs_unpacked("rspamd")
    if way == "socket":
        recipe(machine, "Spam")
        wait_for_socket(machine, "/run/rspamd/milter.sock")
        filters_are_good(recipe(machine, "Spam", 1))
        assert machine.run("stat -c '%U %G %a' /run/rspamd/milter.sock") == "_rspamd _rspamd 660"
    else:
        machine.run("rm -f /etc/rspamd/local.d/worker-proxy.inc; apt install rspamd; systemctl restart rspamd")
        machine.run("for i in {1..600}; do nc -z localhost 11332 && exit 0; sleep 0.1; done; exit 1")
        filters_are_good(recipe(machine, "Spam", 2))
    for listening in (False, True):
        if listening:
            machine.run("systemctl disable --now mailslot.socket; systemctl start mailslot-listen.socket")
        send(machine, f"fine-{listening}", "alice@example.org")
        assert "554 5.7.1 Gtube pattern" in spam(machine)
        assert sent_as_example(machine)
    assert found(machine, "alice") == ["fine-False", "fine-True"]
    machine.run("systemctl stop rspamd mailslot-submit.socket 'mailslot-proxy@*'; gpasswd -d mailslot _rspamd || true")
    assert "451 4.7.1" in spam(machine)


def test_dkim_signatures(machine, recipe):
    """Of a user, and of a program of this host; the signatures are good, also after relaying."""
    needs_unpacked("opendkim", "opendkim-tools")
    filters_are_good(recipe(machine, "DKIM signatures"))
    assert re.search(r'^mail._domainkey\s+IN\s+TXT\s+\( "v=DKIM1; ', recipe(machine, "DKIM signatures", 1))
    send(machine, "stranger", "alice@example.org")
    with provider(machine, "smtp.gmail.com", 465, "PLAIN", "XOAUTH2") as server:
        recipe(machine, "With a token")
        recipe(machine, "With a token", 1)
        send_as_program(machine, "program", "s@example.com")
        send_as_alice(machine, "user", "s@example.com")
        relayed = [message["text"] for message in json.loads(server.end())["messages"]]
    send_as_program(machine, "kept", "bob@example.org")
    kept = machine.run(f"sed 1d {HOME}/bob") + "\n"
    assert len(relayed) == 2
    machine.run("openssl pkey -in /etc/dkimkeys/mail.private -pubout -outform DER | base64 -w0 >/root/key")
    machine.run("printf 'TestPublicKeys /root/keys\n' >/root/test.conf; echo \"mail._domainkey.example.org v=DKIM1; k=rsa; p=$(cat /root/key)\" >/root/keys")
    for text in (*relayed, kept):
        assert "d=example.org; s=mail;" in text
        assert "verification (s=mail, d=example.org, 2048-bit key) succeeded" in machine.run("opendkim -x /root/test.conf -vv -t /dev/stdin", stdin=text)
    assert "DKIM" not in machine.run(f"cat {HOME}/alice")
    remove_token(machine)
    machine.run("systemctl stop opendkim; gpasswd -d mailslot opendkim")


def test_viruses(machine, recipe):
    needs_unpacked("clamav-base", "clamav-daemon", "clamav-milter")
    filters_are_good(recipe(machine, "Viruses"))
    assert machine.run("stat -c '%U %G %a' /run/clamav/clamav-milter.ctl") == "clamav clamav 660"
    said = machine.run(f"""
        swaks --server 127.0.0.1 --to alice@example.org --header 'Subject: virus' --attach - <<<'{EICAR}'
    """, check=False)
    assert "550 5.7.1 Contains a virus: Eicar-Test-Signature" in said
    send(machine, "fine", "alice@example.org")
    assert found(machine, "alice") == ["fine"]
    machine.run("systemctl stop clamav-milter clamav-daemon.socket clamav-daemon; gpasswd -d mailslot clamav")


def serial(machine):
    """Of the certificate that is shown at port 465."""
    return machine.run("openssl s_client -connect 127.0.0.1:465 </dev/null 2>/dev/null | openssl x509 -noout -serial")


def test_certbot(machine, recipe):
    recipe(machine, "With certbot")
    assert "FAIL" not in machine.run("mailslot-check", check=False)
    first = serial(machine)
    recipe(machine, "With certbot", 1)
    second = serial(machine)
    machine.run("systemctl start mailslot-listen-submissions.socket")
    assert first != second == serial(machine)
    old = machine.run("systemctl show -P MainPID mailslot-listen.service")
    recipe(machine, "With certbot", 1)
    assert serial(machine) != second, "of the listening service"
    assert machine.run("systemctl show -P MainPID mailslot-listen.service") != old
    machine.run("rm -r /etc/letsencrypt")


def test_acme_sh(machine, recipe):
    recipe(machine, "With acme.sh")
    assert machine.run("stat -c '%U %G %a' /etc/mailslot/privkey.pem") == "root mailslot 640"
    assert "FAIL" not in machine.run("mailslot-check", check=False)
    machine.run("systemctl start mailslot-listen-submissions.socket")
    first = serial(machine)
    machine.run("""
        acme.sh --issue --server letsencrypt --standalone -d mx.example.org
        acme.sh --install-cert -d mx.example.org --fullchain-file /etc/mailslot/fullchain.pem \\
            --key-file /etc/mailslot/privkey.pem
    """)
    assert first != serial(machine), "in the same process"


def test_upgrade_in_mid_session(machine, recipe):
    with machine.talk("half", "alice@example.org") as client:
        recipe(machine, "UPGRADING")
        assert client.end() == "250"
    send(machine, "after", "alice@example.org")
    assert found(machine, "alice") == ["half", "after"]


def test_backup_uninstall_restore(machine, recipe):
    """While mail comes in; and then on a machine where users have other numbers."""
    machine.run("mailslot-user add -n --system emil")
    send(machine, "before", "alice@example.org", "bob@example.org", "emil@example.org")
    with machine.talk("load", 1, "alice@example.org") as senders:
        machine.run("sleep 0.5")
        recipe(machine, "BACKUP")
        sent = json.loads(senders.end())["acknowledged"]
    assert sent and machine.run("find / -xdev -name '*.lock' -path '*mail*'") == ""

    recipe(machine, "UNINSTALLING")
    assert machine.run("find /usr/local /etc/systemd /etc/mailslot /var/lib/mailslot -name '*mailslot*' -not -path '*/doc/*' 2>/dev/null || true") == ""
    machine.run("useradd --system --no-create-home came-first")
    recipe(machine, "RESTORE")
    assert machine.run("id -u mailslot") != machine.run("id -u came-first")
    kept = found(machine, "alice")
    assert kept[0] == "before" and set(kept[1:]) <= set(sent), "each is whole, and none is there twice"
    assert len(set(kept)) == len(kept)
    assert found(machine, "bob") == json.loads(machine.client("found", "/var/mail/emil")) == ["before"]
    send(machine, "after", "alice@example.org")
    assert found(machine, "alice") == [*kept, "after"]
    assert machine.run(f"stat -c '%U %a' {HOME}/alice") == "mailslot 600"


def test_several_machines(machine, recipe):
    """mx2 is this machine with another /etc/mailslot."""
    machine.run("install -d -g mailslot -m 750 /srv/mx2")
    recipe(machine, "SEVERAL MACHINES WITH ONE DATABASE")
    assert machine.run("stat -c '%U %G %a' /srv/mx2/mailslot.cdb") == "root mailslot 640"
    machine.run("mailslot-user add -n later@example.org")
    machine.run("""
        for i in {1..100}; do cmp -s /etc/mailslot/mailslot.cdb /srv/mx2/mailslot.cdb && exit 0; sleep 0.1; done; exit 1
    """)
    ask = "unshare --mount sh -c 'mount --bind /srv/mx2 /etc/mailslot && swaks --pipe \"setpriv --reuid mailslot "
    ask += "--regid mailslot --init-groups mailslot-smtpd\" --to later@example.org --quit-after RCPT'"
    assert "250 2.1.5" in machine.run(ask)
    machine.run("systemctl disable --now mailslot-copy.path")


def test_monitoring(machine, recipe):
    """alice is over her quota already, which RCPT is told; bob would be, by this message."""
    send(machine, "fine", "alice@example.org")
    machine.run("""
        mailslot-user set alice quota=1
        mailslot-user set bob quota=1
        for to in nobody alice bob bob; do swaks --server 127.0.0.1 --to $to@example.org --silent 2 || true; done
        echo 'auth-without-tls = yes' >>/etc/mailslot/mailslot.conf
        mailslot-build
        systemctl start mailslot-submission.socket
        swaks --server 127.0.0.1:587 --auth PLAIN --auth-user alice --auth-password wrong --to bob@example.org || true
        chmod o+w /etc/mailslot/mailslot.cdb
        swaks --server 127.0.0.1 --to bob@example.org || true
        chmod o-w /etc/mailslot/mailslot.cdb
    """)
    wait_for_no_sessions(machine)
    machine.run("journalctl --sync")
    said = recipe(machine, "MONITORING")
    assert all(f"]: {event} " in said for event in ("refused", "deferred", "auth failed", "database")), said
    assert said.count("]: database ") == 2, "among all, and among the faults of this system"
    assert " delivered " in recipe(machine, "MONITORING", 1)
    assert re.search(r"^ *\d+ \d{4}-\d\d-\d\d delivered$", recipe(machine, "MONITORING", 2), re.M)
    full = recipe(machine, "MONITORING", 3)
    assert re.search(rf"^ *2 {HOME}/bob$", full, re.M) and re.search(r"^ *1 alice@example.org$", full, re.M), full
    assert re.search(r"^alice@\S+ .* 1 +\d+ ", full, re.M), "what is used of her quota"
    assert re.search(r"^ *1 127.0.0.1 alice$", recipe(machine, "MONITORING", 4), re.M)
    assert re.match(r"\d+ \w+", recipe(machine, "MONITORING", 5))


def test_postfix(machine, recipe):
    """In front, with a client from outside; then behind."""
    needs_unpacked("postfix")
    recipe(machine, "Postfix in front")
    machine.run("ip address add 192.0.2.9/32 dev lo")
    swaks = "swaks --server 192.0.2.9 --local-interface 192.0.2.9 --from s@client.example --silent 2 --to "
    machine.run(swaks + "alice@example.org --body '<outside> Dry and safe.'")
    assert "550 5.1.1" in machine.run(swaks + "nobody@example.org", check=False)
    assert "Relay access denied" in machine.run(swaks + "s@example.net", check=False)
    wait_for_mail(machine, "alice", ["outside"])

    recipe(machine, "mailslot in front")
    send(machine, "direct", "alice@example.org")
    machine.run("sendmail -f cron@mx.example.org alice@example.org", stdin="Subject: cron\n\n<cron> Dry and safe.\n")
    wait_for_mail(machine, "alice", ["outside", "direct", "cron"])
    machine.run("systemctl disable --now postfix; ip address del 192.0.2.9/32 dev lo")


def wait_for_mail(machine, name, due):
    machine.run(f"for i in {{1..100}}; do grep -qs '^<{due[-1]}>' {HOME}/{name} && exit 0; sleep 0.1; done; journalctl -n 40; exit 1")
    assert found(machine, name) == due


def test_moving(machine, recipe):
    needs_unpacked("mb2md")
    machine.run("""
        mkdir -p /etc/dovecot
        echo "fred@example.org:{CRYPT}$(openssl passwd -6 'Strange weather 9')::::::" >/etc/dovecot/users
        printf 'From s Thu Jan  1 00:00:00 1970\n\n<old> Dry and safe.\n\n' >/root/old.mbox
        printf 'info: alice, bob\n' >/etc/mailslot/aliases
    """)
    send(machine, "new", "alice@example.org", "bob@example.org")
    recipe(machine, "MOVING IN")
    send(machine, "newer", "bob@example.org")
    assert found(machine, "bob") == ["new", "old", "newer"]
    assert "sha512crypt" in machine.run("mailslot-user list fred@example.org")

    recipe(machine, "MOVING OUT")
    assert machine.run("cat /root/virtual") == "info  alice, bob"
    assert machine.run("cut -d: -f1 /root/users").split() == [f"{n}@example.org" for n in ("alice", "bob", "fred")]
    assert "<new> Dry and safe." in machine.run("cat /root/Maildir/cur/*")
