"""What filters do after the dot: they see the message, one after the other, and change it: its header, its body. What they do with
its envelope is in test_milter_envelope.py."""

import os
import re
import signal
import threading

import pytest
from hop import CLOSE, HANG, NOTHING, Endless, Wait
from mbox import messages_of
from milter_packet import (ACCEPT, ADDHDRS, CONTINUE, DISCARD, HDR_LEADSPC, NOBODY, NOHDRS, PROGRESS, REJECT, SHUTDOWN, TEMPFAIL, add_field, change_field,
    delete_field, insert_field, packet, quarantine, replace_body, reply)  # fmt: skip
from mixture import events
from processes import wait_until
from test_auth import authenticated

ALICE = "alice@example.org"
TEXT = b"Subject: x\nTo: y\n\nbody\n"


def send(world, text=TEXT, to=(ALICE,), **more):
    """One session: the reply to the message. Its log is in world.log."""
    with world.session(**more) as session:
        answer = session.send_message(to, text)
    world.log = session.log
    return answer


TRACE = re.compile(
    rb"From [^\n]*\nReturn-Path: <([^\n]*)>\n((?:[^\n]*\n)*?)Delivered-To: ([^\n]*)\nReceived: [^\n]*\n(?:[ \t][^\n]*\n)*"
)


def stored(world, address=ALICE):
    """The only message in a mailbox: what is above our Delivered-To and Received, "|", what is below."""
    raw = world.raw(address)
    found = TRACE.match(raw)
    assert found and found[3] == address.encode() and raw.endswith(b"\n\n"), raw
    return found[2] + b"|" + raw[found.end() : -1]


def was_only_asked_live(filter):
    """Has its last transaction ended before the text?"""
    return wait_until(lambda: filter.transactions[-1].steps == ["mail", "rcpt", "abort"])


def nothing_is_stored(world):
    return world.everything() == {}


# ---- what they see


def test_what_a_filter_sees(filtered):
    """The header as it was received, without our Received field; state fields of mailboxes; the body with CR LF."""
    text = (
        b"From a@b Mon Jan  1 00:00:00 2001\nStatus: RO\nSubject:  x\n folded\n\tagain\nReceived: of others\nTo:y\nX-Empty:\n\n"
        b"From here\n.dot\n\n\xff\0nul\nend\n"
    )
    world = filtered({"steps": HDR_LEADSPC})
    assert send(world, text).startswith("250 2.0.0 Delivered")
    (message,) = world.filters[0].messages
    assert message.fields == [
        ("X-Mailbox-Line", " From a@b Mon Jan  1 00:00:00 2001"), ("Status", " RO"), ("Subject", "  x\n folded\n\tagain"),
        ("Received", " of others"), ("To", "y"), ("X-Empty", ""),
    ]  # fmt: skip
    assert message.body == b"From here\n.dot\n\n\xff\0nul\nend\n"
    assert message.steps == ["mail", "rcpt", "data"] + 6 * ["field"] + ["eoh", "body", "end"]
    assert stored(world) == (
        b"|X-Mailbox-Line: From a@b Mon Jan  1 00:00:00 2001\nSubject:  x\n folded\n\tagain\nReceived: of others\nTo:y\nX-Empty:\n\n"
        b">From here\n.dot\n\n\xff\0nul\nend\n"
    )


@pytest.mark.parametrize("text, fields, body, due", [
    (b"", [], b"", b"|\n"),
    (b"\n", [], b"", b"|\n"),
    (b"\nbody\n", [], b"body\n", b"|\nbody\n"),
    (b"Hello\nyou\n", [], b"Hello\nyou\n", b"|\nHello\nyou\n"),
    (b"Subject: x\n", [("Subject", "x")], b"", b"|Subject: x\n\n"),
    (b"Subject: x\nno field\nTo: y\n\nb\n", [("Subject", "x")], b"no field\nTo: y\n\nb\n",
     b"|Subject: x\n\nno field\nTo: y\n\nb\n"),
    (b"A: 1\nB\0: 2\n\nb\n", [("A", "1"), ("B", "2")], b"b\n", b"|A: 1\nB: 2\n\nb\n"),
])  # fmt: skip
def test_where_the_header_ends(filtered, text, fields, body, due):
    """The first line that is no field ends it, for filters and for readers."""
    world = filtered({})
    assert send(world, text).startswith("250")
    (message,) = world.filters[0].messages
    assert (message.fields, message.body) == (fields, body) and stored(world) == due


