"""The same scripted filter, asked by Postfix and by mailslot about the same messages, is sent the same and makes the same of them.

Both give the message to a store by LMTP, so that all of it can be compared: envelope, header field by field, body. What differs,
and must, is in the tables below with its reason:
- our Received field has another text than Postfix's (milter_sides.py puts OURS in its place);
- a change that is not well formed is a fault of the filter here: see MALFORMED;
- what Postfix removes, adds or repairs before it asks filters, and we do not: see test_what_postfix_repairs().
"""

import pytest
from milter_packet import (HDR_LEADSPC, NOBODY, NODATA, NOEOH, NOHDRS, NOHELO, NOMAIL, NORCPT, NR_BODY, NR_EOH, NR_HDR, add_field, add_rcpt,
    change_field, change_sender, delete_field, delete_rcpt, insert_field, quarantine, replace_body)  # fmt: skip
from milter_sides import MailslotSide, PostfixSide

pytestmark = pytest.mark.world

PLAIN = b"""\
Received: from a by b; Mon, 1 Jan 2001 00:00:00 +0000
From: s@client.example
To: alice@example.org
Subject: one
X-A: 1
X-B: 1
X-A: 2
 folded
\tand more
x-a:3
X-Empty:
X-Blank:\x20
X-Tab:\ttab
X-Two:  two blanks
X-End: blanks \t\x20

hello
"""
FIELDS = 14  # with that of the server

TEXTS = {
    "plain": PLAIN,
    "no header": b"\nhello\n",
    "no header and no empty line": b"hello there\nworld\n",
    "no body": b"Subject: a\n\n",
    "neither": b"\n",
    "a continuation first": b" folded\nSubject: a\n\nx\n",
    "a line that is no field": b"Subject: a\nnot a field\nTo: b\n\nx\n",
    "a blank in a name": b"Subject: a\nX Y: b\nTo: b\n\nx\n",
    "From_ first": b"From me\nSubject: a\n\nx\n",
    ">From_ first": b">From me\nSubject: a\n\nx\n",
    "From_ amid the header": b"Subject: a\nFrom me\nTo: b\n\nx\n",
    "UTF-8": "Subject: é\nTo: b\n\nö\n".encode(),
    "UTF-8 in a name": "Subject: a\nX-é: b\n\nx\n".encode(),
    "8-bit": b"Subject: \xff\xfe\n\n\xff\xfe\n",
    "long fields": b"Subject: " + b"x" * 990 + b"\nX-Long: " + b"y" * 30000 + b"\nX-Folded:" + b"\n " + b"z" * 900 + b"\n " + b"z" * 900 + b"\n\nx\n",
    "many fields": b"".join(b"X-%d: %d\n" % (n, n) for n in range(300)) + b"\nx\n",
    "many folds": b"Subject: a" + b"\n b" * 100 + b"\nTo: b\n\nx\n",
    "a fold right after the colon": b"Subject:\n a\nX-A:\n\tb\n\nx\n",
    "a fold of blanks alone": b"Subject: a\n \t\nTo: b\n\nx\n",
    "long lines": b"Subject: a\n\n" + b"z" * 70000 + b"\nx\n",
    "a large body": b"Subject: a\n\n" + b"".join(b"line %d\n" % n for n in range(30000)),
    "dots": b"Subject: a\n\n.\n..\n.x\n",
    "empty lines": b"Subject: a\n\n\n\n\nx\n\n\n",
    "state of mailboxes": b"Status: RO\nX-Status: A\nX-UID: 3\nDelivered-To: x\nSubject: a\n\nFrom me\n>From me\n",
}  # fmt: skip

