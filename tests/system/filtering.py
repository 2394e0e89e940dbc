"""Who asks filters: mailslot, and Postfix, the reference. Each gets the same message from the same client, and keeps it."""

import re
from typing import NamedTuple

from basics import HOSTNAME
from client import connect
from mbox import parse_mbox
from processes import wait_until
from smarthosts import Postfix
from tls import PASSWORD, plain, set_password

CLIENT = "203.0.113.9"  # where the message is said to come from: filters trust loopback addresses
ALICE, BOB = "alice@example.org", "bob@example.org"


class AskingPostfix(Postfix):
    """Receives for everybody on its port `plain`, and lets the client say who it is."""

    def __init__(self, folder, certificates, *filters, **settings):
        self.filters = filters
        milters = ", ".join(f"unix:/mnt/filters/{number}/{one.path.name}" for number, one in enumerate(filters))
        super().__init__(
            folder, certificates, smtpd_milters=milters, smtpd_authorized_xclient_hosts="127.0.0.1", myhostname=HOSTNAME,
            mynetworks="0.0.0.0/0", smtpd_delay_open_until_valid_rcpt="no",
            local_header_rewrite_clients="", virtual_alias_maps=f"inline:{{{{team@example.org = {ALICE}}}}}", **settings,
        )  # fmt: skip

    def command(self):
        """It sees the sockets of the filters below its own folder, because its user may not enter ours."""
        seen = [f"mkdir -p /mnt/filters/{number} && mount --bind '{one.path.parent}' /mnt/filters/{number}"
                for number, one in enumerate(self.filters)]  # fmt: skip
        shell, option, script, *more = super().command()
        return [shell, option, " && ".join([*seen, script]), *more]

    def send(self, text, recipients=(ALICE,), sender="s@client.example", login=None):
        """One message; returns the last reply, or the first refusal."""
        before = len(self.log())
        line = connect(self.port["plain"])
        line.reply()
        line.ask("EHLO client.example")
        named = f"XCLIENT NAME=[UNAVAILABLE] REVERSE_NAME=[UNAVAILABLE] ADDR={CLIENT}"
        line.ask(named + (f" LOGIN={login}" if login else ""))
        line.ask("EHLO client.example")
        reply = line.transaction(recipients, text, sender)
        line.ask("QUIT")
        line.close()
        queued = re.search(" queued as (.*)", reply)
        if queued:
            done = re.compile(f"{queued[1]}: removed|milter-discard:|milter-hold:")
            assert wait_until(lambda: done.search(self.log(), before)), self.log()
        return reply

    def kept(self):
        """All messages that were accepted and delivered, in no order."""
        return self.received()


class AskingMailslot:
    """A world; alice can log in."""

    def __init__(self, world, *filters, **conf):
        self.world = world
        world.aliases[:] = [f"team@example.org: {ALICE}"]
        world.build(milter=[str(one.path) for one in filters], auth_without_tls="yes", **conf)
        set_password(world, ALICE)

    def send(self, text, recipients=(ALICE,), sender="s@client.example", login=None):
        """As that of AskingPostfix."""
        env = {"PROTO": "TCP", "TCPREMOTEIP": CLIENT, "TCPREMOTEPORT": "1234", "TCPLOCALIP": "192.0.2.1", "TCPLOCALPORT": "25"}
        with self.world.session(over="pipes", env=env, args=("-r", "submission" if login else "mx")) as session:
            session.greet()
            if login:
                assert session.ask(plain(login, PASSWORD)).startswith("235 ")
            reply = session.transaction(recipients, text, sender)
            session.ask("QUIT")
        self.log = session.log
        return reply

    def kept(self):
        return [text for user in (ALICE, BOB) for _, text in parse_mbox(self.world.raw(user))]


def parts(text):
    """The header fields, [(name, value)], and the body of a message that was kept: without what was added at the delivery, and
    with the Received field of the server that has asked the filters as ("Received", b"")."""
    header, _, body = text.partition(b"\n\n")
    fields = [(name.decode(), value) for name, value in re.findall(rb"^([^\s:]+):(.*(?:\n[ \t].*)*)", header, re.M)]
    while fields[0][0] in ("Return-Path", "Delivered-To", "X-Original-To"):
        del fields[0]
    ours = next(at for at, (name, value) in enumerate(fields) if name == "Received" and f"by {HOSTNAME} ".encode() in value)
    fields[ours] = ("Received", b"")
    if ours and fields[ours - 1][0] == "Delivered-To":
        del fields[ours - 1]  # mailslot keeps the two together, to find loops
    return fields, body


# What differs from one server to the next, or from one second to the next.
OWN = (
    (rb"\bt=\d+;", b"t=;"),  # DKIM
    (rb"\bb=[\w+/=\s]+$", b"b="),
    (rb"^( OpenDMARC Filter \S+ \S+) \S+$", rb"\1 ID"),
    (rb"----------=_\w+\.\w+", b"BOUNDARY"),  # SpamAssassin
    (rb"^Received: (.*\n[ \t])+.*\n", b"Received:\n"),  # of spamass-milter, from macros
)


def alike(text):
    """parts(text), without what may differ."""

    def masked(value):
        for pattern, other in OWN:
            value = re.sub(pattern, other, value, flags=re.M)
        return value

    fields, body = parts(text)
    return [(name, masked(value)) for name, value in fields], masked(body)


# Replies to a filter that gives no text.
PLAIN = re.compile(r"(?<= \d\.\d\.\d) (Command rejected|Refused by a filter|Service unavailable - try again later|Deferred by a filter.*)$")


class Outcome(NamedTuple):
    reply: str  # "250", or all of it; without our own words where the filter has not given any
    kept: tuple  # (header fields, body); None if none was kept


class Both:
    """Postfix and mailslot, with the same filters. texts: what they have kept of the last message."""

    def __init__(self, askers):
        self.askers = askers

    def send(self, text, **more):
        """Sends to each of them in turn. They must reply the same and keep the same."""
        outcomes, self.texts = [], []
        for asker in self.askers:
            before = asker.kept()
            reply = asker.send(text, **more)
            after = asker.kept()
            new = [one for one in after if one not in before]
            assert len(new) == len(after) - len(before) <= 1, new
            self.texts += new
            outcomes.append(Outcome("250" if reply.startswith("250 ") else PLAIN.sub("", reply), alike(new[0]) if new else None))
        assert all(outcome == outcomes[0] for outcome in outcomes), (outcomes, self.askers[0].log)
        return outcomes[0]