@pytest.mark.parametrize("given", [b"", b"Date: then\n", b"Message-ID: <1@x>\n", b"DATE: then\nMessage-Id: <1@x>\n"])
def test_a_submission_is_completed_first(secured, milters, given):
    """Date and Message-ID are there, Bcc is not, when the first filter looks; and a filter may take them away."""
    first = milters("first", changes=[NOTHING, delete_field(1, "Date") + delete_field(1, "Message-ID")])
    secured.build(milter=str(first.path))
    with authenticated(secured, role="submission") as session:
        for _ in range(2):
            text = given + b"Bcc: secret@x,\n more\nSubject: x\n\nBcc: body\n"
            assert session.transaction([ALICE], text, sender=ALICE).startswith("250")
    for message in first.messages:
        names = [name.lower() for name, _ in message.fields]
        assert names.count("date") == names.count("message-id") == names.count("subject") == 1 and len(names) == 3
        assert message.body == b"Bcc: body\n"
    seen, deleted = secured.sent(ALICE)
    shown = "".join(f"{name}: {value}\n" for name, value in first.messages[0].fields).encode()
    assert seen == shown + b"\nBcc: body\n" and deleted == b"Subject: x\n\nBcc: body\n"


def test_one_after_the_other(filtered):
    """Each sees what the ones before it have changed, also above our Received field."""
    world = filtered(
        {"changes": insert_field(0, "X-Top", "1") + change_field(1, "Subject", "new") + replace_body("first\r\n")},
        {"changes": insert_field(1, "X-Second", "2") + delete_field(1, "To") + replace_body("second\r\n")},
        {"changes": add_field("X-Third", "3")},
    )
    assert send(world).startswith("250")
    first, second, third = (one.messages[0] for one in world.filters)
    assert first.fields == [("Subject", "x"), ("To", "y")] and first.body == b"body\n"
    assert second.fields == [("X-Top", "1"), ("Subject", "new"), ("To", "y")] and second.body == b"first\n"
    assert third.fields == [("X-Top", "1"), ("X-Second", "2"), ("Subject", "new")] and third.body == b"second\n"
    assert stored(world) == b"X-Top: 1\nX-Second: 2\n|Subject: new\nX-Third: 3\n\nsecond\n"
    assert [session.steps for one in world.filters for session in one.sessions] == [0, 0, 0]
    logged = events(world.log, "changed by filter")
    assert ["header=changed" in line for line in logged] == 3 * [True]
    assert ["body=changed" in line for line in logged] == [True, True, False]


@pytest.mark.parametrize("step", ["connect", "helo", "mail", "rcpt"])
def test_the_second_filter_has_accepted_before_the_text(filtered, step):
    """It sees nothing of the text, and the first one all of it, once."""
    world = filtered({"changes": add_field("X-A", "1")}, {step: ACCEPT}, {"changes": add_field("X-B", "2")})
    assert send(world).startswith("250 2.0.0 Delivered"), world.log
    assert [len(filter.messages) for filter in world.filters] == [1, 0, 1]
    assert "X-A: 1\nX-B: 2\n" in stored(world).decode()
    assert all(not one.fields and not one.chunks for one in world.filters[1].transactions)


def test_a_filter_that_wants_less(filtered):
    """It may change what it did not want to see, and what was not sent is not lost."""
    world = filtered({"steps": NOHDRS | NOBODY, "changes": change_field(1, "subject", "new")}, {"eoh": ACCEPT})
    assert send(world, b"Subject: x\n\n" + b"y\n" * 100000).startswith("250")
    assert stored(world) == b"|subject: new\n\n" + b"y\n" * 100000
    assert world.filters[0].messages[0].steps == ["mail", "rcpt", "data", "eoh", "end"]
    (second,) = world.filters[1].transactions
    assert second.fields == [("subject", "new")] and not second.chunks and not second.ended


# ---- what they change


