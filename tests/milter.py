"""A scripted filter: a server of the milter protocol, to which programs under test connect. It runs in threads of the test.

    def test_refused(milters):
        spam = milters("spam", rcpt={"bob@example.org": "550 5.7.1 Not him"}, changes=add_field("X-Seen", "yes"), end=ACCEPT)
        world.build(milter=str(spam.path))
        ...                                  # the program under test connects to spam.path
        spam.wait_for("end")
        (message,) = spam.messages
        assert message.fields == [("Subject", "hello")] and message.macros["{mail_addr}"] == "s@client.example"

Each step of a connection has an answer; what the script does not name is answered with CONTINUE.

    negotiate   SMFIC_OPTNEG                    data, eoh, body
    connect     the argument is the address     field       the argument is the name of the field
    helo        the name                        end         the subject; before its answer come those of `changes`
    mail, rcpt  the address, without <>         unknown, abort, quit, quit_nc

An answer is what hop.py says, with these differences:
    bytes       packets of milter_packet.py, or anything else: half a packet, garbage
    a str       a reply of its own: "550 5.7.1 No", also of several lines: "550-a\\r\\n550 b"
Functions of a script may look at session.message. `cut` and `cut_in` are as in hop.py.
"""

from milter_packet import ACTIONS, CONTINUE, LETTERS, negotiation
from milter_session import LARGEST, Session
from scripted import CLOSE, HANG, NOTHING, RESET, Endless, Server, Until, Wait, connect_unix  # noqa: F401


class Milter(Server):
    kind = Session

    def __init__(self, name, path=None, port=0, version=6, actions=ACTIONS, steps=0, macros=None, largest=LARGEST, lax=False,
                 journal=None, **script):  # fmt: skip
        """version, actions, steps, macros: of its answer to the negotiation, see milter_packet.negotiation(). What steps (SMFIP_*)
        say it does not answer is not answered, unless the script names that step. largest: bytes of a packet that it takes.
        lax: takes macro packets without macros, and HELO within a transaction, both of which Postfix sends."""
        unknown = set(script) - {*LETTERS.values(), "changes"}
        assert not unknown, f"no such step: {unknown}"
        super().__init__(name, path, port, script, journal)
        self.negotiation = negotiation(version, actions, steps, macros)
        self.largest, self.lax = largest, lax
        self.start()

    # ---- the script

    def good(self, session, step):
        if step == "negotiate":
            return self.negotiation
        return NOTHING if step in ("abort", "quit", "quit_nc") else CONTINUE

    def reach(self, session, step, argument=""):
        answer = super().reach(session, step, argument)
        if step != "end":
            return answer
        with self.lock:
            return self.pick(self.script.get("changes", NOTHING), "changes", argument, NOTHING), answer

    # ---- what was received

    @property
    def transactions(self):
        """Of all sessions; also those that were given up."""
        return [message for session in self.sessions for message in session.transactions]

    @property
    def messages(self):
        """Those that came to their end."""
        return [message for session in self.sessions for message in session.messages]

    @property
    def names(self):
        """Of the steps that were reached, in order."""
        return [step for step, _ in self.steps]
