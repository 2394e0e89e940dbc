"""A model of a session as a client sees it: RFC 5321 section 4, implemented a second time in as few lines as possible.

A walk is a list of moves, each a name and an argument. Model.play(move) returns what to send and which replies must come:
[(bytes, [replies], wait)]. A reply is given by its beginning; wait means that nothing more may be sent before it comes.
"""

LOCAL = ("alice@example.org", "bob@example.org", "carol@example.net")
ALICE_IN = b"AUTH PLAIN AGFsaWNlAGNvcnJlY3QgaG9yc2UgYmF0dGVyeQ=="  # see test_walks.py

# {move: its relative frequency}
MOVES = {
    ("helo", "good"): 3, ("helo", "empty"): 1, ("helo", "other"): 1,
    ("mail", "good"): 12, ("mail", "bad"): 1, ("mail", "large"): 1, ("mail", "odd"): 1, ("mail", "utf8"): 1, ("mail", "foreign"): 2,
    ("mail", "each"): 3,
    **{("rcpt", address): 6 for address in LOCAL},
    ("rcpt", "nobody@example.org"): 3, ("rcpt", "x@foreign.example"): 2, ("rcpt", "closed@example.org"): 1, ("rcpt", "<"): 1,
    ("data", "good"): 7, ("data", "bare"): 2, ("data", "large"): 1, ("data", "argument"): 1,
    ("bdat", "good"): 4, ("bdat", "good last"): 4, ("bdat", "bare"): 1, ("bdat", "bare last"): 1, ("bdat", "lf"): 1, ("bdat", "lf last"): 1, ("bdat", "empty"): 1,
    ("bdat", "empty last"): 1, ("bdat", "nonsense"): 1,
    ("starttls", ""): 2, ("auth", "good"): 4, ("auth", "malformed"): 1, ("auth", "unknown"): 1,
    ("rset", ""): 3, ("noop", ""): 1, ("help", ""): 1, ("vrfy", "bob@example.org"): 1, ("vrfy", "nobody@example.org"): 1,
    ("wrong", "NONSENSE"): 1, ("wrong", "EXPN x"): 1, ("wrong", "N\0OP"): 1, ("wrong", "x" * 3000): 1, ("wrong", ""): 1,
}  # fmt: skip