@pytest.mark.parametrize("changes, due", [
    (add_field("X-A", "1") + add_field("X-B", "2\n\t3"), b"|Subject: x\nTo: y\nX-A: 1\nX-B: 2\n\t3\n\nbody\n"),
    (insert_field(0, "X-A", "1") + insert_field(0, "X-B", "2\n 3"), b"X-B: 2\n 3\nX-A: 1\n|Subject: x\nTo: y\n\nbody\n"),
    (insert_field(1, "X-A", "1") + insert_field(1, "X-B", "2"), b"|X-B: 2\nX-A: 1\nSubject: x\nTo: y\n\nbody\n"),
    (insert_field(2, "X-A", "1"), b"|Subject: x\nX-A: 1\nTo: y\n\nbody\n"),
    (insert_field(99, "X-A", "1"), b"|Subject: x\nTo: y\nX-A: 1\n\nbody\n"),
    (change_field(1, "SUBJECT", "new"), b"|SUBJECT: new\nTo: y\n\nbody\n"),
    (change_field(2, "Subject", "new"), b"|Subject: x\nTo: y\nSubject: new\n\nbody\n"),
    (delete_field(1, "subject") + delete_field(1, "subject"), b"|To: y\n\nbody\n"),
    (delete_field(1, "Subject") + delete_field(1, "To"), b"|\nbody\n"),
    (replace_body(""), b"|Subject: x\nTo: y\n\n"),
    (replace_body("new\r\nFrom here\r\n.\r\n"), b"|Subject: x\nTo: y\n\nnew\n>From here\n.\n"),
    (replace_body("a\r\nb", size=1), b"|Subject: x\nTo: y\n\na\nb\n"),
    (replace_body("\r\n\r\n"), b"|Subject: x\nTo: y\n\n\n\n"),
    (b"", b"|Subject: x\nTo: y\n\nbody\n"),
    # for mboxes, state fields are left out, wherever they are
    (add_field("Status", "RO") + insert_field(0, "X-UID", "1\n 2") + change_field(1, "To", "z"), b"|Subject: x\nTo: z\n\nbody\n"),
    (insert_field(0, "Content-Length", "1") + insert_field(1, "X-A", "1"), b"X-A: 1\n|Subject: x\nTo: y\n\nbody\n"),
])  # fmt: skip
def test_changes(filtered, changes, due):
    world = filtered({"changes": changes})
    assert send(world).startswith("250 2.0.0 Delivered")
    assert stored(world) == due
    assert len(events(world.log, "changed by filter")) == bool(changes)


def test_a_nul_in_a_body(filtered):
    """A client may send it, and must not make a filter fail by that which rewrites the body, such as one that marks spam."""
    world = filtered({"changes": add_field("X-Spam", "yes") + replace_body("report\r\na\0b\r\n")})
    assert send(world, TEXT + b"a\0b\n").startswith("250 2.0.0 Delivered")
    assert stored(world) == b"|" + TEXT.split(b"\n\n")[0] + b"\nX-Spam: yes\n\nreport\na\0b\n"


def test_progress_and_changes(filtered):
    world = filtered({"changes": PROGRESS + add_field("X-A", "1") + PROGRESS, "end": (PROGRESS, Wait(0.1), CONTINUE)})
    assert send(world).startswith("250") and stored(world) == b"|Subject: x\nTo: y\nX-A: 1\n\nbody\n"


def test_what_hops_get(fresh, hops, milters):
    """State fields too, and our Received field where it belongs; no repairs for mboxes; eight-bit text and its size."""
    store = hops("store", lmtp=True, extensions=("PIPELINING", "8BITMIME", "SIZE 300"))
    changes = [insert_field(0, "Status", "RO") + insert_field(2, "X-A", "1"), replace_body("x\r\n" * 200), NOTHING]
    filter = milters("filter", changes=changes)
    fresh.users.append(f"sam@example.org::mailbox=lmtp:{store.path}")
    fresh.build(milter=str(filter.path))
    assert send(fresh, to=["sam@example.org"]).startswith("250")
    (message,) = store.messages
    assert re.fullmatch(rb"Status: RO\nReceived: .*\n(?:\t.*\n)+X-A: 1\nSubject: x\nTo: y\n\nbody\n", message.text)
    assert send(fresh, to=["sam@example.org"]) == "552 5.3.4 Message is too large"
    store.script["hello"] = "250-hop.example\r\n250 PIPELINING"
    filter.script["changes"] = replace_body("\xe4\r\n")
    assert send(fresh, to=["sam@example.org"]).startswith("554 5.6.3")
    assert not store.messages[1:] or not any(message.dotted for message in store.messages[1:])


