"""What happens after the last byte of a message that goes to other servers too: the order of the steps, who has the message
after each failure, what the client is told, and what its next try does."""

import os
import signal
import socket
import threading

import pytest
from client import Closed, to_wire
from hop import CLOSE, HANG, NOTHING, Until
from local import LocalSession, name_of
from mixture import ALICE, CAROL, EVERYBODY, EXT, OUT, SAM, SUE, TEXT, Mixture, events, without_trace
from processes import wait_until

ALL_ONCE = {ALICE: 1, CAROL: 1, SAM: 1, SUE: 1, EXT: 1}


@pytest.fixture
def mix(fresh, hops):
    """mix(store={...}, relay={...}): scripts of the two hops."""

    def make(store=None, relay=None):
        made = Mixture(fresh, hops("store", lmtp=True, **(store or {})), hops("relay", **(relay or {})))
        made.journal = hops.journal
        return made

    return make


def test_each_gets_it_and_relays_come_first(mix):
    """Every hop gets the text before the first dot; when a store gets its dot, no mailbox has the message."""
    m = mix()
    before = []

    def note(session, argument):
        before.append((session.hop.name, m.world.everything()))
        return "250 2.0.0 Taken"

    m.store.script["dot"] = m.relay.script["dot"] = note
    assert m.deliver().startswith("250 2.0.0 Delivered")
    assert m.has() == ALL_ONCE and m.texts() == [TEXT] * 5 and not m.marks()
    assert [name for name, _ in before] == ["relay", "store", "store"]
    assert not any(b"Subject" in raw for _, files in before for raw in files.values())
    assert [(name, step) for name, step, _ in m.journal if step in ("data", "dot")][:3] == [
        ("relay", "data"), ("store", "data"), ("relay", "dot"),
    ]  # fmt: skip
    assert len(events(m.log, "relayed")) == 2 and len(events(m.log, "delivered")) == 1
    assert not events(m.log, "partly delivered")


def test_what_hops_get(mix):
    """Our Received field, and the text as it was received: no Return-Path, no Delivered-To, no repairs for mboxes."""
    text = b"Status: RO\nX-UID: 7\nSubject: x\n\nFrom a\n>From b\n\n\n.\n..\nend\n"
    m = mix()
    assert m.deliver(text=text).startswith("250")
    for hop in (m.store, m.relay):
        (message,) = hop.messages
        assert without_trace(message.text) == text
        head = message.text[: -len(text)]
        assert head.count(b"Received: ") == 1 and b"by mx.example.org with ESMTP id" in head and b"for <" not in head
    assert m.world.messages(ALICE)[0].sent == b"Subject: x\n\nFrom a\n>From b\n\n\n.\n..\nend\n"


def test_a_large_message(mix):
    """One that is not held in memory; with a single recipient, who is named."""
    text = b"Subject: x\n\n" + b"".join(b"%060d\n" % i for i in range(20000))
    m = mix()
    assert m.deliver(OUT, text=text).startswith("250")
    (message,) = m.relay.messages
    assert without_trace(message.text) == text and b"for <out@example.org>" in message.text[:1000]
    assert not events(m.log, "delivered") and len(events(m.log, "relayed")) == 1


@pytest.mark.parametrize("code", ["550 5.7.1 Spam", "451 4.7.1 Greylisted"])
@pytest.mark.parametrize("step", ["data", "dot"])
def test_the_first_hop_refuses(mix, step, code):
    """Nothing is anywhere, and the client gets the hop's reply."""
    m = mix(relay={step: code})
    assert m.deliver() == code
    assert m.has() == {} and not m.marks()
    assert not any(message.dotted for message in m.store.messages)
    assert len(events(m.log, "refused by hop")) == 1
    m.relay.script.clear()
    assert m.deliver().startswith("250")
    assert m.has() == ALL_ONCE


@pytest.mark.parametrize("step", ["data", "text"])
@pytest.mark.parametrize("how", ["550 5.7.1 No", CLOSE])
def test_the_last_hop_refuses_the_text(mix, how, step):
    """The relay has the text already, but no dot. (The text is too long to be on its way as a whole.)"""
    m = mix(store={step: how})
    reply = m.deliver(text=TEXT + 20000 * (b"x" * 100 + b"\n"))
    assert reply == how if (how, step) == ("550 5.7.1 No", "data") else reply.startswith("451 4.4.1")
    assert m.has() == {} and not m.marks()
    assert not any(message.dotted for message in m.relay.messages)


