"""Mail of users' programs, from port 587 through mailslot-relay to real smarthosts, with TLS and a password."""

import re
import smtplib
import subprocess

import pytest
import smarthosts
from basics import binary, needs, skip_because
from client import start_own
from local import LocalServer, open_folder
from mixture import events
from processes import spawn, wait_until
from relaying import command, settings
from smarthosts import Exim, Mailslot, OpenSmtpd, Postfix
from tls import PASSWORD, connect_tls, context, plain

ALICE, FRIEND = "alice@example.org", "friend@far.example"
TEXT = f"From: {ALICE}\nTo: {FRIEND}\nSubject: WHICH\nDate: Mon, 1 Jan 2001 00:00:00 +0000\nMessage-ID: <WHICH@client.example>\n\n"
TEXT += "From here,\n.\n..to there.\n\n"


def text_of(which):
    return TEXT.replace("WHICH", which).encode()


class House:
    """A mailslot for users' programs, with its relay."""

    def __init__(self, world):
        self.world = world
        self.submission = None

    def use(self, host, tls=None, **conf):
        """Relays to HOST:PORT, as the user of smarthosts.py."""
        path = self.world.folder / "relay"
        more = {"user": smarthosts.USER, "secret": smarthosts.PASSWORD, "certificates": self.world.certificates, **conf}
        if tls:
            more["smarthost_tls"] = tls
        settings(self.world, host, relay=str(path), **more)
        self.relay_log = self.world.log_file()
        with open(self.relay_log, "wb") as log:
            self.relay = spawn(command(self.world, "-l", path), stderr=log)
        assert wait_until(path.exists), self.relay_log.read_text()
        self.submission = start_own(self.world, "-r", "submission")

    def log(self):
        return self.submission.log + self.relay_log.read_text()


@pytest.fixture
def house(secured):
    return House(secured)


# ---- users' programs ---------------------------------------------------------------------------


def run(*argv, given=b""):
    done = subprocess.run([str(a) for a in argv], input=given, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def by_msmtp(house, text):
    needs("msmtp")
    config = house.world.folder / "msmtprc"
    config.write_text(
        f"account default\nhost localhost\nport {house.submission.port}\nfrom {ALICE}\nuser {ALICE}\npassword {PASSWORD}\n"
        f"auth plain\ntls on\ntls_trust_file {house.world.certificates / 'ca.crt'}\nset_date_header off\nset_msgid_header off\n"
    )
    config.chmod(0o600)
    run("msmtp", "-C", config, FRIEND, given=text)


def by_curl(house, text):
    needs("curl")
    path = house.world.folder / "mail.txt"
    path.write_bytes(text)
    run("curl", "-sS", "--crlf", "--ssl-reqd", "--cacert", house.world.certificates / "ca.crt", "--user", f"{ALICE}:{PASSWORD}",
        f"smtp://localhost:{house.submission.port}", "--mail-from", ALICE, "--mail-rcpt", FRIEND, "--upload-file", path)  # fmt: skip


def by_swaks(house, text):
    needs("swaks")
    if subprocess.run(["perl", "-MNet::SSLeay", "-e", "1"], capture_output=True).returncode != 0:
        skip_because("swaks has no TLS here: libnet-ssleay-perl is not installed")
    run("swaks", "-4", "--server", "localhost", "--port", house.submission.port, "--tls", "--auth", "LOGIN", "--auth-user", ALICE,
        "--auth-password", PASSWORD, "--from", ALICE, "--to", FRIEND, "--data", "-", given=text.removesuffix(b"\n"))  # fmt: skip


def by_smtplib(house, text):
    with smtplib.SMTP("localhost", house.submission.port, timeout=60) as client:
        client.starttls(context=context(house.world.certificates))
        client.login(ALICE, PASSWORD)
        assert client.sendmail(ALICE, [FRIEND], text.replace(b"\n", b"\r\n")) == {}


def by_telephone(house, text):
    """Everything is pipelined, after PLAIN with an initial response; the text in one piece with QUIT."""
    line = connect_tls(house.submission)
    line.greet("EHLO [192.168.0.7]")
    line.starttls(context(house.world.certificates))
    line.send(f"EHLO [192.168.0.7]\r\n{plain(ALICE)}\r\nMAIL FROM:<{ALICE}>\r\nRCPT TO:<{FRIEND}>\r\nDATA\r\n".encode())
    replies = [line.reply(90)[:3] for _ in range(5)]
    assert replies == ["250", "235", "250", "250", "354"], replies
    line.send(re.sub(rb"^\.", b"..", text, flags=re.M).replace(b"\n", b"\r\n") + b".\r\nQUIT\r\n")
    assert line.reply(90).startswith("250 2.0.0 ") and line.reply().startswith("221")
    line.close()


PROGRAMS = {"msmtp": by_msmtp, "curl": by_curl, "swaks": by_swaks, "smtplib": by_smtplib, "telephone": by_telephone}
# The best mechanism that each offers and the relay knows. Another mailslot offers channel binding.
MECHANISM = {
    Postfix: "sasl_method=SCRAM-SHA-256,",
    Exim: "A=plain:",
    OpenSmtpd: "smtp authentication user=",
    Mailslot: "mechanism=SCRAM-SHA-256-PLUS ",
}


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    "kind", [Mailslot, *(pytest.param(kind, marks=pytest.mark.world) for kind in (Postfix, Exim, OpenSmtpd))]
)
def test_each_program_to_each_smarthost(house, servers, kind, tls):
    """The text arrives as it was sent, by the best log-in, over verified TLS."""
    smarthost = servers(kind, house.world.certificates)
    if not smarthost.has_tls():
        skip_because("this OpenSMTPD cannot do TLS: https://github.com/OpenSMTPD/OpenSMTPD/issues/1171")
    house.use(f"localhost:{smarthost.port[tls]}", tls)
    for program, send in PROGRAMS.items():
        send(house, text_of(program))
    assert wait_until(lambda: len(smarthost.received()) == len(PROGRAMS)), smarthost.log() + house.log()
    arrived = smarthost.received()
    for program in PROGRAMS:
        found = [text for text in arrived if text.endswith(text_of(program))]
        assert len(found) == 1, (program, arrived)
        theirs, ours = re.findall(rb"^Received: from .*\n(?:[ \t].*\n)*", found[0], re.M)
        assert b".hop.mx.example.org" in theirs and re.search(rb"\tby mx\.example\.org with (ESMTP|UTF8SMTP)SA id ", ours)
    assert smarthost.log().count(MECHANISM[kind]) == len(PROGRAMS)
    relayed = events(house.submission.log, "relayed")
    assert len(relayed) == len(PROGRAMS) and all(" host=localhost" in line and "verified=yes" in line for line in relayed), relayed