def test_large_messages(filtered):
    """More than is held in memory: what comes in, what a filter puts in its place twice, and what is delivered."""
    lines = b"".join(b"%060d\n" % i for i in range(50000))
    world = filtered(
        {"changes": replace_body(lines[: 2 * 1000 * 1000].replace(b"\n", b"\r\n"))},
        {"changes": add_field("X-A", "1")},
        {"changes": replace_body(lines[:1000]), "end": REJECT},
        max_message_size="4M",
    )
    assert send(world, b"Subject: x\n\n" + lines).startswith("550 5.7.1")
    assert nothing_is_stored(world)
    world.filters[2].script.clear()
    assert send(world, b"Subject: x\n\n" + lines).startswith("250")
    text = lines[: 2 * 1000 * 1000] + (b"" if lines[1999999:2000000] == b"\n" else b"\n")
    assert stored(world) == b"|Subject: x\nX-A: 1\n\n" + text
    assert [one.messages[-1].body for one in world.filters] == [lines, lines[: 2 * 1000 * 1000], lines[: 2 * 1000 * 1000]]


# ---- what they decide


@pytest.mark.parametrize("end, due", [
    (REJECT, "550 5.7.1 Refused by a filter"),
    (TEMPFAIL, "451 4.7.1 Deferred by a filter, try again later"),
    (reply("554 5.7.9 100%% spam"), "554 5.7.9 100% spam"),
    (reply("451 4.7.1 Later"), "451 4.7.1 Later"),
    (reply("550-5.7.1 One\r\n550 5.7.1 Two"), "550-5.7.1 One\n550 5.7.1 Two"),
])  # fmt: skip
@pytest.mark.parametrize("step", ["data", "eoh", "body", "end"])
def test_refused(filtered, step, end, due):
    """By the first one that refuses: the others are not asked, nobody gets the message, and the next one is fine."""
    changes = add_field("X-A", "1") + replace_body("new\r\n") if step == "end" else NOTHING
    world = filtered({}, {"changes": [changes, NOTHING], step: [end, CONTINUE]}, {})
    with world.session() as session:
        session.greet()
        assert session.transaction([ALICE], TEXT) == due
        assert nothing_is_stored(world)
        assert session.transaction([ALICE], TEXT).startswith("250")
    assert stored(world) == b"|" + TEXT
    assert [len(one.messages) for one in world.filters] == [2, 1 + (step == "end"), 1]
    assert not events(session.log, "changed by filter") and len(events(session.log, "refused by filter")) == 1
    assert [message.steps[-1] for message in world.filters[2].transactions] == ["abort", "end"]


@pytest.mark.parametrize("end", [SHUTDOWN, reply("421 4.7.0 Go")])
def test_closing(filtered, end):
    world = filtered({"end": end})
    with world.session() as session:
        session.greet()
        assert session.transaction([ALICE], TEXT).startswith("421 4.7.0")
        assert session.rest() == b""
    assert nothing_is_stored(world)


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "eoh", "body", "end"])
def test_discarded(filtered, step):
    """The client is told that all is well; nobody gets the message, and no filter is asked any more."""
    world = filtered({}, {step: DISCARD, "changes": add_field("X-A", "1")}, {})
    assert send(world).startswith("250 2.0.0 Delivered")
    assert nothing_is_stored(world)
    (line,) = events(world.log, "discarded")
    assert str(world.filters[1].path) in line and ALICE in line
    assert not events(world.log, "delivered") and not events(world.log, "changed by filter")
    assert not world.filters[2].messages