def test_all_refuse_at_the_dot(mix):
    m = mix(store={"dot": "552 5.2.2 Full"})
    assert m.deliver(ALICE, SAM, SUE) == "552 5.2.2 Full"
    assert m.has() == {} and not m.marks() and not events(m.log, "partly delivered")


def test_a_refusal_for_good_after_the_first_2xx(mix):
    """The others get it; the reply names who does not. If that client tries again, nobody gets it twice."""
    m = mix(store={"dot": {SUE: "550 5.7.1 Not wanted"}})
    assert m.deliver() == f"550 5.7.1 Not delivered to <{SUE}>"
    assert m.has() == {ALICE: 1, CAROL: 1, SAM: 1, EXT: 1}
    assert len(m.marks()) == 4
    assert len(events(m.log, "partly delivered")) == 1 and SUE in events(m.log, "partly delivered")[0]
    assert m.deliver() == f"550 5.7.1 Not delivered to <{SUE}>"
    assert m.has() == {ALICE: 1, CAROL: 1, SAM: 1, EXT: 1}


def test_an_alias_does_not_reveal_where_it_leads(mix):
    """The reply names the recipient that the client gave."""
    m = mix(store={"dot": {SAM: "550 5.7.1 Not wanted"}})
    assert m.deliver("all@example.org") == "550 5.7.1 Not delivered to <all@example.org>"
    assert m.has() == {ALICE: 1, CAROL: 1, SUE: 1, EXT: 1}


@pytest.mark.parametrize("who", [SAM, SUE])
def test_a_retry_completes_and_doubles_nothing(mix, who):
    m = mix(store={"dot": {who: ["452 4.2.2 Full", "250 ok"]}})
    assert m.deliver() == "452 4.2.2 Full"
    assert 'reply="452 4.2.2"' in events(m.log, "partly delivered")[0]
    assert m.has() == {a: 1 for a in ALL_ONCE if a != who}
    assert len(m.marks()) == 4 and all(len(name) == 64 for name in m.marks())
    assert m.deliver().startswith("250")
    assert m.has() == ALL_ONCE
    assert m.store.messages[-1].recipients == [who] and len(m.relay.messages) == 1


def test_another_message_is_no_retry(mix):
    m = mix(store={"dot": {SAM: ["452 4.2.2 Full", "250 ok"]}})
    assert m.deliver().startswith("452")
    assert m.deliver(text=TEXT + b"!\n").startswith("250")
    assert m.has() == {ALICE: 2, CAROL: 2, SAM: 1, SUE: 2, EXT: 2}


def test_old_marks_do_not_count(mix):
    m = mix(store={"dot": {SAM: ["452 4.2.2 Full"]}})
    assert m.deliver().startswith("452")
    for name in m.marks():
        os.utime(m.world.root / ".done" / name, (0, 0))
    assert m.deliver().startswith("452")
    assert m.has() == {ALICE: 2, CAROL: 2, SUE: 2, EXT: 2}
    assert len(m.marks()) == 4


@pytest.mark.parametrize("answer", [CLOSE, b"250 2.0", "what?"])
def test_a_lost_reply_is_uncertain(mix, answer):
    """All others get it; the client tries again, and the relay may get it twice."""
    m = mix(relay={"dot": [(answer, CLOSE), "250 ok"]})
    assert m.deliver().startswith("451 4.4.1")
    assert m.has().items() >= {ALICE: 1, CAROL: 1, SAM: 1, SUE: 1}.items()
    assert len(m.marks()) == 4
    assert len(events(m.log, "uncertain")) == 1 and EXT in events(m.log, "uncertain")[0]
    assert m.deliver().startswith("250")
    assert {**m.has(), EXT: 1} == ALL_ONCE and m.relay.accepted[-1][0] == EXT


def test_missing_replies_of_lmtp_are_uncertain(mix):
    m = mix(store={"dot": [("250 ok", CLOSE)]})
    assert m.deliver().startswith("451 4.4.1")
    assert m.has() == {ALICE: 1, CAROL: 1, SAM: 1, EXT: 1} and len(m.marks()) == 4
    assert SUE in events(m.log, "uncertain")[0] and SAM not in events(m.log, "uncertain")[0]


def test_an_uncertain_hop_alone(mix):
    m = mix(relay={"dot": [CLOSE, "250 ok"]})
    assert m.deliver(OUT).startswith("451 4.4.1")
    assert not m.marks()
    assert m.deliver(OUT).startswith("250")


