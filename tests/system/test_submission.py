"""What an authenticated user may send: from which addresses, to which recipients, and what is added to a message."""

import email.utils
import re
import time

import pytest
from basics import HOSTNAME
from test_auth import ALICE, authenticated
from tls import plain, session_in_tls, set_password, use

TEXT = b"Subject: t\n\nx\n"


@pytest.fixture
def senders(secured):
    """alice has an alias, a detail, and a send-as option with addresses and a domain."""
    secured.users = [
        f"{ALICE}:{u.split(':')[1]}:send-as=sales@example.net,@shop.example,Boss@Elsewhere.Example" if u.startswith(ALICE) else u
        for u in secured.users
    ]
    secured.aliases.append("@example.net: alice@example.org")  # a catch-all is not an address of hers
    return secured.build()


OWN = [
    ALICE, "Alice@EXAMPLE.org", "alice+news@example.org", "postmaster@example.org", "team@example.org", "sales@example.net",
    "anybody@shop.example", "x@SHOP.example", "boss@elsewhere.example", "",
]  # fmt: skip
OTHERS = [
    "bob@example.org", "info@example.org", "nobody@example.org", "alice@example.net", "anything@example.net",
    "sales+x@example.com", "x@sub.shop.example", "x@myshop.example", "alice@shop.example.org", "alice@elsewhere.example",
    "alicex@example.org", "closed@example.org", '"alice@example.org"@evil.example', "ali@example.org", "s@client.example",
]  # fmt: skip


@pytest.mark.parametrize("role", ["smtp", "submission", "submissions"])
def test_sender_is_the_users(senders, role):
    """The user's own address, detail, alias, send-as address and domain, and <> are accepted; others are refused, in
    each role."""
    senders.build(max_errors=100)
    with authenticated(senders, role=role) as session:
        for sender in OWN:
            assert session.ask(f"MAIL FROM:<{sender}>").startswith("250 2.1.0 "), sender
            assert session.ask("RSET").startswith("250 ")
        for sender in OTHERS:
            assert session.ask(f"MAIL FROM:<{sender}>").startswith("550 5.7.1 "), sender
        assert session.transaction([ALICE], TEXT, "boss@elsewhere.example").startswith("250 ")
    assert re.search(rf" refused peer=local sender=bob@example.org user={ALICE} reason=", session.log)


@pytest.mark.parametrize("role", ["smtp", "submission"])
def test_hidden_address(secured, role):
    """Neither the client's address nor the name in EHLO, which is often an address; of users only, and the log has both."""
    secured.build(hide_client_address="yes")
    with authenticated(secured, role=role) as session:
        session.ask("EHLO [192.0.2.77]")
        assert session.transaction([ALICE], TEXT, ALICE).startswith("250 ")
    (message,) = secured.messages("alice")
    assert re.match(r"by mx\.example\.org with ESMTPSA id \w+ \(using TLS", message.header("Received"))
    assert b"192.0.2.77" not in secured.raw("alice") and b"local" not in secured.raw("alice")
    assert "helo=[192.0.2.77]" in session.log and "peer=local" in session.log
    assert secured.deliver(ALICE).startswith("250 ")
    assert secured.messages("alice")[1].header("Received").startswith("from client.example (local) by ")


