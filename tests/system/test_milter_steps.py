"""Every reply of a filter at every step: what the client is told, what is logged, what is delivered."""



import pytest
from client import Closed, start_own, to_wire
from milter import CLOSE, NOTHING, Wait
from milter_packet import (ACCEPT, CAN_SKIP, CONTINUE, DISCARD, HDR_LEADSPC, NOBODY, NOCONNECT, NODATA, NOEOH, NOHDRS, NOHELO, NOMAIL,
    NORCPT, NR_BODY, NR_CONN, NR_DATA, NR_EOH, NR_HDR, NR_HELO, NR_MAIL, NR_RCPT, PROGRESS, RCPT_REJ, REJECT, SHUTDOWN, SKIP, TEMPFAIL,
    add_field, add_rcpt, change_field, change_sender, delete_field, delete_rcpt, negotiation, packet, replace_body)  # fmt: skip
from processes import wait_until
from tls import plain, set_password

ALICE, BOB, SENDER = "alice@example.org", "bob@example.org", "s@client.example"
TEXT = b"Subject: one\nFrom: s@client.example\n\nhello\n"
STEPS = ("connect", "helo", "mail", "rcpt", "data", "field", "eoh", "body", "end")
NAMES = {"connect": "connect", "helo": "HELO", "mail": "MAIL", "rcpt": "RCPT", "data": "DATA", "field": "header", "eoh": "end of header",
         "body": "body", "end": "end of message"}  # fmt: skip

# What an answer is, and what the client is told at the step that it belongs to. None: the message is delivered.
REFUSALS = {
    "reject": (REJECT, "550 5.7.1 "),
    "tempfail": (TEMPFAIL, "451 4.7.1 "),
    "shutdown": (SHUTDOWN, "421 4.7.0 "),
    "550": ("550 5.7.9 mine", "550 5.7.9 mine"),
    "550 without a status": ("550 mine", "550 5.7.1 mine"),
    "450": ("450 4.2.9 mine", "450 4.2.9 mine"),
    "421": ("421 4.3.9 mine", "421 4.3.9 mine"),
    "lines": ("554-5.1.2 a\r\n554-5.1.2 b\r\n554 5.1.2 c", "554-5.1.2 a\n554-5.1.2 b\n554 5.1.2 c"),
    "percent": ("550 5.7.1 100%% and 50%", "550 5.7.1 100% and 50"),
    "odd bytes": (packet("y", b"550 5.7.1 a\x1bb\xffc\0"), "550 5.7.1 a?b?c"),
    "after progress": ((PROGRESS, PROGRESS, REJECT), "550 5.7.1 "),
}
GOOD = {
    "continue": CONTINUE,
    "accept": ACCEPT,
    "skip": SKIP,
    "progress": (PROGRESS, PROGRESS, CONTINUE),
    "in pieces": (*(CONTINUE[at : at + 1] for at in range(4)), CONTINUE[4:]),
}
# The filter has failed: 451, or with `milter-failure = accept` as if there were no filter.
FAULTS = {
    "closed": CLOSE,
    "half a packet": (CONTINUE[:4], CLOSE),
    "unknown": packet("z"),
    "no packet": b"220 smtp.example ESMTP\r\n",
    "empty": b"\0\0\0\0",
    "too long": b"\xff\xff\xff\xffc",
    "continue with data": packet("c", b"x"),
    "connection failed": packet("f"),
    "2xx": "250 ok",
    "no code": "no",
    "a status of another class": "550 4.7.1 x",
    "codes that differ": "550-a\r\n450 b",
    "a reply of LF": "550-a\n550 b",
    "an answer too many": CONTINUE + CONTINUE,
}


