"""RCPT where mail goes to another server: a store by LMTP, a relay by SMTP. The server is scripted (hop.py)."""

import os
import re
import signal
import socket
import threading
import time

import pytest
from basics import HOSTNAME, PATIENCE, skip_because
from hop import CLOSE, HANG, Until, Wait
from local import LocalSession, name_of
from processes import children, is_alive, wait_until
from test_auth import ALICE, authenticated

TEXT = b"Subject: t\n\nx\n"
SENDER = "s@client.example"
FAR = "friend@far.example"


@pytest.fixture
def store(fresh, hops):
    """dora's mailbox is in a store, and so is the whole of shop.example."""
    made = hops("store", lmtp=True)
    fresh.conf["domains"] += " shop.example"
    fresh.users.append(f"dora@example.org::mailbox=lmtp:{made.path}")
    fresh.aliases += [f"@shop.example: lmtp:{made.path}", "both@example.org: bob@example.org, dora@example.org"]
    fresh.build()
    return made


@pytest.fixture
def relay(secured, hops):
    """alice may send anywhere, and an alias leads elsewhere."""
    made = hops("relay")
    secured.aliases += [
        f"away@example.org: {FAR}",
        f"partly@example.org: bob@example.org, {FAR}",
        "many@example.org: one@far.example, two@far.example, three@far.example",
    ]
    secured.build(relay=str(made.path))
    return made


def begin(session, sender=SENDER, helo="EHLO client.example"):
    session.greet(helo)
    assert session.ask(f"MAIL FROM:<{sender}>").startswith("250 ")


def rcpt(session, address):
    return session.ask(f"RCPT TO:<{address}>").strip()


def hands(session):
    return [pid for pid in children(session.process.pid) if pid != session.front()]


# ---- what a hop is asked -----------------------------------------------------------------------


def test_store_is_asked(fresh, store):
    """As the client wrote it: letter case, detail; a user's own address where an alias leads to the user."""
    with fresh.session() as session:
        begin(session)
        for address in ("dora@example.org", "Dora+news@Example.ORG", "both@example.org", '"any body"@shop.example'):
            assert rcpt(session, address).startswith("250 2.1.5 "), address
        session_id = re.fullmatch(r"(\w+)\.hop\.(.*)", store.sessions[0].hello)
        assert session_id[2] == HOSTNAME
        session.ask("QUIT")
        session.finish()
        assert f"session={session_id[1]} " in session.log
    asked = [argument for step, argument in store.steps if step == "rcpt"]
    assert asked == ["dora@example.org", "Dora+news@Example.ORG", '"any body"@shop.example']
    assert [step for step, _ in store.steps if step == "mail"] == ["mail"] and len(store.sessions) == 1
    (transaction,) = store.sessions[0].transactions
    assert transaction.sender == SENDER and "BODY=8BITMIME" in transaction.parameters
    assert store.wait_for_end() == ["quit"]


def test_store_completes_a_bare_name(fresh, store):
    """<postmaster> has no domain; a store gets it with the domain that it belongs to."""
    fresh.aliases[0] = f"postmaster@example.org: lmtp:{store.path}"
    fresh.build()
    with fresh.session() as session:
        begin(session)
        assert rcpt(session, "Postmaster").startswith("250 ")
        assert rcpt(session, f"postmaster@{HOSTNAME}").startswith("250 ")
    assert [argument for step, argument in store.steps if step == "rcpt"] == ["Postmaster@example.org", "postmaster@example.org"]


@pytest.mark.parametrize("role", ["submission", "submissions", "smtp"])
def test_users_send_anywhere(secured, relay, role):
    with authenticated(secured, role=role) as session:
        assert session.ask(f"MAIL FROM:<{ALICE}> SIZE=1000").startswith("250 ")
        for address in (FAR, "Other.One@Far.Example", "x@[192.0.2.1]", "alice@example.org"):
            assert rcpt(session, address).startswith("250 2.1.5 "), address
        assert rcpt(session, "nobody@example.org").startswith("550 5.1.1 ")
    (transaction,) = relay.sessions[0].transactions
    assert transaction.recipients == [FAR, "Other.One@Far.Example", "x@[192.0.2.1]"]
    assert transaction.sender == ALICE and "SIZE=1000" in transaction.parameters


