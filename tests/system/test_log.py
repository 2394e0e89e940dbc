"""The log: program, manual and catalog agree; the journal's fields; syslog and stderr; floods; escaping of what clients
send."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading

import pytest
from basics import TOP, needs, private_mount, skip_because
from client import Line
from processes import spawn
from tls import plain

TEXT = b"Subject: t\n\nx\n"
ALICE = "alice@example.org"


# ---- one table ---------------------------------------------------------------------------------


def table():
    """event.c: [(constant, name, priority, id, [names in MESSAGE], is limited)], in its order."""
    row = re.compile(r'\[(\w+)\]\s*=\s*\{"([^"]+)", LOG_(\w+), "(\w+)",\s*"([^"]*)", EVENT_(\w+)\}')
    found = row.findall((TOP / "smtpd/back/event.c").read_text())
    priorities = {"INFO": "info", "NOTICE": "notice", "WARNING": "warning", "ERR": "err", "CRIT": "crit"}
    return [(c, n, priorities[p], i, m.split(), f == "FEW") for c, n, p, i, m, f in found]


def in_manual():
    """EVENTS in the manual: [(name and pairs in MESSAGE, further pairs, priority, is limited)], in its order."""
    text = (TOP / "smtpd/mailslot-log.7").read_text()
    section = re.search(r"^\.Sh EVENTS\n(.*?)^\.Sh ", text, re.M | re.S).group(1)
    items = re.findall(r"^\.It Cm (.*?)(?: No (.*))?\n\((\w+)(\*?)\)", section, re.M)
    return [(head, more.split(), priority, bool(star)) for head, more, priority, star in items]


def arguments_of(text):
    """The parts between commas, except commas within brackets or quotes."""
    return re.findall(r'(?:"(?:[^"\\]|\\.)*"|\((?:[^()]|\([^()]*\))*\)|[^,("])+', text)


def in_sources():
    """Calls of log_event(): {constant, or the variable that contains it: names of its pairs}."""
    found = {}
    for path in (TOP / "smtpd").rglob("*.c"):
        for call in re.findall(r"\blog_event\(\s*((?:EVENT|event,|recipient_event|hop_event|milter_event|killed,).*?)\bNULL\);", path.read_text(), re.S):
            constant, *pairs = [argument.strip() for argument in arguments_of(call)]
            names = {re.sub(r"\[\]$", "", name.strip('"')) for name in pairs[::2] if name}
            found.setdefault(constant, set()).update(names)
    return found


def test_every_event_is_in_the_table():
    rows = table()
    header = (TOP / "smtpd/back/event.h").read_text()
    constants = re.findall(r"^    (EVENT_\w+),$", header, re.M)
    assert [row[0] for row in rows] == constants
    ids = [row[3] for row in rows]
    assert len(set(ids)) == len(ids) and all(re.fullmatch("[0-9a-f]{32}", i) for i in ids)


def test_the_manual_lists_all_events():
    due = [(" ".join([name, *message]), priority, few) for _, name, priority, _, message, few in table()]
    assert [(head, priority, few) for head, _, priority, few in in_manual()] == due


# Events that are logged through a variable.
VARIABLES = {
    "EVENT_REFUSED_RECIPIENT": "recipient_event",
    "EVENT_DEFERRED_RECIPIENT": "recipient_event",
    "EVENT_FRONT_KILLED": "killed",
    "EVENT_HAND_KILLED": "killed",
}
OF_HOPS = [f"EVENT_{name}" for name in ("RELAYED", "REFUSED_BY_HOP", "HOP_UNAVAILABLE", "UNCERTAIN", "UNHEARD")]
OF_HOPS += [f"EVENT_{name}" for name in ("TARGET_REFUSED", "PARTLY_DELIVERED", "HOP_LOOP")]
OF_FILTERS = [f"EVENT_{name}" for name in ("REFUSED_BY_FILTER", "FILTER_UNAVAILABLE", "DISCARDED", "QUARANTINED")]
OF_FILTERS += ["EVENT_CHANGED_BY_FILTER", "EVENT_ADDED_REFUSED"]


def test_the_manual_lists_all_pairs():
    calls = in_sources()
    of_a_message = calls["event"]
    assert {"sender", "recipient", "users", "deliver-ms"} <= of_a_message
    for (constant, name, *_), (head, more, _, _) in zip(table(), in_manual()):
        listed = set(head[len(name) :].split()) | set(more)
        used = calls.get(VARIABLES.get(constant, constant), set())
        if constant in ("EVENT_DELIVERED", "EVENT_DEFERRED", "EVENT_OVER_QUOTA", "EVENT_REFUSED_MESSAGE", "EVENT_INTERRUPTED"):
            used = used | of_a_message
            no = {"doing", "mailbox", "error", "reason"}
            if constant == "EVENT_INTERRUPTED":
                no |= {"reply", "receive-ms", "deliver-ms"}
            assert listed <= used and used - listed <= no, constant
        elif constant in OF_HOPS:
            assert listed <= calls["hop_event"], constant
        elif constant in OF_FILTERS:
            assert listed <= calls["milter_event"], constant
        else:
            assert listed == used, constant


def catalog():
    """{id: entry} of units/mailslot.catalog."""
    text = (TOP / "units/mailslot.catalog").read_text()
    parts = re.split(r"^-- (\w+)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def test_the_catalog_explains_all_events():
    entries = catalog()
    assert list(entries) == [row[3] for row in table()]
    for (constant, name, _, id, _, _), (head, more, _, _) in zip(table(), in_manual()):
        entry = entries[id]
        assert re.match(r"Subject: \S.*\nDefined-By: mailslot\nDocumentation: man:\S.*\n\n\S", entry), constant
        fields = {f.lower().replace("_", "-") for f in re.findall(r"@MAILSLOT_(\w+)@", entry)}
        assert fields <= {*head[len(name) :].split(), *more, "peer", "session", "session-ms"}, constant


def test_the_catalog_is_valid(tmp_path):
    """journalctl reads it from where `make install` puts it."""
    needs("journalctl")
    folder = tmp_path / "usr/local/lib/systemd/catalog"
    folder.mkdir(parents=True)
    shutil.copy(TOP / "units/mailslot.catalog", folder)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    subprocess.run(["journalctl", "--update-catalog", f"--root={tmp_path}"], check=True)
    argv = ["journalctl", "--list-catalog", f"--root={tmp_path}"]
    shown = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    ids = {line.split()[0] for line in shown.splitlines() if " mailslot: " in line}
    assert ids == {row[3] for row in table()}, shown


# ---- the journal -------------------------------------------------------------------------------

# A /run where the journal's socket is ours; stderr looks as if it were connected to the journal.
AS_SYSTEMD = """
mount -t tmpfs none /run && mkdir /run/systemd && ln -s "$0" /run/systemd/journal
JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"
"""


class Journal:
    """Stands in for systemd-journald: has its socket. close() returns the events, each {field: [values]}."""

    def __init__(self, folder):
        self.folder = folder / "journal"
        self.folder.mkdir()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.folder / "socket"))
        self.raw = []
        self.thread = threading.Thread(target=self.receive)
        self.thread.start()

    def receive(self):
        """Receives everything, because a server that cannot send would wait."""
        while event := self.socket.recv(1 << 20):
            self.raw.append(event)

    @staticmethod
    def read(event):
        fields = {}
        assert event.endswith(b"\n")
        for line in event[:-1].split(b"\n"):
            name, equals, value = line.partition(b"=")
            assert equals and re.fullmatch(rb"[A-Z_]+", name), line
            fields.setdefault(name.decode(), []).append(value.decode("ascii"))
        return fields

    def end(self):
        if self.socket.fileno() < 0:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", str(self.folder / "socket"))
        self.thread.join()
        self.socket.close()

    def close(self):
        self.end()
        return [self.read(event) for event in self.raw]

    def wrap(self):
        return [*private_mount(), "sh", "-c", AS_SYSTEMD, self.folder]


@pytest.fixture
def journal(tmp_path):
    wrapped = Journal(tmp_path)
    yield wrapped
    wrapped.end()


def one(events, name):
    (found,) = [e for e in events if e["MAILSLOT_EVENT"] == [name]]
    return found


def test_fields_of_the_journal(world, journal):
    with world.session(wrap=journal.wrap()) as session:
        session.greet("EHLO helo.example")
        recipients = [ALICE, "team+x@example.org", '"bob"@EXAMPLE.org']
        id = session.transaction(recipients, TEXT).split()[-1]
        session.ask("MAIL FROM:<s@client.example>")
        session.ask('RCPT TO:<"a b"@example.org>')
        session.send(b"QUIT\r\n")
        session.rest()
    events = journal.close()
    assert session.log == ""
    rows = {row[3]: row for row in table()}
    for event in events:
        (kind,) = event["MESSAGE_ID"]
        name = rows[kind][1]
        assert event["MAILSLOT_EVENT"] == [name] and event["SYSLOG_IDENTIFIER"] == ["mailslot"]
        assert event["MESSAGE"][0].startswith(f"{name} peer=local ")
        assert event["MAILSLOT_PEER"] == ["local"] and event["MAILSLOT_SESSION"] == events[0]["MAILSLOT_SESSION"]
    assert re.fullmatch(r"\w{16}", events[0]["MAILSLOT_SESSION"][0])
    delivered = one(events, "delivered")
    assert delivered["PRIORITY"] == ["6"]
    assert delivered["MESSAGE"] == [
        f"delivered peer=local id={id} sender=s@client.example recipient={ALICE},team+x@example.org,bob@EXAMPLE.org"
    ]
    due = {
        "ID": [id], "SENDER": ["s@client.example"], "RECIPIENT": [ALICE, "team+x@example.org", "bob@EXAMPLE.org"],
        "RECIPIENTS": ["3"], "REPLY": ["250 2.0.0"], "SIZE": [str(len(TEXT))], "HELO": ["helo.example"],
        "USERS": [ALICE, "bob@example.org"],
    }  # fmt: skip
    assert {k: delivered["MAILSLOT_" + k] for k in due} == due
    for name in ("SESSION_MS", "RECEIVE_MS", "DELIVER_MS"):
        assert delivered["MAILSLOT_" + name][0].isdigit()
    refused = one(events, "refused")
    assert refused["PRIORITY"] == ["5"] and refused["MAILSLOT_RECIPIENT"] == ['"a b"@example.org']
    assert refused["MESSAGE"] == [r'refused peer=local recipient="\"a b\"@example.org" reason="unknown user"']
    assert refused["MAILSLOT_REASON"] == ["unknown user"] and refused["MAILSLOT_REPLY"] == ["550 5.1.1"]
    assert refused["MAILSLOT_SENDER"] == ["s@client.example"] and refused["MAILSLOT_HELO"] == ["helo.example"]


def test_sessions_have_ids_of_their_own(world):
    for _ in range(2):
        world.deliver(ALICE)
    ids = [re.findall(r" session=(\w+) ", log.read_text()) for log in sorted(world.folder.glob("log.*"))]
    assert len(set(ids[0])) == len(set(ids[1])) == 1 and ids[0][0] != ids[1][0]
    for message in world.messages("alice"):
        assert not any(id in message.trace.decode() for id in (ids[0][0], ids[1][0]))


NASTY = ["a\nMAILSLOT_USER=root\nPRIORITY=0", "\x1b[2J", "a=b", 'q"\\', "j\xf6rg", "\x7f\t\r", "\\x41", "\n"]


def test_fields_cannot_be_forged(world, journal):
    world.build(auth_without_tls="yes")
    sessions = [world.session(wrap=journal.wrap(), args=("-r", "submission")) for _ in NASTY]
    for session, name in zip(sessions, NASTY):
        session.greet()
        session.send(plain(name, "x").encode() + b"\r\n")
    for session in sessions:
        assert session.reply().startswith("535 ")
        session.finish()
    failed = [e for e in journal.close() if e["MAILSLOT_EVENT"] == ["auth failed"]]
    assert all(e["PRIORITY"] == ["4"] and len(e["MAILSLOT_USER"]) == 1 for e in failed)
    users = [e["MAILSLOT_USER"][0] for e in failed]
    assert all(user.isprintable() for user in users)
    users = [re.sub(r"\\(x..|\\)", unescaped, user) for user in users]
    assert sorted(users) == sorted(name.encode().decode("latin-1") for name in NASTY)


def unescaped(match):
    return "\\" if match.group(1) == "\\" else chr(int(match.group(1)[1:], 16))


def test_long_lists(world, journal):
    """200 of 300 recipients have a field; the message contains as many as fit into one line."""
    world.users += [f"user{'x' * 40}{i}@example.org::" for i in range(300)]
    world.build(max_recipients=1000)
    names = [f"user{'x' * 40}{i}@example.org" for i in range(300)]
    wraps = ([], journal.wrap())
    for wrap in wraps:
        with world.session(wrap=wrap) as session:
            session.greet()
            assert session.transaction(names, TEXT).startswith("250 ")
    delivered = one(journal.close(), "delivered")
    fields = delivered["MAILSLOT_RECIPIENT"]
    assert fields == names[: len(fields)] and 100 <= len(fields) <= 200
    assert delivered["MAILSLOT_RECIPIENTS"] == ["300"] and len(delivered["MESSAGE"][0]) < 500
    log = sorted(world.folder.glob("log.*"))[0].read_text()
    (line,) = [row for row in log.splitlines() if " delivered " in row]
    assert len(line) < 4096 and " recipients=300 " in line
    listed = re.search(r" recipient=(\S+) ", line).group(1)
    assert listed.endswith("...") and 1900 < len(listed) < 2052
    assert listed.startswith(",".join(names[:30]))
    assert re.search(r" deliver-ms=\d+ users=\S+\.\.\.$", line)


def test_lists_too_long_for_the_journal(world, journal):
    """Escaped, each letter takes eight bytes. The lists end after a whole name, and no other field is lost."""
    names = [f"{i:03}{chr(0xE9) * 60}@example.org" for i in range(110)]
    world.users += [f"{name}::" for name in names]
    world.build(max_recipients=400)
    with world.session(wrap=journal.wrap()) as session:
        session.greet()
        session.send(b"MAIL FROM:<s@client.example> SMTPUTF8\r\n")
        assert session.reply().startswith("250")
        for name in names:
            session.send(f"RCPT TO:<{name}>\r\n".encode())
            assert session.reply().startswith("250"), name
        assert session.ask("DATA").startswith("354")
        session.send(b"Subject: x\r\n\r\n.\r\n")
        assert session.reply().startswith("250")
    delivered = one(journal.close(), "delivered")
    assert delivered["MAILSLOT_SIZE"] and delivered["MAILSLOT_HELO"] == ["client.example"]
    whole = re.compile(r"\d{3}(\\xc3\\xa9){60}@example\.org")
    for field in ("MAILSLOT_RECIPIENT", "MAILSLOT_USERS"):
        assert all(whole.fullmatch(name) for name in delivered.get(field, [])), field
    assert 50 < len(delivered["MAILSLOT_RECIPIENT"]) + len(delivered.get("MAILSLOT_USERS", [])) < 220


@pytest.mark.parametrize("more", range(4))
def test_long_values_are_not_cut_within_an_escape(world, more):
    """Escaped, each byte takes four. A list of such names ends after a whole name, with a mark."""
    world.aliases.append(f"@example.net: {ALICE}")
    world.build()
    recipients = ['"' + "a" * more + r"\"" * (200 + i) + '"@example.net' for i in range(5)]
    with world.session() as session:
        session.greet()
        assert session.transaction(recipients, TEXT).startswith("250 ")
    (line,) = [row for row in session.log.splitlines() if " delivered " in row]
    value = re.search(r' recipient="((?:[^"\\]|\\.)*)" session=', line).group(1)
    assert value.endswith("...") and 2040 < len(value) <= 2048 + 3
    assert re.fullmatch(r"(?:[^\\]|\\\\|\\\")*", value)


# ---- floods ------------------------------------------------------------------------------------


def numbers(log):
    """The pairs in the line of the event `end`."""
    (line,) = [row for row in log.splitlines() if re.match(r"mailslot\[\d+\]: end ", row)]
    return dict(re.findall(r" ([a-z-]+)=(\S+)", line))


def test_a_flood_of_refused_recipients(world):
    world.build(max_errors=1000)
    with world.session() as session:
        session.greet()
        session.ask("MAIL FROM:<s@client.example>")
        for i in range(200):
            session.ask(f"{'VRFY ' if i % 2 else 'RCPT TO:'}<no{i}@example.org>")
    assert session.log.count(" refused ") == 5
    end = numbers(session.log)
    assert end["refused-recipients"] == "200" and end["unlogged"] == "195"
    assert len(session.log.splitlines()) == 6


def test_a_flood_of_refused_messages(world):
    with world.session() as session:
        session.greet()
        for _ in range(15):
            session.transaction([ALICE], b"Subject: t\n\nx\ry\n")
    assert len(re.findall(r' refused .*reason="bare newline" .* reply="550 5.5.2"', session.log)) == 5
    assert numbers(session.log)["refused-messages"] == "15"


def test_a_flood_of_deferred_messages(world):
    world.users[0] = f"{ALICE}::quota=1K"
    world.build()
    with world.session() as session:
        session.greet()
        for _ in range(40):
            assert session.transaction([ALICE], b"x" * 2000 + b"\n").startswith("452 4.2.2")
    assert len(re.findall(r' deferred .* reply="452 4.2.2"', session.log)) == 5
    end = numbers(session.log)
    assert end["deferred"] == "40" and end["unlogged"] == "35" and end["messages"] == "0"


def test_refusals_before_the_text(world):
    """By the declared size, or beyond max-recipients: the log names the sender or recipient, and the reason."""
    world.build(max_message_size="16K", max_recipients=1)
    with world.session() as session:
        session.greet()
        assert session.ask("MAIL FROM:<s@client.example> SIZE=16385").startswith("552 5.3.4 ")
        assert session.ask("MAIL FROM:<s@client.example>").startswith("250 ")
        assert session.ask(f"RCPT TO:<{ALICE}>").startswith("250 ")
        assert session.ask("RCPT TO:<bob@example.org>").startswith("452 4.5.3 ")
    assert ' refused peer=local sender=s@client.example reason="too large" ' in session.log
    assert ' deferred peer=local recipient=bob@example.org reason="too many recipients" ' in session.log
    end = numbers(session.log)
    assert (end["refused-messages"], end["deferred-recipients"]) == ("1", "1")
    assert "refused-recipients" not in end  # these are counted by fail2ban


def test_a_flood_of_refused_senders(secured):
    secured.build(auth_without_tls="yes", max_errors=1000)
    with secured.session(args=("-r", "submission")) as session:
        session.greet()
        assert session.ask(plain(ALICE)).startswith("235 ")
        for i in range(50):
            assert session.ask(f"MAIL FROM:<other{i}@example.org>").startswith("550 5.7.1")
    assert len(re.findall(r' refused .*reason="not the user\'s" .* reply="550 5.7.1"', session.log)) == 5
    assert numbers(session.log)["refused-senders"] == "50"


def test_a_flood_of_failed_starttls(world):
    """That TLS is unavailable is logged once, not for each STARTTLS."""
    world.build(tls_certificate="none.crt", tls_key="none.key")
    with world.session() as session:
        session.greet()
        for _ in range(50):
            assert session.ask("STARTTLS").startswith("454 ")
    assert session.log.count(" tls-unavailable ") == 1


# ---- commands that are refused -----------------------------------------------------------------

TRANSACTION = ["EHLO client.example", "MAIL FROM:<s@client.example>", f"RCPT TO:<{ALICE}>"]

# (earlier commands, the command, its reply, how the log shows it if not as sent)
REFUSED = [
    ([], "NONSENSE with words", "500 5.5.1", "NONSENSE"),
    ([], "MAIL FROM:<s@client.example>", "503 5.5.1", None),
    ([], "EHLO", "501 5.5.4", None),
    ([], "QUIT now", "501 5.5.4", None),
    ([], "EXPN list", "502 5.5.1", None),
    ([], "HELP FUNNY", "504 5.5.4", None),
    ([], "x" * 3000, "500 5.5.2", "x" * 64),
    ([], "NO\0OP", "500 5.5.2", "NO?OP"),
    ([], "NOOP\nEHLO x", "500 5.5.2", "NOOP"),
    ([], "LHLO client.example", "502 5.5.1", None),
    ([], "STARTTLS", "502 5.5.1", None),
    ([], "AUTH PLAIN AGEAYg==", "502 5.5.1", "AUTH PLAIN"),
    (TRANSACTION[:1], "MAIL FROM:<a@b", "501 5.1.7", None),
    (TRANSACTION[:1], "MAIL TO:<a@b>", "501 5.5.4", None),
    (TRANSACTION[:1], "MAIL FROM:<a@b.example> RET=FULL", "555 5.5.4", None),
    (TRANSACTION[:1], "MAIL FROM:<j\xc3\xb6rg@b.example>", "553 5.6.7", r"MAIL FROM:<j\xc3\xb6rg@b.example>"),
    (TRANSACTION[:1], "DATA", "503 5.5.1", None),
    (TRANSACTION[:2], "RCPT TO:<>", "501 5.1.3", None),
    (TRANSACTION[:2], f"RCPT TO:<{ALICE}> NOTIFY=NEVER", "555 5.5.4", None),
    (TRANSACTION[:2], "MAIL FROM:<again@b.example>", "503 5.5.1", None),
    (TRANSACTION, "BDAT", "421 4.5.4", ""),  # the event `end` reports it
    ([*TRANSACTION[:2], "RCPT TO:<nobody@example.org>"], "DATA", "554 5.5.1", None),
    ([*TRANSACTION[:2], "RCPT TO:<nobody@example.org>"], "BDAT 3\r\nxyz", "554 5.5.1", "BDAT 3"),
]


@pytest.mark.parametrize("before, command, reply, shown", REFUSED, ids=[f"{row[1][:20]!r} {row[2]}" for row in REFUSED])
def test_refused_commands(world, before, command, reply, shown):
    """Each is logged, with the command and the reply."""
    with world.session() as session:
        session.reply()
        for line in before:
            session.ask(line)
        session.send(command.encode("latin-1") + (b"" if "xyz" in command else b"\r\n"))
        assert session.reply().startswith(reply)
        session.try_send(b"QUIT\r\n")
        session.rest()
    shown = command if shown is None else shown
    end = numbers(session.log)
    if not shown:
        assert end.get("refused-commands") is None and 'reason="invalid chunk size"' in session.log
        return
    found = re.findall(r' refused peer=local command=("(?:[^"\\]|\\.)*"|\S+) reply="(.{9})" ', session.log)
    assert found == [(f'"{shown}"' if re.search(r"[ \\]", shown) else shown, reply)], session.log
    assert end["refused-commands"] == "1"
    assert (" sender=s@client.example" in session.log.split(" end ")[0]) == (len(before) > 1)


def test_a_flood_of_refused_commands(world):
    world.build(max_errors=1000)
    with world.session() as session:
        session.greet()
        for i in range(200):
            assert session.ask(f"NONSENSE{i}").startswith("500 ")
    end = numbers(session.log)
    assert session.log.count(" refused ") == 5 and len(session.log.splitlines()) == 6
    assert (end["refused-commands"], end["unlogged"], end["stage"]) == ("200", "195", "commands")


@pytest.mark.parametrize("over_tls", [False, True])
def test_passwords_are_not_in_the_log(secured, over_tls):
    """Wherever the client puts them when AUTH is refused, malformed or cancelled."""
    secrets = ["c2VjcmV0", "AGFsaWNlAHNlY3JldA==", "hunter", "SECRET="]
    secured.build(auth_without_tls="yes" if over_tls else "no", max_errors=1000)
    with secured.session() as session:
        session.greet()
        for secret in secrets:
            for line in (f"AUTH PLAIN {secret}!", f"AUTH LOGIN {secret}", f"AUTH {secret}", f"AUTH PLAIN x {secret}", f"AUTH XOAUTH2 {secret}"):
                for said in (line, secret, secret, "*"):
                    assert session.ask(said)[:3] in ("334", "500", "501", "504", "538", "535", "421"), said
                session.ask("NOOP")
            session.ask(f"NOOP\nAUTH PLAIN {secret}")
    refused = [row for row in session.log.splitlines() if " refused " in row]
    assert len(refused) == 5
    assert not any(secret in session.log for secret in secrets), session.log


BROKEN_AUTH = [
    "AUTH ", "AUTH PLAIN ", "AUTH XOAUTH2 ", "auth  plain ", "AUTH\tPLAIN\t", " AUTH PLAIN ", "\t AUTH\tPLAIN ", "AUTH=PLAIN=", "AUTH:",
    "AUTHENTICATE ", "AUTH PLAIN\0", "AUTH\0", "AUTH\n", "AUTH PLAIN " + 3000 * "x",
]  # fmt: skip
HIDDEN = [(begin, then) for begin in BROKEN_AUTH for then in (False, True)] + [(begin, False) for begin in ("PASS\t", "PASS:", "pass=")]


@pytest.mark.parametrize("begin, then", HIDDEN, ids=[f"{begin[:14]!r} {then}" for begin, then in HIDDEN])
def test_passwords_after_a_broken_auth_are_not_in_the_log(secured, begin, then):
    """Whatever is wrong with the command; this includes responses sent ahead."""
    secret = "SECRET7"  # looks like the name of a mechanism
    with secured.session() as session:
        session.greet()
        session.send(begin.encode() + ((b"\r\n" + secret.encode()) * 2 if then else secret.encode()) + b"\r\nQUIT\r\n")
        session.rest()
    assert " refused peer=local command=" in session.log and secret not in session.log, session.log


def test_malformed_and_cancelled_auth(secured):
    secured.build(auth_without_tls="yes")
    lines = [("AUTH PLAIN AAAA", "501 5.5.2", "AUTH PLAIN"), ("AUTH PLAIN ?", "501 5.5.2", "AUTH PLAIN"),
             ("AUTH", "501 5.5.4", "AUTH"), ("AUTH CRAM-MD5", "504 5.5.4", "AUTH CRAM-MD5")]  # fmt: skip
    with secured.session() as session:
        session.greet()
        for line, reply, _ in lines:
            assert session.ask(line).startswith(reply)
        assert session.ask("AUTH LOGIN YWxpY2U=").startswith("334 ")
        assert session.ask("*").startswith("501 5.7.0 ")
    found = re.findall(r' refused peer=local command="?(AUTH[^"]*?)"? reply="(.{9})" ', session.log)
    assert found == [(c, r) for _, r, c in lines] + [("AUTH LOGIN", "501 5.7.0")]
    assert re.search(r' command="AUTH LOGIN" .* user=alice\n', session.log)


def test_ambiguous_names(world):
    with world.session() as session:
        session.greet()
        assert session.ask("VRFY alice").startswith("553-5.1.4 ")
    assert ' refused peer=local recipient=alice reason=ambiguous ' in session.log and 'reply="553 5.1.4"' in session.log


def test_a_handshake_on_the_plaintext_port(world):
    """The client is told at once that this is not TLS, and the log names the cause."""
    with world.session() as session:
        session.reply()
        come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = ssl.create_default_context().wrap_bio(come, go, server_hostname="mx.example.org")
        with pytest.raises(ssl.SSLWantReadError):
            client.do_handshake()
        session.send(go.read())
        come.write(session.rest())
        with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
            client.do_handshake()
    assert ' refused peer=local command=ClientHello reply="421 4.7.0" ' in session.log
    assert ' end peer=local reason="TLS without STARTTLS" messages=0 stage=commands bytes=' in session.log
    assert int(numbers(session.log)["bytes"]) > 100


# ---- interrupted messages ----------------------------------------------------------------------


@pytest.mark.parametrize("how", ["DATA", "BDAT", "BDAT twice", "DATA, large", "DATA, nothing", "RCPT"])
def test_interrupted_message(world, how):
    """The log has the sender, the recipients and how much had arrived."""
    text = b"Subject: t\r\n" + b"0123456789abcde\r\n" * (10000 if "large" in how else 10)
    sent = {"DATA, nothing": b"", "RCPT": b""}.get(how, text)
    with world.session() as session:
        session.greet()
        for line in [*TRANSACTION[1:], "RCPT TO:<carol@example.net>"]:
            assert session.ask(line).startswith("250 ")
        before = sum(len(line) + 2 for line in ["EHLO client.example", *TRANSACTION[1:], "RCPT TO:<carol@example.net>"])
        if how.startswith("DATA"):
            assert session.ask("DATA").startswith("354 ")
            before += 6
        elif how.startswith("BDAT"):
            first = f"BDAT {len(text)}\r\n".encode() if "twice" in how else b""
            if first:
                session.send(first + text)
                assert session.reply().startswith("250 ")
                before += len(first + text)
            session.send(b"BDAT 999999 LAST\r\n")
            before += 18
        session.send(sent)
        session.half_close()
        session.rest()
    (line,) = [row for row in session.log.splitlines() if " interrupted " in row]
    size = len(sent.replace(b"\r\n", b"\n")) * (2 if "twice" in how else 1)
    assert " sender=s@client.example recipient=alice@example.org,carol@example.net " in line
    assert f' reason="closed by client" size={size} ' in line, line
    end = numbers(session.log)
    assert end["stage"] == ("envelope" if how == "RCPT" else "text") and end["bytes"] == str(before + len(sent))
    assert world.everything() == {}


def test_complete_messages_are_not_logged_as_interrupted(world):
    """After QUIT, or after the whole message, nothing was interrupted."""
    for last in (b"QUIT\r\n", b"RSET\r\n", b"DATA\r\nx\r\n.\r\n"):
        with world.session() as session:
            session.greet()
            for line in TRANSACTION[1:]:
                session.ask(line)
            session.send(last)
            session.half_close()
            session.rest()
        assert " interrupted " not in session.log and numbers(session.log)["stage"] in ("envelope", "commands")


# ---- syslog ------------------------------------------------------------------------------------

# A /dev where syslog's socket is ours.
WITH_SYSLOG = """
mount -t tmpfs none /mnt && cp -a /dev/null /dev/zero /dev/urandom /mnt && ln -s "$0" /mnt/log &&
mount --bind /mnt /dev && exec "$@"
"""


class Syslog(Journal):
    """Stands in for syslog: has its socket. close() returns (facility and priority, the line as rsyslogd would write it)."""

    @staticmethod
    def read(event):
        found = re.fullmatch(rb"<(\d+)>(\w{3} [ \d]\d \d\d:\d\d:\d\d) (.*)", event)
        assert found, event
        return int(found[1]), f"{found[2].decode()} mx {found[3].decode('ascii')}"

    def serve(self, world, *args):
        """A session whose stderr is the client's connection, as under inetd."""
        ours, theirs = socket.socketpair()
        argv = [*private_mount(), "sh", "-c", WITH_SYSLOG, self.folder / "socket", *world.command(*args)]
        process = spawn(argv, stdin=theirs, stdout=theirs, stderr=theirs)
        theirs.close()
        line = Line(sock=ours)
        line.process = process
        return line