class House:
    """One server, with a filter; `role` is that of the server."""

    def __init__(self, world, milter, role="smtp", **conf):
        self.world, self.milter, self.role = world, milter, role
        if role == "submission":
            set_password(world.build(), ALICE)
            conf["auth_without_tls"] = "yes"
        world.build(milter=f"{milter.path} {role}", **conf)
        self.server = start_own(world, "-r", role)
        self.seen = len(world.messages(ALICE))

    def open(self, helo="client.example"):
        line = self.server.connect()
        line.reply()
        line.ask(("LHLO " if self.role == "lmtp" else "EHLO ") + helo)
        if self.role == "submission":
            assert line.ask(plain(ALICE)).startswith("235 ")
        return line

    def sender(self):
        return ALICE if self.role == "submission" else SENDER

    def log(self):
        """What was logged since the last call. The session's last line is that of its end."""
        before, self.read = getattr(self, "read", 0), len(self.server.log)
        return self.server.log[before:]

    def delivered(self):
        """The texts that alice has got since the last call."""
        found = self.world.messages(ALICE)
        before, self.seen = self.seen, len(found)
        return [message.sent.removesuffix(b"\n") for message in found[before:]]

    def send(self, line, way="DATA", text=TEXT, recipients=(ALICE,)):
        """{step: reply} of one message: mail, rcpt (of the last recipient), dot."""
        said = {"mail": line.ask(f"MAIL FROM:<{self.sender()}>" + (" PRDR" if way == "PRDR" else ""))}
        if not said["mail"].startswith("250"):
            return said
        for recipient in recipients:
            said["rcpt"] = line.ask(f"RCPT TO:<{recipient}>")
            if said["rcpt"].startswith("421"):
                return said
        if not said["rcpt"].startswith("250"):
            return said
        if way == "BDAT":
            wire = text.replace(b"\n", b"\r\n")
            line.send(b"BDAT %d LAST\r\n" % len(wire) + wire)
        else:
            assert line.ask("DATA").startswith("354 ")
            line.send(to_wire(text) + b".\r\n")
        said["dot"] = line.reply()
        if said["dot"].startswith("353"):
            said["dot"] = [line.reply() for _ in recipients][0]
            line.reply()
        return said

    def use(self, **script):
        self.milter.script.clear()
        self.milter.script.update(script)
        self.milter.taken.clear()


def told_at(step):
    """What the client is told there, in the words of House.send()."""
    return {"connect": "mail", "helo": "mail", "mail": "mail", "rcpt": "rcpt"}.get(step, "dot")


def closed(line):
    """Has the server closed? It has nothing more to say."""
    assert line.rest() == b""
    line.close()


def one_message(house, way="DATA"):
    """(replies, log, delivered texts) of a session with one message."""
    line = house.open()
    said = house.send(line, way)
    if list(said.values())[-1].startswith("421"):
        closed(line)
    else:
        line.send(b"QUIT\r\n")
        line.rest()
        line.close()
    assert wait_until(lambda: all(session.ended for session in house.milter.sessions))
    return said, house.log(), house.delivered()


def lines_of(log, event):
    return [line for line in log.splitlines() if f" {event} " in line]


@pytest.fixture
def house(fresh, milters):
    return House(fresh, milters())


@pytest.mark.parametrize("role, way", [("smtp", "DATA"), ("smtp", "BDAT"), ("smtp", "PRDR"), ("submission", "DATA"), ("lmtp", "DATA"), ("lmtp", "BDAT")])
def test_refusals(fresh, milters, role, way):
    house = House(fresh, milters(), role)
    for step in STEPS:
        for name, (answer, reply) in REFUSALS.items():
            if (role, way) != ("smtp", "DATA") and name not in ("reject", "shutdown", "lines"):
                continue
            house.use(**{step: answer})
            said, log, delivered = one_message(house, way)
            where = f"{step} {name}: {said} {log}"
            assert list(said)[-1] == told_at(step) and said[told_at(step)].startswith(reply), where
            assert len(lines_of(log, "refused by filter")) == 1, where
            (line,) = lines_of(log, "refused by filter")
            assert f'step="{NAMES[step]}"' in line or f"step={NAMES[step]}" in line, where
            assert f"reply=\"{reply[:9]}" in line or name in ("lines",), where
            assert not delivered and not lines_of(log, "filter unavailable"), where


