"""mailslot-relay in tests: its database, and a connection as a hand has it."""

import os
import socket
import threading

from basics import binary
from client import Line
from hop import bind_unix
from processes import spawn, wait_until

USER, SECRET = "mail@example.org", "a secret, 16 bytes or more"


class Relay(Line):
    """One session of mailslot-relay: we are the hand."""

    def __init__(self, world, *more, patience=5, **options):
        ours, theirs = socket.socketpair()
        self.log_path = world.log_file()
        with open(self.log_path, "wb") as log:
            self.process = spawn(command(world, "-t", str(patience), *more), stdin=theirs, stdout=theirs, stderr=log, **options)
        theirs.close()
        super().__init__(sock=ours)

    def log(self):
        return self.log_path.read_text()

    def wait(self, seconds=20):
        return self.process.wait(seconds)


def command(world, *more):
    user = ["-u", "root"] if os.geteuid() == 0 else []
    return [binary("mailslot-relay"), "-d", world.etc / "relay.cdb", *user, *more]


def settings(world, *hosts, secret=SECRET, token=None, certificates=None, user=USER, **conf):
    """Builds relay.cdb. hosts: of hop.py, or HOST:PORT."""
    names = [host if isinstance(host, str) else f"127.0.0.1:{host.port}" for host in hosts]
    conf["smarthost"] = " ".join(names)
    world.etc.mkdir(mode=0o700, exist_ok=True)
    if user:
        name, text = ("token", token) if token else ("password", secret)
        conf["smarthost_user"], conf[f"smarthost_{name}"] = user, name
        world.conf.pop("smarthost-password" if token else "smarthost-token", None)
        (world.etc / name).write_text(text + "\n")
        (world.etc / name).chmod(0o600)
    if certificates:
        conf["smarthost_ca"] = str(certificates / "ca.crt")
    return world.build(**conf)


class Door:
    """A socket as a super-server has it: each connection gets a mailslot-relay of its own, but no more than `most` in all.
    `wrap` is for the next one only."""

    def __init__(self, world, path, most=1000, **options):
        self.world, self.most, self.options, self.wrap, self.relays = world, most, options, (), []
        self.log_path = world.log_file()
        self.listener = bind_unix(path)
        self.listener.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            if len(self.relays) == self.most:
                sock.close()
                continue
            wrap, self.wrap = self.wrap, ()
            with sock, open(self.log_path, "ab") as log:
                self.relays.append(spawn([*wrap, *command(self.world)], stdin=sock, stdout=sock, stderr=log, **self.options))

    def wait(self):
        """Until all relays have ended."""
        assert wait_until(lambda: all(relay.poll() is not None for relay in self.relays)), "a relay goes on"

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
