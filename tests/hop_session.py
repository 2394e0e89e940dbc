"""One session of the scripted server of hop.py: the dialogue, and a record of it."""

import re
import select
from dataclasses import dataclass, field

import scripted
from scripted import CLOSE, End


@dataclass(frozen=True)
class Cut:
    size: int


@dataclass
class Message:
    """One transaction, from MAIL on."""

    sender: str
    parameters: str  # of MAIL
    recipients: list = field(default_factory=list)  # that were accepted, as they were written
    refused: list = field(default_factory=list)
    wire: bytes = b""  # the text as received, with its dots stuffed; without the final dot
    begun: bool = False  # was the text asked for?
    dotted: bool = False  # was there a final dot?
    replies: list = field(default_factory=list)  # codes of the replies to the dot; "": none

    @property
    def text(self):
        """As tests send it: LF line ends, no stuffed dots."""
        return re.sub(rb"^\.", b"", self.wire.replace(b"\r\n", b"\n"), flags=re.M)


class Session(scripted.Session):
    """One connection; everything that was received in it."""

    def __init__(self, hop, sock):
        super().__init__(hop, sock)
        self.hop = hop
        self.commands = []  # lines without CR LF
        self.together = []  # of each command: was more received before it was answered?
        self.transactions = []  # Message, one for each accepted MAIL
        self.hello = None  # the argument of EHLO, LHLO, HELO
        self.tls = None  # (cipher, protocol, bits)
        self.tls_error = None  # why the handshake failed
        self.code = ""  # of the reply to this step; set before it is sent

    @property
    def messages(self):
        """The transactions that came to the text."""
        return [message for message in self.transactions if message.begun]

    # ---- bytes

    def line(self):
        """One line of the client, without its line end."""
        while b"\n" not in self.buffer:
            self.read()
        line, _, rest = self.buffer.partition(b"\n")
        self.buffer = rest
        return bytes(line).removesuffix(b"\r").decode(errors="surrogateescape")

    def ask(self, text):
        """For functions of a script: says this, and returns the client's next line."""
        self.say(text)
        return self.line()

    # ---- answers

    def encoded(self, text):
        return "".join(line + "\r\n" for line in text.split("\n")).encode(errors="surrogateescape")

    def said(self, data):
        self.code = self.code or data[:3].decode(errors="replace")

    def step(self, step, argument=""):
        """Records that a step was reached, and answers it; returns the code of the reply."""
        self.code = ""
        self.say(self.hop.reach(self, step, argument), argument)
        return self.code

    # ---- the dialogue

    def talk(self):
        if self.hop.tls == "implicit":
            self.shake()
        self.step("connect")
        self.step("greeting")
        while True:
            self.command(self.line())

    def shake(self):
        """TLS, over what may be in the buffer: bytes of before STARTTLS are discarded, as they must be."""
        self.buffer.clear()
        try:
            self.sock = self.hop.context.wrap_socket(self.sock, server_side=True)
        except (OSError, ValueError) as error:
            self.tls_error = error
            self.close("closed")
        self.tls = self.sock.cipher()

    def command(self, line):
        verb, _, argument = line.partition(" ")
        self.commands.append(line)
        more = bool(self.buffer or select.select([self.sock], [], [], 0)[0])
        self.together.append(more)
        getattr(self, "on_" + verb.lower(), self.on_other)(argument)

    def on_ehlo(self, argument):
        self.hello = argument
        self.step("hello", argument)

    on_lhlo = on_helo = on_ehlo

    def on_mail(self, argument):
        path, _, parameters = argument.partition(">")
        address = path.partition("<")[2]
        if self.step("mail", address).startswith("2"):
            self.transactions.append(Message(address, parameters.strip()))

    def on_rcpt(self, argument):
        address = argument.partition("<")[2].rpartition(">")[0]
        good = self.step("rcpt", address).startswith("2")
        if self.transactions:
            (self.transactions[-1].recipients if good else self.transactions[-1].refused).append(address)

    def on_data(self, argument):
        if not self.step("data", argument).startswith("3"):
            return
        if not self.transactions or self.transactions[-1].begun:
            self.transactions.append(Message("", ""))  # the script says 354 to a client that has sent no MAIL
        message = self.transactions[-1]
        message.begun = True
        limit = self.hop.reach(self, "text")
        if not isinstance(limit, Cut):
            self.say(limit)
            limit = None
        self.text(message, limit)
        for recipient in message.recipients if self.hop.lmtp else [""]:
            try:
                self.step("dot", recipient)
            finally:
                message.replies.append(self.code)

    def text(self, message, limit):
        """Reads the text up to its final dot, which is CR LF . CR LF and nothing else."""
        end, seen = b"\r\n.\r\n", 0
        self.buffer[:0] = b"\r\n"
        try:
            while (at := self.buffer.find(end, seen)) < 0 and (limit is None or len(self.buffer) - 2 < limit.size):
                seen = max(0, len(self.buffer) - len(end))
                self.read()
            if limit:
                del self.buffer[limit.size + 2 :]
                self.close("cut")
        except End:
            message.wire = bytes(self.buffer[2:])
            raise
        message.wire = bytes(self.buffer[2 : at + 2])
        message.dotted = True
        del self.buffer[: at + len(end)]

    def on_starttls(self, argument):
        if self.step("starttls").startswith("2"):
            self.shake()

    def on_auth(self, argument):
        self.step("auth", argument)

    def on_rset(self, argument):
        self.step("rset", argument)

    def on_noop(self, argument):
        self.step("noop", argument)

    def on_quit(self, argument):
        self.ended = "quit"
        self.step("quit", argument)

    def on_other(self, argument):
        self.step("other", argument)
