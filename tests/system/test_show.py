"""mailslot-show: replies of the server, users, settings."""

import json
import os

import pytest
from tools import CONF, good, run


@pytest.mark.parametrize(
    "address, said, code",
    [
        ("alice", "250 2.1.5 accepted: user alice@example.org", 0),
        ("ALICE+x@EXAMPLE.org", "user alice@example.org, without the detail", 0),
        ("team@example.org", "250 2.1.5 accepted: alias team@example.org", 0),
        ("carol", "250 2.1.5 accepted: alias carol@example.org", 0),
        ("anyone@example.net", "250 2.1.5 accepted: catch-all of @example.net", 0),
        ("bob", "550 5.2.1 refused: disabled", 1),
        ("off", "550 5.2.1 refused: disabled", 1),
        ("nobody@example.org", "550 5.1.1 refused: no such user", 1),
        ("alice@example.com", "550 5.7.1 refused: not a local domain", 1),
        ("alice%example.org@example.com", "550 5.7.1", 1),
        ("alice@", "not a mail address", 1),
    ],
)
def test_show_prints_the_servers_reply(house, address, said, code):
    result = run("show", house, address)
    assert said in result.stdout and result.returncode == code


def test_show_prints_all_about_a_user(house):
    shown = good("show", house, "alice").stdout
    for said in ("/var/lib/mailslot/example.org/alice", "1073741824 bytes",
                 "send-as      sales@example.org", "send-as      @example.net"):
        assert said in shown


def test_show_of_several_addresses_fails_if_one_does(house):
    assert run("show", house, "alice", "nobody", "team").returncode == 1


def test_the_settings_shown_are_a_configuration(house, tmp_path_factory):
    shown = good("show", house).stdout
    assert "domains = example.org example.net\n" in shown
    assert "users: 3 (0 with a password), aliases: 5\n" in shown
    other = tmp_path_factory.mktemp("other")
    (other / "mailslot.conf").write_text(shown)
    good("build", other)
    assert good("show", other).stdout.splitlines()[1:-1] == shown.splitlines()[1:-1]


def test_filters_are_settings(house, tmp_path_factory):
    conf = CONF + "milter = /m mx smtp\nmilter = /n\nmilter-failure = accept\nmilter-timeout = 9\nquarantine = deliver\n"
    assert '"milter": [' not in good("show", house, "--json").stdout
    (house / "mailslot.conf").write_text(conf)
    good("build", house)
    text = good("show", house).stdout
    assert "\nmilter = /m mx smtp\nmilter = /n\nmilter-failure = accept\nquarantine = deliver\n" in text
    settings = json.loads(good("show", house, "--json").stdout)
    assert settings["milter"] == ["/m mx smtp", "/n"] and settings["milter-timeout"] == "9"
    assert (settings["milter-failure"], settings["quarantine"]) == ("accept", "deliver")
    other = tmp_path_factory.mktemp("other")
    (other / "mailslot.conf").write_text(text)
    good("build", other)
    assert good("show", other).stdout.splitlines()[1:-1] == text.splitlines()[1:-1]


@pytest.mark.parametrize("name", ["mailslot.conf", "users", "aliases"])
def test_show_reports_changes_since_the_last_build(house, name):
    assert not good("show", house, "alice").stderr
    text = (house / name).read_bytes()
    for changed in (text + b"#\n", text[:-1] + b"#", b""):
        (house / name).write_bytes(changed)
        os.utime(house / name, (0, 0))
        assert f"{house}/{name} has changed since the last build" in good("show", house, "alice").stderr
    (house / name).write_bytes(text)
    assert not good("show", house, "alice").stderr
    (house / name).unlink()
    assert f"{house}/{name} has changed" in good("show", house, "alice").stderr


def test_an_unsafe_database_is_refused(house):
    for mode in (0o660, 0o602, 0o666):
        (house / "mailslot.cdb").chmod(mode)
        result = run("show", house, "alice")
        assert result.returncode == 100 and "not safe" in result.stderr and not result.stdout
    if os.geteuid() == 0:
        (house / "mailslot.cdb").chmod(0o640)
        os.chown(house / "mailslot.cdb", 12345, -1)
        assert run("show", house, "alice").returncode == 100


def test_a_damaged_or_missing_database_is_not_an_unknown_user(house):
    database = house / "mailslot.cdb"
    with open(house / "users", "a", encoding="ascii") as users:  # more than a block away from the settings
        users.writelines(f"more{i}@example.org::\n" for i in range(100))
    good("build", house)
    whole = database.read_bytes()
    database.write_bytes(whole[:-1])
    assert run("show", house, "more99").returncode == 111
    at = whole.index(b"mailbox=example.org/more99")
    database.write_bytes(whole[:at] + b"M" + whole[at + 1:])
    result = run("show", house, "more99")
    assert result.returncode == 111 and "451 4.3.0" in result.stdout
    assert run("show", house).returncode == 111
    database.unlink()
    result = run("show", house, "alice")
    assert result.returncode == 111 and "mailslot-build" in result.stderr