@pytest.mark.parametrize("setting, due", [
    (None, "550 5.7.1 Refused by a filter as suspicious"), ("reject", "550 5.7.1 Refused by a filter as suspicious"),
    ("defer", "451 4.7.1 Held by a filter, try again later"), ("deliver", "250 2.0.0 Delivered"),
])  # fmt: skip
def test_quarantine(filtered, setting, due):
    world = filtered({"changes": quarantine("a virus: \xe4" + 300 * "x")}, {}, **({"quarantine": setting} if setting else {}))
    assert send(world).startswith(due)
    (line,) = events(world.log, "quarantined")
    assert "a virus: ??x" in line and str(world.filters[0].path) in line
    assert len(world.filters[1].messages) == (setting == "deliver")
    if setting == "deliver":
        assert stored(world) == b"|Subject: x\nTo: y\nX-Quarantine: a virus: ??" + 189 * b"x" + b"\n\nbody\n"
        assert world.filters[1].messages[0].values("X-Quarantine") == ["a virus: ??" + 189 * "x"]
    else:
        assert nothing_is_stored(world)


def test_a_filter_that_refuses_what_it_wants_in_quarantine(filtered):
    world = filtered({"changes": quarantine("a virus"), "end": reply("554 5.7.1 Mine")}, quarantine="deliver")
    assert send(world) == "554 5.7.1 Mine" and not events(world.log, "quarantined")


# ---- filters that break


BROKEN = [
    CLOSE, b"garbage", packet("?"), packet("h", b"X-A\0"), packet("i", b"\0"), b"\0\0\0\0", packet("b") + CONTINUE[:3],
    add_field("X A", "1"), add_field("", "1"), add_field("X:A", "1"), add_field("X-A", "1\n2"), add_field("X-A", "1\r\n\r\nbody"),
    add_field("X-A", "1\n"), add_field("X-A", "1\n\n 2"), insert_field(0, "X-\xe4", "1"), change_field(1, "Subject", "1\r2"),
    packet("h", b"X-A\0a\0b\0"), replace_body("a\rb\r\n"),
]  # fmt: skip


@pytest.mark.parametrize("failure", ["defer", "accept"])
@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_never_half_a_change(filtered, broken, failure):
    """What it had changed before is undone, and what the others have changed stays."""
    changes = insert_field(0, "X-B", "1") + delete_field(1, "To") + replace_body("half\r\n")
    world = filtered(
        {"changes": add_field("X-First", "1")},
        {"changes": (changes + (broken if isinstance(broken, bytes) else b""),), "end": (broken,) if isinstance(broken, str) else CONTINUE},
        {"changes": add_field("X-Last", "1")},
        milter_failure=failure,
    )
    answer = send(world)
    (line,) = events(world.log, "filter unavailable")
    assert str(world.filters[1].path) in line and f"do={failure}" in line
    assert 'step="end of message"' in line
    if failure == "accept":
        assert answer.startswith("250") and stored(world) == b"|Subject: x\nTo: y\nX-First: 1\nX-Last: 1\n\nbody\n"
    else:
        assert answer == "451 4.7.1 A filter is not available, try again later" and nothing_is_stored(world)
    assert len(world.filters[2].messages) == (failure == "accept")


@pytest.mark.parametrize("script, reason", [
    ({"changes": add_field("X A", "1")}, "a change that is malformed, or that it has not negotiated"),
    ({"changes": add_field("X-A", "1\n2")}, "a change that is malformed, or that it has not negotiated"),
    ({"changes": replace_body("x"), "actions": ADDHDRS}, "a change that is malformed, or that it has not negotiated"),
    ({"changes": quarantine("x"), "actions": ADDHDRS}, "a change that is malformed, or that it has not negotiated"),
    ({"changes": quarantine("x") * 1001}, "too many changes"),
    ({"end": packet("?")}, "not a reply of the milter protocol"),
    ({"end": CLOSE}, "the connection was closed"),
    ({"negotiate": b"220 mx.example.net ESMTP\r\n"}, "it does not speak the milter protocol, or only a version that cannot be used"),
], ids=str)  # fmt: skip
def test_the_log_has_the_reason(filtered, script, reason):
    """By which the author of a filter, or who has given a wrong path, finds the mistake."""
    world = filtered(script)
    assert send(world).startswith("451 4.7.1")
    (line,) = events(world.log, "filter unavailable")
    assert f'error="{reason}"' in line