@pytest.fixture
def syslog(tmp_path):
    if os.geteuid() != 0:
        skip_because("only root can make a /dev")
    ours = Syslog(tmp_path)
    yield ours
    ours.end()


def test_syslog(world, syslog):
    line = syslog.serve(world)
    line.greet()
    line.transaction([ALICE], TEXT)
    line.ask("VRFY nobody@example.org")
    line.send(b"QUIT\r\n")
    line.rest()
    assert line.process.wait(20) == 0
    line.close()
    mail = 2 << 3
    delivered, refused, end = syslog.close()
    assert delivered[0] == mail | 6 and refused[0] == mail | 5 and end[0] == mail | 6
    assert re.search(rf" mx mailslot\[\d+\]: delivered peer=local id=\w+ sender=s@client.example recipient={ALICE} ", delivered[1])


def test_a_full_mailbox_is_not_a_system_error(world, syslog):
    """It is a notice: otherwise each full mailbox would alert those who monitor the log for errors."""
    world.users[0] = f"{ALICE}::quota=100"
    world.build()
    line = syslog.serve(world)
    line.greet()
    replies = line.transaction([ALICE], b"Subject: t\n\n" + b"x\n" * 200)
    assert "452 4.2.2" in str(replies)
    line.send(b"QUIT\r\n")
    line.rest()
    assert line.process.wait(20) == 0
    line.close()
    deferred, _ = syslog.close()
    assert deferred[0] == (2 << 3 | 5) and "would exceed the quota set in users" in deferred[1]
