"""One connection of the scripted filter of milter.py: the dialogue, and a record of it. It is strict: what Sendmail's libmilter or
rspamd do not take is a failure of the test."""

import struct
from dataclasses import dataclass, field

import scripted
from milter_packet import CAN_SKIP, LETTERS, UNANSWERED, UNWANTED, Malformed, packet, read_connect, read_macros, read_numbers, read_strings, reply

LARGEST = 65536  # of a packet, with its letter
ORDER = ("connect", "helo", "mail", "rcpt", "data", "field", "eoh", "body", "end")
LAST_WORDS, REFUSALS = ("a", "d", "4"), ("r", "t", "y")  # about a message
REPEATED = ("helo", "rcpt", "field", "body")


@dataclass
class Event:
    """A step with its arguments, and the macros that came right before it."""

    step: str
    arguments: list
    macros: dict


@dataclass
class Message:
    """One transaction, from MAIL on. The steps that the filter did not want are missing."""

    sender: list = field(default_factory=list)  # <address>, parameters; as all arguments: str
    recipients: list = field(default_factory=list)  # likewise, a list for each
    fields: list = field(default_factory=list)  # (name, value); value with its leading space only with HDR_LEADSPC
    chunks: list = field(default_factory=list)  # of the body, as they came: bytes with CR LF
    events: list = field(default_factory=list)
    ended: bool = False  # did the end of the message come?
    aborted: bool = False

    @property
    def body(self):
        """With LF line ends, as tests send it."""
        return b"".join(self.chunks).replace(b"\r\n", b"\n")

    @property
    def steps(self):
        return [event.step for event in self.events]

    @property
    def macros(self):
        """Those of all steps; for each name the last value."""
        return {name: value for event in self.events for name, value in event.macros.items()}

    def values(self, name):
        """Of the fields of this name."""
        return [value for other, value in self.fields if other.lower() == name.lower()]