@pytest.mark.parametrize("changes", [
    add_field("X-A", "1") * 1001, quarantine("x") * 1001, replace_body("") * 1001, add_field("X-A", 60000 * "x") * 18,
    insert_field(0, "X-A", 30000 * "x") * 2, replace_body(1200 * 1000 * "x"),
], ids=["fields", "reasons", "bodies", "header", "above", "body"])  # fmt: skip
def test_too_much(filtered, changes):
    """More changes, a larger header, a larger body than there may be."""
    world = filtered({"changes": changes}, milter_failure="accept", max_message_size="64K")
    assert send(world).startswith("250") and stored(world) == b"|" + TEXT
    assert len(events(world.log, "filter unavailable")) == 1


def test_as_much_as_there_may_be(filtered):
    changes = add_field("X-A", "1") * 999 + replace_body(1000 * 1000 * "x", size=1000)
    world = filtered({"changes": changes}, max_message_size="64K")
    assert send(world).startswith("250")
    assert stored(world) == b"|Subject: x\nTo: y\n" + 999 * b"X-A: 1\n" + b"\n" + 1000 * 1000 * b"x" + b"\n"


def test_an_endless_body(filtered):
    world = filtered({"changes": (Endless(replace_body(65535 * "x")),)}, max_message_size="64K")
    assert send(world).startswith("451 4.7.1")
    assert nothing_is_stored(world)


def test_a_header_that_is_too_large(filtered):
    """1 MiB with what is added to it; without filters there is no such limit."""
    line = b"X-A: " + 900 * b"x" + b"\n"
    world = filtered({}, max_message_size="4M")
    assert send(world, line * 1200 + b"\nbody\n").startswith("552 5.3.4 Message header is too large")
    assert nothing_is_stored(world) and was_only_asked_live(world.filters[0])
    assert 'reason="header too large"' in events(world.log, "refused")[0]
    assert send(world, line * 1100 + b"\nbody\n").startswith("250")
    world.filters[0].script["changes"] = add_field("X-A", 60000 * "x")
    assert send(world, line * 1100 + b"\nbody\n").startswith("451 4.7.1")


# ---- the session around it


def test_refused_before_filters_are_asked(filtered):
    """Too large, a bare newline, a loop: they hear of the end of the transaction alone."""
    loop = b"Delivered-To: alice@example.org\nReceived: from x by mx.example.org with ESMTP id 1; now\n\nx\n"
    world = filtered({}, max_message_size="1000")
    for text, due in ((1001 * b"x\n", "552 5.3.4"), (b"x\ry\n", "550 5.5.2"), (loop, "554 5.4.6")):
        assert send(world, text).startswith(due)
        assert was_only_asked_live(world.filters[0])
    assert nothing_is_stored(world)


@pytest.mark.parametrize("changes", [delete_field(1, "Delivered-To"), change_field(1, "Received", "changed"), insert_field(0, "X-A", "1")])
def test_loops_are_found_as_before(filtered, changes):
    """What a filter does to the fields of the past does not hide a loop, and what it puts above ours does neither."""
    world = filtered({"changes": changes})
    assert send(world).startswith("250")
    again = world.raw(ALICE).split(b"\n", 1)[1]
    assert send(world, again).startswith("554 5.4.6")


@pytest.mark.parametrize("way", ["gone", "stopped"])
def test_interrupted_while_a_filter_works(filtered, way):
    """Nobody gets the message; the log says why; no file is left."""
    world = filtered({"changes": (add_field("X-A", "1"), replace_body(200000 * "x")), "end": HANG})
    session = world.session()
    session.any_end = True
    with session:
        session.greet()
        session.begin_text()
        session.send(b"Subject: x\r\n\r\n" + 200000 * b"x" + b"\r\n.\r\n")
        world.filters[0].wait_for("end")
        if way == "stopped":
            session.process.send_signal(signal.SIGTERM)
            assert session.reply().startswith("421 4.3.2")
        else:
            session.close()
        session.process.wait(20)
    assert len(events(session.log, "interrupted")) == 1 and not events(session.log, "filter unavailable")
    assert nothing_is_stored(world)


