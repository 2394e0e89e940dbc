"""relay.cdb, which mailslot-build and mailslot-user write beside the database: what is in it, when it is there, whose it is."""

import os
import stat

import pytest
from house import House
from tools import CONF, PASSWORD, good, names, record, run

SMARTHOST = CONF + (
    "smarthost = smtp.example.com:587 [2001:db8::1]:465\n"
    "smarthost-user = example-org\n"
    "smarthost-password = smarthost.password\n"
    "smarthost-ca =\n"
)


@pytest.fixture
def relaying(folder):
    """A folder with a smarthost, and both databases."""
    (folder / "mailslot.conf").write_text(SMARTHOST)
    (folder / "smarthost.password").write_text("Strange weather 7\n")
    (folder / "smarthost.password").chmod(0o640)
    (folder / "users").write_text("postmaster::\n")
    (folder / "aliases").write_text("@example.net: postmaster\n")
    assert good("build", folder).stderr == ""
    return folder


def smarthost(folder):
    return record(folder, "settings", "relay.cdb")[1]


def state(folder):
    """What the two databases are."""
    files = [folder / "mailslot.cdb", folder / "relay.cdb"]
    return [(path.stat().st_ino, path.read_bytes()) for path in files if path.exists()]


def test_it_has_the_settings_of_the_smarthost_alone(relaying):
    assert record(relaying, "settings", "relay.cdb") == [
        "hostname=mx.example.org",
        "smarthost=smtp.example.com:587 [2001:db8::1]:465",
        "smarthost-tls=",
        "smarthost-ca=",
        "smarthost-user=example-org",
        "smarthost-password=smarthost.password",
        "smarthost-token=",
    ]
    data = (relaying / "relay.cdb").read_bytes()
    for other in (b"postmaster", b"secret=", b"decoy", b"Strange weather", b"mail-root"):
        assert other not in data
    settings = record(relaying, "settings")
    assert "relay=/run/mailslot/relay" in settings
    assert not [line for line in settings if line.startswith("smarthost")]
    assert b"example-org" not in (relaying / "mailslot.cdb").read_bytes()


def test_it_is_there_as_long_as_there_is_a_smarthost(relaying):
    (relaying / "mailslot.conf").write_text(CONF + "relay = /run/other\n")
    good("build", relaying)
    assert not (relaying / "relay.cdb").exists()
    assert "relay=/run/other" in record(relaying, "settings")
    (relaying / "mailslot.conf").write_text(CONF + "smarthost = 127.0.0.1:10025\nsmarthost-tls = none\n")
    good("user", relaying, "add", "-n", "dave")
    assert smarthost(relaying) == "smarthost=127.0.0.1:10025"
    (relaying / "mailslot.conf").write_text(CONF)
    good("user", relaying, "del", "dave")
    assert names(relaying) == ["aliases", "mailslot.cdb", "mailslot.conf", "smarthost.password", "users"]


def test_errors_and_checks_leave_it(relaying):
    before = state(relaying)
    (relaying / "mailslot.conf").write_text(SMARTHOST.replace("587", "25"))
    good("build", relaying, "-n")
    assert state(relaying) == before
    (relaying / "mailslot.conf").write_text(SMARTHOST.replace("587", "x"))
    assert run("build", relaying).returncode == 100
    assert state(relaying) == before


def test_a_database_patched_by_mailslot_user_leaves_it(relaying):
    """The files have errors, so that only the changed user can be taken from them, and no settings."""
    before = state(relaying)
    (relaying / "mailslot.conf").write_text(SMARTHOST.replace("587", "25") + "colour = blue\n")
    good("user", relaying, "add", "dave", stdin=PASSWORD)
    assert record(relaying, "user:dave@example.org") is not None
    assert state(relaying)[1] == before[1] and state(relaying)[0] != before[0]


def test_a_patched_database_knows_the_sockets_of_new_stores(relaying):
    (relaying / "users").write_text("postmaster::\nalice::mailbox=lmtp:/run/one\n")
    good("build", relaying)
    assert record(relaying, "sockets") == ["/run/one"]
    (relaying / "aliases").write_text("x: nobody-here\n")
    good("user", relaying, "add", "-n", "bob", "mailbox=lmtp:/run/two")
    good("user", relaying, "add", "-n", "carol", "mailbox=lmtp:/run/one")
    assert record(relaying, "sockets") == ["/run/one", "/run/two"]
    assert record(relaying, "user:bob@example.org") == [
        "address=bob@example.org", "mailbox=lmtp:/run/two"]


