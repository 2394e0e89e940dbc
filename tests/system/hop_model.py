"""What must hold after any accident of a delivery to mailboxes, a store and a relay; and the stage on which accidents happen.

The model knows nothing of the server's steps. It sees the reply to the client, who has the message, the marks, and the log:

- nobody has a torn message, or one that was not sent;
- nobody has it twice after one try;
- what was acknowledged is everywhere, but for targets of an alias that a hop has refused at RCPT;
- after a refusal, or no reply, the client tries again, nothing fails, and then it is everywhere;
- then only they have it twice whom the log calls uncertain; or, if the client got no answer of the back, which was killed or
  could not send it, those that had it.
"""

import concurrent.futures
import queue
import re
import shutil

from client import Closed, to_wire
from mixture import ALICE, CAROL, EVERYBODY, EXT, OUT, SAM, SUE, TEXT, Mixture, events
from processes import wait_until
from sampling import sample
from world import World

ADDRESSES = (ALICE, CAROL, SAM, SUE, EXT)
PAIR = "pair@example.org"  # an alias with targets of all kinds


class Try:
    """One session, and what it has left. replies: by recipient."""

    def __init__(self, stage, replies, log):
        self.replies, self.log = replies, log
        self.heard = {recipient for recipient, reply in replies.items() if is_answer(reply)}
        self.acknowledged = {recipient for recipient in self.heard if replies[recipient].startswith("250")}
        # A mailbox may be torn if the server was killed.
        self.has = stage.mix.has(strict=len(self.heard) == len(replies))
        self.uncertain = {a for line in events(log, "uncertain") for a in stage.addresses if a in line}
        self.left_out = {a for line in events(log, "target refused") for a in stage.addresses if f"target={a}" in line}


def is_answer(reply):
    """Has the client got the back's answer? If the back was killed, its front says 421."""
    return bool(re.match(r"\d{3} ", reply)) and not reply.startswith("421 4.3.0 ")