def test_nobody_else_relays(secured, relay):
    """No stranger, in no role, in no form of the address; not even with a relay."""
    for role in ("smtp", "mx", "lmtp"):
        with secured.session(args=["-r", role]) as session:
            assert session.reply().startswith("220 ")
            session.ask("LHLO x.example" if role == "lmtp" else "EHLO x.example")
            assert session.ask(f"MAIL FROM:<{SENDER}>").startswith("250 ")
            for address in (FAR, "alice%far.example@far.example", "@example.org:friend@far.example", "x@[192.0.2.1]"):
                assert rcpt(session, address).startswith("550 5.7.1 "), address
    assert relay.sessions == []


def test_aliases_lead_elsewhere(secured, relay):
    """For everybody: the administrator wrote it."""
    with secured.session() as session:
        begin(session)
        assert rcpt(session, "away@example.org").startswith("250 ")
        assert rcpt(session, "partly@example.org").startswith("250 ")
    (transaction,) = relay.sessions[0].transactions
    assert transaction.sender == SENDER and transaction.recipients == [FAR]  # asked once


def test_forward_sender(secured, relay):
    """What aliases send elsewhere has another sender, except bounces; a user's own mail keeps its sender, on a connection
    of its own."""
    secured.build(forward_sender="forwarder@example.org")
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert rcpt(session, "away@example.org").startswith("250 ")
        assert rcpt(session, "other@far.example").startswith("250 ")
        session.ask("RSET")
        session.ask("MAIL FROM:<>")
        assert rcpt(session, "away@example.org").startswith("250 ")
    found = sorted((t.sender, t.recipients) for s in relay.sessions for t in s.transactions)
    assert found == [("", [FAR]), (ALICE, ["other@far.example"]), ("forwarder@example.org", [FAR])]


def test_relay_by_the_senders_domain(secured, hops):
    first, second = hops("first"), hops("second")
    secured.aliases.append("away@example.org: " + FAR)
    secured.build(relay=[f"{first.path} @example.org", f"{second.path}"])
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert rcpt(session, FAR).startswith("250 ")
    with secured.session() as session:
        begin(session)
        assert rcpt(session, "away@example.org").startswith("250 ")
    assert [t.sender for s in first.sessions for t in s.transactions] == [ALICE]
    assert [t.sender for s in second.sessions for t in s.transactions] == [SENDER]


def test_local_programs_send_anywhere(fresh, hops):
    """mailslot-sendmail's session: the system user is logged in by its socket."""
    made = hops("relay")
    fresh.build(relay=str(made.path))
    with LocalSession(fresh) as session:
        session.reply()
        session.ask("EHLO client.example")
        assert session.ask(f"MAIL FROM:<{name_of()}@example.org>").startswith("250 ")
        assert rcpt(session, FAR).startswith("250 ")


def test_relay_limit(secured, relay):
    """Of recipients elsewhere, over all sessions of a user; what aliases send elsewhere does not count."""
    secured.build(relay_limit="3")
    for accepted in (["one", "two"], ["three"]):
        with authenticated(secured) as session:
            session.ask(f"MAIL FROM:<{ALICE}>")
            for name in accepted:
                assert rcpt(session, f"{name}@far.example").startswith("250 ")
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert rcpt(session, "four@far.example").startswith("450 4.7.1 ")
        assert rcpt(session, "bob@example.org").startswith("250 ")
        assert rcpt(session, "away@example.org").startswith("250 ")
    assert re.search(r' deferred peer=local recipient=four@far.example reason="relay limit" ', session.log)
    assert "four@far.example" not in [argument for step, argument in relay.steps if step == "rcpt"]


def test_no_hand_without_need(secured, relay):
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert rcpt(session, "bob@example.org").startswith("250 ")
        assert hands(session) == [] and relay.sessions == []