class Model:
    def __init__(self, role, tls=False, most=1000):
        self.role, self.has_tls, self.most = role, tls, most  # max-messages
        self.lmtp, self.submission = role == "lmtp", role.startswith("submission")
        self.number, self.delivered = 0, []  # number: of messages sent; delivered: (number or 0 for none, recipients) of each accepted one
        self.begin(secure=role == "submissions")

    def begin(self, secure):
        """The state of a new connection, or after STARTTLS."""
        self.secure, self.greeted, self.user, self.closed, self.mails = secure, False, False, False, 0
        self.reset()

    def reset(self):
        self.sender, self.each, self.accepted, self.refused, self.chunks = False, False, [], 0, None

    def play(self, move):
        return getattr(self, move[0])(move[1])

    def say(self, line, *replies, wait=False):
        return [((line if isinstance(line, bytes) else line.encode()) + b"\r\n", list(replies), wait)]

    def helo(self, how):
        ours, other = ("LHLO", "EHLO") if self.lmtp else ("EHLO", "LHLO")
        if how == "other":
            return self.say(f"{other} client.example", "500 5.5.1" if self.lmtp else "502 5.5.1")
        if how == "empty":
            return self.say(ours, "501 5.5.4")
        self.greeted = True
        self.reset()
        return self.say(f"{ours} client.example", "250 ")

    def mail(self, how):
        sender = "alice@example.org" if how != "foreign" else "s@client.example"
        line = {
            "bad": "MAIL FROM:nonsense",
            "large": f"MAIL FROM:<{sender}> SIZE=999999999",
            "odd": f"MAIL FROM:<{sender}> RET=FULL",
            "each": f"MAIL FROM:<{sender}> PRDR",
            "utf8": "MAIL FROM:<j\u00f6rg@client.example>",
        }.get(how, f"MAIL FROM:<{sender}> SIZE=100")
        self.mails += 1
        if self.mails > self.most:
            self.closed = True
            return self.say(line, "421 4.7.0")
        refusals = {"bad": "501 5.1.7", "large": "552 5.3.4", "odd": "555 5.5.4", "utf8": "553 5.6.7"}
        if not self.greeted or self.sender:
            return self.say(line, "503 5.5.1")
        if self.submission and not self.user:
            return self.say(line, "530 5.7.0")
        if how in refusals or (how == "each" and self.lmtp):
            return self.say(line, refusals.get(how, "555 5.5.4"))
        if self.user and how == "foreign":
            return self.say(line, "550 5.7.1")
        self.sender, self.each = True, how == "each"
        return self.say(line, "250 2.1.0")

    def rcpt(self, address):
        line = f"RCPT TO:<{address}>"
        if not self.sender or self.chunks is not None:
            return self.say(line, "503 5.5.1")
        if address in LOCAL:
            self.accepted.append(address)
            return self.say(line, "250 2.1.5")
        self.refused += 1
        why = {"nobody@example.org": "550 5.1.1", "closed@example.org": "550 5.2.1", "<": "501 5.1.3"}
        return self.say(line, why.get(address, "550 5.7.1"))

    def no_transaction(self):
        """The reply that refuses a message in this state, or None."""
        if not self.sender or not (self.accepted or self.refused):
            return "503 5.5.1"
        return None if self.accepted else "503 5.5.1" if self.lmtp else "554 5.5.1"

    def end(self, refusal=None):
        """The replies to the end of a message."""
        replies = [refusal or "250 2.0.0"] * (len(self.accepted) if self.lmtp else 1)
        if refusal is None and self.each and len(self.accepted) > 1:  # PRDR
            replies = ["353 ", *["250 2.0.0"] * len(self.accepted), "250 2.0.0"]
        if refusal is None:
            self.delivered.append((self.number if self.chunks is None else self.chunks, set(self.accepted)))
        self.reset()
        return replies

    def data(self, how):
        if how == "argument":
            return self.say("DATA x", "501 5.5.4")
        why = self.no_transaction()
        if why is not None or self.chunks is not None:
            return self.say("DATA", why or "503 5.5.1")
        self.number += 1
        body = {"good": b"RSET\r\n..\r\n", "bare": b"bare\n.\r\n", "large": b"0123456789\r\n" * 2000}[how]
        text = b"Subject: %d\r\n\r\n" % self.number + body + b".\r\n"
        replies = self.end({"good": None, "bare": None if self.user else "550 5.5.2", "large": "552 5.3.4"}[how])
        return [*self.say("DATA", "354 ", wait=True), (text, replies, False)]

    def bdat(self, how):
        if how == "nonsense":
            self.closed = True
            return self.say("BDAT 5 FIRST", "421 4.5.4")
        self.number += 1
        what, _, last = how.partition(" ")
        chunk = {"good": b"Subject: %d\r\n" % self.number, "bare": b"X-CR: a\rX-B: b\r\n", "lf": b"X-LF: a\n", "empty": b""}[what]
        sent = f"BDAT {len(chunk)} {last}".strip().encode() + b"\r\n" + chunk
        why = self.no_transaction()
        if why is not None:
            return [(sent, [why], False)]
        self.chunks = self.chunks or (self.number if what == "good" else 0)
        if what == "bare" and not self.user:  # in a chunk, a LF alone ends a line; a CR alone does only for users
            replies = self.end("550 5.5.2")
            return [(sent, replies if last else replies[:1], False)]
        return [(sent, self.end() if last else ["250 2.0.0"], False)]

    def starttls(self, _):
        if self.secure or not self.has_tls:
            return self.say("STARTTLS", "503 5.5.1" if self.secure else "502 5.5.1")
        self.begin(secure=True)
        return self.say("STARTTLS", "220 2.0.0", wait=True) + [(None, [], True)]

    def auth(self, how):
        line = {"good": ALICE_IN, "malformed": b"AUTH PLAIN ////", "unknown": b"AUTH NONE"}[how]
        if self.role in ("mx", "lmtp") or not self.has_tls:
            return self.say(line, "502 5.5.1")
        if not self.greeted or self.user or self.sender:
            return self.say(line, "503 5.5.1")
        if not self.secure:
            return self.say(line, "538 5.7.11")
        self.user = how == "good"
        return self.say(line, {"good": "235 2.7.0", "malformed": "501 5.5.2", "unknown": "504 5.5.4"}[how], wait=True)

    def rset(self, _):
        self.reset()
        return self.say("RSET", "250 2.0.0")

    def noop(self, _):
        return self.say("NOOP", "250 2.0.0")

    def help(self, _):
        return self.say("HELP", "214 2.0.0")

    def vrfy(self, address):
        known = "250 2.1.5" if address in LOCAL else "550 5.1.1"
        return self.say(f"VRFY {address}", "530 5.7.0" if self.submission and not self.user else known)

    def wrong(self, line):
        return self.say(line, "502 5.5.1" if line.startswith("EXPN") else "500 5.5.")