CHANGES = {
    "nothing": b"",
    "add": add_field("X-New", "v"),
    "add folded": add_field("X-New", "v\n\tw\n x"),
    "add empty": add_field("X-New", ""),
    "add with a blank": add_field("X-New", " v"),
    "add with a tab": add_field("X-New", "\tv"),
    "add UTF-8": add_field("X-New", "ü €"),
    "add 8-bit": add_field("X-New", b"\xff"),
    "add long": add_field("X-New", "v" * 40000),
    "add a second one": add_field("Subject", "two"),
    "add two": add_field("X-N", "1") + add_field("X-N", "2"),
    **{f"insert at {n}": insert_field(n, "X-New", "v") for n in (0, 1, 2, 5, FIELDS - 1, FIELDS, FIELDS + 1, 99, 0x7FFFFFFF)},
    "insert folded": insert_field(1, "X-New", "v\n\tw"),
    **{f"insert at {a}, at {b}": insert_field(a, "X-N", "first") + insert_field(b, "X-N", "second") for a, b in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (99, 99), (0, 2))},
    "add, insert at the end": add_field("X-N", "added") + insert_field(99, "X-N", "inserted"),
    "add, insert before it": add_field("X-N", "added") + insert_field(FIELDS, "X-N", "inserted"),
    "insert at the end, add": insert_field(99, "X-N", "inserted") + add_field("X-N", "added"),
    **{f"change X-A {n}": change_field(n, "X-A", "changed\n twice") for n in (0, 1, 2, 3, 4, 9)},
    "change with another letter case": change_field(1, "sUBJECT", "changed"),
    "change a missing one": change_field(1, "X-Nowhere", "changed"),
    "change the first Received": change_field(1, "Received", "changed"),
    "change the second Received": change_field(2, "Received", "changed"),
    "change to longer": change_field(1, "X-A", "y" * 5000),
    "change an empty one": change_field(1, "X-Empty", "full"),
    **{f"delete X-A {n}": delete_field(n, "x-A") for n in (0, 1, 2, 3, 4, 9)},
    "delete X-A 1, 1": delete_field(1, "X-A") + delete_field(1, "X-A"),
    "delete a missing one": delete_field(1, "X-Nowhere"),
    "delete Received": delete_field(1, "Received"),
    "delete Received twice": 2 * delete_field(1, "Received"),
    "delete all": b"".join(delete_field(1, n) for n in ("Received From To Subject X-A X-A X-A X-B X-Empty X-Blank X-Tab X-Two X-End").split()),
    "insert above ours, change Received": insert_field(0, "X-N", "top") + change_field(1, "Received", "changed"),
    "insert Received above ours, change it": insert_field(0, "Received", "top") + change_field(1, "Received", "changed"),
    "add, change it": add_field("X-N", "a") + change_field(1, "X-N", "b"),
    "add, delete it": add_field("X-N", "a") + delete_field(1, "X-N"),
    "insert, delete it": insert_field(1, "X-N", "a") + delete_field(1, "X-N"),
    "insert above ours, delete it": insert_field(0, "X-N", "a") + delete_field(1, "X-N"),
    "insert above ours, change it": insert_field(0, "X-N", "a") + change_field(1, "X-N", "b"),
    "delete, insert": delete_field(1, "From") + insert_field(2, "X-N", "a"),
    "body": replace_body("new\r\nbody\r\n"),
    "body, empty": replace_body(""),
    "body, no end of line": replace_body("new"),
    "body of LF": replace_body("a\nb\n"),
    "body in parts": replace_body("a\r") + replace_body("\nb") + replace_body("c\r\n"),
    "body of dots and From_": replace_body(".\r\n..\r\nFrom me\r\n"),
    "body, empty lines": replace_body("\r\n\r\nx\r\n\r\n"),
    "body, 8-bit": replace_body(b"\xff\xfe\r\n"),
    "body, large": replace_body("0123456789abcdef" * 4 * 20000 + "\r\n"),
    "body and header": add_field("X-N", "1") + replace_body("new\r\n") + add_field("X-N", "2"),
    "sender": change_sender("new@y.example"),
    "sender in <>": change_sender("<new@y.example>"),
    "sender, null": change_sender("<>"),
    "sender, empty": change_sender(""),
    "sender with parameters": change_sender("<new@y.example>", "BODY=8BITMIME"),
    "add a recipient": add_rcpt("<bob@example.org>"),
    "add a recipient without <>": add_rcpt("bob@example.org"),
    "add a recipient with parameters": add_rcpt("<bob@example.org>", "NOTIFY=NEVER"),
    "delete the recipient": delete_rcpt("<alice@example.org>"),
    "delete the recipient without <>": delete_rcpt("alice@example.org"),
    "delete another one": delete_rcpt("<carol@example.net>"),
    "delete, add": delete_rcpt("<alice@example.org>") + add_rcpt("<bob@example.org>"),
    "add, delete": add_rcpt("<bob@example.org>") + delete_rcpt("<bob@example.org>"),
    "a NUL in a body": replace_body("a\0b\r\n"),
    "everything": change_sender("<n@y.example>") + add_rcpt("<bob@example.org>") + insert_field(0, "X-N", "1") + delete_field(2, "X-A") + replace_body("n\r\n") + change_field(1, "Subject", "two"),
}  # fmt: skip

# Changes that Postfix makes as they are, or somehow, and which are faults of the filter for us: no header line may begin in the
# midst of a value, and no name may be what a reader takes for something else. {what: (change, what Postfix makes of it)}
MALFORMED = {
    "a line of a value without a blank": (add_field("X-New", "v\nw"), b"X-New: v\n\tw\n"),
    "a CR in a value": (add_field("X-New", "v\rw"), b"X-New: v\rw\n"),
    "a name with a blank": (add_field("X New", "v"), b"X New: v\n"),
    "a name with a colon": (add_field("X:", "v"), b"X:: v\n"),
    "no name": (add_field("", "v"), b": v\n"),
    "a name in UTF-8": (add_field("X-é", "v"), "X-é: v\n".encode()),
    "an index below 0": (insert_field(0xFFFFFFFF, "X-New", "v"), b"X-New: v\n"),
    "a sender that is none": (change_sender("a b c"), b""),
    "a CR in a body": (replace_body("a\rb\r\n"), b"a\rb\n"),
}  # fmt: skip


