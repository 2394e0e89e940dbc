"""The folders of text files that tests of the tools share."""

import pytest
from house import House
from tools import CONF, good


@pytest.fixture
def folder(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "mailslot.conf").write_text(CONF)
    return tmp_path


@pytest.fixture
def house(folder):
    """A folder with users and aliases, and the database."""
    (folder / "users").write_text(
        "# who lives here\n"
        "alice::quota=1G,send-as=sales@example.org,@example.net\n"
        "bob::disabled\n"
        "carol::mailbox=/var/mail/carol\n"
    )
    (folder / "aliases").write_text(
        "postmaster: alice\nteam: alice,\n  carol\ncarol: carol, alice\noff: bob\n"
        "@example.net: alice\n"
    )
    good("build", folder)
    return folder


@pytest.fixture
def servers(tmp_path):
    """servers(Kind, ...): starts a private server of stores.py or smarthosts.py, which ends with the test."""
    started = []

    def start(kind, *arguments, **more):
        started.append(kind(tmp_path / f"server.{len(started)}", *arguments, **more))
        return started[-1].start()

    yield start
    for server in started:
        server.end()


@pytest.fixture
def short(tmp_path_factory):
    """A folder whose path fits into the address of a socket."""
    return tmp_path_factory.mktemp("s")


@pytest.fixture(scope="session")
def furniture(tmp_path_factory, certificates):
    """What House.save() has kept of a house with the set-up of test_check.py."""
    import test_check

    folder = tmp_path_factory.mktemp("furniture")
    first = House(folder / "house", CERTIFICATES=str(certificates), CONF=test_check.CONF)
    first.type(test_check.SET_UP, stdin=test_check.PASSWORD)
    first.save(folder)
    first.close()
    return folder


@pytest.fixture
def new_house(tmp_path, certificates, furniture):
    """A house with the set-up of test_check.py; no server runs there."""
    import test_check

    return House(tmp_path / "house", like=furniture, CERTIFICATES=str(certificates), CONF=test_check.CONF)