# ---- what it says ------------------------------------------------------------------------------

REFUSALS = [
    ("550 5.1.1 No such user", "550 5.1.1 No such user"),
    ("550 No such user", "550 5.0.0 No such user"),
    ("552 5.2.2 Mailbox full", "552 5.2.2 Mailbox full"),
    ("450 4.2.0 Greylisted", "450 4.2.0 Greylisted"),
    ("550-5.7.1 Two\n550 5.7.1 lines", "550 5.7.1 Two lines"),
    ("421 4.3.2 Going down", "451 4.3.2 Going down"),
    ("550 5.7.1 G\u00fcnther \x1b[31m", "550 5.7.1 G??nther ?[31m"),
]


@pytest.mark.parametrize("said,reply", REFUSALS)
def test_reply_is_passed_on(fresh, store, said, reply):
    """Code, enhanced code (added where missing) and text: one line, printable."""
    store.script["rcpt"] = {"dora@example.org": said}
    with fresh.session() as session:
        begin(session)
        got = rcpt(session, "dora@example.org")
        assert re.sub(r"\?+", "?", got) == re.sub(r"\?+", "?", reply)
        assert rcpt(session, "bob@example.org").startswith("250 ")  # the session goes on


def test_longest_reply(fresh, store):
    store.script["rcpt"] = "550 5.1.1 " + "x" * 480
    with fresh.session() as session:
        begin(session)
        reply = rcpt(session, "dora@example.org")
        assert reply.startswith("550 5.1.1 xxx") and 390 < len(reply) <= 510


# Mistakes of ours, or passing failures: never the client's fault.
FAULTS = {
    "connect": CLOSE,
    "greeting": ["554 5.7.1 No service", "421 4.7.0 Busy", "450 4.7.0 TLS: no", b"nonsense\r\n", (b"220", CLOSE), CLOSE, b"220 \xff" * 9000],
    "hello": ["550 5.7.1 Who are you", "421 4.7.0 Busy", (b"250-x\r\n", CLOSE), CLOSE, b"999 what\r\n"],
    "mail": ["530 5.7.0 Authentication required", "535 5.7.8 No", b"nonsense\r\n", CLOSE, "354 Go on"],
    "rcpt": ["530 5.7.0 Authentication required", b"nonsense\r\n", CLOSE, b"250 ok\r\n250 ok\r\n" * 3000, "354 Go on"],
}


@pytest.mark.parametrize("step,answer", [(k, v) for k, vs in FAULTS.items() for v in (vs if isinstance(vs, list) else [vs])])
def test_fault_is_451(fresh, hops, step, answer):
    """Whatever is wrong with the hop: 451 4.4.x, an event with the step, and the session goes on."""
    made = hops("store", lmtp=True, **{step: answer})
    fresh.users.append(f"dora@example.org::mailbox=lmtp:{made.path}")
    fresh.build()
    with fresh.session() as session:
        begin(session)
        reply = rcpt(session, "dora@example.org")
        if step == "rcpt" and isinstance(answer, bytes) and answer.startswith(b"250"):
            assert reply.startswith("250 2.1.5 ")  # what follows shows at the next step
            return
        assert reply.startswith("451 4.4.1 "), reply
        assert rcpt(session, "bob@example.org").startswith("250 ")
        assert session.ask("RSET").startswith("250 ")
    assert re.search(rf" hop unavailable peer=local hop={made.path} step=\w+ error=", session.log), session.log


@pytest.mark.parametrize("word", ["settings", "look-up", "TLS", "log-in", "connect"])
def test_step_of_a_relay(secured, hops, word):
    """mailslot-relay says in its greeting where it has failed."""
    made = hops("relay", greeting=f"421 4.4.3 smarthost mail.example: {word}: no such host")
    secured.build(relay=str(made.path))
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert rcpt(session, FAR).startswith("451 4.4.1 ")
    assert f" hop unavailable peer=local hop={made.path} step={word} error=" in session.log
    assert "no such host" in session.log


