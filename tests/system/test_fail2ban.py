"""The filters for fail2ban, tested with its own fail2ban-regex: they find each attack, with the right host, and nothing
else, whatever clients send."""

import os
import random
import re
import shutil
import subprocess
import time

import pytest
from basics import TOP, UNPACKED, unpacked
from client import connect, start_own
from processes import wait_until
from tls import client_hello, connect_tls, context, plain

pytestmark = pytest.mark.world

FILTERS = TOP / "units" / "fail2ban"
TEXT = b"Subject: t\n\nx\n"
ALICE = "alice@example.org"
VICTIM = "192.0.2.66"  # an attacker tries to have this address banned
ATTACKER = "127.0.0.9"


def run(program, *arguments):
    unpacked("fail2ban", f"usr/bin/{program}")
    packages = [str(UNPACKED / p / "usr/lib/python3/dist-packages") for p in ("fail2ban", "python3-systemd")]
    argv = ["/usr/bin/python3", UNPACKED / "fail2ban/usr/bin" / program, *arguments]
    env = {**os.environ, "PYTHONPATH": ":".join(packages), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1), done.stdout + done.stderr  # 1: nothing matched
    assert "ERROR" not in done.stdout + done.stderr, done.stdout + done.stderr
    return done.stdout


def as_syslog(line):
    return time.strftime("%b %e %H:%M:%S mx ") + line


def as_journal(line):
    return "mx " + line


def as_multilog(line):
    return f"@{(1 << 62) + 10 + int(time.time()):016x}0000000a {line}"


def as_svlogd(line):
    return time.strftime("%Y-%m-%d_%H:%M:%S.12345 ", time.gmtime()) + line


FORMS = [str, as_syslog, as_journal, as_multilog, as_svlogd]


def seen(world, log, name, form=as_syslog):
    """The addresses that the filter finds in the log, sorted; one for each line found."""
    path = world.folder / "recorded"
    path.write_text("".join(form(line) + "\n" for line in log.splitlines()))
    file, bracket, options = name.partition("[")
    return sorted(run("fail2ban-regex", "-o", "ip", path, f"{FILTERS / file}.conf{bracket}{options}").split())


class Recorder:
    """A server whose clients come from several addresses, and its log."""

    def __init__(self, world, *args):
        self.server = start_own(world, *args)
        self.sessions = 0

    def client(self, address, greet=True):
        line = connect(self.server.port, source=address)
        self.sessions += 1
        if greet:
            line.greet()
        return line

    def log(self):
        """The log, after all sessions have ended."""
        ended = re.compile(r"^mailslot\[\d+\]: end peer=", re.M)
        assert wait_until(lambda: len(ended.findall(self.server.log)) == self.sessions), self.server.log
        return self.server.log


def quit(line):
    line.send(b"QUIT\r\n")
    line.rest()
    line.close()


@pytest.fixture
def passwords(secured):
    secured.build(auth_without_tls="yes", max_errors=1000)
    return secured


def test_guessed_passwords(passwords):
    recorder = Recorder(passwords, "-r", "submission")
    good = recorder.client("127.0.0.2")
    assert good.ask(plain(ALICE)).startswith("235 ")
    assert good.transaction([ALICE], TEXT, ALICE).startswith("250 ")
    bad = [recorder.client(address) for address in ("127.0.0.3", "127.0.0.4", "127.0.0.4")]
    for line in bad:
        line.send(plain(ALICE, "guess").encode() + b"\r\n")
    for line in bad:
        assert line.reply().startswith("535 ")
    for line in (good, *bad):
        quit(line)
    log = recorder.log()
    for form in FORMS:
        assert seen(passwords, log, "mailslot-auth", form) == ["127.0.0.3", "127.0.0.4", "127.0.0.4"], form
    assert seen(passwords, log, "mailslot-dictionary[mode=aggressive]") == []