def send_raw(session, text):
    session.send(f"MAIL FROM:<{ALICE}>\r\nRCPT TO:<{ALICE}>\r\nDATA\r\n".encode())
    assert [session.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
    session.send(text + b"\r\n.\r\n")
    return session.reply()


ODD = b"Subject: t\nX-A: b\r\n\nx\n.\nQUIT\n.\r\nQUIT\r..\rend"


@pytest.mark.parametrize("role", ["smtp", "submission", "submissions"])
def test_bare_newlines_of_users(secured, role):
    """Some users' programs send bare LF. As nothing is relayed, it may end a line, but never the message."""
    with authenticated(secured, role=role) as session:
        assert send_raw(session, ODD).startswith("250 2.0.0 ")
        assert session.ask("NOOP").startswith("250 ")
    (message,) = secured.messages("alice")
    assert message.text.endswith(ODD.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + b"\n")
    secured.build(bare_newline="reject")
    with authenticated(secured, role=role) as session:
        assert send_raw(session, ODD).startswith("550 5.5.2 ")


def test_bare_newlines_of_strangers(secured):
    """Refused as usual, also after a login that failed."""
    with session_in_tls(secured, role="smtp") as session:
        assert send_raw(session, ODD).startswith("550 5.5.2 ")
        assert session.ask(plain(ALICE, "wrong")).startswith("535 ")
        assert send_raw(session, ODD).startswith("550 5.5.2 ")
    assert secured.messages("alice") == []


def test_an_alias_with_a_users_name_does_not_take_the_address_from_the_user(senders):
    """Such an alias changes where the mail goes, not who may send from the address."""
    senders.users.append("alice+other@example.org::")  # another user's address, although it looks like a detail
    for target in ("bob@example.org", "closed@example.org"):
        senders.aliases = [f"alice@example.org: {target}"]
        senders.build(recipient_delimiter="+")
        with authenticated(senders) as session:
            for sender in (ALICE, "alice+x@example.org"):
                assert session.ask(f"MAIL FROM:<{sender}>").startswith("250 2.1.0 "), sender
                assert session.ask("RSET").startswith("250 ")
            assert session.ask("MAIL FROM:<alice+other@example.org>").startswith("550 5.7.1 ")


def test_a_long_address_logs_in(fresh, certificates):
    name = "a" * 100 + "@" + ".".join(["b" * 60] * 3) + ".example"
    use(fresh, "ecdsa", certificates=certificates)
    fresh.users = [f"{name}::"]
    fresh.aliases = []
    fresh.build(domains=name.partition("@")[2])
    set_password(fresh, name)
    with session_in_tls(fresh) as session:
        assert session.ask(plain(name)).startswith("235 ")


def test_anybody_may_send_without_auth_in_role_smtp(secured):
    """Mail from elsewhere arrives like this."""
    with session_in_tls(secured, "smtp") as session:
        assert session.transaction([ALICE], TEXT, "bob@example.org").startswith("250 ")


def test_refused_sender_leaves_no_transaction(senders):
    with authenticated(senders) as session:
        assert session.ask("MAIL FROM:<bob@example.org>").startswith("550 5.7.1 ")
        assert session.ask("RCPT TO:<alice@example.org>").startswith("503 5.5.1 ")
        assert session.transaction([ALICE], TEXT, ALICE).startswith("250 ")


def test_foreign_recipient(secured):
    """No open relay: not for authenticated users either, and the reply says so clearly."""
    with authenticated(secured) as session:
        session.ask(f"MAIL FROM:<{ALICE}>")
        for recipient in ("x@elsewhere.example", "a%elsewhere.example@elsewhere.example", '"a@b"@elsewhere.example'):
            reply = session.ask(f"RCPT TO:<{recipient}>")
            assert reply.startswith("550 5.7.1 ") and "relay" not in reply, reply
        assert session.ask("RCPT TO:<bob@example.org>").startswith("250 ")
        assert session.ask("RCPT TO:<nobody@example.org>").startswith("550 5.1.1 ")
    with session_in_tls(secured, "smtp") as session:
        session.ask("MAIL FROM:<s@client.example>")
        assert session.ask("RCPT TO:<x@elsewhere.example>").startswith("550 5.7.1 Relaying denied")


def test_unqualified_sender(secured):
    with authenticated(secured) as session:
        for sender in ("alice", "postmaster"):
            assert session.ask(f"MAIL FROM:<{sender}>").startswith("501 5.1.7 ")


HEADERS = {
    "neither": (b"Subject: t\n", True, True),
    "no header at all": (b"", True, True),
    "Date": (b"Date: Mon, 1 Jan 2001 00:00:00 +0000\n", False, True),
    "Message-ID": (b"Message-ID: <x@client.example>\n", True, False),
    "both, in odd letters": (b"dATE: x\nmessage-id:\n <x@client.example>\n", False, False),
    "as the beginning of others": (b"Date-Received: x\nMessage-IDs: y\nX-Date: z\n", True, True),
    "folded into another": (b"Subject: a\n Date: b\n\tMessage-ID: c\n", True, True),
    "late": (b"X-Long: " + b"y" * 900 + b"\n" + b"X-A: b\n" * 2000 + b"Date: x\nMessage-ID: <a@b>\n", False, False),
}


@pytest.mark.parametrize("what", HEADERS)
@pytest.mark.parametrize("role", ["submission", "submissions", "smtp"])
def test_date_and_message_id(secured, role, what):
    """RFC 6409 section 8: they are added if they are missing, and only in the roles for submission."""
    header, add_date, add_id = HEADERS[what]
    text = header + b"\nDate: in the body\nMessage-ID: <in@the.body>\n"
    with authenticated(secured, role=role) as session:
        assert session.transaction([ALICE, "bob@example.org"], text, ALICE).startswith("250 ")
    for who in ("alice", "bob"):
        (message,) = secured.messages(who)
        added = message.sent.removesuffix(text)
        assert message.sent.endswith(text)
        lines = added.decode().splitlines()
        names = [line.split(":")[0] for line in lines]
        due = ["Date"] * add_date + ["Message-ID"] * add_id if role != "smtp" else []
        assert names == due, added
        for line in lines:
            if line.startswith("Date: "):
                assert abs(email.utils.parsedate_to_datetime(line[6:]).timestamp() - time.time()) < 3600
            else:
                assert re.fullmatch(rf"Message-ID: <{re.escape(message.id)}@{HOSTNAME}>", line)


def test_date_is_added_to_a_text_without_a_header(secured):
    """A text that begins with a blank has no header, whatever its lines look like."""
    text = b" folded\nDate: x\nMessage-ID: <x@client.example>\n"
    with authenticated(secured) as session:
        assert session.transaction([ALICE], text, ALICE).startswith("250 ")
    (message,) = secured.messages("alice")
    assert re.fullmatch(rb"Date: .*\nMessage-ID: <.*>\n\n" + re.escape(text), message.sent)


@pytest.mark.parametrize("role", ["submission", "submissions", "smtp"])
def test_bcc_is_removed(secured, role):
    """RFC 5322 section 3.6.3: only in the roles for submission, because elsewhere the sender's server has done so."""
    text = b"Bcc: bob@example.org,\n\tcarol@example.net\nSubject: x\nResent-BCC: y\n\nBcc: in the body\n"
    with authenticated(secured, role=role) as session:
        assert session.transaction([ALICE, "bob@example.org"], text, ALICE).startswith("250 ")
    for who in ("alice", "bob"):
        (message,) = secured.messages(who)
        if role == "smtp":
            assert message.sent.endswith(text)
        else:
            assert message.sent.endswith(b"\nSubject: x\n\nBcc: in the body\n") and b"carol" not in message.sent


def test_mail_auth_parameter(secured):
    """RFC 4954 section 5: AUTH= is accepted, but not trusted."""
    with authenticated(secured) as session:
        for value, due in (
            ("<>", "250"), ("alice@example.org", "250"), ("e+3Dmc2@example.org", "250"), ("+3C+3E", "250"), ("", "501"),
            ("a=b", "501"), ("a+3d", "501"), ("a+", "501"), ("a+4", "501"),
        ):  # fmt: skip
            reply = session.ask(f"MAIL FROM:<{ALICE}> AUTH={value}")
            assert reply.startswith(due), f"{value}: {reply}"
            session.ask("RSET")
        assert session.ask(f"MAIL FROM:<{ALICE}> AUTH=<> AUTH=<>").startswith("501")
        assert session.ask(f"MAIL FROM:<bob@example.org> AUTH={ALICE}").startswith("550 5.7.1 ")
    secured.build(auth="no")
    with session_in_tls(secured, "smtp") as session:
        assert session.ask(f"MAIL FROM:<{ALICE}> AUTH=<>").startswith("555 5.5.4 ")


def test_a_deliverys_log_names_the_user(secured):
    set_password(secured, "bob@example.org")
    with session_in_tls(secured) as session:
        assert session.ask(plain("bob@example.org")).startswith("235 ")
        assert session.transaction([ALICE], TEXT, "bob@example.org").startswith("250 ")
    assert re.search(r" authenticated peer=local user=bob@example.org mechanism=PLAIN ", session.log, re.M)
    assert "with ESMTPSA id " in secured.messages("alice")[0].header("Received")