# ---- mailboxes here ----------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["full", "locked", "unsafe"])
def test_mailboxes_are_looked_at_first(mix, what):
    m = mix()
    box = m.world.preset(ALICE, b"")
    if what == "full":
        m.world.users = [u.replace(f"{ALICE}::", f"{ALICE}::quota=6K") for u in m.world.users]
        box.write_bytes(b"From a Mon Jan  1 00:00:00 2001\n\n" + b"x" * 6050 + b"\n\n")
    elif what == "locked":
        box.with_name("alice.lock").write_text(f"{os.getpid()}\n")
    else:
        box.unlink()
        box.symlink_to("/dev/null")
    m.world.build(lock_timeout="1")
    before = m.world.everything()
    reply = m.deliver()
    after = m.world.everything()
    box.with_name("alice.lock").unlink(missing_ok=True)
    assert reply[:3] in ("451", "452") and after == before
    assert not m.store.messages and not m.relay.messages and not m.marks()


def test_a_mailbox_fails_after_the_hops(mix):
    """It is locked when its turn comes: the other one gets the message, and a retry completes."""
    m = mix()
    m.world.build(lock_timeout="1")
    lock = m.world.preset(ALICE, b"").with_name("alice.lock")

    def take(session, argument):
        lock.write_text(f"{os.getpid()}\n")
        return "250 ok"

    m.relay.script["dot"] = take
    assert m.deliver().startswith("451 4.2.0")
    lock.unlink()
    assert m.has() == {CAROL: 1, SAM: 1, SUE: 1, EXT: 1} and len(m.marks()) == 4
    assert m.deliver().startswith("250")
    assert m.has() == ALL_ONCE


# ---- each recipient has a result ---------------------------------------------------------------


def lmtp(m, *recipients, text=TEXT):
    """Replies of one transaction by LMTP."""
    with m.world.session(args=("-r", "lmtp")) as session:
        assert session.reply().startswith("220 ")
        session.ask("LHLO client.example")
        session.ask("MAIL FROM:<s@client.example>")
        for recipient in recipients:
            assert session.ask(f"RCPT TO:<{recipient}>").startswith("250")
        assert session.ask("DATA").startswith("354")
        session.send(to_wire(text) + b".\r\n")
        replies = [session.reply() for _ in recipients]
    m.log = session.log
    return replies


def prdr(m, *recipients, text=TEXT):
    """The same by PRDR; without the reply for all."""
    with m.world.session() as session:
        session.greet()
        session.ask("MAIL FROM:<s@client.example> PRDR")
        for recipient in recipients:
            assert session.ask(f"RCPT TO:<{recipient}>").startswith("250")
        assert session.ask("DATA").startswith("354")
        session.send(to_wire(text) + b".\r\n")
        replies = [session.reply()]
        if len(recipients) > 1:  # otherwise there is one reply, as without PRDR
            assert replies.pop().startswith("353")
            replies = [session.reply() for _ in recipients]
            session.reply()
    m.log = session.log
    return replies


@pytest.mark.parametrize("way", [lmtp, prdr])
def test_each_has_its_own_result(mix, way):
    m = mix(store={"dot": {SUE: ["552 5.2.2 Full", "250 ok"]}}, relay={"dot": ["451 4.3.0 Later", "250 ok"]})
    replies = way(m, *EVERYBODY)
    assert [reply[:9] for reply in replies] == ["250 2.0.0", "250 2.0.0", "250 2.0.0", "552 5.2.2", "451 4.3.0"]
    assert m.has() == {ALICE: 1, CAROL: 1, SAM: 1} and not m.marks()
    assert all(reply.startswith("250") for reply in way(m, SUE, OUT))
    assert m.has() == ALL_ONCE


@pytest.mark.parametrize("way", [lmtp, prdr])
def test_a_part_that_ends_takes_its_recipients_out_of_a_store(mix, way):
    """The relay refuses: the alias is refused as a whole, and the store gets the text again, for the other recipient."""
    m = mix(relay={"dot": ["550 5.7.1 No", "250 ok"]})
    m.world.aliases += [f"pair@example.org: {SAM}, {EXT}"]
    m.world.build()
    replies = way(m, "pair@example.org", SUE, ALICE)
    assert [reply[:9] for reply in replies] == ["550 5.7.1", "250 2.0.0", "250 2.0.0"]
    assert m.has() == {SUE: 1, ALICE: 1}
    assert [message.recipients for message in m.store.messages if message.dotted] == [[SUE]]