@pytest.mark.parametrize("role, way", [("smtp", "DATA"), ("smtp", "BDAT"), ("smtp", "PRDR"), ("submission", "DATA"), ("lmtp", "DATA")])
def test_messages_that_pass(fresh, milters, role, way):
    """Continue, accept, skip and progress at each step; what the filter is asked afterwards."""
    house = House(fresh, milters(steps=CAN_SKIP), role)
    for step in STEPS:
        for name, answer in GOOD.items():
            if (role, way) != ("smtp", "DATA") and name not in ("accept", "skip"):
                continue
            house.use(**{step: answer})
            sessions = len(house.milter.sessions)
            said, log, delivered = one_message(house, way)
            where = f"{step} {name}: {said} {log}"
            assert said["dot"].startswith("250 ") and len(delivered) == 1 and "filter" not in log, where
            (session,) = house.milter.sessions[sessions:]
            steps = [event.step for event in session.events]
            if name == "accept":
                assert steps[steps.index(step) + 1 :] in ([], ["abort"]), steps
            else:
                assert set(steps) >= set(STEPS) and session.ended == "quit", steps


@pytest.mark.parametrize("failure", ["defer", "accept"])
def test_filters_that_fail(fresh, milters, failure):
    """At each step: an event, and 451 or a message that is delivered as it was. A change that was made before is undone."""
    filter = milters(steps=CAN_SKIP)
    house = House(fresh, filter, milter_failure=failure)
    for step in ("negotiate", *STEPS):
        for name, answer in FAULTS.items():
            if failure == "accept" and name not in ("closed", "unknown", "2xx", "an answer too many"):
                continue
            house.use(**{step: answer}, **({"changes": add_field("X-Half", "1") + change_sender("x@y.example")} if step == "end" else {}))
            said, log, delivered = one_message(house)
            where = f"{step} {name}: {said} {log}"
            assert len(lines_of(log, "filter unavailable")) == 1, where
            (line,) = lines_of(log, "filter unavailable")
            assert f"filter={filter.path}" in line and f"do={failure}" in line, where
            assert step == "negotiate" or name == "an answer too many" or NAMES[step] in line, where
            if failure == "accept":
                assert said["dot"].startswith("250 ") and len(delivered) == 1 and b"X-Half" not in delivered[0], where
            else:
                assert list(said.values())[-1].startswith("451 4.7.1 ") and not delivered, where


def test_discarded(house):
    """250 to everything, an event, and nothing is delivered; the filter is not asked any more."""
    for step in STEPS[2:]:
        house.use(**{step: DISCARD})
        sessions = len(house.milter.sessions)
        said, log, delivered = one_message(house)
        where = f"{step}: {said} {log}"
        assert said["dot"].startswith("250 2.0.0 ") and not delivered, where
        assert len(lines_of(log, "discarded")) == 1 and not lines_of(log, "delivered"), where
        steps = [event.step for event in house.milter.sessions[sessions].events]
        assert steps[steps.index(step) + 1 :] in ([], ["abort"]), steps
    for step in STEPS[:2]:  # there is no message yet: it goes on, as with Postfix
        house.use(**{step: DISCARD})
        said, log, delivered = one_message(house)
        assert said["dot"].startswith("250 2.0.0 ") and len(delivered) == 1 and not lines_of(log, "discarded"), said


def test_refused_recipients_alone(house):
    """A recipient that a filter refuses is left out; the others get the message."""
    house.use(rcpt={ALICE: REJECT, "postmaster@example.org": "450 4.2.1 later"})
    line = house.open()
    line.ask(f"MAIL FROM:<{SENDER}>")
    assert line.ask(f"RCPT TO:<{ALICE}>").startswith("550 5.7.1 ")
    assert line.ask("RCPT TO:<postmaster@example.org>") == "450 4.2.1 later"
    assert line.ask(f"RCPT TO:<{BOB}>").startswith("250 ")
    line.ask("DATA")
    line.send(to_wire(TEXT) + b".\r\n")
    assert line.reply().startswith("250 ")
    line.close()
    assert not house.delivered() and len(house.world.messages(BOB)) == 1


