"""A delivery to mailboxes, a store and a relay that two filters change: the stage for their accidents, and what must hold.

It is hop_model.py's model, and for filters:

- each text that anybody has is changed by whole filters: never by half of one, and never by one that the log calls unavailable;
- with `milter-failure = defer`, nothing is acknowledged, and nobody has anything, once a filter is unavailable;
- with `accept`, it is as if that filter were not there;
- an unavailable filter is logged once, with the path of its socket and a step;
- whom a filter has added is delivered to like others, and a sender that it has changed is what hops are told.
"""

import re

from hop_model import ADDRESSES, Stage, Try
from milter_packet import add_field, add_rcpt, change_field, change_sender, insert_field, replace_body
from mixture import ALICE, CAROL, TEXT, Mixture, events

BOB = "bob@example.org"  # whom the second filter adds
SENDER, CHANGED = "s@client.example", "bounces@client.example"


def first_changes(session, argument):
    return change_field(1, "Subject", "one") + replace_body("From one\r\n.\r\n..two\r\n") + add_field("X-First", "1")


def second_changes(session, argument):
    """They depend on what the filter has seen."""
    body = b"".join(session.message.chunks)
    return insert_field(1, "X-Second", "2") + replace_body(body.upper()) + add_rcpt(BOB) + change_sender(CHANGED)


CHANGES = {"first": first_changes, "second": second_changes}


def changed_by(filters):
    """TEXT, as these filters change it."""
    text = TEXT
    if "first" in filters:
        header = text.partition(b"\n\n")[0].replace(b"Subject: x", b"Subject: one")
        text = header + b"\nX-First: 1\n\nFrom one\n.\n..two\n"
    if "second" in filters:
        header, _, body = text.partition(b"\n\n")
        text = b"X-Second: 2\n" + header + b"\n\n" + body.upper()
    return text


class FilteredTry(Try):
    def __init__(self, stage, replies, log):
        super().__init__(stage, replies, log)
        self.unavailable = {}
        for line in events(log, "filter unavailable"):
            path, step = (re.search(rf'\b{name}=("[^"]*"|\S+)', line).group(1).strip('"') for name in ("filter", "step"))
            name = next(name for name, filter in stage.filters.items() if path == str(filter.path))
            assert name not in self.unavailable, f"{name} is unavailable twice"
            self.unavailable[name] = step
        self.working = set(stage.filters) - set(self.unavailable)
        self.doubtful = set()  # may have let it pass as it is
        self.senders = {message.sender for hop in stage.hops.values() for message in hop.messages if message.dotted}


class FilteredMixture(Mixture):
    boxes = (ALICE, CAROL, BOB)


class FilteredStage(Stage):
    """failure: milter-failure."""

    addresses = (*ADDRESSES, BOB)
    attempt_kind = FilteredTry

    def __init__(self, folder, hops, way, milters, failure="defer"):
        self.failure = failure
        self.filters = {name: milters(f"{name}{folder.name}") for name in CHANGES}
        lmtp = " lmtp" * (way == "lmtp")
        paths = [f"{filter.path}{lmtp}" for filter in self.filters.values()]
        super().__init__(folder, hops, way, milter=paths, milter_failure=failure, milter_timeout="120")
        self.servers += self.filters.values()

    def mixture(self, hops, world):
        number = world.folder.name
        return FilteredMixture(world, hops(f"store{number}", lmtp=True), hops(f"relay{number}"))

    def server(self, name):
        return self.filters.get(name) or self.hops[name]

    def calm(self, server):
        super().calm(server)
        for name, filter in self.filters.items():
            if filter is server:
                filter.script = {"changes": CHANGES[name]}

    def texts(self, attempt):
        if self.failure == "defer" and attempt.unavailable:
            return []
        return [changed_by(attempt.working), changed_by(attempt.working - attempt.doubtful)]

    def due(self, attempt):
        due = super().due(attempt)
        by_first = self.way == "smtp" or next(iter(attempt.replies)) in attempt.acknowledged
        return due | {BOB} if attempt.acknowledged and by_first and "second" in attempt.working - attempt.doubtful else due

    def may_have_twice(self, first):
        """Where each recipient has a result, the one whom a filter adds belongs to the first one: with others, he is added again."""
        return super().may_have_twice(first) | ({BOB} if self.way != "smtp" or not first.heard else set())

    def check(self, first):
        if self.failure == "defer" and first.unavailable:
            assert not first.acknowledged, f"acknowledged without {first.unavailable}: {first.replies}"
            assert not first.has, f"delivered without {first.unavailable}: {first.has}"
        due = {CHANGED if "second" in first.working else SENDER} | ({SENDER} if "second" in first.doubtful else set())
        assert first.senders <= due, first.senders
        super().check(first)
