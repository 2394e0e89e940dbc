"""Sendmail's libmilter as the judge of the protocol: a filter that is made with it is told the same by mailslot and by Postfix,
and both make the same of each of its answers and changes."""

import re

import pytest
from filtering import ALICE, BOB, AskingMailslot, AskingPostfix, Both
from filters import Libmilter

pytestmark = pytest.mark.world

TEXT = b"""\
From: Sam <s@client.example>
X-Twice:no blank
X-Twice:  two blanks
X-Long: one
 two
\tthree
Date: Mon, 1 Jan 2001 00:00:00 +0000
Message-ID: <1@client.example>
Subject: na\xc3\xafve

From here
.dot


"""
LARGE = TEXT + 3000 * (b"0123456789" * 7 + b"\n")

# By what is written below it, a filter gets more or less than usual. SMFIP_*
STEPS = {
    "all": 0,
    "no replies": 0x80 | 0xFF000,  # to connect, HELO, MAIL, RCPT, DATA, fields, the end of the header, body
    "little": 0x1 | 0x2 | 0x4 | 0x10 | 0x40 | 0x200,  # RCPT, fields, end
    "blanks": 0x100000,
}

ANSWERS = ["accept", "reject", "tempfail", "discard", "reply 550 5.7.9 First line\\nsecond, 50%%", "reply 452 4.2.2 Later"]
CALLBACKS = ("connect", "helo", "mail", "rcpt", "data", "header", "eoh", "body", "end")

CHANGES = [
    "add X-New: new", "add X-New: new\\n\\tfolded", "insert 0 X-Top: t", "insert 1 X-Second: s", "insert 2 X-Third: t", "insert 5 X-Later: l",
    "insert 99 X-Last: l", "change 1 X-Twice: changed", "change 2 X-Twice: changed", "change 2 x-twice:", "change 3 X-Twice: added",
    "change 1 Subject: other\\n folded", "change 7 X-Long:", "change 1 X-None:", "from <other@client.example>", "from <>",
    "body short", "body two\\nlines\\n", "progress", f"to <team@example.org>\nend not-to <{ALICE}>", f"not-to <{ALICE}>\nend to <{BOB}>", "not-to <nobody@example.org>",
]  # fmt: skip

TOGETHER = "".join(f"end {change}\n" for change in (
    "insert 0 X-A: a", "insert 1 X-B: b", "insert 2 X-C: c", "add X-D: d", "change 1 X-D: e", "change 1 X-Twice:", "change 1 X-Twice: f",
    "insert 1 X-E: e", "change 1 X-B:", "progress", "from <other@client.example>", "body new\\n.dot\\nFrom here\\n", "add X-F: f",
))  # fmt: skip

# Macros that each server fills with its own; and those that it has at another time, or not: Postfix has no id before the first
# recipient, and a session over pipes does not know to which address the client has connected.
UNKNOWN = ("i", "{daemon_addr}", "{daemon_port}")
OWN = ("v", "{daemon_name}", "{client_port}", "{client_connections}", "{client_ptr}",
       "{auth_type}", "{mail_mailer}", "{rcpt_mailer}")  # fmt: skip


def written(record):
    """What was told since the last negotiation. Postfix has a session before it, with us, before the client says who it is.
    libmilter does not always tell that a transaction has been given up when the session ends at once."""
    start = max(number for number, line in enumerate(record) if line.startswith("negotiate "))
    lines, given_up = [], False
    for line in [line for line in record[start:] if line != "close"]:
        macro = line.startswith("  ") and line.split()[0]
        given_up = line == "abort" or (given_up and macro)
        if given_up or macro in UNKNOWN:
            continue
        if line.startswith("body ") and lines[-1].startswith("body "):
            lines[-1] += line.removeprefix("body ")
        else:
            lines.append(f"  {macro}" if macro in OWN else line)
    return lines


class Judge:
    """Both servers with one filter."""

    def __init__(self, askers, judge, steps):
        self.askers, self.judge, self.steps = askers, judge, steps

    def listens(self, callback):
        """Do the servers ask it at this callback, and hear what it says?"""
        bits = {"connect": 0x1001, "helo": 0x2002, "mail": 0x4004, "rcpt": 0x8008, "data": 0x10200, "header": 0xA0, "eoh": 0x40040, "body": 0x80010}
        return not self.steps & bits[callback]

    def send(self, script, text=TEXT, **more):
        """What both make of the message. The filter must have been told the same."""
        self.judge.does(script)
        records = []
        for asker in self.askers:
            outcomes = Both([asker]).send(text, **more)
            records.append((outcomes, written(self.judge.record())))
        (ours, told_ours), (theirs, told_theirs) = records
        assert ours == theirs, script
        if "skip" in script:  # after one chunk, whose size is the server's
            told_ours, told_theirs = ([line[:60000] for line in told] for told in (told_ours, told_theirs))
        assert told_ours == told_theirs, script
        assert not any(line.startswith("FAILED") for line in told_ours), told_ours
        return ours, told_ours


@pytest.fixture(params=STEPS.values(), ids=STEPS)
def judge(request, fresh, servers, certificates):
    filter = servers(Libmilter, steps=request.param)
    filter.record()
    return Judge([AskingMailslot(fresh, filter), servers(AskingPostfix, certificates, filter)], filter, request.param)


def test_each_answer(judge):
    """At each callback."""
    (reply, kept), _ = judge.send("")
    assert reply == "250" and kept[1] == TEXT.partition(b"\n\n")[2]
    for callback in CALLBACKS:
        for answer in ANSWERS:
            reply, kept = judge.send(f"{callback} {answer}\n")[0]
            if callback == "end" or judge.listens(callback):
                assert (reply == "250") == (answer in ("accept", "discard")), (callback, answer, reply)


def test_each_change(judge):
    for change in CHANGES:
        reply, kept = judge.send(f"end {change}\n")[0]
        assert reply == "250" and (kept[1] != TEXT.partition(b"\n\n")[2]) == change.startswith("body ")
    (reply, kept), _ = judge.send(TOGETHER)
    assert [value.strip() for name, value in kept[0] if name == "X-F"] == [b"f"] and kept[1] == b"new\n.dot\nFrom here\n"


def test_messages(judge):
    """A large one; skip; a user's; nobody is left; after another."""
    (reply, kept), record = judge.send("", LARGE)
    assert reply == "250" and kept[1] == LARGE.partition(b"\n\n")[2]
    assert judge.send("body skip\n", LARGE)[0].kept == kept
    record = judge.send("", login=ALICE, sender=ALICE)[1]
    assert "  {auth_authen} alice@example.org" in record
    assert judge.send(f"end not-to <{ALICE}>\n")[0] == ("250", None)
    reply = judge.send("rcpt reply 550 5.7.1 No\n")[0].reply
    assert reply == ("550 5.7.1 No" if judge.listens("rcpt") else "250")