def test_socket_is_not_there(secured, tmp_path):
    """Or is no socket, or nobody listens: the log says which."""
    (tmp_path / "file").touch()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "dead"))
    dead.close()
    for name, error in (("none", "No such file"), ("file", "non-socket"), ("dead", "Connection refused")):
        secured.build(relay=str(tmp_path / name))
        with authenticated(secured) as session:
            session.ask(f"MAIL FROM:<{ALICE}>")
            assert rcpt(session, FAR).startswith("451 4.4.1 ")
        assert re.search(rf" hop unavailable peer=local hop=\S+/{name} step=connect error=\"[^\"]*{error}", session.log), session.log


def test_no_permission(secured, relay):
    if os.geteuid() == 0:
        skip_because("root may connect to any socket")
    os.chmod(relay.path, 0)
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert rcpt(session, FAR).startswith("451 4.4.1 ")
    assert 'step=connect error="Permission denied"' in session.log


def test_full_backlog(secured, hops):
    """A hop that accepts nobody for a while: the session waits, and does not hang for ever."""
    made = hops("relay", backlog=0)
    made.accepting.clear()
    fillers = []
    while True:
        filler = socket.socket(socket.AF_UNIX)
        filler.setblocking(False)
        try:
            filler.connect(str(made.path))
            fillers.append(filler)
        except BlockingIOError:
            filler.close()
            break
    secured.build(relay=str(made.path))
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        session.send(f"RCPT TO:<{FAR}>\r\n".encode())
        session.settle()
        for filler in fillers:
            filler.close()
        made.accepting.set()
        assert session.reply().startswith("250 2.1.5 ")


# ---- aliases -----------------------------------------------------------------------------------


def test_target_refused_is_left_out(secured, relay):
    """While another target remains."""
    relay.script["rcpt"] = {FAR: "550 5.1.1 Gone", "two@far.example": "550 5.1.1 Gone"}
    with secured.session() as session:
        begin(session)
        assert rcpt(session, "partly@example.org").startswith("250 ")
        assert rcpt(session, "many@example.org").startswith("250 ")
        assert rcpt(session, "away@example.org") == "550 5.1.1 Gone"
    (transaction,) = relay.sessions[0].transactions
    assert transaction.recipients == ["one@far.example", "three@far.example"]
    left_out = re.findall(r" target refused peer=local recipient=(\S+) target=(\S+) .*code=550", session.log)
    assert left_out == [("partly@example.org", FAR), ("many@example.org", "two@far.example")]
    assert re.search(r" refused by hop peer=local recipient=away@example.org .*code=550 said=\"5.1.1 Gone\"", session.log)


def test_all_targets_refused(secured, relay):
    relay.script["rcpt"] = {None: "550 5.1.1 Gone", "three@far.example": "550 5.7.1 Policy"}
    with secured.session() as session:
        begin(session)
        assert rcpt(session, "many@example.org") == "550 5.7.1 Policy"
        assert session.ask("DATA").startswith("554 ")
    assert re.search(r" refused by hop peer=local recipient=many@example.org ", session.log)


def test_deferred_target_defers_all(secured, relay):
    """The hop then must not get the message for the targets that it had accepted: RSET, and what is left again."""
    relay.script["rcpt"] = {"three@far.example": ["450 4.2.0 Later", "250 2.1.5 Ok"]}
    with secured.session() as session:
        begin(session)
        assert rcpt(session, "away@example.org").startswith("250 ")
        assert rcpt(session, "many@example.org") == "450 4.2.0 Later"
        assert rcpt(session, "partly@example.org").startswith("250 ")
        assert rcpt(session, "many@example.org").startswith("250 ")
    first, second = relay.sessions[0].transactions
    assert first.recipients == [FAR, "one@far.example", "two@far.example"]
    assert second.recipients == [FAR, "one@far.example", "two@far.example", "three@far.example"]
    assert "rset" in [step for step, _ in relay.steps]


