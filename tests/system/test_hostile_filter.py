"""Filters that an attacker controls, or has led astray: what they say cannot be taken for a line of the log, for another reply or
another command, for another message or field, and what they add goes only where this server delivers."""

import re

import pytest
from local import LocalSession, name_of
from milter_packet import ACCEPT, add_field, add_rcpt, change_field, change_sender, delete_rcpt, insert_field, quarantine, replace_body, reply
from mixture import ALICE, CAROL, EXT, OUT, SAM, SUE, TEXT, Mixture, events

EVIL = b"evil"  # in all that is injected
KNOWN = {"alice", "carol", "bob", "closed"}
EVENT = re.compile(r"mailslot\[\d+\]: [a-z][a-z -]* ")


def crossed(names, cases, others):
    """Each case with each of the others; in `make check` only with one of them."""
    pairs = []
    for number, case in enumerate(cases):
        for place, other in enumerate(others):
            marks = () if place == number % len(others) else pytest.mark.world
            pairs.append(pytest.param(case, other, marks=marks, id=f"{number if isinstance(cases, list) else case}-{other}"))
    return pytest.mark.parametrize(names, pairs)


@pytest.fixture
def mix(fresh, hops, milters):
    """mix(step=answer, ...): a mixture with one filter."""

    def make(conf=None, **script):
        made = Mixture(fresh, hops("store", lmtp=True), hops("relay"))
        made.filter = milters("filter", **script)
        fresh.build(milter=str(made.filter.path), **(conf or {}))
        return made

    return make


def check(m):
    """Whatever a filter has said."""
    for line in m.log.splitlines():
        assert EVENT.match(line) and line.isprintable() and not line.startswith("evil"), line
    for path in m.world.root.rglob("*"):
        name = path.relative_to(m.world.root).parts
        assert path.is_dir() or name[0] in (".done", ".relayed") or (name[0] in ("example.org", "example.net") and name[1] in KNOWN), path
    for address in (ALICE, CAROL, "bob@example.org"):
        assert len(m.world.messages(address)) <= 1, m.world.raw(address)
    for hop in (m.store, m.relay):
        for session in hop.sessions:
            check_wire(session)


def check_wire(session):
    """The commands are ours, and the text is of whole lines."""
    assert len([message for message in session.messages if message.dotted]) <= 1
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", session.received), session.received
    for command in session.commands:
        assert re.fullmatch(r"(EHLO|LHLO) \S+|MAIL FROM:<[^<> ]*>( [A-Z0-9=]+)*|RCPT TO:<[^<> ]+>|DATA|RSET|QUIT", command), command
        assert "evil" not in command.lower(), command


def headers(m):
    """Names of the fields of all texts, in lower case; folded lines belong to the field before."""
    names = set()
    for text in m.texts():
        names |= {line.partition(b":")[0].lower() for line in text.partition(b"\n\n")[0].split(b"\n") if line[:1] not in (b" ", b"\t")}
    return names


def is_unavailable(m):
    return len(events(m.log, "filter unavailable")) == 1


# ---- replies -----------------------------------------------------------------------------------

REPLIES = {
    "a second reply": "550 5.7.1 No\r\n250 2.0.0 evil",
    "a line break": "550 5.7.1 No\nevil",
    "a return": "550 5.7.1 No\revil",
    "lines of another code": "550-5.7.1 No\r\n250 2.0.0 evil",
    "lines without end": "550-5.7.1 No\r\n550-5.7.1 evil",
    "escape sequences": "550 5.7.1 \x1b[2Jevil\x07\x08\x7f",
    "UTF-8, and what is none": b"550 5.7.1 \xc3\xbc\xff\xfeevil",
    "formats": "550 5.7.1 %s%n%%d%",
    "a long line": "550 5.7.1 " + "evil " * 1000,
    "many lines": "\r\n".join(["550-5.7.1 evil"] * 200 + ["550 5.7.1 evil"]),
    "quotes": '550 5.7.1 "evil=" recipient=x" \\',
    "no text": "550",
    "only a status": "550 5.7.1",
    "a status of another class": "550 2.1.0 evil",
    "an end of the session": "421 4.7.0 evil",
    "success": "250 2.0.0 evil",
    "go ahead": "354 evil",
    "odd digits": "5\u0665\u0660 5.7.1 evil",
    "a code of four digits": "5500 evil",
    "nothing": "",
}  # fmt: skip


