"""The same filter, and the same store by LMTP, for two servers: Postfix and mailslot. What each does with a message can be compared."""

import re
from dataclasses import dataclass, field

import smarthosts
from client import connect, start_own, to_wire
from hop import Hop
from milter import Milter
from milter_packet import negotiation
from processes import wait_until
from smarthosts import MASTER_CF


@dataclass
class Outcome:
    """What came of one message."""

    code: str  # of the first refusal, or of the reply to the dot
    stored: list = field(default_factory=list)  # (sender, recipients, text), sorted; our Received field is "Received: OURS"
    seen: list = field(default_factory=list)  # milter_session.Message
    sessions: list = field(default_factory=list)  # milter_session.Session


class Postfix(smarthosts.Postfix):
    """Asks a filter, and gives all mail to a store; what it receives it does not complete."""

    def configure(self):
        super().configure()
        self.write("etc/postfix/master.cf", self.filled(MASTER_CF) + "lmtp unix - - n - - lmtp\n")


class Side:
    """A server with the filter `milter` and the store `store`."""

    hostname = None  # in its Received field; a regular expression

    def port(self):
        raise NotImplementedError

    def settle(self, reply):
        """Waits until a message is wherever it goes."""

    def send(self, text, sender="s@client.example", recipients=("alice@example.org",), steps=0, parameters="", **script):
        """One message, in a connection of its own, with this script of the filter."""
        milter, store = self.milter, self.store
        milter.script.clear()
        milter.script.update(script)
        milter.taken.clear()
        milter.negotiation = negotiation(steps=steps)
        seen, stored, sessions = len(milter.transactions), len(store.messages), len(milter.sessions)
        line = connect(self.port())
        try:
            line.reply()
            line.ask("EHLO client.example")
            commands = [f"MAIL FROM:<{sender}>{parameters}", *(f"RCPT TO:<{to}>" for to in recipients), "DATA"]
            replies = [line.ask(command) for command in commands]
            if replies[-1].startswith("354"):
                line.send(to_wire(text) + b".\r\n")
                replies.append(line.reply())
            line.send(b"QUIT\r\n")
            line.rest()
        finally:
            line.close()
        last = next((reply for reply in replies if reply[0] in "45"), replies[-1])
        if last.startswith("2"):
            self.settle(last)
        assert wait_until(lambda: all(session.ended for session in milter.sessions)), "the filter was not let go"
        found = [(m.sender, sorted(m.recipients), self.normal(m.text)) for m in store.messages[stored:]]
        return Outcome(last[:3], sorted(found), milter.transactions[seen:], milter.sessions[sessions:])

    def normal(self, text):
        ours = rb"^Received: from client\.example(?:[^\n]|\n[ \t])*by " + self.hostname + rb"(?:[^\n]|\n[ \t])*"
        assert len(re.findall(ours, text, re.M)) == 1, text
        return re.sub(ours, b"Received: OURS", text, flags=re.M)

    def end(self):
        self.milter.stop()
        self.store.stop()
        assert not self.milter.failures + self.store.failures


class PostfixSide(Side):
    hostname = rb"postfix\.example"

    def __init__(self, servers, certificates, **settings):
        self.server = servers(Postfix, certificates, smtpd_milters="unix:/mnt/filter", milter_default_action="tempfail", virtual_transport="lmtp:unix:/mnt/store",
            local_header_rewrite_clients="", lmtp_line_length_limit="0", line_length_limit="1000000", header_size_limit="1000000", smtpd_error_sleep_time="0",
            smtpd_sasl_auth_enable="no", **settings)  # fmt: skip
        self.milter = Milter("Postfix's", self.server.folder / "filter", lax=True)
        self.store = Hop("Postfix's", self.server.folder / "store", lmtp=True)

    def port(self):
        return self.server.port["plain"]

    def settle(self, reply):
        (queued,) = re.findall(r"queued as (\w+)", reply)
        done = re.compile(rf"{queued}: (removed|milter-discard|milter-hold)")
        assert wait_until(lambda: done.search(self.server.log())), self.server.log()[-3000:]


class MailslotSide(Side):
    hostname = rb"mx\.example\.org"

    def __init__(self, world, **conf):
        self.milter = Milter("mailslot's", world.folder / "filter")
        self.store = Hop("mailslot's", world.folder / "store", lmtp=True)
        world.build(milter=str(self.milter.path), mailboxes=f"lmtp:{self.store.path}", **conf)
        self.server = start_own(world)

    def port(self):
        return self.server.port
