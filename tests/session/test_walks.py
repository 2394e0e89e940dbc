"""Random walks through the commands, checked against a small model: after each refused command the
next one finds exactly the state from before it. (Postfix 2026: state left over after an error.)"""

import random

import pytest

WALKS, STEPS = 12, 300
GOOD = ("alice@example.org", "bob@example.org", "carol@example.net")


class Model:
    """What a client has to believe about the session."""

    def __init__(self, lmtp=False):
        self.lmtp = lmtp
        self.greeted = False
        self.number = 0
        self.delivered = []
        self.reset()

    def reset(self):
        self.sender, self.accepted, self.refused = None, [], 0

    def helo(self, good):
        if not good:
            return "501 5.5.4"
        self.greeted = True
        self.reset()
        return "250"

    def mail(self, good):
        if not self.greeted or self.sender is not None:
            return "503 5.5.1"
        if not good:
            return "501 5.1.7"
        self.sender = f"s{self.number}@client.example"
        return "250 2.1.0"

    def rcpt(self, address):
        if self.sender is None:
            return "503 5.5.1"
        if address in GOOD:
            self.accepted.append(address)
            return "250 2.1.5"
        self.refused += 1
        return "550 5.1.1" if address.endswith("@example.org") else "550 5.7.1"

    def data(self):
        if self.sender is None or not (self.accepted or self.refused):
            return "503 5.5.1"
        return "354" if self.accepted else "503 5.5.1" if self.lmtp else "554 5.5.1"

    def text(self, good):
        """The reply, and how often it comes."""
        if good:
            self.delivered.append((self.sender, sorted(set(self.accepted))))
        replies = len(self.accepted) if self.lmtp else 1
        self.reset()
        return "250 2.0.0" if good else "550 5.5.2", replies


def step(model, choice, rng):
    """One command and its answer, by the model."""
    if choice == "helo":
        good = rng.random() < 0.7
        verb = b"LHLO" if model.lmtp else b"EHLO"
        return (verb + b" client.example" if good else verb), model.helo(good)
    if choice == "mail":
        good = rng.random() < 0.8
        model.number += 1
        sender = b"<s%d@client.example>" % model.number if good else b"nonsense"
        return b"MAIL FROM:" + sender, model.mail(good)
    if choice == "rcpt":
        address = rng.choice([*GOOD, "nobody@example.org", "x@foreign.example"])
        return b"RCPT TO:<%s>" % address.encode(), model.rcpt(address)
    if choice == "rset":
        model.reset()
        return b"RSET", "250 2.0.0"
    return rng.choice(
        [
            (b"NOOP", "250 2.0.0"),
            (b"VRFY bob@example.org", "250 2.1.5"),
            (b"VRFY nobody@example.org", "550 5.1.1"),
            (b"NONSENSE", "500 5.5.1"),
            (b"EXPN x", "502 5.5.1"),
            (b"N\0OP", "500 5.5.2"),
            (b"x" * 3000, "500 5.5.2"),
            (b"HELP", "214 2.0.0"),
        ]
    )


def play(session, model, rng):
    choices = ["helo"] + ["mail"] * 3 + ["rcpt"] * 6 + ["data"] * 3 + ["rset", "other", "other", "other"]
    for number in range(STEPS):
        choice = rng.choice(choices)
        if choice != "data":
            command, wanted = step(model, choice, rng)
            reply = session.ask(command)
        else:
            command, wanted = b"DATA", model.data()
            reply = session.ask(command)
            if wanted == "354" and reply.startswith("354"):
                good = rng.random() < 0.7
                session.send(b"Subject: x\r\n\r\nRSET\r\n" + (b"" if good else b"bare\n") + b"\r\n.\r\n")
                command, (wanted, count) = b"text", model.text(good)
                for _ in range(count - 1):
                    assert session.reply().startswith(wanted), f"step {number}"
                reply = session.reply()
        assert plain(reply).startswith(wanted), (
            f"step {number}: {command[:60]!r} got {reply!r}, not {wanted}"
        )


def plain(reply):
    """The first line of a reply as if it were the only one."""
    return reply[:3] + " " + reply.split("\n")[0][4:]


@pytest.mark.parametrize("seed", range(WALKS))
def test_walk(fresh, seed):
    fresh.build(max_errors=1000)
    rng, model = random.Random(seed), Model(lmtp=seed % 3 == 2)
    with fresh.session(args=["-r", "lmtp"] if model.lmtp else []) as session:
        assert session.reply().startswith("220")
        play(session, model, rng)
    for address in GOOD:
        wanted = [f"<{sender}>" for sender, accepted in model.delivered if address in accepted]
        assert [m.header("Return-Path") for m in fresh.messages(address)] == wanted
    assert model.delivered
