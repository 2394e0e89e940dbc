"""A scratch configuration: the text files, the database, the mailboxes."""

import os
import subprocess
from pathlib import Path

from basics import HOSTNAME, WITHOUT_LEAKS, binary
from client import Session
from mbox import messages_of

CONF = {"hostname": HOSTNAME, "domains": "example.org example.net"}
USERS = (
    "alice@example.org::",
    "bob@example.org::",
    "carol@example.net::",
    "alice@example.net::",
    "closed@example.org::disabled",
)
ALIASES = (
    "postmaster@example.org: alice@example.org",
    "info@example.org: bob@example.org",
    "team@example.org: alice@example.org, bob@example.org, info@example.org",
)


class World:
    """A configuration folder, its database and its mailboxes beneath a scratch folder."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.etc = self.folder / "etc"
        self.root = self.folder / "mail"
        self.db = self.etc / "mailslot.cdb"
        self.conf = dict(CONF)
        self.users = list(USERS)
        self.aliases = list(ALIASES)
        self.logs = 0
        self.user = "root" if os.geteuid() == 0 else None  # the user that the server becomes

    def build(self, **conf):
        """Writes the three text files and compiles them. Keywords are settings: max_message_size="64K"; a list is a
        setting that is given several times."""
        self.conf.update({k.replace("_", "-"): v for k, v in conf.items()})
        self.conf.setdefault("mail-root", str(self.root))
        self.etc.mkdir(mode=0o700, exist_ok=True)
        self.root.mkdir(mode=0o700, exist_ok=True)
        texts = {
            "mailslot.conf": [
                f"{k} = {v}"
                for k, values in self.conf.items()
                for v in (values if isinstance(values, list) else [values])
            ],
            "users": self.users,
            "aliases": self.aliases,
        }
        for name, lines in texts.items():
            (self.etc / name).write_text("".join(line + "\n" for line in lines))
            (self.etc / name).chmod(0o600)
        done = subprocess.run(
            [binary("mailslot-build"), "-C", self.etc], capture_output=True, text=True, timeout=60, env=WITHOUT_LEAKS
        )
        assert done.returncode == 0, f"mailslot-build: {done.stderr}"
        return self

    def mailbox(self, address):
        """The file of a user. A local part alone is in the first domain."""
        local, _, domain = address.rpartition("@") if "@" in address else (address, "", "example.org")
        return self.root / domain / local

    def preset(self, address, raw, mode=0o600):
        """Creates a mailbox with this content, before a server runs."""
        path = self.mailbox(address)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(raw)
        path.chmod(mode)
        return path

    def raw(self, address):
        try:
            return self.mailbox(address).read_bytes()
        except FileNotFoundError:
            return b""

    def messages(self, address):
        return messages_of(self.raw(address))

    def sent(self, address):
        """The texts in a mailbox as they were sent, without our trace fields."""
        return [message.sent for message in self.messages(address)]

    def everything(self):
        """{path: bytes} of every file beneath mail-root."""
        found = {}
        for where, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(where, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    found[os.path.relpath(path, self.root)] = Path(path).read_bytes()
        return found

    def command(self, *more, hook=False):
        server = binary("mailslot-smtpd-hook" if hook else "mailslot-smtpd")
        return [server, "-d", self.db, *(["-u", self.user] if self.user else []), *more]

    def log_file(self):
        self.logs += 1
        return self.folder / f"log.{self.logs}"

    def session(self, **more):
        return Session(self, **more)

    def deliver(self, *recipients, text=b"Subject: t\n\nx\n", sender="s@client.example", **more):
        """One whole session; returns the final reply, or the first refusal."""
        with self.session(**more) as session:
            return session.send_message(recipients, text, sender)
