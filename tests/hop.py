"""A scripted server for SMTP or LMTP, to which programs under test connect. It runs in threads of the test.

    def test_refused(hops):
        store = hops("store", lmtp=True, rcpt={"bob@example.org": "550 5.1.1 Unknown"})
        ...                                  # the program under test connects to store.path
        store.wait_for("dot")
        assert store.messages[0].text == b"Subject: x\\n\\nhello\\n"

Each step of a session has an answer; what the script does not name is answered as by a server that accepts everything.

    connect   before the greeting              mail, rcpt  the argument is the address
    greeting                                   data        354
    hello     EHLO, LHLO, HELO                 text        when the text begins, before it is read
    starttls, auth, rset, noop, quit, other    dot         after the dot; LMTP: once for each accepted recipient

An answer is
    a str            lines to send (also several); CR LF is added to each
    bytes            sent as they are: half a reply is b"250 2.1", a reply ahead of its command is "250 ok\\n354 go"
    Wait(seconds)    a pause; it ends early when the test ends
    Until(event)     waits until the test sets this threading.Event
    CLOSE, RESET     close the connection, with or without what is in flight (RESET: TCP only)
    HANG             neither reads nor writes until the test ends
    Endless(bytes)   sends this again and again until the client closes
    Cut(n)           alone, and only for `text`: closes after n bytes of the text and its final dot
    a function       called with the Session and the argument; returns an answer (or None, if it has said all)
    a tuple          of these, one after the other
    a list           of these, one for each time that this step is reached; the last one remains
    a dict           of these by argument; the key None is for all others

NOTHING is no answer. `cut=N` closes each session after N bytes were sent, `cut_in=N` after N bytes were received.
"""

import os
import socket
import ssl
import threading
from pathlib import Path

from hop_session import CLOSE, HANG, NOTHING, RESET, Cut, Endless, Message, Session, Until, Wait  # noqa: F401
from processes import wait_until

EXTENSIONS = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 104857600")
GOOD = {
    "greeting": "220 hop.example ready",
    "mail": "250 2.1.0 Ok",
    "rcpt": "250 2.1.5 Ok",
    "data": "354 Go on",
    "dot": "250 2.0.0 Taken",
    "starttls": "220 2.0.0 Go on",
    "auth": "235 2.7.0 Ok",
    "rset": "250 2.0.0 Ok",
    "noop": "250 2.0.0 Ok",
    "quit": ("221 2.0.0 Bye", CLOSE),
    "other": "502 5.5.1 Unknown command",
}


class Hop:
    """The server: `path` (UNIX) or `port` (127.0.0.1), `sessions`, `steps` that were reached, in order."""

    def __init__(self, name, path=None, port=0, lmtp=False, tls=None, context=None, extensions=EXTENSIONS, cut=None, cut_in=None,
                 backlog=64, journal=None, **script):  # fmt: skip
        """path: of a UNIX socket; None: TCP, on this port or a free one. tls: "implicit", "starttls" or None; context: the
        server's SSL context, see server_context(). extensions: what EHLO offers, or a function of the Session. script: answers by step."""
        unknown = set(script) - {*GOOD, "connect", "hello", "text"}
        assert not unknown, f"no such step: {unknown}"
        self.name, self.path, self.port, self.lmtp = name, path, port, lmtp
        self.tls, self.context, self.extensions = tls, context, extensions
        self.cut, self.cut_in, self.backlog, self.script = cut, cut_in, backlog, script
        self.sessions, self.steps, self.failures, self.threads = [], [], [], []
        self.journal = [] if journal is None else journal  # (name, step, argument), also of other hops of the test
        self.taken = {}  # how often an answer was taken from a list
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.accepting = threading.Event()  # cleared by a test: connections stay in the backlog
        self.accepting.set()
        self.start()

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
        thread = threading.Thread(target=function, name=f"hop {self.name}", daemon=True)
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
            session = Session(self, sock)
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
        if step != "hello":
            return GOOD.get(step)
        offered = list(self.extensions(session) if callable(self.extensions) else self.extensions)
        if self.tls == "starttls" and not session.tls:
            offered.append("STARTTLS")
        lines = ["hop.example", *offered]
        return "\n".join(f"250{'-' if i < len(lines) - 1 else ' '}{line}" for i, line in enumerate(lines))

    # ---- what was received

    @property
    def messages(self):
        """Of all sessions."""
        return [message for session in self.sessions for message in session.messages]

    @property
    def accepted(self):
        """(recipient, text) of all that was answered with 2xx, once for each recipient; also if the client did not read it."""
        found = []
        for message in self.messages:
            replies = message.replies if self.lmtp else message.replies * len(message.recipients)
            found += [(to, message.text) for to, reply in zip(message.recipients, replies) if reply.startswith("2")]
        return found

    @property
    def commands(self):
        return [command for session in self.sessions for command in session.commands]

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


def server_context(certificates, name="ecdsa"):
    """An SSL context with a certificate of tls.CERTIFICATES."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.crt", certificates / f"{name}.key")
    return context
