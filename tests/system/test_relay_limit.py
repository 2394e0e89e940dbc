"""relay-limit: how much a user, or whoever has the user's password, can send to other domains in an hour."""

import pytest
from local import LocalSession, name_of
from test_auth import ALICE, authenticated
from tls import set_password

LIMIT = 3
BOB = "bob@example.org"
TEXT = b"Subject: t\n\nx\n"


@pytest.fixture
def relay(secured, hops):
    made = hops("relay")
    set_password(secured, BOB)
    secured.aliases.append("away@example.org: friend@far.example")
    secured.build(relay=str(made.path), relay_limit=LIMIT, local_submission=name_of())
    return made


def asked(relay):
    return [argument for step, argument in relay.steps if step == "rcpt"]


def codes(session, *recipients):
    return [session.ask(f"RCPT TO:<{recipient}>")[:9] for recipient in recipients]


def test_recipients_are_counted_over_sessions(secured, relay):
    """In all sessions and roles of the user together; other users, local mail and aliases do not count."""
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert codes(session, "1@far.example", "2@far.example", BOB, "away@example.org") == ["250 2.1.5"] * 4
    with authenticated(secured, role="submissions") as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert codes(session, "3@far.example", "4@far.example", BOB, "away@example.org") == [
            "250 2.1.5", "450 4.7.1", "250 2.1.5", "250 2.1.5",
        ]  # fmt: skip
        assert 'deferred peer=local recipient=4@far.example reason="relay limit"' in session.log
        assert f'reply="450 4.7.1" sender={ALICE}' in session.log
    with authenticated(secured, user=BOB) as session:
        session.ask(f"MAIL FROM:<{BOB}>")
        assert codes(session, "4@far.example") == ["250 2.1.5"]
    assert asked(relay) == ["1@far.example", "2@far.example", "friend@far.example", "3@far.example", "friend@far.example", "4@far.example"]


def test_refused_recipients_count(secured, relay):
    """Otherwise addresses could be tried without limit."""
    relay.script["rcpt"] = "550 5.1.1 Unknown"
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert codes(session, *(f"{n}@far.example" for n in range(5))) == ["550 5.1.1"] * 3 + ["450 4.7.1"] * 2
    assert len(asked(relay)) == LIMIT


def test_strangers_send_nothing_elsewhere(secured, relay):
    with secured.session() as session:
        session.greet()
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert codes(session, "x@far.example", "x%far.example@example.org", "@example.org:x@far.example") == ["550 5.7.1", "550 5.1.1", "550 5.7.1"]
    assert not asked(relay) and not (secured.root / ".relayed").exists()


def test_programs_of_this_host(secured, relay):
    """The role local relays as for users who are logged in, with the same limit for each system user."""
    with LocalSession(secured) as session:
        session.greet()
        assert session.transaction(["1@far.example", "2@far.example"], TEXT, "shop@elsewhere.example").startswith("250 ")
        session.ask("MAIL FROM:<>")
        assert codes(session, "3@far.example", "4@far.example") == ["250 2.1.5", "450 4.7.1"]
    (message,) = relay.messages
    assert message.sender == "shop@elsewhere.example" and message.text.endswith(TEXT)
    assert b"Received: from client.example (local)\n" in message.text and b"\nDate: " in message.text
    try:
        other = LocalSession(secured, uid=1)
    except pytest.skip.Exception:
        return
    with other as session:
        session.greet()
        session.ask("MAIL FROM:<daemon@example.org>")
        assert codes(session, "4@far.example") == ["250 2.1.5"]


def test_what_cannot_be_counted_is_not_sent(secured, relay):
    (secured.root / ".relayed").mkdir()
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        assert codes(session, "1@far.example", BOB) == ["451 4.3.0", "250 2.1.5"]
        assert 'doing="count recipients"' in session.log
    assert not asked(relay)


def test_hidden_address_elsewhere(secured, relay):
    """hide-client-address: what leaves says nothing of where the user is."""
    secured.build(hide_client_address="yes")
    with authenticated(secured) as session:
        session.ask("EHLO [192.0.2.77]")
        assert session.transaction(["x@far.example"], TEXT, ALICE).startswith("250 ")
    (message,) = relay.messages
    assert message.text.startswith(b"Received: by mx.example.org with ESMTPSA id ")
    assert b"192.0.2.77" not in message.text and b"local" not in message.text