@crossed("case, step", REPLIES, ["connect", "helo", "mail", "rcpt", "data", "field", "eoh", "body", "end"])
def test_reply_injection(mix, step, case):
    """Exactly one reply for each command, of 4xx or 5xx, printable, and one line in the log (client.py looks at replies, too)."""
    m = mix(**{step: reply(REPLIES[case])})
    with m.world.session() as session:
        session.greet()
        replies = []
        for command in ("MAIL FROM:<s@client.example>", "RCPT TO:<alice@example.org>", "RCPT TO:<sam@example.org>", "DATA"):
            replies.append(session.ask(command))
            if replies[-1].startswith("421"):
                break
        if replies[-1].startswith("354"):
            session.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
            replies[-1] = session.reply()
        refused = [one for one in replies if not one.startswith("250")]
        assert refused and all(re.match(r"[45]\d\d[ -][45]\.", one) for one in refused), replies
        if refused[-1].startswith("421"):
            assert session.rest() == b""
        else:
            assert session.ask("NOOP").startswith("250")
    m.log = session.log
    check(m)
    assert m.has() == {}


# ---- header ------------------------------------------------------------------------------------

VALUES = {
    "a field": "x\nEvil: 1",
    "a field, as on the wire": "x\r\nEvil: 1",
    "a field after CR": "x\rEvil: 1",
    "a body": "x\n\nevil",
    "a message": "x\n\nFrom evil Mon Jan  1 00:00:00 2001\nEvil: 1\n\nevil\n",
    "the end": "x\n.\nMAIL FROM:<evil@x>\n",
    "the end, as on the wire": "x\r\n.\r\nMAIL FROM:<evil@x>\r\n",
    "a folded field": "x\n Evil: 1\n\tmore",
    "an empty continuation": "x\n \n \nEvil: 1",
    "LF alone": "\n",
    "a long line": "x" * 5000,
    "control characters": "\x1b[2J\x07\x7f",
    "8-bit": b"\xc3\xbc\xff",
    "nothing": "",
    "blanks": "   ",
}  # fmt: skip


@crossed("case, how", VALUES, ["add", "insert", "change", "quarantine"])
def test_header_injection(mix, how, case):
    value = VALUES[case]
    changes = {"add": add_field("X-Seen", value), "insert": insert_field(1, "X-Seen", value), "change": change_field(1, "Subject", value),
               "quarantine": quarantine(value)}  # fmt: skip
    m = mix(conf={"quarantine": "deliver"}, changes=changes[how])
    answer = m.deliver(ALICE, SAM, OUT)
    check(m)
    if is_unavailable(m):
        assert answer.startswith("451 4.7.1") and m.has() == {}
        return
    assert answer.startswith("250") and m.has() == {ALICE: 1, SAM: 1, EXT: 1}
    assert headers(m) <= {b"date", b"subject", b"x-seen", b"x-quarantine"}, headers(m)
    assert all(text.partition(b"\n\n")[2] == TEXT.partition(b"\n\n")[2] for text in m.texts()), m.texts()


NAMES = ["From ", "From evil@x Mon Jan  1 00:00:00 2001", "From evil", ">From ", "X-Evil:", "X Evil", "", " X-Evil", "\tX-Evil", "X-Evil\n",
         "X\r\nEvil", "X\nEvil", "X-\xc3\xbc", "X-\x7f", ".", "x" * 256, "x" * 70000, "Evil: 1\n\nbody"]  # fmt: skip


@crossed("name, how", NAMES, ["add", "insert", "change"])
def test_names_of_fields(mix, how, name):
    """Names that are none."""
    changes = {"add": add_field(name, "1"), "insert": insert_field(1, name, "1"), "change": change_field(1, name, "1")}
    m = mix(changes=changes[how])
    answer = m.deliver(ALICE, SAM, OUT)
    check(m)
    if name == ".":
        assert answer.startswith("250") and set(m.has()) == {ALICE, SAM, EXT}
        assert all(b"\n.: 1\n" in b"\n" + text for text in m.texts()), m.texts()
    else:
        assert answer.startswith("451 4.7.1") and is_unavailable(m) and m.has() == {}, m.log


TRACE = ["Return-Path", "Delivered-To", "Received", "Date", "Bcc", "Status", "X-UID", "Content-Length", "X-Mailbox-Line"]


@crossed("name, how", TRACE, ["top", "insert", "add"])
def test_forged_trace(mix, how, name):
    """Our Return-Path comes first, and our Delivered-To is right above our Received."""
    changes = {"add": add_field(name, "evil"), "top": insert_field(0, name, "evil"), "insert": insert_field(1, name, "evil")}
    m = mix(changes=changes[how])
    assert m.deliver(ALICE, SAM, OUT).startswith("250")
    check_log(m)
    raw = m.world.raw(ALICE)
    assert raw.split(b"\n")[1] == b"Return-Path: <s@client.example>", raw
    assert raw.count(b"\nDelivered-To: alice@example.org\nReceived: from client.example (local)\n\tby mx.example.org ") == 1, raw
    for hop in (m.store, m.relay):
        (message,) = hop.messages
        assert message.text.count(b"Received: from client.example (local)\n\tby mx.example.org ") == 1, message.text
        assert b"Return-Path: <" not in message.text and b"Delivered-To: alice" not in message.text