class Stage:
    """A mixture whose servers and mailboxes can be reset to their first state."""

    addresses, attempt_kind = ADDRESSES, Try

    def __init__(self, folder, hops, way, **conf):
        folder.mkdir()
        self.way = way
        self.mix = self.mixture(hops, World(folder))
        self.mix.world.aliases += [f"{PAIR}: {SAM}, {EXT}, {ALICE}"]
        self.mix.world.build(lock_timeout="1", **conf)
        # Which targets each recipient has: where each has a result, one has several.
        self.targets = {to: {EXT if to == OUT else to} for to in EVERYBODY}
        if way != "smtp":
            self.targets = {PAIR: {SAM, EXT, ALICE}, SUE: {SUE}, CAROL: {CAROL}}
        self.hops = {"relay": self.mix.relay, "store": self.mix.store}
        self.servers = [*self.hops.values()]

    def server(self, name):
        return self.hops[name]

    def mixture(self, hops, world):
        number = world.folder.name
        return Mixture(world, hops(f"store{number}", lmtp=True), hops(f"relay{number}"))

    def reset(self):
        shutil.rmtree(self.mix.world.root)
        self.mix.world.root.mkdir(0o700)
        for server in self.servers:
            self.calm(server)
            server.hang_up()
            server.sessions, server.steps = [], []

    def calm(self, server):
        """From now on it accepts everything."""
        server.script, server.cut, server.cut_in, server.taken = {}, None, None, {}

    def end(self):
        """The servers have seen the end of all sessions: what they have is final."""
        for server in self.servers:
            assert wait_until(lambda: all(session.ended for session in server.sessions)), f"a session with {server.name} goes on"

    def attempt(self, recipients=None, **more):
        """A session that delivers to everybody, or to these recipients."""
        replies = {recipient: "closed" for recipient in recipients or self.targets}
        with self.mix.world.session(args=("-r", "lmtp") if self.way == "lmtp" else (), **more) as session:
            session.any_end = True
            self.session = session
            try:
                self.talk(session, replies)
            except (Closed, OSError):
                pass
        self.end()
        return self.attempt_kind(self, replies, session.log)

    def talk(self, session, replies):
        session.reply()
        session.ask("LHLO client.example" if self.way == "lmtp" else "EHLO client.example")
        commands = ["MAIL FROM:<s@client.example>" + " PRDR" * (self.way == "prdr"), *(f"RCPT TO:<{r}>" for r in replies), "DATA"]
        session.send("".join(command + "\r\n" for command in commands).encode())
        answers = [session.reply() for _ in commands]
        for recipient, answer in zip(replies, answers[1:-1]):
            replies[recipient] = answer
        accepted = [recipient for recipient, answer in replies.items() if answer.startswith("250")]
        replies.update({recipient: "closed" for recipient in accepted})
        # By SMTP, this client sends the message to all or to nobody.
        if not answers[-1].startswith("354") or (self.way == "smtp" and len(accepted) < len(replies)):
            return
        session.send(to_wire(TEXT) + b".\r\n")
        each = self.way == "lmtp" or (self.way == "prdr" and len(accepted) > 1)
        if each and self.way == "prdr":
            session.reply()
        for number, recipient in enumerate(accepted):
            replies[recipient] = session.reply() if each or number == 0 else replies[accepted[0]]

    # ---- what must hold

    def texts(self, attempt):
        """That may be with somebody after this try."""
        return [TEXT]

    def due(self, attempt):
        """Who must have the message after this try."""
        return set().union(*(self.targets[recipient] for recipient in attempt.acknowledged)) - attempt.left_out

    def may_have_twice(self, first):
        """After the next try."""
        unheard = set().union(*(self.targets[to] for to in first.replies if to not in first.heard))
        return first.uncertain | (unheard & set(first.has))

    def check_texts(self, *attempts):
        good = [text for attempt in attempts for text in self.texts(attempt)]
        wrong = [text for text in self.mix.texts() if text not in good]
        assert not wrong, f"torn, or unknown: {wrong}"

    def check(self, first):
        """Asserts what must hold after this try; then tries again, undisturbed, until it must be everywhere."""
        whole = len(first.heard) == len(first.replies)
        if whole:
            self.check_texts(first)
        assert all(count == 1 for count in first.has.values()), f"twice in one try: {first.has}"
        due = self.due(first)
        assert due <= set(first.has), f"acknowledged, but not with {due - set(first.has)}"
        again = [recipient for recipient in first.replies if recipient not in first.acknowledged]
        if again:
            self.check_next(first, again)

    def check_next(self, first, again):
        for server in self.servers:
            self.calm(server)
        second = self.attempt(again)
        assert len(second.acknowledged) == len(again), f"the next try: {second.replies}"
        self.check_texts(first, second)
        missing = set(self.addresses) - set(second.has)
        assert missing <= (first.left_out if PAIR in first.acknowledged else set()), f"missing after the next try: {missing}"
        twice = {address for address, count in second.has.items() if count > 1} - self.may_have_twice(first)
        assert not twice, f"twice: {twice}; the first replies were {first.replies}"
        assert max(second.has.values()) <= 2
        assert not self.left_behind(), f"left behind: {self.left_behind()}"

    def left_behind(self):
        """Files and links beneath mail-root that are no mailboxes, and no marks."""
        root = self.mix.world.root
        good = {self.mix.world.mailbox(address) for address in self.mix.boxes}
        found = [path for path in root.rglob("*") if not path.is_dir() or path.is_symlink()]
        return [path for path in found if path not in good and path.relative_to(root).parts[0] not in (".done", ".relayed")]


class Stages:
    """A few stages, to have as many accidents at once."""

    SHOWN, WORKERS = 8, 2

    def __init__(self, tmp_path, hops, way="smtp", kind=Stage, **more):
        self.free = queue.Queue()
        for number in range(self.WORKERS):
            self.free.put(kind(tmp_path / str(number), hops, way, **more))

    def undisturbed(self, **more):
        """A stage on which a delivery has just gone well: {name: hop} shows what there is to disturb."""
        stage = self.free.get()
        stage.reset()
        first = stage.attempt(**more)
        stage.check(first)
        assert len(first.acknowledged) == len(first.replies), first.replies
        self.free.put(stage)
        return stage

    def sweep(self, accidents, most=None):
        """accidents: [(name, function of a stage that returns a Try)]; `most` of them, or all. Fails with the names of those
        after which the model is violated."""
        accidents = sample(accidents, most)

        def one(accident):
            name, happen = accident
            stage = self.free.get()
            try:
                stage.reset()
                stage.check(happen(stage))
                return None
            except AssertionError as error:
                return f"{name}\n    {error}\n" + stage.session.log[-3000:]
            finally:
                self.free.put(stage)

        with concurrent.futures.ThreadPoolExecutor(self.WORKERS) as pool:
            wrong = [result for result in pool.map(one, accidents) if result]
        for stage in self.free.queue:
            stage.reset()  # a lock that could not be removed is there until the next delivery
        assert not wrong, f"{len(wrong)} of {len(accidents)}:\n" + "\n".join(wrong[: self.SHOWN])
