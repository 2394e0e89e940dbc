"""Mail that goes round: by mailslot-relay back to the host that it comes from, and from host to host."""

import re

import pytest
from basics import HOSTNAME
from client import start_own
from mixture import events
from processes import children, wait_until
from relaying import Door, settings
from test_auth import ALICE, authenticated
from tls import PASSWORD
from world import World

TEXT = b"Subject: x\n\nround and round\n"
FAR = "friend@far.example"


@pytest.fixture
def doors():
    made = []

    def make(*arguments, **more):
        made.append(Door(*arguments, **more))
        return made[-1]

    yield make
    for door in made:
        door.close()


def all_over(listener):
    assert wait_until(lambda: not children(listener.process.pid)), "sessions go on"


def test_the_smarthost_is_this_host(secured, certificates, short, doors):
    """What a user sends comes back by submission, with the password of the relay. The client is told; nothing goes round twice."""
    secured.build(relay=str(short / "relay"))
    listener = start_own(secured, "-r", "submission")
    settings(secured, f"127.0.0.1:{listener.port}", certificates=certificates, user=ALICE, secret=PASSWORD)
    door = doors(secured, short / "relay", most=5)
    with authenticated(secured) as session:
        assert session.ask(f"MAIL FROM:<{ALICE}>").startswith("250 ")
        assert session.ask(f"RCPT TO:<{FAR}>") == "554 5.4.6 Mail loop; this message comes from this server"
        assert session.ask("RCPT TO:<bob@example.org>").startswith("250 "), "others get it"
        assert session.ask("QUIT").startswith("221 ")
        session.finish()
    all_over(listener)
    assert len(door.relays) == 1
    (found,) = events(listener.log, "loop")
    assert f"recipient={FAR} " in found and re.search(rf" helo=[a-z0-9]+\.hop\.{HOSTNAME} ", found), found
    (refused,) = events(session.log, "refused by hop")
    assert f"recipient={FAR} " in refused and 'said="5.4.6 ' in refused


def test_two_hosts(tmp_path, short, doors):
    """Aliases of two hosts lead to each other. A hand of another host is no loop yet, so they ask each other until a limit of
    connections ends it: then all sessions end at once, each with a reply, and nobody has the message."""
    worlds = [World(tmp_path / name) for name in "ab"]
    for world in worlds:
        world.folder.mkdir()
    worlds[0].aliases += ["round@example.org: round@b.example"]
    worlds[1].conf.update({"hostname": "mx.b.example", "domains": "b.example"})
    worlds[1].users, worlds[1].aliases = ["bob@b.example::"], ["round@b.example: round@example.org"]
    for world in worlds:
        world.build(relay=str(short / world.folder.name))
    listeners = [start_own(world) for world in worlds]
    for world, other in zip(worlds, reversed(listeners)):
        settings(world, f"127.0.0.1:{other.port}", user=None, smarthost_tls="none")
    most = 5
    here, there = [doors(world, short / world.folder.name, most=most) for world in worlds]
    with worlds[0].session() as session:
        assert session.send_message(["round@example.org"], TEXT).startswith("451 4.")
    for listener in listeners:
        all_over(listener)
    assert len(here.relays) == most and len(there.relays) == most
    for door in (here, there):
        door.wait()
    asked = [len(events(listener.log, "refused by hop")) for listener in listeners]
    assert sum(asked) + len(events(session.log, "refused by hop")) == 2 * most, asked
    assert not any(world.everything() for world in worlds)
