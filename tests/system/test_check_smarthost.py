"""mailslot-check: the smarthost, asked by mailslot-relay as its own user; and what to type when it cannot be used."""

import pytest

from basics import TOP, binary
from hop import HANG
from house import find, wrong
from processes import spawn, wait_until
from test_check import serve

SMARTHOST = """
import signal, sys
sys.path[:0] = [sys.argv[1]]
import hop
from pathlib import Path
script = eval(sys.argv[2])
server = hop.Hop("smarthost", tls=script.pop("tls", "implicit"), context=hop.server_context(Path(sys.argv[3]), script.pop("certificate", "ecdsa")),
                 extensions=("PIPELINING", "SIZE 104857600", "AUTH PLAIN"), **script)
print(server.port, flush=True)
signal.pause()
"""
ADD = """
cd /etc/mailslot
ip link set lo up
chmod 751 .
useradd -r mailslot-relay
cp "$CERTIFICATES/ca.crt" smarthost-ca.crt
chmod 644 smarthost-ca.crt
install -m 640 -g mailslot-relay /dev/stdin password <<<secret
cat >>mailslot.conf <<END
smarthost = localhost:%s
smarthost-tls = implicit
smarthost-ca = smarthost-ca.crt
smarthost-user = account
smarthost-password = password
relay = /run/mailslot-relay
END
mailslot-build
"""


@pytest.fixture
def smarthost(new_house, certificates):
    """smarthost(**script): a house whose smarthost does this; its relay listens."""

    def make(**script):
        house = new_house
        serve(house)
        server = house.serve("/usr/bin/python3", "-c", SMARTHOST, TOP / "tests", repr(script), certificates)
        house.port = int(server.stdout.readline())
        house.type(ADD % house.port)
        return house

    return make


def test_good(smarthost):
    found = find(smarthost().check(), "ok", "smarthost", "localhost")
    assert "TLS1.3, verified, logged in" in found.text


MISTAKES = {
    "the password is wrong": ({"auth": "535 5.7.8 Bad password"}, "", "log-in: .*535 5.7.8", "mailslot-build"),
    "the certificate is of another": ({"certificate": "other"}, "", "TLS: ", "openssl s_client -connect localhost"),
    "its authority is unknown": (
        {}, "sed -i /^smarthost-ca/d mailslot.conf; mailslot-build", "TLS: .*issuer is unknown.*set `smarthost-ca` in /etc/mailslot/mailslot.conf", "openssl s_client"),
    "TLS begins otherwise": (
        {"tls": "starttls"}, "", "TLS: .*set `smarthost-tls = starttls` in /etc/mailslot/mailslot.conf", "openssl s_client -connect localhost"),
    "the password is empty": ({}, ": >password", "the first line is empty; correct that file", "mailslot-check"),
    "nothing listens": ({}, "sed -i s/^smarthost.=.*/smarthost=localhost:1/ mailslot.conf; mailslot-build", "connect: ", "nc -vz localhost 1"),
    "there is no such host": (
        {}, "sed -i s/^smarthost.=.*/smarthost=mail.invalid:465/ mailslot.conf; mailslot-build", "look-up: ", "getent ahosts mail.invalid"),
    "it hangs": ({"connect": HANG}, "", "greeting: no reply in time", "journalctl -t mailslot-relay"),
    "only root can read the password": ({}, "chmod 600 password", "password: mailslot-relay cannot read it: Permission denied", "chgrp -h mailslot-relay /etc/mailslot/password"),
    "it may not enter the folder": ({}, "chmod 750 .", "relay.cdb: mailslot-relay cannot read it", "chmod o+x /etc/mailslot"),
    "there is no password": ({}, "rm password", "password: mailslot-relay cannot read it: No such file", "mailslot-check"),
    "others can read the password": ({}, "chmod o+r password", "password can be read by other users", "chmod"),
    "there is no user": ({}, "userdel mailslot-relay", "there is no user mailslot-relay", "useradd -r mailslot-relay"),
}


@pytest.mark.parametrize("script, mistake, said, remedy", MISTAKES.values(), ids=MISTAKES)
def test_mistakes(smarthost, script, mistake, said, remedy):
    house = smarthost(**script)
    house.type("cd /etc/mailslot\n" + mistake)
    found = find(house.check(), "FAIL", "smarthost", said)
    assert remedy in found.remedy, found
    if found.remedy.startswith("ch"):
        house.type(found.remedy)
        assert "smarthost" not in [one.subject for one in wrong(house.check())]


def test_a_relay_without_its_database(smarthost):
    """The session, and mailslot-check, say so; mailslot-build makes it anew."""
    house = smarthost()
    house.type("cd /etc/mailslot; sed -i s,^relay.*,relay=/run/mailslot/relay, mailslot.conf; mailslot-build; rm relay.cdb"
               "; install -d -g mailslot -m 2750 /run/mailslot")
    house.serve("mailslot-relay", "-u", "root", "-l", "/run/mailslot/relay")
    assert wait_until(lambda: "ok" in house.type("[ ! -S /run/mailslot/relay ] || echo ok"))
    found = find(house.check(), "FAIL", "hop", "is not ready: 421 4.3.5 settings: the relay's database")
    assert found.remedy == "mailslot-build"
    house.type(found.remedy)
    find(house.check(), "ok", "smarthost", "localhost")


@pytest.mark.parametrize("smarthost, step", [("127.0.0.1:1", "connect"), ("mail.invalid:25", "look-up"), ("", "settings")])
def test_a_session_logs_the_step_of_the_relay(world, tmp_path, smarthost, step):
    path = tmp_path / "relay"
    world.aliases.append("far: far@example.com")
    world.build(relay=path, smarthost=smarthost)
    user = ["-u", world.user] if world.user else []
    with open(tmp_path / "relay.log", "wb") as log:
        spawn([binary("mailslot-relay"), *user, "-d", world.etc / "relay.cdb", "-l", path], stdout=log, stderr=log)
    assert wait_until(path.exists)
    with world.session() as session:
        session.greet()
        assert session.ask("MAIL FROM:<s@client.example>").startswith("250")
        assert session.ask("RCPT TO:<far@example.org>") == "451 4.4.1 The next server is not available, try again later"
    assert f" step={step} " in session.log and "code=421" in session.log