def test_killed_while_a_filter_works(filtered):
    """A large text, and a large body of the filter: no file has a name."""
    world = filtered({"changes": (replace_body(300000 * "x"),), "end": HANG})
    session = world.session()
    session.any_end = True
    with session:
        session.greet()
        session.begin_text()
        session.send(b"Subject: x\r\n\r\n" + 300000 * b"x" + b"\r\n.\r\n")
        world.filters[0].wait_for("end")
        os.kill(session.process.pid, signal.SIGKILL)
        session.process.wait(20)
    assert [path for path in world.root.rglob("*") if path.is_file()] == []


def test_a_filter_that_takes_its_time(filtered):
    """The locks of mailboxes are waited for as long as ever afterwards."""
    world = filtered({"end": (Wait(1.5), CONTINUE)}, lock_timeout="1s")
    path = world.preset(ALICE, b"")
    lock = path.with_name("alice.lock")
    lock.write_text("")
    unlock = threading.Timer(1.8, lock.unlink)
    unlock.start()
    assert send(world).startswith("250")
    unlock.join()
    assert stored(world) == b"|" + TEXT


def test_too_slow(filtered):
    world = filtered({"end": HANG}, {}, milter_timeout="1s")
    assert send(world).startswith("451 4.7.1") and nothing_is_stored(world)
    assert not world.filters[1].messages


def test_another_was_too_slow(filtered):
    """It used up the time of all. The next one is not to blame, and is asked about the next message."""
    world = filtered({"end": 20 * (Wait(0.4), PROGRESS)}, {"changes": add_field("X-A", "1")}, milter_timeout="1s", milter_failure="accept")
    with world.session() as session:
        session.greet()
        assert [session.transaction([ALICE], TEXT)[:3] for _ in range(2)] == ["250", "250"]
    slow, other = events(session.log, "filter unavailable")
    assert str(world.filters[0].path) in slow and 'error="no reply in time"' in slow
    assert str(world.filters[1].path) in other and "step=DATA" in other and 'error="other filters left it no time"' in other
    assert [len(filter.messages) for filter in world.filters] == [1, 1] and world.raw(ALICE).count(b"X-A: 1") == 1


def test_several_messages(filtered):
    """Nothing of one message is in the next."""
    world = filtered({"changes": [replace_body(300000 * "y") + insert_field(0, "X-A", "1"), NOTHING, delete_field(1, "To"), NOTHING]})
    with world.session() as session:
        session.greet()
        for _ in range(4):
            assert session.transaction([ALICE], TEXT).startswith("250")
        session.ask("QUIT")
    assert world.filters[0].wait_for_end() == ["quit"] and "abort" not in world.filters[0].names
    first, *others = world.raw(ALICE).split(b"\nFrom ")
    assert first.endswith(b"\n\n" + 300000 * b"y" + b"\n") and b"\nX-A: 1\nDelivered-To" in first
    assert [other.partition(b"\nSubject")[2] for other in others] == [b": x\nTo: y\n\nbody\n", b": x\n\nbody\n", b": x\nTo: y\n\nbody\n\n"]


@pytest.mark.parametrize("end", [CONTINUE, b"garbage!"], ids=["kept", "undone"])
def test_large_bodies_without_mail_root(filtered, end):
    """They are spooled next to the mailbox, as without filters: the one that is received, and those that filters make of it."""
    made = [b"%d" % number * 70 + b"\n" for number in range(4)]
    scripts = [{"changes": replace_body(line.replace(b"\n", b"\r\n") * 4000)} for line in made]
    world = filtered(scripts[0] | {"end": end}, *scripts[1:], milter_failure="accept")
    (world.folder / "box").mkdir(0o700)
    world.users = [f"{ALICE}::mailbox={world.folder}/box/alice"]
    world.aliases = []
    (world.folder / "file").write_bytes(b"x")
    world.build(mail_root=world.folder / "file" / "below")
    assert send(world, TEXT + b"x" * 70 * 4000 + b"\n").startswith("250 2.0.0 Delivered")
    (message,) = messages_of((world.folder / "box" / "alice").read_bytes())
    assert message.sent == TEXT.split(b"\n\n")[0] + b"\n\n" + made[3] * 4000