@pytest.mark.parametrize("pipelining", [True, False])
def test_an_abandoned_transaction_is_abandoned_there_at_once(secured, hops, pipelining):
    """RSET does not wait for the next transaction: a relay lets go of the smarthost when none is open."""
    relay = hops("relay", **({} if pipelining else {"extensions": ("8BITMIME",)}))
    secured.aliases.append(f"away@example.org: {FAR}")
    secured.build(relay=str(relay.path))
    with secured.session() as session:
        begin(session)
        for count in (1, 2):
            assert rcpt(session, "away@example.org").startswith("250 ")
            assert session.ask("RSET").startswith("250 ")
            assert wait_until(lambda: [step for step, _ in relay.steps].count("rset") == count)
            session.ask(f"MAIL FROM:<{SENDER}>")
        assert rcpt(session, "away@example.org").startswith("250 ")
    assert [step for step, _ in relay.steps if step in ("mail", "rset", "quit")][:5] == ["mail", "rset"] * 2 + ["mail"]
    assert wait_until(lambda: relay.steps[-1][0] == "quit"), relay.steps


# ---- who gets which event ----------------------------------------------------------------------


def test_strangers_who_guess(fresh, store):
    """A store's 550 5.1.x to a stranger is the refusal of an unknown user as ever: fail2ban counts it."""
    store.script["rcpt"] = {None: "550 5.1.1 Unknown", "full@shop.example": "552 5.2.2 Full"}
    with fresh.session() as session:
        begin(session)
        assert rcpt(session, "guess@shop.example") == "550 5.1.1 Unknown"
        assert rcpt(session, "full@shop.example") == "552 5.2.2 Full"
        session.ask("QUIT")
    assert re.search(r' refused peer=local recipient=guess@shop.example reason="unknown user" .*reply="550 5.1.1"', session.log)
    assert re.search(r" refused by hop peer=local recipient=full@shop.example ", session.log)
    assert re.search(r" end peer=local .*refused-recipients=1 ", session.log)


def test_users_who_err(secured, relay):
    """A hop's refusal to who is logged in is another event."""
    relay.script["rcpt"] = "550 5.1.1 Unknown"
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert rcpt(session, FAR) == "550 5.1.1 Unknown"
        session.ask("QUIT")
    assert re.search(rf" refused by hop peer=local recipient={FAR} hop=\S+ code=550 said=\"5.1.1 Unknown\"", session.log)
    assert " refused peer=" not in session.log and "refused-recipients" not in session.log


def test_refusals_count_as_errors(fresh, store):
    """The front counts what the back counts: after max-errors the session is closed, and nothing is a breach."""
    store.script["rcpt"] = "550 5.1.1 Unknown"
    fresh.build(max_errors=5)
    with fresh.session() as session:
        begin(session)
        for number in range(5):
            assert rcpt(session, f"u{number}@shop.example") == "550 5.1.1 Unknown"
        assert rcpt(session, "last@shop.example").startswith("421 4.7.0 ")
        session.finish()
    assert "breach" not in session.log and 'reason="too many errors"' in session.log


# ---- loops, sizes, characters ------------------------------------------------------------------


@pytest.mark.parametrize("helo", [f"abcdefgh12345678.hop.{HOSTNAME}", f"x.HOP.{HOSTNAME.upper()}"])
def test_loop(fresh, store, helo):
    """A session that a hand of ours has begun asks no hop."""
    with fresh.session() as session:
        begin(session, helo=f"EHLO {helo}")
        assert rcpt(session, "dora@example.org").startswith("554 5.4.6 ")
        assert rcpt(session, "bob@example.org").startswith("250 ")
    assert store.sessions == []
    assert re.search(rf" loop peer=local recipient=dora@example.org helo={helo} ", session.log)


@pytest.mark.parametrize("helo", [f"hop.{HOSTNAME}", "a.hop.other.example", f"a.b.hop.{HOSTNAME}", f"a.hop.x.{HOSTNAME}"])
def test_no_loop(fresh, store, helo):
    with fresh.session() as session:
        begin(session, helo=f"EHLO {helo}")
        assert rcpt(session, "dora@example.org").startswith("250 ")


