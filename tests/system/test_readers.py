"""Twelve readers of mailboxes: whatever was sent, each finds exactly the messages that were delivered."""

import email
import shutil

import pytest
from mbox import python_reads
from readers import READERS

pytestmark = pytest.mark.world

FORGED = b"\n>From evil@client.example Mon Jan  1 00:00:00 2001\nReceived: from bank.example\nSubject: forged\n\nforged\n"


def body_length(text):
    """The Content-Length that ends right after the `>` of FORGED's first line."""
    return len(text.partition(b"\n\n")[2].partition(b">From ")[0]) + 1


def with_length(name, end=b"\n"):
    text = b"Subject: cut\n\nx\n" + FORGED
    return text.replace(b"\n", b"\n%s: %d%s" % (name, body_length(b">" + text), end), 1)


HOSTILE = {
    "Content-Length": b"Subject: cut\nContent-Length: 1000\n\nbody\n",
    "Content-Length of less": with_length(b"Content-Length"),
    "in another case, with blanks": with_length(b"content-LENGTH \t"),
    "folded": with_length(b"Content-Length", b"\n \n").replace(b"Length: ", b"Length:\n "),
    "with a NUL": with_length(b"Cont\0\nent-Length"),
    "with a NUL in the name": with_length(b"Content-\0Length"),
    "after a NUL that joins lines": with_length(b"X: y\0\n\nContent-Length").replace(b"Subject: cut\n", b""),
    "after a NUL in a folded line": with_length(b"X: y\n z\0\n\nContent-Length").replace(b"Subject: cut\n", b""),
    "after a NUL in a long line": with_length(b"X: " + 600 * b"y" + b"\n " + 600 * b"z" + b"\0\n\nContent-Length"),
    "X-IMAPbase": b"X-IMAPbase: 1 4294967295\nSubject: cut\n\nbody\n",
    "X-IMAP": b"Subject: cut\nX-IMAP: 1 5\n\nbody\n",
    "X-IMAP with a NUL": b"Subject: cut\nX-IMAP\0: 1 5\n\nbody\n",
    "X-UID": b"Subject: cut\nX-UID: 4294967295\nX-UIDL: x\n\nbody\n",
    "Status": b"Subject: cut\nStatus: ROD\nX-Status: DT\nX-Keywords: \\Deleted\n\nbody\n",
    "Mozilla": b"Subject: cut\nX-Mozilla-Status: 0009\nX-Mozilla-Status2: 00200000\nX-Evolution: 00000001-0002\n\nbody\n",
}
ODD = {
    "nothing": b"",
    "an empty line": b"\n",
    "a header alone": b"Subject: one\n",
    "a folded header alone": b"Subject: one\n more\n",
    "state alone": b"Status: R\n",
    "text without a header": b"Hello Bob,\nhow are you?\n",
    "one line": b"Hello\n",
    "a folded line": b" Hello\n",
    "a From_ line": b"From root Mon Jan  1 00:00:00 2001\nSubject: one\n\nbody\n",
    "two From_ lines": b"From root Mon Jan  1 00:00:00 2001\n>From root Mon Jan  1 00:00:00 2001\nSubject: one\n\nbody\n",
    "a From_ line alone": b"From root Mon Jan  1 00:00:00 2001\n",
    "From_ lines": b"Subject: one\n\nFrom root Mon Jan  1 00:00:00 2001\n\n>From root Mon Jan  1 00:00:00 2001\n",
    "empty lines at the end": b"Subject: one\n\nbody\n\n\n\n",
}
PLAIN = b"From: s@client.example\nSubject: %s\n\nthis is %s\n"


def between(texts):
    """The texts, with plain messages before, between and after them."""
    sent = [PLAIN % (b"n0", b"n0")]
    for i, text in enumerate(texts, 1):
        sent += [text, PLAIN % (b"n%d" % i, b"n%d" % i)]
    return sent


def fill(world, sent, sender="s@client.example"):
    """Sends the texts, by DATA, BDAT and LMTP in turn."""
    for i, text in enumerate(sent):
        way = ("data", "bdat", "lmtp")[i % 3]
        with world.session(args=("-r", "lmtp" if way == "lmtp" else "mx")) as session:
            session.reply()
            assert session.ask("LHLO c" if way == "lmtp" else "EHLO c").startswith("250")
            for command in (f"MAIL FROM:<{sender}>", "RCPT TO:<alice@example.org>"):
                assert session.ask(command).startswith("250")
            if way == "bdat":
                wire = text.replace(b"\n", b"\r\n")
                session.send(b"BDAT %d LAST\r\n%s" % (len(wire), wire))
            else:
                assert session.ask("DATA").startswith("354")
                session.send(text.replace(b"\n", b"\r\n") + b".\r\n")
            assert session.reply().startswith("250 2.0.0"), text


def check(read, sent):
    """Asserts that there are as many messages, with the plain ones at their places."""
    assert len(read) == len(sent), [text[-100:] for text in read]
    for text, due in zip(read, sent):
        if b"\nthis is n" not in due:
            continue
        subject = due.partition(b"Subject: ")[2].partition(b"\n")[0]
        assert b"Subject: " + subject + b"\n" in text and text.count(b"this is") == 1
        assert text.rstrip(b"\n").endswith(b"this is " + subject)


def copied(world, folder):
    box = folder / "reader" / "box"
    box.parent.mkdir()
    shutil.copy(world.mailbox("alice"), box)
    return box


@pytest.mark.parametrize("texts", [HOSTILE, ODD], ids=["hostile", "odd"])
@pytest.mark.parametrize("reader", READERS)
def test_messages_are_found(world, tmp_path, reader, texts):
    sent = between(texts.values())
    fill(world, sent)
    box = copied(world, tmp_path)
    check(READERS[reader](box), sent)
    check(python_reads(box), sent)  # the mailbox as the reader has left it


@pytest.mark.parametrize("name", [name for name in HOSTILE if name.startswith("X-IMAP")])
@pytest.mark.parametrize("reader", ["dovecot", "mutt", "mailutils"])
def test_hostile_first_message(world, tmp_path, reader, name):
    """Readers take fields that describe the whole mailbox from its first message."""
    sent = [HOSTILE[name], PLAIN % (b"n1", b"n1")]
    fill(world, sent)
    check(READERS[reader](copied(world, tmp_path)), sent)


@pytest.mark.parametrize("sender", ["a@[IPv6:::1]", '"a b:c"@client.example', ""])
@pytest.mark.parametrize("reader", READERS)
def test_odd_senders(world, tmp_path, reader, sender):
    sent = [PLAIN % (b"n%d" % i, b"n%d" % i) for i in range(3)]
    fill(world, sent, sender)
    check(READERS[reader](copied(world, tmp_path)), sent)


@pytest.mark.parametrize("reader", ["python", "dovecot", "mutt", "mb2md", "formail"])
def test_odd_messages_are_understood(world, tmp_path, reader):
    """Readers find the same header and body."""
    names = ["text without a header", "one line", "a folded line", "a From_ line", "two From_ lines", "a header alone"]
    fill(world, [ODD[name] for name in names])
    read = [email.message_from_bytes(text) for text in READERS[reader](copied(world, tmp_path))]
    bodies = [message.get_payload().strip("\n") for message in read]
    assert bodies == ["Hello Bob,\nhow are you?", "Hello", " Hello", "body", "body", ""]
    assert [message["Subject"] for message in read] == [None, None, None, "one", "one", "one"]
    assert all(message["Received"].count(";") == 1 for message in read)