def test_addresses_that_a_store_refuses(passwords, hops):
    """A store's 550 5.1.x to a stranger is a guess, as ever. No other refusal of a hop is, and none to a user who is
    logged in."""
    store = hops("store", lmtp=True, rcpt={"full@shop.example": "552 5.2.2 Full", None: "550 5.1.1 Unknown"})
    relay = hops("relay", rcpt="550 5.1.1 Unknown")
    passwords.conf["domains"] += " shop.example"
    passwords.aliases.append(f"@shop.example: lmtp:{store.path}")
    passwords.build(relay=str(relay.path))
    recorder = Recorder(passwords, "-r", "smtp")
    stranger, user = recorder.client("127.0.0.2"), recorder.client("127.0.0.3")
    assert user.ask(plain(ALICE)).startswith("235 ")
    for line, sender in ((stranger, "s@client.example"), (user, ALICE)):
        line.ask(f"MAIL FROM:<{sender}>")
        for to, reply in (("full@shop.example", "552 5.2.2"), ("guess@shop.example", "550 5.1.1")):
            assert line.ask(f"RCPT TO:<{to}>").startswith(reply)
    for i in range(12):
        assert user.ask(f"RCPT TO:<a{i}@far.example>").startswith("550 5.1.1")
    quit(stranger)
    quit(user)
    assert seen(passwords, recorder.log(), "mailslot-dictionary") == ["127.0.0.2"]


def test_guessed_addresses(world):
    recorder = Recorder(world)
    many, few, none, odd = (recorder.client(f"127.0.0.{i}") for i in range(2, 6))
    many.ask("MAIL FROM:<s@client.example>")
    for i in range(12):
        assert many.ask(f"RCPT TO:<a{i}@example.org>").startswith("550 5.1.1")
    few.transaction(["gone@example.org", ALICE], TEXT)
    none.transaction([ALICE], TEXT)
    for line in (many, few, none):
        quit(line)
    while not odd.ask("NONSENSE").startswith("421 "):
        pass
    odd.close()
    log = recorder.log()
    due = ["127.0.0.2"] * 6 + ["127.0.0.3", "127.0.0.5"]  # five lines, and the one with the count
    for form in FORMS:
        assert seen(world, log, "mailslot-dictionary", form) == due, form
    assert seen(world, log, "mailslot-auth") == []


def test_aggressive_mode(world):
    recorder = Recorder(world)
    relay, http, bare = (recorder.client(f"127.0.0.{i}") for i in (2, 3, 4))
    relay.ask("MAIL FROM:<s@client.example>")
    assert relay.ask("RCPT TO:<x@elsewhere.example>").startswith("550 5.7.1")
    assert http.ask("GET / HTTP/1.1").startswith("421 ")
    assert bare.transaction([ALICE], b"Subject: t\n\nx\ry\n").startswith("550 5.5.2")
    for line in (relay, bare):
        quit(line)
    http.close()
    log = recorder.log()
    assert seen(world, log, "mailslot-dictionary") == []
    assert seen(world, log, "mailslot-dictionary[mode=aggressive]") == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]


def test_failed_handshakes(secured):
    """Each is counted: garbage, a ClientHello after which the client is silent, an unfinished one, one on the plaintext
    port. Clients with a successful handshake are not."""
    secured.build(idle_timeout="1s")
    hello = client_hello()
    recorder, direct = Recorder(secured), Recorder(secured, "-r", "submissions")
    good, garbage, gone, plain_text, cut = (recorder.client(f"127.0.0.{i}") for i in range(2, 7))
    for line in (good, garbage, gone):
        assert line.ask("STARTTLS").startswith("220 ")
    tls = connect_tls(recorder.server)
    recorder.sessions += 1
    tls.greet()
    tls.starttls(context(secured.certificates))
    quit(tls)
    garbage.send(b"NOOP\r\n")
    garbage.rest()
    gone.send(hello)
    gone.read()
    gone.close()
    plain_text.send(hello)
    assert plain_text.reply().startswith("421 4.7.0 ")
    cut.send(hello[:-1])
    assert cut.reply().startswith("421 4.7.0 ")
    replayed = direct.client("127.0.0.7", greet=False)
    replayed.send(hello)
    half = direct.client("127.0.0.8", greet=False)
    half.send(hello[:-1])
    for line in (garbage, plain_text, cut, replayed, half):
        line.rest()
        line.close()
    good.close()
    log = recorder.log() + direct.log()
    due = [f"127.0.0.{i}" for i in range(2, 9)]  # the first one was silent after STARTTLS
    for form in FORMS:
        assert seen(secured, log, "mailslot-tls", form) == due, (form, log)
    assert seen(secured, log, "mailslot-dictionary[mode=aggressive]") == seen(secured, log, "mailslot-auth") == []


# ---- forged text -------------------------------------------------------------------------------

