"""mailslot-show, and mailslot-user, of mail that goes to other servers."""

import json
import os

import pytest
from tools import CONF, good, names, run

HOPS = CONF + (
    "mailboxes = lmtp:/run/dovecot/lmtp\n"
    "smarthost = smtp.example.com:587\n"
    "relay = /run/other @example.net\n"
    "relay = /run/mailslot/relay\n"
)


@pytest.fixture
def hops(folder):
    (folder / "mailslot.conf").write_text(HOPS)
    (folder / "users").write_text(
        "postmaster::\nalice::mailbox=lmtp:/run/cyrus/lmtp,send-as=@example.net\ncarol::mailbox=/var/mail/carol\n"
    )
    (folder / "aliases").write_text(
        "info: alice, Bob@Example.COM, lmtp:/run/third\n@example.net: lmtp:/run/lists\n"
    )
    assert good("build", folder).stderr == ""
    return folder


def shown(folder, *addresses):
    return json.loads(run("show", folder, "--json", *addresses).stdout)


def test_each_target_of_an_alias_is_shown(hops):
    assert good("show", hops, "info").stdout == (
        "info: 250 2.1.5 accepted: alias info@example.org\n"
        "  alice@example.org\n"
        "    store        lmtp:/run/cyrus/lmtp\n"
        "    send-as      @example.net\n"
        "    credentials  none (receives mail, cannot log in)\n"
        "  Bob@example.com\n"
        "    relay        /run/other (for senders in @example.net)\n"
        "    relay        /run/mailslot/relay\n"
        "    smarthost    smtp.example.com:587\n"
        "  the address itself\n"
        "    store        lmtp:/run/third\n"
    )


def test_the_same_as_json(hops):
    relays = [
        {"socket": "/run/other", "domains": ["example.net"], "smarthosts": []},
        {"socket": "/run/mailslot/relay", "domains": [], "smarthosts": ["smtp.example.com:587"]},
    ]
    user = {"quota": None, "disabled": False, "locked": False, "credentials": [], "send_as": []}
    assert shown(hops, "info", "x@example.net", "carol+y", "nobody", "bob@example.com", "a@") == [
        {"asked": "info", "reply": "250 2.1.5", "accepted": True, "found": "alias",
         "name": "info@example.org", "detail": False, "targets": [
             {"kind": "store", "address": "alice@example.org", "socket": "/run/cyrus/lmtp",
              **user, "send_as": ["@example.net"]},
             {"kind": "elsewhere", "address": "Bob@example.com", "sender": None, "relays": relays},
             {"kind": "store", "address": None, "socket": "/run/third"}], "damaged": False},
        {"asked": "x@example.net", "reply": "250 2.1.5", "accepted": True, "found": "catch-all",
         "name": "@example.net", "detail": False, "targets": [
             {"kind": "store", "address": None, "socket": "/run/lists"}], "damaged": False},
        {"asked": "carol+y", "reply": "250 2.1.5", "accepted": True, "found": "user",
         "name": "carol@example.org", "detail": True, "targets": [
             {"kind": "mailbox", "address": "carol@example.org", "mailbox": "/var/mail/carol",
              "size": 0, **user}], "damaged": False},
        {"asked": "nobody", "reply": "550 5.1.1", "accepted": False, "found": None, "name": None,
         "damaged": False},
        {"asked": "bob@example.com", "reply": "550 5.7.1", "accepted": False, "found": None,
         "name": None, "sender": None, "relays": relays, "damaged": False},
        {"asked": "a@", "reply": None, "accepted": False, "found": None, "name": None,
         "damaged": False},
    ]


def test_forwarded_mail_goes_to_the_relay_of_its_sender(hops):
    (hops / "mailslot.conf").write_text(HOPS + "forward-sender = Fwd@example.net\n")
    good("build", hops)
    (relayed,) = [one for one in shown(hops, "info")[0]["targets"] if one["kind"] == "elsewhere"]
    assert relayed == {"kind": "elsewhere", "address": "Bob@example.com", "sender": "Fwd@example.net",
                       "relays": [{"socket": "/run/other", "domains": [], "smarthosts": []}]}
    text = good("show", hops, "info").stdout
    assert "    relay        /run/other\n    sender       Fwd@example.net\n" in text


