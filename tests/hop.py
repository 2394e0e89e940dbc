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

import ssl

from hop_session import Cut, Message, Session  # noqa: F401
from scripted import CLOSE, HANG, NOTHING, RESET, Endless, Server, Until, Wait, at_folder, bind_unix, connect_unix  # noqa: F401

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


class Hop(Server):
    kind = Session

    def __init__(self, name, path=None, port=0, lmtp=False, tls=None, context=None, extensions=EXTENSIONS, cut=None, cut_in=None,
                 backlog=64, journal=None, **script):  # fmt: skip
        """path: of a UNIX socket; None: TCP, on this port or a free one. tls: "implicit", "starttls" or None; context: the
        server's SSL context, see server_context(). extensions: what EHLO offers, or a function of the Session. script: answers by step."""
        unknown = set(script) - {*GOOD, "connect", "hello", "text"}
        assert not unknown, f"no such step: {unknown}"
        super().__init__(name, path, port, script, journal)
        self.lmtp, self.tls, self.context, self.extensions = lmtp, tls, context, extensions
        self.cut, self.cut_in, self.backlog = cut, cut_in, backlog
        self.start()

    # ---- the script

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


def server_context(certificates, name="ecdsa"):
    """An SSL context with a certificate of tls.CERTIFICATES."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.crt", certificates / f"{name}.key")
    return context