def test_size_of_the_hop(fresh, hops):
    made = hops("store", lmtp=True, extensions=["PIPELINING", "SIZE 5000"])
    fresh.users.append(f"dora@example.org::mailbox=lmtp:{made.path}")
    fresh.build()
    with fresh.session() as session:
        session.greet()
        session.ask(f"MAIL FROM:<{SENDER}> SIZE=5001")
        assert rcpt(session, "dora@example.org").startswith("552 5.3.4 ")
        session.ask("RSET")
        session.ask(f"MAIL FROM:<{SENDER}> SIZE=5000")
        assert rcpt(session, "dora@example.org").startswith("250 ")
    assert [step for step, _ in made.steps].count("rcpt") == 1


def test_utf8(fresh, hops):
    """SMTPUTF8 is passed on; where the hop does not offer it, an address that needs it is refused."""
    new, old = hops("new", lmtp=True), hops("old", lmtp=True, extensions=["PIPELINING"])
    fresh.conf["domains"] += " new.example old.example"
    fresh.aliases += [f"@new.example: lmtp:{new.path}", f"@old.example: lmtp:{old.path}"]
    fresh.build()
    with fresh.session() as session:
        session.greet()
        session.ask(f"MAIL FROM:<{SENDER}> SMTPUTF8")
        assert session.ask("RCPT TO:<j\u00fcrgen@new.example>".encode().decode("latin-1")).startswith("250 ")
        assert session.ask("RCPT TO:<j\u00fcrgen@old.example>".encode().decode("latin-1")).startswith("553 5.6.7 ")
        assert rcpt(session, "x@old.example").startswith("250 ")
        session.ask("RSET")
        session.ask("MAIL FROM:<j\u00fcrgen@far.example> SMTPUTF8".encode().decode("latin-1"))
        assert rcpt(session, "x@old.example").startswith("553 5.6.7 ")
    assert "SMTPUTF8" in new.sessions[0].transactions[0].parameters
    assert "SMTPUTF8" not in old.sessions[0].transactions[0].parameters


def test_require_tls(secured, relay):
    """It binds relays: 550 where it cannot be had. A store is delivery."""
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}> REQUIRETLS")
        assert rcpt(session, FAR).startswith("550 5.7.30 ")
        assert rcpt(session, "bob@example.org").startswith("250 ")
    assert re.search(rf' refused peer=local recipient={FAR} reason="no REQUIRETLS" ', session.log)
    relay.extensions = ["REQUIRETLS", "PIPELINING"]
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}> REQUIRETLS")
        assert rcpt(session, FAR).startswith("250 ")
    assert [t.parameters.split() for s in relay.sessions for t in s.transactions] == [["REQUIRETLS"]]


# ---- the connection ----------------------------------------------------------------------------


def test_connection_is_kept(fresh, store):
    """From one transaction to the next, with RSET in between; and ended with QUIT."""
    with fresh.session() as session:
        begin(session)
        for _ in range(3):
            assert rcpt(session, "dora@example.org").startswith("250 ")
            assert session.ask("RSET").startswith("250 ")
            assert session.ask(f"MAIL FROM:<{SENDER}>").startswith("250 ")
        (hand,) = hands(session)
    assert len(store.sessions) == 1 and len(store.sessions[0].transactions) == 3
    assert store.wait_for_end() == ["quit"]
    assert wait_until(lambda: not is_alive(hand))


def test_hop_that_has_hung_up(fresh, store):
    """Between two RCPTs: connected anew, and told all again."""
    with fresh.session() as session:
        begin(session)
        assert rcpt(session, "dora@example.org").startswith("250 ")
        store.hang_up()
        store.wait_for_end()
        assert rcpt(session, "x@shop.example").startswith("250 ")
    first, second = (s.transactions[0] for s in store.sessions)
    assert first.recipients == ["dora@example.org"] and second.recipients == ["dora@example.org", "x@shop.example"]
    assert "hop unavailable" not in session.log


