"""A configuration with mailboxes here, a mail store and a relay, for mail that goes to all of them."""

import re

ALICE, CAROL = "alice@example.org", "carol@example.net"  # mailboxes here
SAM, SUE = "sam@example.org", "sue@example.org"  # in the store
OUT, EXT = "out@example.org", "ext@example.com"  # an alias, and where it leads by the relay
EVERYBODY = (ALICE, CAROL, SAM, SUE, OUT)
TEXT = b"Date: Mon, 1 Jan 2001 00:00:00 +0000\nSubject: x\n\nFrom here\n.dot\n"


class Mixture:
    """The world, its hops, and who has which text."""

    boxes = (ALICE, CAROL)  # in which messages may be

    def __init__(self, world, store, relay, path=None):
        """path: the socket by which the relay is reached, if it is not its own."""
        self.world, self.store, self.relay = world, store, relay
        world.users += [f"{user}::mailbox=lmtp:{store.path}" for user in (SAM, SUE)]
        world.aliases += [f"{OUT}: {EXT}", f"all@example.org: {', '.join((ALICE, CAROL, SAM, SUE, EXT))}"]
        world.build(relay=str(path or relay.path))

    def has(self, strict=True):
        """How often each has a message; addresses without one are left out. strict=False: a mailbox may be torn."""
        found = {}
        for address in self.boxes:
            found[address] = len(self.world.messages(address)) if strict else self.world.raw(address).count(b"\nReceived: ")
        for hop in (self.store, self.relay):
            for address, _ in hop.accepted:
                found[address] = found.get(address, 0) + 1
        return {address: count for address, count in found.items() if count}

    def texts(self):
        """All texts of the message, as they were sent."""
        found = [text for address in self.boxes for text in self.world.sent(address)]
        return found + [without_trace(text) for hop in (self.store, self.relay) for _, text in hop.accepted]

    def marks(self):
        folder = self.world.root / ".done"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def deliver(self, *recipients, text=TEXT, **more):
        """One session; returns the final reply. Its log is in self.log."""
        with self.world.session(**more) as session:
            reply = session.send_message(recipients or EVERYBODY, text)
        self.log = session.log
        return reply


def without_trace(text):
    """What a hop got, without our Received field."""
    found = re.match(rb"Received: .*\n(?:[ \t].*\n)+", text)
    assert found, text
    return text[found.end() :]


def events(log, name):
    """The lines of the log that have this event."""
    return [line for line in log.splitlines() if f"]: {name} peer=" in line]
