"""What the scripted servers of hop.py and milter.py have in common: threads of the test that listen, answer as a script says, and
record. See hop.py about answers."""

import os
import socket
import struct
import threading
from dataclasses import dataclass
from pathlib import Path

from processes import wait_until

NOTHING = b""
CLOSE, RESET, HANG = "CLOSE", "RESET", "HANG"
WORDS = (CLOSE, RESET, HANG)


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Until:
    event: threading.Event


@dataclass(frozen=True)
class Endless:
    data: bytes


class End(Exception):
    """The session is over."""


class Server:
    """The server: `path` (UNIX) or `port` (127.0.0.1), `sessions`, `steps` that were reached, in order."""

    kind = None  # of its sessions
    backlog = 64
    cut = cut_in = None  # close each session after so many bytes were sent, or received

    def __init__(self, name, path, port, script, journal=None):
        """path: of a UNIX socket; None: TCP, on this port or a free one. script: answers by step."""
        self.name, self.path, self.port, self.script = name, path, port, script
        self.sessions, self.steps, self.failures, self.threads = [], [], [], []
        self.journal = [] if journal is None else journal  # (name, step, argument), also of other servers of the test
        self.taken = {}  # how often an answer was taken from a list
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.accepting = threading.Event()  # cleared by a test: connections stay in the backlog
        self.accepting.set()

    def start(self):
        """Listens; also again after stop()."""
        self.stopping.clear()
        if self.path is None:
            self.listener = socket.create_server(("127.0.0.1", self.port))
            self.port = self.listener.getsockname()[1]
        else:
            self.listener = bind_unix(self.path)
        self.listener.listen(self.backlog)
        self.run_thread(self.accept)

    def run_thread(self, function):
        thread = threading.Thread(target=function, name=self.name, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        while not self.stopping.is_set():
            if not self.accepting.wait(0.05):
                continue
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            session = self.kind(self, sock)
            self.sessions.append(session)
            self.run_thread(session.run)

    def hang_up(self):
        """Closes all connections, as a server does whose patience is at an end."""
        for session in self.sessions:
            session.hang_up()

    def stop(self):
        """Closes all, and the listening socket; as if the server had been killed."""
        self.stopping.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.hang_up()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive(), thread
        self.threads.clear()
        self.listener.close()
        if self.path is not None:
            Path(self.path).unlink(missing_ok=True)

    # ---- the script

    def reach(self, session, step, argument=""):
        with self.lock:
            self.steps.append((step, argument))
            self.journal.append((self.name, step, argument))
            return self.pick(self.script.get(step, self.good(session, step)), step, argument, self.good(session, step))

    def pick(self, answer, key, argument, good):
        if isinstance(answer, dict):
            which = argument if argument in answer else None
            return self.pick(answer.get(which, good), (key, which), argument, good)
        if isinstance(answer, list):
            turn = self.taken[key] = self.taken.get(key, -1) + 1
            return self.pick(answer[min(turn, len(answer) - 1)], (key, turn), argument, good)
        return answer

    def good(self, session, step):
        """The answer to a step that the script does not name."""
        raise NotImplementedError

    # ---- what has happened

    def wait_for(self, step, count=1, seconds=20):
        """Waits until a step was reached so often."""

        def reached():
            return sum(name == step for name, _ in self.steps) >= count

        assert wait_until(reached, seconds), f"{step} not reached {count} times: {self.steps}"

    def wait_for_end(self, count=1, seconds=20):
        """Waits until so many sessions have ended; returns how each ended."""
        assert wait_until(lambda: len(self.ends()) >= count, seconds), f"{self.ends()} of {len(self.sessions)} ended"
        return self.ends()

    def ends(self):
        return [session.ended for session in self.sessions if session.ended]


class Session:
    """One connection."""

    def __init__(self, server, sock):
        self.server = server
        self.sock = sock
        self.buffer = bytearray()
        self.received = b""  # all bytes, after decryption
        self.sent = 0  # bytes
        self.ended = None  # "closed" by the client, "cut" by the script, "stopped" at the end of the test, "failed"; or a word of its own

    # ---- bytes

    def read(self, room=1 << 16):
        """More bytes into the buffer."""
        if self.server.cut_in is not None:
            room = min(room, self.server.cut_in - len(self.received))
        if room <= 0:
            self.close("cut")
        try:
            more = self.sock.recv(room)
        except (OSError, ValueError):
            more = b""
        if not more:
            self.close("stopped" if self.server.stopping.is_set() else "closed")
        self.received += more
        self.buffer += more

    def write(self, data):
        cut = self.server.cut
        if cut is not None:
            data = data[: max(0, cut - self.sent)]
        try:
            if data:  # even nothing fails where nobody reads any more
                self.sock.sendall(data)
        except (OSError, ValueError):
            self.close("stopped" if self.server.stopping.is_set() else "closed")
        self.sent += len(data)
        if cut is not None and self.sent >= cut:
            self.close("cut")

    def close(self, how):
        self.ended = self.ended or how
        raise End

    # ---- answers

    def say(self, answer, argument=""):
        """Does what an answer says."""
        if callable(answer):
            answer = answer(self, argument)
        if isinstance(answer, tuple):
            for part in answer:
                self.say(part, argument)
            return
        if isinstance(answer, str) and answer not in WORDS:
            answer = self.encoded(answer)
        if isinstance(answer, bytes):
            self.said(answer)
            self.write(answer)
        else:
            self.act(answer)

    def encoded(self, text):
        """The bytes of an answer that is text."""
        raise NotImplementedError

    def said(self, data):
        """Takes note of an answer before it is sent."""

    def act(self, answer):
        stopping = self.server.stopping
        if isinstance(answer, Wait):
            stopping.wait(answer.seconds)
        elif isinstance(answer, Until):
            wait_until(lambda: answer.event.is_set() or stopping.is_set(), 600)
        elif isinstance(answer, Endless):
            while True:
                self.write(answer.data)
        elif answer == HANG:
            stopping.wait()
            self.close("stopped")
        elif answer == RESET:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close("cut")
        elif answer == CLOSE:
            self.close("cut")
        else:
            assert answer is None, answer

    # ---- the dialogue

    def run(self):
        try:
            self.talk()
        except End:
            pass
        except Exception as error:  # a mistake in a script, or of the client: the fixture reports it
            self.server.failures.append(error)
            self.ended = self.ended or "failed"
        finally:
            self.sock.close()

    def talk(self):
        """The session, until End is raised."""
        raise NotImplementedError

    def hang_up(self):
        """Ends the connection, from any thread. The thread that reads it closes it."""
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            pass


def at_folder(path, function):
    """Calls function(path), with a path that is short enough for a UNIX socket."""
    path = Path(path)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        return function(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def bind_unix(path, mode=0o666):
    listener = socket.socket(socket.AF_UNIX)
    at_folder(path, listener.bind)
    os.chmod(path, mode)
    return listener


def connect_unix(path):
    sock = socket.socket(socket.AF_UNIX)
    at_folder(path, sock.connect)
    return sock