EVENTS = [
    f"auth failed peer={VICTIM} user=x mechanism=PLAIN ",
    f'refused peer={VICTIM} recipient=x reason="unknown user" ',
    f'end peer={VICTIM} reason="too many errors" ',
    f"end peer={VICTIM} reason=HTTP ",
    f"tls-failed peer={VICTIM} error=x ",
]
PIECES = [
    *EVENTS,
    *(f"mailslot[1]: {event}" for event in EVENTS),
    f"peer={VICTIM} ",
    time.strftime("%b %e %H:%M:%S mx "),
    '"', "\\", '\\"', '" ', " ", "=", "<HOST>", "%(x)s", "x",
]  # fmt: skip
BREAKS = ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\x1b[2K", "\x08", "\t"]


def nasty(random, limit, pieces):
    text = ""
    while len((text + (piece := random.choice(pieces))).encode()) <= limit and random.random() < 0.9:
        text += piece
    return text or "x"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def only_the_attacker(world, log, name, count):
    for form in (str, as_syslog):
        found = seen(world, log, name, form)
        assert set(found) == {ATTACKER}, (form.__name__, log)
        assert len(found) == count, f"{name} is evaded: {log}"


def test_users_cannot_ban_others(passwords):
    """Nor do odd names let them evade the filter."""
    random.seed(4)
    names = [nasty(random, 250, PIECES + BREAKS) for _ in range(40)]
    names += [f"x\n{PIECES[4]}", "\xff" * 120, "\\" * 250, '"' * 250]
    recorder = Recorder(passwords, "-r", "submission")
    lines = [recorder.client(ATTACKER) for _ in names]
    for line, name in zip(lines, names):
        line.send(plain(name, "x").encode() + b"\r\n")
    for line in lines:
        assert line.reply().startswith("535 ")
        quit(line)
    log = recorder.log()
    only_the_attacker(passwords, log, "mailslot-auth", len(names))
    assert seen(passwords, log, "mailslot-dictionary[mode=aggressive]") == []


def test_senders_cannot_ban_others(world):
    """By the recipients, the sender, or the name in HELO, which are all in one line."""
    random.seed(4)
    recorder = Recorder(world)
    for _ in range(12):
        line = recorder.client(ATTACKER, greet=False)
        line.reply()
        helo = nasty(random, 250, PIECES).replace(" ", "_")
        assert line.ask(f"EHLO {helo}").startswith("250")
        sender = nasty(random, 100, PIECES)
        assert line.ask(f"MAIL FROM:<{quoted(sender)}@client.example>").startswith("250")
        for _ in range(5):
            recipient = quoted(nasty(random, 200, PIECES))
            assert line.ask(f"RCPT TO:<{recipient}@example.org>").startswith("550 5.1.1"), recipient
        quit(line)
    log = recorder.log()
    only_the_attacker(world, log, "mailslot-dictionary[mode=aggressive]", 60)
    assert seen(world, log, "mailslot-auth") == seen(world, log, "mailslot-tls") == []


def test_delivered_mail_is_not_an_attack(world):
    """Whatever text the sender puts into the line of the log."""
    recorder = Recorder(world)
    line = recorder.client(ATTACKER)
    for piece in PIECES:
        assert line.transaction([ALICE], TEXT, f"{quoted(piece)}@client.example").startswith("250 ")
    quit(line)
    log = recorder.log()
    for name in ("mailslot-auth", "mailslot-tls", "mailslot-dictionary[mode=aggressive]"):
        for form in (str, as_syslog):
            assert seen(world, log, name, form) == []


# ---- the jail ----------------------------------------------------------------------------------


def test_jail(tmp_path):
    """fail2ban accepts it in the place that its first lines give."""
    unpacked("fail2ban", "usr/bin/fail2ban-client")
    folder = tmp_path / "fail2ban"
    shutil.copytree(UNPACKED / "fail2ban/etc/fail2ban", folder)
    for path in FILTERS.glob("*.conf"):
        shutil.copy(path, folder / "filter.d")
    shutil.copy(FILTERS / "mailslot.jail", folder / "jail.d" / "mailslot.conf")
    shown = run("fail2ban-client", "-c", folder, "-d")
    for name in ("mailslot-auth", "mailslot-dictionary", "mailslot-tls"):
        assert f"['add', '{name}', 'systemd']" in shown and f"['start', '{name}']" in shown
        assert f"'{name}', 'addjournalmatch', 'SYSLOG_IDENTIFIER=mailslot', '_SYSTEMD_SLICE=system-mailslot.slice'" in shown