def test_transactions_of_a_session(house):
    """RSET, another MAIL, and another HELO: the filter hears of the end of each transaction, and is asked anew."""
    house.use(mail=[CONTINUE, REJECT, CONTINUE])
    line = house.open()
    assert line.ask("MAIL FROM:<1@x>").startswith("250")
    assert line.ask("RSET").startswith("250")
    assert line.ask("MAIL FROM:<2@x>").startswith("550")
    assert line.ask("MAIL FROM:<3@x>").startswith("250")
    assert line.ask(f"RCPT TO:<{ALICE}>").startswith("250")
    assert line.ask("EHLO other.example").startswith("250")
    assert line.ask("MAIL FROM:<4@x> SIZE=99").startswith("250")
    line.send(b"QUIT\r\n")
    line.rest()
    line.close()
    filter = house.milter
    assert filter.wait_for_end() == ["quit"], (filter.names, filter.sessions[0].buffer, house.log())
    (session,) = filter.sessions
    steps = [(event.step, *event.arguments[:1]) for event in session.events if event.step != "abort"]
    assert steps == [("connect", "[127.0.0.1]"), ("helo", "client.example"), ("mail", "<1@x>"), ("mail", "<2@x>"), ("mail", "<3@x>"),
                     ("rcpt", f"<{ALICE}>"), ("helo", "other.example"), ("mail", "<4@x>")]  # fmt: skip
    assert [message.aborted for message in filter.transactions[:3]] == 3 * [True]
    assert filter.transactions[3].sender == ["<4@x>", "SIZE=99"]
    assert session.family == "4" and session.address == "127.0.0.1" and session.port


def test_a_session_without_mail_costs_nothing(house):
    line = house.open()
    line.ask("NOOP")
    line.send(b"QUIT\r\n")
    line.rest()
    line.close()
    assert not house.milter.sessions


def test_refusals_at_connect_and_helo_last(house):
    """At connect for every MAIL; at HELO until another HELO. The filter is not asked again meanwhile."""
    for step, after in (("connect", "550"), ("helo", "250")):
        house.use(**{step: [REJECT, CONTINUE]})
        line = house.open()
        for _ in range(2):
            assert line.ask("MAIL FROM:<1@x>").startswith("550 5.7.1 ")
        assert line.ask("EHLO other.example").startswith("250")
        assert line.ask("MAIL FROM:<1@x>").startswith(after)
        line.close()


# ---- the negotiation ---------------------------------------------------------------------------

EVERYTHING = (NOCONNECT | NOHELO | NOMAIL | NORCPT | NODATA | NOHDRS | NOEOH | NOBODY, NR_CONN | NR_HELO | NR_MAIL | NR_RCPT | NR_DATA
              | NR_HDR | NR_EOH | NR_BODY)  # fmt: skip


@pytest.mark.parametrize("version, actions, steps", [
    (6, 0x1FF, 0), (6, 0, 0), (2, 0x3F, 0), (3, 0x3F, 0), (4, 0x3F, 0), (6, 0x1FF, HDR_LEADSPC | CAN_SKIP | RCPT_REJ), *((6, 0, one) for one in EVERYTHING),
    (6, 0, NODATA | NOHELO | NR_HDR | NR_RCPT), (6, 0x1F, 0x1FFFFF & ~0x7F & ~NODATA & ~CAN_SKIP),
])  # fmt: skip
def test_what_filters_ask_for(house, version, actions, steps):
    """Versions from 2 on, any subset of steps. Only what it wants is sent to a filter, in order, and answers that it does not give
    are not waited for (milter.py is strict)."""
    house.use(negotiate=negotiation(version, actions, steps))
    said, log, delivered = one_message(house)
    assert said["dot"].startswith("250 ") and len(delivered) == 1 and "filter" not in log, log
    (session,) = house.milter.sessions
    assert session.offered == (6, 0x1FF, 0x1FFFFF) and session.ended == "quit"