@pytest.mark.parametrize("way", [lmtp, prdr])
def test_a_part_is_partly_delivered(mix, way):
    m = mix(store={"dot": {SAM: ["451 4.3.0 Later", "250 ok"]}})
    m.world.aliases += [f"pair@example.org: {SAM}, {EXT}, {ALICE}"]
    m.world.build()
    replies = way(m, "pair@example.org", CAROL)
    assert [reply[:9] for reply in replies] == ["451 4.3.0", "250 2.0.0"]
    assert m.has() == {EXT: 1, ALICE: 1, CAROL: 1} and len(m.marks()) == 2
    assert [reply[:3] for reply in way(m, "pair@example.org")] == ["250"]
    assert m.has() == {EXT: 1, ALICE: 1, CAROL: 1, SAM: 1}


@pytest.mark.parametrize("way", [lmtp, prdr])
def test_recipients_share_targets(mix, way):
    """A target of two recipients gets the message once, and both get its result."""
    m = mix(relay={"dot": ["550 5.7.1 No", "250 ok"]})
    m.world.aliases += [f"first@example.org: {SAM}, {ALICE}", f"second@example.org: {SAM}, {EXT}"]
    m.world.build()
    replies = way(m, "first@example.org", "second@example.org", SAM, ALICE)
    assert [reply[:3] for reply in replies] == ["250", "550", "250", "250"]
    assert m.has() == {SAM: 1, ALICE: 1} and not m.marks()
    assert [reply[:3] for reply in way(m, "first@example.org", "second@example.org", text=TEXT + b"2\n")] == ["250", "250"]
    assert m.has() == {SAM: 2, ALICE: 2, EXT: 1}


# ---- what a hop can take -----------------------------------------------------------------------


