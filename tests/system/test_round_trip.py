"""Hundreds of messages, real and odd, through every way in. They are read back byte for byte as they were sent, except
for what must not be in a mailbox."""

import random
import re

import pytest
from basics import UNPACKED, skip_because
from client import to_wire
from mbox import messages_of, python_reads, stored_form
from tls import plain, session_in_tls

# The tests of Python's email package contain messages of all kinds.
CORPUS = "libpython3.*-testsuite/usr/lib/python3.*/test/test_email/data"
ODD = 250

LINES = [
    b"", b".", b"..", b".x", b"From ", b"From x", b">From x", b">>From ", b"from x", b"From: x", b"Subject: x", b" folded", b"\t",
    b"x" * 75, b"x" * 997, b"x" * 5000, "gr\u00fc\u00dfe \U0001f4ec".encode(), bytes(range(128, 256)), b"\0\1\2\x7f", b"QUIT", b"RSET ",
    b"MIME-Version: 1.0", b"Content-Length: 0", b"Received: x", b"X: \xff\xfe", b"BDAT 10 LAST", b"  ", b"--=_boundary", b"Status: RO",
]  # fmt: skip


def odd_messages():
    """Messages of random lines, and some that are delicate in mbox or SMTP."""
    rng = random.Random("odd")
    for _ in range(ODD):
        text = b"".join(rng.choice(LINES) + b"\n" for _ in range(rng.choice([0, 1, 2, 5, 20, 60])))
        yield text[:-1] + b"\n" if text else b""
    for end in (b"\n", b"\n\n\n", b".\n", b"From \n", b"\n.\n", b"\nFrom x\n\n"):
        yield b"Subject: x\n\nx\n" + end


def real_messages():
    messages = sorted(UNPACKED.glob(CORPUS + "/*.txt"))
    if not messages:
        skip_because("no libpython3.*-testsuite is unpacked")
    for path in messages:
        text = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"")
        yield text if text.endswith(b"\n") or not text else text + b"\n"


def send(session, text, chunked, rng):
    """Sends one message; returns the replies."""
    for command in ("MAIL FROM:<alice@example.org>", "RCPT TO:<bob@example.org>"):
        assert session.ask(command).startswith("250")
    if not chunked:
        assert session.ask("DATA").startswith("354")
        session.send(to_wire(text) + b".\r\n")
        return [session.reply()]
    wire = text.replace(b"\n", b"\r\n")
    cuts = sorted(rng.randrange(len(wire) + 1) for _ in range(rng.choice([0, 1, 3])))
    chunks = [wire[start:end] for start, end in zip([0, *cuts], [*cuts, len(wire)])]
    for chunk in chunks[:-1]:
        session.send(b"BDAT %d\r\n" % len(chunk) + chunk)
    session.send(b"BDAT %d LAST\r\n" % len(chunks[-1]) + chunks[-1])
    return [session.reply() for _ in chunks]


def begin(world, way):
    if way == "submissions":
        session = session_in_tls(world, "submissions")
        assert session.ask(plain("alice@example.org")).startswith("235")
        return session
    if way == "starttls":
        return session_in_tls(world, "mx")
    session = world.session(args=("-r", "lmtp" if way == "lmtp" else "mx"))
    session.reply()
    assert session.ask("LHLO c" if way == "lmtp" else "EHLO c").startswith("250")
    return session


def as_sent(message, text):
    """The message without the Date and Message-ID that submission adds before it if they are missing."""
    head = (b"\n" + stored_form(text)).partition(b"\n\n")[0].lower()
    sent = message.sent
    for name in (b"Date", b"Message-ID"):
        if not re.search(rb"\n" + name.lower() + rb":", head) and sent.startswith(name + b": "):
            sent = sent.partition(b"\n")[2]
    return sent


@pytest.mark.parametrize("chunked", [False, True], ids=["data", "bdat"])
@pytest.mark.parametrize("way", ["clear", "starttls", "submissions", "lmtp"])
@pytest.mark.parametrize("kind", ["real", "odd"])
def test_round_trip_of_many(secured, kind, way, chunked):
    secured.build(max_message_size="1M")
    texts, rng = list(real_messages() if kind == "real" else odd_messages()), random.Random(way)
    with begin(secured, way) as session:
        for text in texts:
            replies = send(session, text, chunked, rng)
            assert all(reply.startswith("250 2.0.0") for reply in replies), (text, replies)
    messages = messages_of(secured.raw("bob"))
    assert len(messages) == len(texts) > 40
    for message, text in zip(messages, texts):
        assert (as_sent(message, text) if way == "submissions" else message.sent) == stored_form(text)
    assert len(python_reads(secured.mailbox("bob"))) == len(texts)