def test_starttls_ends_hands(secured, hops):
    made = hops("store", lmtp=True)
    secured.users.append(f"dora@example.org::mailbox=lmtp:{made.path}")
    secured.build()
    with secured.session() as session:
        begin(session)
        assert rcpt(session, "dora@example.org").startswith("250 ")
        (hand,) = hands(session)
        session.ask("RSET")
        assert session.ask("STARTTLS").startswith("220 ")
        assert wait_until(lambda: not is_alive(hand))
    assert made.wait_for_end() == ["quit"]


def test_hand_killed(fresh, store):
    """The hop is unavailable; the session goes on, and the next recipient gets a new hand."""
    event = threading.Event()
    store.script["rcpt"] = {"slow@shop.example": Until(event)}
    with fresh.session() as session:
        begin(session)
        assert rcpt(session, "dora@example.org").startswith("250 ")
        (hand,) = hands(session)
        session.send(b"RCPT TO:<slow@shop.example>\r\n")
        store.wait_for("rcpt", 2)
        os.kill(hand, signal.SIGSYS)
        assert session.reply().startswith("451 4.4.1 ")
        event.set()
        assert rcpt(session, "x@shop.example").startswith("250 ")
    assert " hand-killed peer=local signal=31" in session.log


def test_stop_while_waiting(fresh, store):
    """Before the first dot a stop means 421, at once."""
    store.script["rcpt"] = HANG
    session = fresh.session()
    begin(session)
    session.send(b"RCPT TO:<dora@example.org>\r\n")
    store.wait_for("rcpt")
    session.process.terminate()
    assert session.reply().startswith("421 4.3.2 ")
    session.finish()
    assert "reason=stopped" in session.log and "hop unavailable" not in session.log
    session.close()


def test_client_gone_while_waiting(fresh, store):
    """The hand does not outlive the client."""
    store.script["rcpt"] = HANG
    session = fresh.session()
    begin(session)
    session.send(b"RCPT TO:<dora@example.org>\r\n")
    store.wait_for("rcpt")
    session.close()
    assert session.process.wait(PATIENCE) == 0
    assert "hop unavailable" not in session.log


def test_front_killed_while_waiting(fresh, store):
    """Nobody is left who could answer the client."""
    store.script["rcpt"] = HANG
    session = fresh.session()
    begin(session)
    session.send(b"RCPT TO:<dora@example.org>\r\n")
    store.wait_for("rcpt")
    os.kill(session.front(), signal.SIGKILL)
    assert session.process.wait(PATIENCE) == 0
    assert 'reason="front gone"' in session.log and "hop unavailable" not in session.log
    session.close()


def test_half_close_is_no_end(fresh, store):
    """A client that sends no more still wants its answers."""
    event = threading.Event()
    store.script["rcpt"] = (Until(event), "250 2.1.5 Ok")
    with fresh.session() as session:
        begin(session)
        session.send(b"RCPT TO:<dora@example.org>\r\nQUIT\r\n")
        session.half_close()
        store.wait_for("rcpt")
        time.sleep(0.1)
        event.set()
        assert session.reply().startswith("250 2.1.5 ")
        assert session.reply().startswith("221 ")


def test_more_hops_than_a_session_can_have(fresh, hops):
    """Eight at a time; one that is not in use gives way."""
    made = [hops(f"h{number}", lmtp=True) for number in range(9)]
    fresh.conf["domains"] += " " + " ".join(f"d{number}.example" for number in range(9))
    fresh.aliases += [f"@d{number}.example: lmtp:{hop.path}" for number, hop in enumerate(made)]
    fresh.build()
    with fresh.session() as session:
        begin(session)
        for number in range(8):
            assert rcpt(session, f"x@d{number}.example").startswith("250 ")
        assert rcpt(session, "x@d8.example").startswith("452 4.5.3 ")
        session.ask("RSET")
        session.ask(f"MAIL FROM:<{SENDER}>")
        assert rcpt(session, "x@d8.example").startswith("250 ")
        assert len(hands(session)) == 8


def test_slow_hop(fresh, store):
    store.script["greeting"] = (Wait(0.3), "220 x")
    with fresh.session() as session:
        begin(session)
        assert rcpt(session, "dora@example.org").startswith("250 ")