def without(*missing):
    return [e for e in ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 100000") if e.split()[0] not in missing]


@pytest.mark.parametrize("who", ["store", "relay"])
def test_extensions_are_decided_when_the_text_is_known(mix, who):
    m = mix(**{who: {"extensions": without("8BITMIME", "SMTPUTF8")}})
    assert m.deliver(text=b"Subject: x\n\nplain\n").startswith("250")
    assert m.deliver(text=b"Subject: x\n\nb\xc3\xb6\n").startswith("554 5.6.3")
    assert len(m.texts()) == 5
    assert len(events(m.log, "refused")) == 1


def test_smtputf8_is_decided_when_the_text_is_known(mix):
    """Without SMTPUTF8 of the client, an 8-bit header is passed on as it is."""
    m = mix(relay={"extensions": without("SMTPUTF8")})
    text = b"Subject: \xc3\xb6\n\nb\n"
    assert m.deliver(OUT, text=text).startswith("250")
    for text, due in ((text, "553 5.6.7"), (b"Subject: o\n\n\xc3\xb6\n", "250 2.0.0")):
        with m.world.session() as session:
            session.greet()
            session.ask("MAIL FROM:<s@client.example> SMTPUTF8")
            assert session.ask(f"RCPT TO:<{OUT}>").startswith("250")
            assert session.ask("DATA").startswith("354")
            session.send(to_wire(text) + b".\r\n")
            assert session.reply()[:9] == due
    assert len(m.relay.accepted) == 2


def test_the_hops_size_limit(mix):
    """It counts the message as it is sent: with our field, and CR LF."""
    m = mix(store={"extensions": ["SIZE 2000"]})
    assert m.deliver(text=b"Subject: x\n\n" + b"\n" * 600).startswith("250")
    assert m.deliver(text=b"Subject: x\n\n" + b"\n" * 1000).startswith("552 5.3.4")
    assert m.has() == ALL_ONCE


# ---- stops, and clients that leave -------------------------------------------------------------


class Paused:
    """An answer that the test holds back."""

    def __init__(self, *then):
        self.event = threading.Event()
        self.answer = (Until(self.event), *then)

    def go_on(self):
        self.event.set()


def send_all(session, text=TEXT):
    session.greet()
    session.ask("MAIL FROM:<s@client.example>")
    for recipient in EVERYBODY:
        assert session.ask(f"RCPT TO:<{recipient}>").startswith("250")
    assert session.ask("DATA").startswith("354")
    session.send(to_wire(text) + b".\r\n")


@pytest.mark.parametrize("step", ["data", "text"])
def test_stopped_before_the_first_dot(mix, step):
    """421, and nothing is anywhere."""
    pause = Paused()
    m = mix(store={step: (pause.answer, "354 go" if step == "data" else NOTHING)})
    text = TEXT + b"x\n" * 2000000  # longer than what fits into sockets
    with m.world.session() as session:
        sender = threading.Thread(target=send_all, args=(session, text))
        sender.start()
        m.store.wait_for(step)
        sender.join()
        session.process.send_signal(signal.SIGTERM)
        assert session.reply().startswith("421 4.3.2")
    pause.go_on()
    assert m.has() == {} and not m.marks()
    assert len(events(session.log, "interrupted")) == 1


def test_stopped_after_the_first_dot(mix):
    """The delivery is finished and answered."""
    pause = Paused("250 ok")
    m = mix(relay={"dot": pause.answer})
    with m.world.session() as session:
        send_all(session)
        m.relay.wait_for("dot")
        session.process.send_signal(signal.SIGTERM)
        pause.go_on()
        assert session.reply().startswith("250")
        assert session.reply().startswith("421")
    assert m.has() == ALL_ONCE and not m.marks()


def test_the_client_leaves_before_the_first_dot(mix):
    pause = Paused()
    m = mix(store={"data": (pause.answer, "354 go")})
    with m.world.session() as session:
        send_all(session)
        m.store.wait_for("data")
        session.sock.close()
        session.sock = None
        wait_until(lambda: session.process.poll() is not None)
        session.sending = False
    pause.go_on()
    assert m.has() == {} and not m.marks()
    assert len(events(session.log, "interrupted")) == 1


def test_a_half_close_changes_nothing(mix):
    pause = Paused("354 go")
    m = mix(store={"data": pause.answer})
    with m.world.session() as session:
        send_all(session)
        m.store.wait_for("data")
        session.half_close()
        pause.go_on()
        assert session.reply().startswith("250")
    assert m.has() == ALL_ONCE


@pytest.mark.parametrize("stopping", [False, True])
def test_the_client_leaves_after_the_first_dot(mix, stopping):
    """Everything is delivered, and marked: if the client sends it again, nobody gets it twice. Also while the host stops."""
    pause = Paused("250 ok")
    m = mix(relay={"dot": [pause.answer, "250 ok"]})
    with m.world.session() as session:
        send_all(session)
        m.relay.wait_for("dot")
        session.sock.close()
        session.sock = None
        session.sending = False
        if stopping:
            session.process.send_signal(signal.SIGTERM)
        pause.go_on()
        wait_until(lambda: session.process.poll() is not None)
    assert m.has() == ALL_ONCE
    assert len(events(session.log, "unheard")) == 1
    assert m.deliver().startswith("250")
    assert m.has() == ALL_ONCE


def test_hops_are_kept_and_clean_after_each_end(mix):
    """One session, several messages, the second of which fails in the text: the third is delivered."""
    m = mix(store={"data": ["354 go", "451 4.3.0 Later", "354 go"]})
    with m.world.session() as session:
        session.greet()
        for number, due in enumerate(("250", "451", "250")):
            assert session.transaction(EVERYBODY, TEXT + b"%d\n" % number)[:3] == due
    assert m.has() == {address: 2 for address in ALL_ONCE}
    assert len(m.store.sessions) == 1


# ---- messages without a name -------------------------------------------------------------------


@pytest.mark.parametrize("local", [True, False], ids=["local", "smtp"])
@pytest.mark.parametrize(
    "name", ["", "Date: Mon, 1 Jan 2001 00:00:00 +0000\n", "Message-ID: <1@client.example>\n", "Received: by a.example; 1 Jan\n"]
)
def test_the_same_text_another_day(mix, name, local):
    """What cron(8) or a printer sends may have none of these, and be the same: after an hour it is a message of its own."""
    m = mix(store={"dot": {SUE: "451 4.3.0 Later"}})
    m.world.build(local_submission=name_of())
    text = f"{name}Subject: cron\n\nthe same each day\n".encode()
    for later in (False, True):
        with LocalSession(m.world) if local else m.world.session() as session:
            session.send_message(EVERYBODY, text, sender="cron@example.org")
        m.store.script.clear()
        for mark in (m.world.root / ".done").iterdir():
            os.utime(mark, (mark.stat().st_mtime - 7200,) * 2)
    twice = 1 if name else 2
    assert m.has() == {ALICE: twice, CAROL: twice, SAM: twice, EXT: twice, SUE: 1}