def test_program_of_this_host(house, servers):
    """mailslot-sendmail, by a session of the role local, sends to a smarthost."""
    smarthost = servers(Mailslot, house.world.certificates)
    house.use(f"localhost:{smarthost.port['starttls']}", local_submission="root")
    with LocalServer(house.world, open_folder(house.world) / "submit") as server:
        done = subprocess.run(
            [binary("mailslot-sendmail"), "-ti", "-f", ALICE], input=text_of("sendmail"), capture_output=True, cwd=server.path.parent,
            env={"MAILSLOT_SUBMIT": "submit"}, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    (text,) = smarthost.received()
    assert text.endswith(text_of("sendmail"))


# ---- what smarthosts refuse --------------------------------------------------------------------


def send(house, *recipients, text=None, sender=ALICE):
    """By a user's program; the reply to the first refused recipient, or the last one."""
    line = connect_tls(house.submission)
    line.greet()
    line.starttls(context(house.world.certificates))
    line.ask("EHLO client.example")
    assert line.ask(plain(ALICE)).startswith("235")
    reply = line.transaction(recipients or [FRIEND], text or text_of("x"), sender)
    line.ask("QUIT")
    line.close()
    return reply


def test_wrong_password(house, servers):
    """The user's program is to try again; the reason is in the log, the password is not."""
    smarthost = servers(Mailslot, house.world.certificates)
    house.use(f"localhost:{smarthost.port['starttls']}", secret="mistyped secret")
    assert send(house).startswith("451 4.")
    assert "535 5.7.8" in house.log() and "log-in" in house.log() and "mistyped" not in house.log()
    assert "hop unavailable" in house.log() and "535" not in send(house)
    assert "auth failed" in smarthost.log() and smarthost.received() == []


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_certificate_of_somebody_else(house, servers, tls):
    """Nothing is sent there, least of all the password."""
    smarthost = servers(Mailslot, house.world.certificates, "other")
    house.use(f"localhost:{smarthost.port[tls]}", tls)
    assert send(house).startswith("451 4.")
    assert re.search(r"TLS.*certificate", house.log()), house.log()
    assert smarthost.received() == [] and "authenticated" not in smarthost.log() and "auth failed" not in smarthost.log()


def test_refused_recipient(house, servers):
    """Of a real smarthost, for good: its reply reaches the user, and the other recipient gets the message."""
    smarthost = servers(Mailslot, house.world.certificates)
    house.use(f"localhost:{smarthost.port['starttls']}")
    assert send(house, "nobody@isp.example").startswith("550 5.1.1 ")
    (line,) = events(house.submission.log, "refused by hop")
    assert "code=550" in line and "step=rcpt" in line.lower(), line
    assert send(house, FRIEND).startswith("250 2.0.0")
    assert len(smarthost.received()) == 1


@pytest.mark.world
def test_refused_by_postfix(house, servers):
    """A recipient by its access table, a sender, a text that is too large: each with Postfix's own words."""
    restrictions = "check_sender_access inline:{{bob@example.org = REJECT}}, check_recipient_access inline:{{full@far.example = 452 4.2.2 full}}"
    smarthost = servers(
        Postfix, house.world.certificates, message_size_limit=20000, header_checks="regexp:{{/^Subject: spam/ REJECT no spam}}",
        smtpd_recipient_restrictions=restrictions + ", permit_sasl_authenticated, reject",
    )  # fmt: skip
    house.world.users[0] += "send-as=bob@example.org" if house.world.users[0].endswith(":") else ",send-as=bob@example.org"
    house.use(f"localhost:{smarthost.port['starttls']}")
    assert send(house, "full@far.example").startswith("452 4.2.2 <full@far.example>: Recipient address rejected: full")
    assert send(house, sender="bob@example.org").startswith("554 5.7.1 <bob@example.org>: Sender address rejected")
    assert send(house, text=text_of("spam")) == "550 5.7.1 no spam"
    assert re.match(r"552 5\.3\.4 ", send(house, text=text_of("large") + 500 * (70 * b"x" + b"\n")))
    assert send(house).startswith("250 2.0.0")
    assert wait_until(lambda: len(smarthost.received()) == 1)


@pytest.mark.world
@pytest.mark.parametrize("kind, setting", [(Postfix, "smtpd_timeout"), (Exim, "smtp_receive_timeout")])
def test_idle_during_a_slow_upload(house, servers, kind, setting):
    """The smarthost closes the connection while the user's program sends its text: it is connected to again."""
    smarthost = servers(kind, house.world.certificates, **{setting: "1s"})
    house.use(f"localhost:{smarthost.port['starttls']}")
    line = connect_tls(house.submission)
    line.greet()
    line.starttls(context(house.world.certificates))
    line.ask("EHLO client.example")
    line.ask(plain(ALICE))
    for part in (f"MAIL FROM:<{ALICE}>", f"RCPT TO:<{FRIEND}>", "RCPT TO:<other@far.example>", "DATA"):
        assert line.ask(part)[0] in "23"
    wire = text_of("slow").replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")
    line.send(wire[:100])
    smarthost.wait_for("timeout")
    line.send(wire[100:] + b".\r\n")
    assert line.reply(90).startswith("250 2.0.0"), house.log()
    line.close()
    assert wait_until(lambda: len(smarthost.received()) == 2), smarthost.log()
    assert all(text.endswith(text_of("slow")) for text in smarthost.received())


@pytest.mark.world
@pytest.mark.parametrize("kind", [Postfix, Exim, OpenSmtpd])
def test_queue_next_door(house, servers, kind):
    """Without TLS and a password; users send, and an alias leads elsewhere for anybody."""
    smarthost = servers(kind, house.world.certificates)
    house.world.aliases.append(f"away@example.org: {FRIEND}")
    house.use(f"127.0.0.1:{smarthost.port['plain']}", "none", user=None)
    assert send(house, FRIEND).startswith("250 2.0.0")
    with house.world.session() as session:
        assert session.send_message(["away@example.org"], text_of("forwarded")).startswith("250 2.0.0")
    with house.world.session() as session:
        assert session.send_message([FRIEND], text_of("relayed")).startswith("550 5.7.1 ")
    assert wait_until(lambda: len(smarthost.received()) == 2), smarthost.log()
    assert sorted(text.count(b"forwarded") for text in smarthost.received()) == [0, 2]