def test_it_is_beside_the_output(relaying, tmp_path_factory):
    before = state(relaying)
    output = tmp_path_factory.mktemp("elsewhere") / "out.cdb"
    (relaying / "mailslot.conf").write_text(SMARTHOST.replace("587", "25"))
    good("build", relaying, "-o", output)
    assert names(output.parent) == ["out.cdb", "relay.cdb"]
    assert smarthost(output.parent) == "smarthost=smtp.example.com:25 [2001:db8::1]:465"
    assert state(relaying) == before
    assert "smtp.example.com:25" in good("show", relaying, "-d", output).stdout


def test_if_it_cannot_be_written_nothing_is(relaying):
    before = state(relaying)[0]
    (relaying / "relay.cdb").unlink()
    (relaying / "relay.cdb").mkdir()
    for argv in (("build", relaying), ("user", relaying, "add", "-n", "dave")):
        done = run(*argv)
        assert done.returncode == 111 and "relay.cdb.tmp: Is a directory" in done.stderr, done
        assert state_of_database(relaying) == before
        assert "dave" not in (relaying / "users").read_text()
        assert not [name for name in names(relaying) if name.endswith(".tmp")]


def state_of_database(folder):
    path = folder / "mailslot.cdb"
    return path.stat().st_ino, path.read_bytes()


def test_its_mode_and_group_stay(relaying):
    path = relaying / "relay.cdb"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    if os.geteuid() == 0:
        os.chown(path, -1, 12345)
    group = path.stat().st_gid
    good("build", relaying)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604 and path.stat().st_gid == group


def test_our_own_sockets_are_no_hops(tmp_path):
    """By any name, and where a drop-in of the administrator has put them."""
    house = House(tmp_path / "house")
    house.type("""
        mkdir -p /etc/mailslot /run/mailslot /run/systemd/system /etc/systemd/system/mailslot-{lmtp,submit}.socket.d
        printf '[Socket]\nListenStream=\nListenStream=/run/here\n' >/etc/systemd/system/mailslot-lmtp.socket.d/a.conf
        printf '[Socket]\nListenStream=/run/there\n' >/etc/systemd/system/mailslot-submit.socket.d/a.conf
        touch /run/mailslot/lmtp /run/there; ln -s mailslot/lmtp /run/link; ln -s / /run/root
        echo postmaster:: >/etc/mailslot/users
    """)
    for path, own in [("/run/mailslot/lmtp", True), ("/run/link", True), ("/run/root/run/mailslot/lmtp", True),
                      ("/run/here", True), ("/run/there", True), ("/run/root/run/there", True),
                      ("/run/mailslot/submit", True), ("/run/mailslot/relay", False), ("/run/dovecot/lmtp", False)]:
        said = house.type(
            f"printf 'domains = example.org\nrelay = {path}\n' >/etc/mailslot/mailslot.conf;"
            "mailslot-build -n 2>&1 || true")
        assert ("is a socket of mailslot itself" in said) == own, (path, said)


def test_the_relays_group_gets_it(tmp_path):
    """A house, because /etc/group changes."""
    house = House(tmp_path / "house")
    house.type(
        "groupadd -f mailslot; groupadd -f mailslot-relay; install -d -m 750 -g mailslot /etc/mailslot;"
        "cd /etc/mailslot; printf 'domains = example.org\\nsmarthost = a.example.net:587\\n' >mailslot.conf;"
        "echo postmaster:: >users; mailslot-build"
    )
    assert house.type("stat -c '%n %U %G %a' /etc/mailslot/*.cdb").splitlines() == [
        "/etc/mailslot/mailslot.cdb root mailslot 640",
        "/etc/mailslot/relay.cdb root mailslot-relay 640",
    ]
    house.type("chgrp mail /etc/mailslot/relay.cdb; mailslot-build")
    assert house.type("stat -c %G /etc/mailslot/relay.cdb") == "mail\n"
    # From before there was such a group.
    house.type("chgrp mailslot /etc/mailslot/relay.cdb; mailslot-build")
    assert house.type("stat -c %G /etc/mailslot/relay.cdb") == "mailslot-relay\n"
