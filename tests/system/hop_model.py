"""What must hold after any accident of a delivery to mailboxes, a store and a relay; and the stage on which accidents happen.

The model knows nothing of the server's steps. It sees the reply to the client, who has the message, the marks, and the log:

- nobody has a torn message, or one that was not sent;
- nobody has it twice after one try;
- what was acknowledged is everywhere;
- after a refusal, or no reply, the client tries again, nothing fails, and then it is everywhere;
- then only they have it twice whom the log calls uncertain; or, if the client got no answer of the back, which was killed or
  could not send it, those that had it.
"""

import concurrent.futures
import queue
import random
import re
import shutil

from basics import sanitized
from client import Closed, to_wire
from mixture import ALICE, CAROL, EVERYBODY, EXT, SAM, SUE, TEXT, Mixture, events
from processes import wait_until
from world import World

ADDRESSES = (ALICE, CAROL, SAM, SUE, EXT)


class Try:
    """One session, and what it has left."""

    def __init__(self, stage, reply, log):
        self.reply, self.log = reply, log
        self.has = stage.mix.has(strict=self.heard)  # a mailbox may be torn if the server was killed
        self.uncertain = {a for line in events(log, "uncertain") for a in ADDRESSES if a in line}
        self.marks = stage.mix.marks()

    @property
    def acknowledged(self):
        return self.reply.startswith("250")

    @property
    def heard(self):
        """Has the client got the back's answer? If the back was killed, its front says 421."""
        return bool(re.match(r"\d{3} ", self.reply)) and not self.reply.startswith("421 4.3.0 ")


class Stage:
    """A mixture whose hops and mailboxes can be reset to their first state."""

    def __init__(self, folder, hops):
        folder.mkdir()
        number = folder.name
        self.mix = Mixture(World(folder), hops(f"store{number}", lmtp=True), hops(f"relay{number}"))
        self.mix.world.build(lock_timeout="1")
        self.hops = {"relay": self.mix.relay, "store": self.mix.store}

    def reset(self):
        shutil.rmtree(self.mix.world.root)
        self.mix.world.root.mkdir(0o700)
        for hop in self.hops.values():
            self.calm(hop)
            hop.hang_up()
            hop.sessions, hop.steps = [], []

    def calm(self, hop):
        """From now on it accepts everything."""
        hop.script, hop.cut, hop.cut_in, hop.taken = {}, None, None, {}

    def end(self):
        """The hops have seen the end of all sessions: what they have is final."""
        for hop in self.hops.values():
            assert wait_until(lambda: all(session.ended for session in hop.sessions)), "a session with a hop goes on"

    def attempt(self, **more):
        """A session that delivers to everybody."""
        reply = "closed"
        with self.mix.world.session(**more) as session:
            session.any_end = True
            self.session = session
            try:
                session.greet()
                session.send(b"MAIL FROM:<s@client.example>\r\n")
                session.send("".join(f"RCPT TO:<{r}>\r\n" for r in EVERYBODY).encode() + b"DATA\r\n")
                replies = [session.reply() for _ in range(len(EVERYBODY) + 2)]
                reply = next((r for r in replies[:-1] if not r.startswith("250")), "")
                if not reply:
                    session.send(to_wire(TEXT) + b".\r\n")
                    reply = session.reply()
            except (Closed, OSError):
                pass
        self.end()
        return Try(self, reply, session.log)

    def check_texts(self):
        assert all(text == TEXT for text in self.mix.texts()), "torn, or unknown"

    def check(self, first):
        """Asserts what must hold after this try; then tries again, undisturbed, until it must be everywhere."""
        if first.heard:
            self.check_texts()
        assert all(count == 1 for count in first.has.values()), f"twice in one try: {first.has}"
        if first.acknowledged:
            assert set(first.has) == set(ADDRESSES), f"acknowledged, but: {first.has}"
            return
        for hop in self.hops.values():
            self.calm(hop)
        second = self.attempt()
        assert second.acknowledged, f"the next try: {second.reply}"
        self.check_texts()
        assert set(second.has) == set(ADDRESSES), f"missing after the next try: {second.has}"
        may = first.uncertain if first.heard else set(first.has)
        twice = {address for address, count in second.has.items() if count > 1}
        assert twice <= may, f"twice: {twice - may}; the first reply was {first.reply}"
        assert max(second.has.values()) <= 2
        left = [p.name for p in self.mix.world.root.rglob("*") if p.is_symlink() or p.suffix in (".lock", ".undo")]
        assert not left, f"left behind: {left}"


class Stages:
    """A few stages, to have as many accidents at once."""

    SHOWN, WORKERS = 8, 2

    def __init__(self, tmp_path, hops):
        self.free = queue.Queue()
        for number in range(self.WORKERS):
            self.free.put(Stage(tmp_path / str(number), hops))

    def undisturbed(self, **more):
        """A stage on which a delivery has just gone well: {name: hop} shows what there is to disturb."""
        stage = self.free.get()
        stage.reset()
        first = stage.attempt(**more)
        stage.check(first)
        assert first.acknowledged, first.reply
        self.free.put(stage)
        return stage

    def sweep(self, accidents, most=None):
        """accidents: [(name, function of a stage that returns a Try)]; `most` of them, or all. Fails with the names of those
        after which the model is violated."""
        if sanitized():
            most = min(most or 40, 40)
        if most and len(accidents) > most:
            accidents = random.Random(13).sample(accidents, most)

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
        assert not wrong, f"{len(wrong)} of {len(accidents)}:\n" + "\n".join(wrong[: self.SHOWN])