def test_other_domains_are_for_users_who_are_logged_in(hops):
    done = run("show", hops, "bob@example.com")
    assert done.returncode == 1
    assert done.stdout == (
        "bob@example.com: 550 5.7.1 refused: not a local domain; authenticated users can send there:\n"
        "    relay        /run/other (for senders in @example.net)\n"
        "    relay        /run/mailslot/relay\n"
        "    smarthost    smtp.example.com:587\n"
    )
    (hops / "mailslot.conf").write_text(CONF)
    (hops / "aliases").write_text("")
    good("build", hops)
    assert run("show", hops, "bob@example.com").stdout == (
        "bob@example.com: 550 5.7.1 refused: not a local domain\n")


def test_the_settings_are_a_configuration(hops, tmp_path_factory):
    (hops / "mailslot.conf").write_text(
        HOPS + "smarthost-user = x\nsmarthost-password = p\nlocal-submission = root\nrelay-limit = 9\n"
        "hide-client-address = yes\nforward-sender = f@example.org\n")
    (hops / "p").write_text("Strange weather 7\n")
    good("build", hops)
    text = good("show", hops).stdout
    assert "\nsmarthost-password = p\n" in text and "weather" not in text
    assert "\nrelay = /run/other @example.net\nrelay = /run/mailslot/relay\n" in text
    other = tmp_path_factory.mktemp("other")
    (other / "mailslot.conf").write_text(text)
    good("build", other)
    assert good("show", other).stdout.splitlines()[1:-1] == text.splitlines()[1:-1]
    settings = json.loads(good("show", hops, "--json").stdout)
    assert settings["relay"] == ["/run/other @example.net", "/run/mailslot/relay"]
    assert settings["smarthost"] == "smtp.example.com:587" and settings["relay-limit"] == "9"


def test_a_smarthost_that_cannot_be_read_is_unknown(hops):
    relay = hops / "relay.cdb"
    relay.write_bytes(relay.read_bytes()[:-1])
    assert f"    smarthost    unknown: {relay} is damaged\n" in good("show", hops, "info").stdout
    assert f"# smarthost: {relay} is damaged\n" in good("show", hops).stdout
    relay.chmod(0o666)
    assert "can be changed by others" in good("show", hops, "info").stdout
    relay.unlink()
    assert "smarthost" not in good("show", hops, "info").stdout


def test_asking_and_json_exclude_each_other(hops):
    done = run("show", hops, "--ask", "--json", "info")
    assert done.returncode == 100 and done.stdout == "" and "leave out --json" in done.stderr


def test_users_in_stores_are_listed(hops):
    rows = good("user", hops, "list", "--usage").stdout.splitlines()
    assert [row.split()[-1] for row in rows[1:]] == [
        "lmtp:/run/dovecot/lmtp", "lmtp:/run/cyrus/lmtp", "/var/mail/carol"]
    users = json.loads(good("user", hops, "list", "--usage", "--json").stdout)
    assert [(user["mailbox"], user["usage"]) for user in users[:2]] == [
        ("lmtp:/run/dovecot/lmtp", None), ("lmtp:/run/cyrus/lmtp", None)]


def test_an_export_keeps_stores(hops, tmp_path_factory):
    exported = good("user", hops, "export")
    assert exported.stderr == ""
    assert exported.stdout.splitlines()[0] == "postmaster@example.org:::::::"
    assert "userdb_mailslot_store=/run/cyrus/lmtp" in exported.stdout
    other = tmp_path_factory.mktemp("other")
    (other / "mailslot.conf").write_text(HOPS)
    good("user", other, "import", "--keep-mail" if os.path.exists("/var/mail/carol") else "-n",
         stdin=exported.stdout.encode())
    assert (other / "users").read_text() == (
        "postmaster@example.org::\nalice@example.org::send-as=@example.net,mailbox=lmtp:/run/cyrus/lmtp\n"
        "carol@example.org::mailbox=/var/mail/carol\n")
    done = run("user", other, "import", stdin=b"x:{CRYPT}*::::::userdb_mailslot_store=run\n")
    assert done.returncode == 100 and "userdb_mailslot_store: write the absolute path" in done.stderr


def test_quotas_belong_to_the_store(hops):
    before = (hops / "users").read_bytes()
    for words in (("set", "alice", "quota=1G"), ("set", "postmaster", "quota=1G"),
                  ("add", "-n", "dave", "quota=1G")):
        done = run("user", hops, *words)
        assert done.returncode == 100 and "which has quotas of its own" in done.stderr, done
    assert (hops / "users").read_bytes() == before
    good("user", hops, "set", "alice", "mailbox=/m/alice", "quota=1G")
    good("user", hops, "set", "alice", "mailbox=", "quota=")
    assert "    store        lmtp:/run/dovecot/lmtp\n" in good("show", hops, "alice").stdout
    assert "lock" not in " ".join(names(hops))