class Session(scripted.Session):
    def __init__(self, milter, sock):
        super().__init__(milter, sock)
        self.milter = milter
        self.offered = None  # (version, actions, steps) of the client
        self.steps = 0  # that the filter has answered the negotiation with: SMFIP_*
        self.host = self.family = self.port = self.address = None  # of CONNECT
        self.helo = None
        self.events = []  # of the whole connection
        self.transactions = []  # Message, one for each MAIL (or RCPT, or later step, if earlier ones are not wanted)
        self.macro_packets = []  # (step, {name: value}), also of steps that are not wanted
        self.waiting = {}  # macros for the next step
        self.message = None  # the present one
        self.last = None  # step
        self.skipped = None  # the step that SKIP was said to
        self.decided = False  # has the filter said a last word about this message?

    @property
    def messages(self):
        """The transactions that came to their end."""
        return [message for message in self.transactions if message.ended]

    # ---- the dialogue

    def talk(self):
        while True:
            letter, data = self.packet()
            if letter == "D":
                self.on_macro(data)
                continue
            step = LETTERS.get(letter)
            if step is None:
                raise Malformed(f"unknown packet {letter!r} {data!r}")
            self.check(step)
            self.last = step
            getattr(self, "on_" + step)(data)

    def packet(self):
        while len(self.buffer) < 4:
            self.read()
        (size,) = struct.unpack(">I", self.buffer[:4])
        if not 1 <= size <= self.milter.largest:
            raise Malformed(f"a packet of {size} bytes: {bytes(self.buffer[:40])!r}")
        while len(self.buffer) < 4 + size:
            self.read()
        letter, data = chr(self.buffer[4]), bytes(self.buffer[5 : 4 + size])
        del self.buffer[: 4 + size]
        return letter, data

    def check(self, step):
        """May this step come now?"""
        wrong = None
        if (self.offered is None) != (step == "negotiate"):
            wrong = "out of order"
        elif UNWANTED.get(step, 0) & self.steps:
            wrong = "not wanted"
        elif step == self.skipped:
            wrong = "skipped"
        elif step in ORDER:
            before = ORDER.index(self.last) if self.last in ORDER else -1
            at, inside = ORDER.index(step), self.message is not None
            if at > 2 and inside and (at < before or (at == before and step not in REPEATED)):
                wrong = "out of order"
            elif at <= 2 and inside and not (step == "helo" and self.milter.lax):
                wrong = "within a transaction"
            elif step == "connect" and self.family is not None:
                wrong = "twice"
            elif at > 2 and self.decided:
                wrong = "decided already"
        if wrong:
            raise Malformed(f"{step}: {wrong}, after {[event.step for event in self.events][-12:]}")

    def event(self, step, *arguments):
        """Records a step and answers it."""
        event = Event(step, list(arguments), self.waiting)
        self.waiting = {}
        self.events.append(event)
        if step in ORDER[2:] and self.message is None:
            self.message, self.decided = Message(), False
            self.transactions.append(self.message)
        if self.message is not None:
            self.message.events.append(event)

    def answer(self, step, argument=""):
        self.skipped = None if step != self.skipped else step
        answer = self.milter.reach(self, step, argument)
        if UNANSWERED.get(step, 0) & self.steps and step not in self.milter.script:
            return
        self.say(answer, argument)

    def encoded(self, text):
        return reply(text)

    def said(self, data):
        """Notes what the client must do after this packet, the last one of an answer."""
        letter = chr(data[4]) if len(data) > 4 and data[4] < 128 and data == packet(chr(data[4]), data[5:]) else None
        if letter == "O" and len(data) >= 17:
            (self.steps,) = struct.unpack(">I", data[13:17])
        elif letter == "s" and self.steps & CAN_SKIP:
            self.skipped = self.last
        elif letter in LAST_WORDS or (letter in REFUSALS and self.last != "rcpt"):
            self.decided = self.message is not None

    # ---- steps

    def on_macro(self, data):
        step, macros = read_macros(data, 0 if self.milter.lax else 1)
        self.macro_packets.append((step, macros))
        self.waiting = macros

    def on_negotiate(self, data):
        self.offered = read_numbers(data)
        self.answer("negotiate")

    def on_connect(self, data):
        self.host, self.family, self.port, self.address = read_connect(data)
        self.event("connect", self.host, self.family, self.port, self.address)
        self.answer("connect", self.address or self.family)

    def on_helo(self, data):
        (self.helo,) = read_strings(data, 1, 1)
        self.event("helo", self.helo)
        self.answer("helo", self.helo)

    def on_mail(self, data):
        words = read_strings(data)
        self.event("mail", *words)
        self.message.sender = words
        self.answer("mail", words[0].strip("<>"))

    def on_rcpt(self, data):
        words = read_strings(data)
        self.event("rcpt", *words)
        self.message.recipients.append(words)
        self.answer("rcpt", words[0].strip("<>"))

    def on_data(self, data):
        self.nothing(data)
        self.event("data")
        self.answer("data")

    def on_field(self, data):
        name, value = read_strings(data, 2, 2)
        if not name:
            raise Malformed("a field without a name")
        self.event("field", name, value)
        self.message.fields.append((name, value))
        self.answer("field", name)

    def on_eoh(self, data):
        self.nothing(data)
        self.event("eoh")
        self.answer("eoh")

    def on_body(self, data):
        self.event("body", len(data))
        self.message.chunks.append(data)
        self.answer("body")

    def on_end(self, data):
        self.event("end")
        message, self.message.ended = self.message, True
        if data:
            message.chunks.append(data)
        subject = "".join(message.values("Subject")[:1]).strip()
        self.answer("end", subject)
        self.message, self.decided = None, False

    def on_abort(self, data):
        self.nothing(data)
        self.event("abort")
        if self.message is not None:
            self.message.aborted = True
        self.message, self.decided = None, False
        self.answer("abort")

    def on_unknown(self, data):
        (line,) = read_strings(data, 1, 1)
        self.event("unknown", line)
        self.answer("unknown", line)

    def on_quit(self, data):
        self.nothing(data)
        self.ended = "quit"
        self.answer("quit")
        self.close("quit")

    def on_quit_nc(self, data):
        self.nothing(data)
        self.message, self.family, self.decided = None, None, False
        self.answer("quit_nc")

    def nothing(self, data):
        if data:
            raise Malformed(f"{self.last} with {data!r}")
