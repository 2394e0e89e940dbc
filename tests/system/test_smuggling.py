"""SMTP smuggling, exhaustively: every short sequence of CR, LF, NUL and dots in a message, with a second message after it, split
at every byte into packets, TLS records or chunks. The result is one message or a refusal, and the mailbox has what was sent."""

import itertools

import pytest
from client import Session
from tls import TlsSession, context

HEAD = b"Subject: first\r\n\r\nx"
SECOND = b"MAIL FROM:<e@x.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: second\r\n\r\nx\r\n.\r\n"
ERRORS = 450  # after so many pairs of errors, max-errors is not yet reached

# Longer sequences that have fooled servers.
KNOWN = [b"\r\n.\r\r\n", b"\r\n.\n\r\n", b"\r\r\n.\r\r\n", b"\n\r\n.\n\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n..\r\n", b"\r\n.\r\n.\r\n"]


def every(length):
    return [bytes(c) for c in itertools.product(b"\r\n\0.", repeat=length)]


SEQUENCES = [
    pytest.param([*every(1), *every(2), *every(3), *KNOWN], id="short"),
    pytest.param([*every(4), *KNOWN], id="long", marks=pytest.mark.world),
]


def read_data(sent, newlines):
    """RFC 5321 4.1.1.4 and 4.5.2, one rule per branch: the text, or None if refused, and how many bytes of `sent` it takes."""
    normalise = newlines == "normalise"
    text, at, at_start, good = b"", 0, True, True
    while not (at_start and sent.startswith(b".\r\n", at)):
        if at_start and sent[at] == ord("."):
            at, at_start = at + 1, False
        elif sent.startswith(b"\r\n", at):
            text, at, at_start = text + b"\n", at + 2, True
        else:
            bare = sent[at] in b"\r\n"
            good = good and (normalise or not bare)
            text, at, at_start = text + (b"\n" if bare else sent[at : at + 1]), at + 1, False
    return text if good else None, at + 3


def read_chunks(sent, newlines):
    """RFC 3030: the text of a message whose length is known."""
    text = sent.replace(b"\r\n", b"\0\0CRLF")
    if (newlines != "normalise" and b"\r" in text) or (newlines == "reject" and b"\n" in text):
        return None
    text = text.replace(b"\r", b"\n").replace(b"\0\0CRLF", b"\n")
    return text if text.endswith(b"\n") else text + b"\n"


class Ways:
    """How a message is split: `data` and `bdat` into packets, or TLS records; `chunks` into two chunks."""

    def __init__(self, world, tls, newlines):
        self.world, self.tls, self.newlines = world, tls, newlines
        self.alice, self.bob, self.session, self.used = [], [], None, 0

    def begin(self):
        if self.session is None or self.used > ERRORS:
            self.end()
            self.session = (TlsSession if self.tls else Session)(self.world)
            self.session.greet()
            if self.tls:
                self.session.starttls(context(self.world.certificates))
                self.session.ask("EHLO client.example")
        self.used += 1
        self.session.send(b"MAIL FROM:<s@client.example>\r\nRCPT TO:<alice@example.org>\r\n")

    def end(self):
        if self.session is not None:
            self.session.finish()
        self.session, self.used = None, 0

    def send(self, *pieces):
        """Sends each piece in its own packet or record."""
        for piece in pieces:
            self.session.send(piece)
            if not self.tls:
                self.session.settle()

    def hear(self, what, *wanted):
        for due in ("250 2.1.0", "250 2.1.5", *wanted, "250 2.0.0 OK"):
            reply = self.session.reply()
            assert reply.startswith(due), f"{what}: {reply!r}, not {due}"

    def data(self, odd, cut):
        sent = HEAD + odd + SECOND
        text, used = read_data(sent, self.newlines)
        self.begin()
        self.session.send(b"DATA\r\n")
        self.send(sent[:cut], sent[cut:] + b"NOOP\r\n")
        second = [] if used == len(sent) else ["250 2.1.0", "250 2.1.5", "354", "250 2.0.0"]
        if used < len(sent) and not sent[used:].startswith(b"MAIL"):
            second[:0] = ["500 5.5."]  # what followed a true end is read as an unknown command
        self.hear(f"DATA {odd!r} cut at {cut}", "354", "250 2.0.0" if text is not None else "550 5.5.2", *second)
        self.alice += [text] if text is not None else []
        self.bob += [b"Subject: second\n\nx\n"] if second else []

    def bdat(self, odd, cut):
        sent = HEAD + odd + SECOND
        self.begin()
        self.send(b"BDAT %d LAST\r\n" % len(sent) + sent[:cut], sent[cut:] + b"NOOP\r\n")
        self.arrived(f"BDAT {odd!r} cut at {cut}", sent)

    def chunks(self, odd, cut):
        sent = HEAD + odd + SECOND
        self.begin()
        first = read_chunks(sent[:cut] if sent[cut - 1 : cut] != b"\r" else sent[: cut - 1], self.newlines)
        self.send(b"BDAT %d\r\n" % cut + sent[:cut], b"BDAT %d LAST\r\n" % (len(sent) - cut) + sent[cut:] + b"NOOP\r\n")
        if first is None:
            self.hear(f"chunks {odd!r} cut at {cut}", "550 5.5.2", "503 5.5.1")
        else:
            self.arrived(f"chunks {odd!r} cut at {cut}", sent, "250 2.0.0 Chunk")

    def arrived(self, what, sent, *before):
        text = read_chunks(sent, self.newlines)
        self.hear(what, *before, "250 2.0.0" if text is not None else "550 5.5.2")
        self.alice += [text] if text is not None else []


@pytest.mark.parametrize("sequences", SEQUENCES)
@pytest.mark.parametrize("newlines", ["auto", "reject", "normalise"])
@pytest.mark.parametrize("tls", [False, True], ids=["clear", "tls"])
@pytest.mark.parametrize("way", ["data", "bdat", "chunks"])
def test_every_sequence(secured, way, tls, newlines, sequences):
    secured.build(bare_newline=newlines, max_errors=1000, max_idle_commands=1000000)
    ways = Ways(secured, tls, newlines)
    for odd in sequences:
        for cut in range(len(HEAD), len(HEAD + odd) + 1):
            getattr(ways, way)(odd, cut)
    ways.end()
    assert secured.sent("alice") == ways.alice and secured.sent("bob") == ways.bob
    assert len(ways.alice) > 90 and (way != "data" or len(ways.bob) > 0)