@pytest.mark.parametrize("answer", [
    negotiation(7), negotiation(0), negotiation(6, 0x3FF), negotiation(6, 0, 1 << 21), negotiation(6, 0, 1 << 31), packet("O"), packet("O", b"\0\0\0\6"),
    packet("O", negotiation(6)[5:13]), packet("O", negotiation(2)[5:13]), CONTINUE, negotiation()[:-1], negotiation(macros={"mail": "i"})[:-1], packet("O", negotiation()[5:] + b"\0\0\0\1"),
])  # fmt: skip
def test_filters_that_cannot_be_negotiated_with(house, answer):
    house.use(negotiate=(answer, CLOSE))
    said, log, delivered = one_message(house)
    assert said["mail"].startswith("451 4.7.1 ") and not delivered
    (line,) = lines_of(log, "filter unavailable")
    assert "step=negotiation" in line


def test_macro_lists(house):
    """The filter's own lists; names as it wrote them; nothing is sent for a list without values, or without names."""
    lists = {"connect": "j {v} nonsense", "mail": "{i},{mail_addr}", "rcpt": "{nonsense}", "data": "", "end": "i  {rcpt_addr} j"}
    house.use(negotiate=negotiation(macros=lists))
    said, log, delivered = one_message(house)
    assert said["dot"].startswith("250 "), log
    (session,) = house.milter.sessions
    sent = dict(session.macro_packets)
    assert sent["connect"]["j"] == "mx.example.org" and set(sent["connect"]) == {"j", "{v}"}
    assert sent["mail"]["{mail_addr}"] == SENDER and sent["mail"]["{i}"] in said["dot"]
    assert "rcpt" not in sent and "data" not in sent and "i" in sent["eoh"] and sent["end"]["i"] in said["dot"] and sent["end"]["j"] == "mx.example.org"


def test_macros_by_default(fresh, milters):
    """Of submission: who has logged in, and how."""
    house = House(fresh, milters(), "submission")
    said, log, _ = one_message(house)
    (session,) = house.milter.sessions
    sent = {name: value for _, macros in session.macro_packets for name, value in macros.items()}
    wanted = {"j": "mx.example.org", "{daemon_name}": "submission", "{auth_authen}": ALICE, "{auth_type}": "PLAIN", "{mail_addr}": ALICE, "{rcpt_addr}": ALICE}
    assert {name: sent.get(name) for name in wanted} == wanted and sent["i"] in said["dot"], sent


# ---- several filters ---------------------------------------------------------------------------


def test_each_sees_what_those_before_have_changed(fresh, milters):
    first = milters("first", changes=add_field("X-First", "1") + change_field(1, "Subject", "two") + delete_field(1, "From") + replace_body("new\r\n"))
    second = milters("second", steps=HDR_LEADSPC, changes=add_field("X-Second", " 2"))
    third = milters("third")
    fresh.build(milter=[str(one.path) for one in (first, second, third)])
    assert fresh.deliver(ALICE, text=TEXT).startswith("250 ")
    assert first.messages[0].fields == [("Subject", "one"), ("From", SENDER)] and first.messages[0].body == b"hello\n"
    assert second.messages[0].fields == [("Subject", " two"), ("X-First", " 1")] and second.messages[0].body == b"new\n"
    assert third.messages[0].fields == [("Subject", "two"), ("X-First", "1"), ("X-Second", "2")] and third.messages[0].body == b"new\n"
    assert fresh.sent(ALICE) == [b"Subject: two\nX-First: 1\nX-Second: 2\n\nnew\n"]
    order = [(name, step) for name, step, _ in milters.journal if step in ("mail", "data", "end")]
    assert order == [*((one, "mail") for one in ("first", "second", "third")), *((one, step) for one in ("first", "second", "third") for step in ("data", "end"))]


def test_the_first_refusal_counts(fresh, milters):
    """Those after it are not asked."""
    first = milters("first", rcpt={BOB: ACCEPT}, end=REJECT)
    second = milters("second", rcpt="550 5.7.1 second")
    fresh.build(milter=[str(first.path), str(second.path)])
    with fresh.session() as session:
        session.greet()
        session.ask(f"MAIL FROM:<{SENDER}>")
        assert session.ask(f"RCPT TO:<{ALICE}>") == "550 5.7.1 second"
        second.script.clear()
        assert session.ask(f"RCPT TO:<{ALICE}>").startswith("250 ")
        session.ask("DATA")
        session.send(to_wire(TEXT) + b".\r\n")
        assert session.reply().startswith("550 5.7.1 ")
    assert "data" in first.names and "data" not in second.names and not fresh.raw(ALICE)