def check_log(m):
    for line in m.log.splitlines():
        assert EVENT.match(line) and line.isprintable(), line


# ---- body --------------------------------------------------------------------------------------

SMUGGLED = b"MAIL FROM:<evil@x>%sRCPT TO:<evil@x>%sDATA%sevil%s.%s"
ENDS = [b"\r\n.\r\n", b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r\r\n.\r\r\n", b"\r\n.\0\r\n", b"\r\n\0.\r\n", b"\r\n.\r\r\n"]


@crossed("end, size", ENDS, [65535, 1, 3])
def test_smuggling(mix, end, size):
    """A replaced body, in pieces that end everywhere."""
    m = mix(changes=replace_body(b"x" + end + SMUGGLED.replace(b"%s", b"\r\n") + end + b"From evil Mon Jan  1 00:00:00 2001\r\n", size))
    answer = m.deliver(ALICE, SAM, OUT)
    check(m)
    if not is_unavailable(m):
        assert answer.startswith("250") and set(m.has()) == {ALICE, SAM, EXT}
        assert len(set(m.texts())) == 1, m.texts()


BODIES = [b"From evil Mon Jan  1 00:00:00 2001\nEvil: 1\n\nevil\n", b"\n\nFrom evil Mon Jan  1 00:00:00 2001\n", b">From evil\n>>From evil\n", b"\n",
          b"", b"\n\n\n", b"no end", b".", b"..\n.", b"From ", b"\nFrom evil", b"Status: O\n\nx\n", b"x" * 100000, b"\n" * 70000]  # fmt: skip


@crossed("body, size", BODIES, [65535, 1])
def test_bodies(mix, body, size):
    """Each gets exactly this body, which a mailbox quotes; a last line without its end gets one."""
    if size == 1 and len(body) > 1000:
        size = 999
    m = mix(changes=replace_body(body.replace(b"\n", b"\r\n"), size))
    assert m.deliver(ALICE, SAM, OUT).startswith("250"), m.log
    check(m)
    wanted = body if body.endswith(b"\n") or not body else body + b"\n"
    for text in m.texts():
        found = text.partition(b"\n\n")[2]
        assert found == wanted, (found[:100], wanted[:100])


# ---- recipients --------------------------------------------------------------------------------

STRANGE = ["x@far.example", "alice%far.example@example.org", "far.example!alice@example.org", "@far.example:alice@example.org",
           "x@far.example@example.org", "@example.org,@far.example:x@far.example", "../../etc/evil", "../bob@example.org", "/tmp/evil",
           "|evil@example.org", "|/bin/evil", "evil@example.org", "a b@example.org", "alice@example.org\r\nRCPT TO:<evil@x>", "alice@example.org\nevil",
           "alice@example.org, x@far.example", "alice@example.org\0x", "alice", "", "<>", "<x@far.example>", "x" * 300 + "@example.org",
           "alice@" + "x" * 300, "ünï@example.org", "alice@[192.0.2.1]", "alice@[127.0.0.1]", ":include:/etc/passwd", "closed@example.org",
           "\"a b\"@example.org", "\"../evil\"@example.org", "root@localhost", "x@mx.example.org", "alice@example.org>", "alice@example.org SIZE=1"]  # fmt: skip


@crossed("address, where", STRANGE, ["stranger", "lmtp"])
def test_added_recipients_make_no_open_relay(mix, where, address):
    """What the directory does not take is dropped with an event, or the filter is taken as failing: nothing goes elsewhere, no
    file is made. A client that is no user cannot send elsewhere by a filter."""
    m = mix(changes=add_rcpt(address) + add_rcpt(address, "NOTIFY=NEVER"))
    if where == "lmtp":
        m.world.build(milter=f"{m.filter.path} lmtp")
    reply = deliver_as(m, where)
    check(m)
    assert not m.relay.sessions, m.relay.commands
    if is_unavailable(m):
        assert reply.startswith("451 4.7.1") and m.has() == {}
    elif reply.startswith("250"):
        assert set(m.has()) == {ALICE}
    else:
        assert re.match(r"4\d\d ", reply) and m.has() == {}, reply


def deliver_as(m, where):
    if where == "stranger":
        return m.deliver(ALICE)
    with m.world.session(args=("-r", "lmtp")) as session:
        session.reply()
        session.ask("LHLO client.example")
        session.transaction_reply = session.transaction([ALICE], TEXT)
    m.log = session.log
    return session.transaction_reply


def test_an_alias_that_leads_elsewhere_may_be_added(mix):
    """The administrator wrote it."""
    m = mix(changes=add_rcpt(OUT) + add_rcpt(SAM) + add_rcpt(f"<{SUE}>"))
    assert m.deliver(ALICE).startswith("250")
    check(m)
    assert m.has() == {ALICE: 1, EXT: 1, SAM: 1, SUE: 1}


def test_a_user_may_have_recipients_elsewhere_added(mix):
    m = mix(changes=add_rcpt("x@far.example"))
    m.world.build(local_submission=name_of())
    with LocalSession(m.world) as session:
        assert session.send_message([ALICE], TEXT, sender="cron@example.org").startswith("250")
    m.log = session.log
    assert m.has() == {ALICE: 1, "x@far.example": 1}


def test_a_recipient_is_added_twice(mix):
    m = mix(changes=(add_rcpt(SAM) + add_rcpt(ALICE)) * 3 + add_rcpt("sam@EXAMPLE.org"))
    assert m.deliver(ALICE, SAM).startswith("250")
    check(m)
    assert m.has() == {ALICE: 1, SAM: 1}


def test_all_that_was_added_is_taken_away(mix):
    m = mix(changes=add_rcpt(SAM) + delete_rcpt(SAM) + delete_rcpt(ALICE) + delete_rcpt("evil@far.example"))
    assert m.deliver(ALICE).startswith("250")
    check(m)
    assert m.has() == {} and len(events(m.log, "discarded")) == 1


def test_too_many_recipients(mix):
    """More than a transaction may have."""
    m = mix(changes=b"".join(add_rcpt(f"alice+{n}@example.org") + add_rcpt(f"sam+{n}@example.org") for n in range(1000)))
    reply = m.deliver(ALICE)
    check(m)
    assert re.match(r"4\d\d ", reply) and m.has() == {}, reply


SENDERS = ["alice@example.org", "", "<>", "<a@b.example>", "a b@c", "a@b\r\nRCPT TO:<evil@x>", "a@b\nevil", "a@b> SIZE=1 evil", "evil" * 100 + "@x.example",
           "@evil.example:a@b.example", "ünï@x.example", "postmaster", "a@b@evil", "\"evil\r\"@x.example"]  # fmt: skip


@pytest.mark.parametrize("sender", SENDERS, ids=range(len(SENDERS)))
def test_senders(mix, sender):
    m = mix(changes=change_sender(sender) + change_sender(sender, "SIZE=1 RCPT TO:<evil@x>"))
    reply = m.deliver(ALICE, SAM, OUT)
    check_log(m)
    assert len(m.world.messages(ALICE)) <= 1
    for hop in (m.store, m.relay):
        for command in (c for session in hop.sessions for c in session.commands):
            assert re.fullmatch(r"(EHLO|LHLO) \S+|MAIL FROM:<\S*>( [A-Z0-9=]+)*|RCPT TO:<\S+>|DATA|RSET|QUIT", command), command
        assert not [c for c in hop.commands if "RCPT TO:<evil" in c]
    assert reply.startswith("250") or (re.match(r"[45]\d\d ", reply) and m.has() == {}), reply


# ---- other bounds ------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["one field", "many fields", "inserted", "changed"])
def test_a_header_has_an_end(mix, what):
    """1 MiB, with what filters add: then the filter has failed."""
    one = {"one field": lambda: add_field("X", ("x" * 60 + "\n ") * 1000), "many fields": lambda: add_field("X", "y" * 50) * 100,
           "inserted": lambda: insert_field(0, "X", "y" * 60000), "changed": lambda: change_field(1, "Subject", "y" * 60000) + add_field("X", "y" * 60000)}[what]()  # fmt: skip
    m = mix(changes=one * (4_000_000 // len(one)))
    reply = m.deliver(ALICE, SAM)
    check_log(m)
    assert reply.startswith("451 4.7.1") and is_unavailable(m) and m.has() == {}, (reply, m.log[-500:])


def test_a_body_has_an_end(mix):
    """The largest message, and 1 MiB more."""
    m = mix(conf={"max_message_size": "100K"}, changes=replace_body(b"x" * 70 + b"\r\n") * 30000)
    reply = m.deliver(ALICE, SAM)
    assert re.match(r"(451 4\.7\.1|552 5\.3\.4) ", reply) and m.has() == {}, reply


def test_a_filter_that_accepts_for_ever_is_not_asked(mix):
    """ACCEPT with changes ahead of it counts; nothing after it does."""
    m = mix(changes=add_field("X-Seen", "1"), end=ACCEPT + add_field("X-Evil", "1"))
    m.deliver(ALICE)
    check(m)
    assert b"x-evil" not in headers(m)
