"""The private servers of stores.py and smarthosts.py, spoken to directly: each does what the tests of hops need."""

import re
import smtplib

import pytest
import smarthosts
import stores
from client import Line, to_wire
from hop import connect_unix
from processes import wait_until
from tls import context

pytestmark = pytest.mark.world

TEXT = b"Subject: x\n\n.\nFrom here\n"
ALICE, BOB, CAROL = (f"{name}@example.org" for name in ("alice", "bob", "carol"))
EREJECT = 'require "ereject";\nereject "Not for me";\n'
FILEINTO = 'require ["fileinto", "mailbox"];\nfileinto :create "lists";\n'


def talk(path, recipient, text=TEXT):
    """One message by LMTP: the reply to RCPT if it was refused, or the last one."""
    line = Line(sock=connect_unix(path))
    assert line.reply().startswith("220 ") and line.ask("LHLO c").startswith("250")
    assert line.ask("MAIL FROM:<s@client.example>").startswith("250")
    reply = line.ask(f"RCPT TO:<{recipient}>")
    if reply.startswith("250"):
        assert line.ask("DATA").startswith("354")
        line.send(to_wire(text) + b".\r\n")
        reply = line.reply()
    line.ask("QUIT")
    line.close()
    return reply


@pytest.mark.parametrize("kind", [stores.Dovecot, stores.Cyrus])
def test_store(servers, kind):
    """Takes mail, knows its users, has quotas."""
    quota = {BOB: 2000 if kind is stores.Dovecot else 2}
    store = servers(kind, ALICE, BOB, quota=quota)
    assert talk(store.path, ALICE).startswith("250 2.")
    (text,) = store.read(ALICE)
    assert text.endswith(b"\n" + TEXT.partition(b"\n\n")[2]) and b"\nSubject: x\n" in text
    assert "550 5.1.1" in talk(store.path, "nobody@example.org")
    assert "5.2.2" in talk(store.path, BOB, TEXT + 400 * b"too much\n"), "after the dot"
    assert store.read(BOB) == []
    while (reply := talk(store.path, BOB, TEXT + 90 * b"a bit\n")).startswith("250"):
        assert len(store.read(BOB)) < 10
    assert "5.2.2" in reply, "at RCPT or after the dot"


def test_sieve(servers):
    """Cyrus refuses after the dot what a Sieve script rejects; Dovecot files by Sieve."""
    cyrus = servers(stores.Cyrus, CAROL, sieve={CAROL: EREJECT})
    assert talk(cyrus.path, CAROL) == "550 5.7.1 Not for me"
    dovecot = servers(stores.Dovecot, CAROL, sieve={CAROL: FILEINTO})
    assert talk(dovecot.path, CAROL).startswith("250 2.0.0")
    assert dovecot.read(CAROL) == [] and len(dovecot.read(CAROL, "lists")) == 1


def test_store_that_is_killed(servers):
    """It is gone at once, and starts again with what it has."""
    store = servers(stores.Dovecot, ALICE)
    assert talk(store.path, ALICE).startswith("250")
    store.kill()
    with pytest.raises(ConnectionRefusedError):
        connect_unix(store.path)
    store.start()
    assert len(store.read(ALICE)) == 1


@pytest.mark.parametrize("kind", [smarthosts.Postfix, smarthosts.Exim, smarthosts.OpenSmtpd])
def test_smarthost(servers, certificates, kind):
    """Takes mail for anywhere from who logs in over TLS, and, at its third port, from this host."""
    smarthost = servers(kind, certificates)
    with smtplib.SMTP("localhost", smarthost.port["plain"], timeout=20) as client:
        client.sendmail(ALICE, ["x@far.example"], TEXT.replace(b"\n", b"\r\n"))
    sent = 1
    if smarthost.has_tls():
        for tls in ("starttls", "implicit"):
            with smarthost.client(tls, context(certificates)) as client:
                client.ehlo()
                assert client.docmd("MAIL", "FROM:<a@example.org>")[0] >= 500 or client.docmd("RCPT", "TO:<x@far.example>")[0] >= 500
                client.rset()
                with pytest.raises(smtplib.SMTPAuthenticationError):
                    client.login(smarthosts.USER, "wrong")
                client.login(smarthosts.USER, smarthosts.PASSWORD)
                client.sendmail(ALICE, ["x@far.example"], TEXT.replace(b"\n", b"\r\n"))
            sent += 1
    assert wait_until(lambda: len(smarthost.received()) == sent), smarthost.log()
    for text in smarthost.received():
        assert text.endswith(b"\n\n.\nFrom here\n") and re.search(rb"^Subject: x$", text, re.M)