def test_one_that_fails_does_not_concern_the_others(fresh, milters):
    """With milter-failure = accept: half a change is undone, and the next one sees the message as it was."""
    first = milters("first", changes=add_field("X-First", "1") + replace_body("new\r\n"), end=CLOSE)
    second = milters("second", changes=add_field("X-Second", "2"))
    gone = fresh.folder / "gone"
    fresh.build(milter=[str(first.path), str(second.path), str(gone)], milter_failure="accept")
    assert fresh.deliver(ALICE, text=TEXT).startswith("250 ")
    assert second.messages[0].fields == [("Subject", "one"), ("From", SENDER)] and second.messages[0].body == b"hello\n"
    assert fresh.sent(ALICE) == [TEXT.replace(b"\n\n", b"\nX-Second: 2\n\n")]


def test_roles(fresh, milters):
    """Each filter is asked in its roles; without roles in all but lmtp."""
    filters = {"all": milters("all"), "smtp": milters("smtp"), "lmtp": milters("lmtp"), "two": milters("two")}
    roles = {"all": "", "smtp": " smtp", "lmtp": " lmtp", "two": " lmtp smtp"}
    fresh.build(milter=[f"{one.path}{roles[name]}" for name, one in filters.items()])
    for role, hello, asked in (("smtp", "EHLO", {"all", "smtp", "two"}), ("lmtp", "LHLO", {"lmtp", "two"})):
        before = {name: len(one.sessions) for name, one in filters.items()}
        with fresh.session(args=["-r", role]) as session:
            session.reply()
            session.ask(f"{hello} client.example")
            assert session.ask(f"MAIL FROM:<{SENDER}>").startswith("250 ")
        assert {name for name, one in filters.items() if len(one.sessions) > before[name]} == asked


# ---- patience ----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["negotiate", "connect", "rcpt", "body", "end"])
def test_silent_filters(fresh, milters, step):
    """`milter-timeout` ends the wait; PROGRESS restarts it."""
    house = House(fresh, milters(), milter_timeout="1s")
    house.use(**{step: NOTHING})
    said, log, delivered = one_message(house)
    assert list(said.values())[-1].startswith("451 4.7.1 ") and not delivered
    (line,) = lines_of(log, "filter unavailable")
    assert step == "negotiate" or NAMES[step] in line


def test_progress_restarts_the_clock(fresh, milters):
    house = House(fresh, milters(), milter_timeout="1s")
    house.use(end=(*(part for _ in range(3) for part in (Wait(0.6), PROGRESS)), Wait(0.6), CONTINUE))
    said, log, delivered = one_message(house)
    assert said["dot"].startswith("250 ") and len(delivered) == 1, log


def test_each_answer_has_its_time(fresh, milters):
    """That of the negotiation, of each field, of each part of the body."""
    house = House(fresh, milters(), milter_timeout="1s")
    slow = (Wait(0.4), CONTINUE)
    house.use(negotiate=(Wait(0.6), negotiation()), connect=(Wait(0.6), CONTINUE), field=slow, body=slow)
    line = house.open()
    said = house.send(line, text=b"A: 1\nB: 2\nC: 3\nD: 4\n\n" + b"\n" * 60000)
    assert said["dot"].startswith("250 "), house.log()
    assert [len(message.chunks) for message in house.milter.messages] == [2]
    line.close()


def test_endless_progress_has_an_end(fresh, milters):
    """Four times milter-timeout is the end of all."""
    house = House(fresh, milters(), milter_timeout="1s")
    house.use(mail=tuple(part for _ in range(40) for part in (Wait(0.3), PROGRESS)))
    said, log, _ = one_message(house)
    assert said["mail"].startswith("451 4.7.1 ") and len(lines_of(log, "filter unavailable")) == 1