@pytest.fixture
def sides(servers, certificates, fresh):
    made = [PostfixSide(servers, certificates), MailslotSide(fresh)]
    yield made
    for side in made:
        side.end()


def compare(sides, failures, name, text, but=None, **more):
    """Sends a message to both; what differs becomes a line of failures."""
    theirs, ours = (side.send(text, **more) for side in sides)
    if theirs.code != ours.code:
        failures.append(f"{name}: {theirs.code}, ours: {ours.code}")
    if theirs.stored != ours.stored:
        failures.append(f"{name}: stored\n  {theirs.stored}\n  ours:\n  {ours.stored}")
    for one in ("sender", "recipients", "fields", "body"):
        found = [[getattr(message, one) for message in side.seen] for side in (theirs, ours)]
        if found[0] != found[1]:
            failures.append(f"{name}: the filter saw {one}\n  {found[0]}\n  ours:\n  {found[1]}")
    return theirs, ours


def test_texts(sides):
    """Filters see the same of every text, and a field that is inserted or added is at the same place in it."""
    failures = []
    for name, text in TEXTS.items():
        for steps in (0, HDR_LEADSPC):
            compare(sides, failures, name, text, steps=steps)
        compare(sides, failures, f"{name}, fields added", text, changes=insert_field(0, "X-N", "0") + insert_field(2, "X-N", "2") + add_field("X-N", "9"))
        compare(sides, failures, f"{name}, another body", text, changes=replace_body("new\r\n"))
    assert not failures, "\n".join(failures)


def test_changes(sides):
    """Every change is made as Postfix makes it."""
    failures = []
    for name, changes in CHANGES.items():
        for steps in (0, HDR_LEADSPC) if "sender" not in name and "body" not in name else (0,):
            compare(sides, failures, f"{name} {steps}", PLAIN, steps=steps, changes=changes)
    assert not failures, "\n".join(failures)


def test_malformed_changes(sides):
    """The filter has failed: 451, and nothing is stored."""
    failures = []
    for name, (changes, made) in MALFORMED.items():
        theirs, ours = (side.send(PLAIN, changes=changes) for side in sides)
        if theirs.code != "250" or made not in theirs.stored[0][2]:
            failures.append(f"{name}: Postfix has not done it: {theirs.stored}")
        if ours.code != "451" or ours.stored:
            failures.append(f"{name}: {ours.code} {ours.stored}")
    assert not failures, "\n".join(failures)


MACROS = ("{mail_addr}", "{rcpt_addr}")


@pytest.mark.parametrize("steps", [0, NOHELO, NOMAIL | NORCPT, NODATA, NOHDRS, NOEOH, NOBODY, NOHDRS | NOEOH | NOBODY, NR_HDR | NR_EOH | NR_BODY | HDR_LEADSPC])
def test_steps_and_macros(sides, steps):
    """A filter is sent the same steps, and macros of the same values. (Of the parameters of MAIL we pass on what matters to us:
    not BODY, which is no promise about the text.)"""
    failures = []
    theirs, ours = compare(sides, failures, "", PLAIN, steps=steps, recipients=("alice@example.org", "bob@example.org"), parameters=" SIZE=100")
    if theirs.seen[0].steps != ours.seen[0].steps:
        failures.append(f"{theirs.seen[0].steps}, ours: {ours.seen[0].steps}")
    for name in MACROS:
        values = [[macros[name] for step, macros in side.sessions[0].macro_packets if name in macros] for side in (theirs, ours)]
        if values[0] != values[1]:
            failures.append(f"{name}: {values[0]}, ours: {values[1]}")
    assert not failures, "\n".join(failures)


def test_international_addresses(sides):
    failures = []
    theirs, ours = compare(sides, failures, "", PLAIN, sender="jürgen@client.example", parameters=" SMTPUTF8", changes=change_sender("<ölaf@y.example>"))
    assert not failures, "\n".join(failures)
    assert ours.stored[0][0] == "ölaf@y.example" and ours.seen[0].macros["{mail_addr}"] == "jürgen@client.example"


REPAIRED = {
    "a blank before a colon": (b"Subject : a\nX-A\t: b\n\nx\n", b"Subject: a\nX-A: b\n\nx\n"),
    "fields that Postfix removes": (b"Return-Path: <a@b>\nContent-Length: 3\nSubject: a\n\nx\n", b"Subject: a\n\nx\n"),
}


def test_what_postfix_repairs(sides):
    """Postfix rewrites, and removes what a delivery agent adds; we leave the text as it is. (Both remove Bcc: we in submission.)"""
    for text, repaired in REPAIRED.values():
        theirs, ours = (side.send(text) for side in sides)
        assert theirs.stored[0][2] == b"Received: OURS\n" + repaired
        assert ours.stored[0][2] == b"Received: OURS\n" + text
        assert [name for name, _ in theirs.seen[0].fields] == [name for name, _ in ours.seen[0].fields if name not in ("Return-Path", "Content-Length")]
