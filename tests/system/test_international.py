"""Non-ASCII addresses, where transcripts are not enough: logging in, tools, missing libraries."""

import subprocess
from pathlib import Path

import pytest
from basics import binary, private_mount
from test_auth import TEXT
from tls import plain, run_user, session_in_tls

DOMAINS = "example.org example.net bücher.example"
JÖRG = "jörg@xn--bcher-kva.example"


@pytest.fixture
def international(secured):
    """jörg has a password; his name was typed in decomposed form."""
    secured.conf["domains"] = DOMAINS
    secured.build()
    run_user(secured, "add", "Jo\u0308rg@BÜCHER.example", "send-as=Verkauf@bücher.example,@müll.example", given="a good password\n")
    return secured


@pytest.mark.parametrize("name", ["jörg@bücher.example", "JÖRG@XN--BCHER-KVA.example"])
def test_log_in_and_send(international, name):
    """A user may send from his own addresses and those in send-as, in any form, and from no others."""
    with session_in_tls(international) as session:
        assert session.ask(plain(name, "a good password")).startswith("235 2.7.0 ")
        for sender in ("JÖRG@bücher.example", "jörg+liste@bücher.example", "VERKAUF@BÜCHER.example", "x@müll.example"):
            assert session.ask(f"MAIL FROM:<{sender}> SMTPUTF8").startswith("250 2.1.0 "), sender
            session.ask("RSET")
        for sender in ("georg@bücher.example", "jörg@example.org", "x@muell.example"):
            assert session.ask(f"MAIL FROM:<{sender}> SMTPUTF8").startswith("550 5.7.1 "), sender
        session.ask(f"MAIL FROM:<{JÖRG}> SMTPUTF8")
        session.ask("RCPT TO:<alice@example.org>")
        session.ask("DATA")
        session.send(TEXT.replace(b"\n", b"\r\n") + b".\r\n")
        assert session.reply().startswith("250 2.0.0 ")
    assert "with UTF8SMTPSA id" in international.messages("alice")[0].header("Received")


def test_wrong_password(international):
    with session_in_tls(international) as session:
        assert session.ask(plain("jörg@bücher.example", "another password")).startswith("535 5.7.8 ")


def test_tools(international):
    """All forms of the name mean one user."""
    for name in ("JÖRG@bücher.example", JÖRG):
        shown = subprocess.run([binary("mailslot-show"), "-C", international.etc, name], capture_output=True, text=True)
        assert shown.returncode == 0 and f"accepted: user {JÖRG}\n" in shown.stdout
        assert "/mail/xn--bcher-kva.example/jörg\n" in shown.stdout
    shown = subprocess.run([binary("mailslot-show"), "-C", international.etc], capture_output=True, text=True)
    assert "domains = example.org example.net xn--bcher-kva.example\n" in shown.stdout
    run_user(international, "lock", "JÖRG@bücher.example")
    with session_in_tls(international) as session:
        assert session.ask(plain("jörg@bücher.example", "a good password")).startswith("535 5.7.8 ")


@pytest.mark.parametrize("missing", ["libidn2.so.0", "libunistring.so.[25]"])
def test_missing_libraries(fresh, tmp_path, missing):
    """Non-ASCII addresses are deferred, and the log and the tools say what to install. ASCII addresses still work."""
    fresh.build()
    empty = tmp_path / "empty"
    empty.touch()
    found = {path.resolve() for path in Path("/usr/lib").glob(f"*/{missing}")}
    hide = "".join(f"mount --bind {empty} {path} && " for path in found) + 'exec "$@"'
    hidden = [*private_mount(), "sh", "-c", hide, "sh"]
    with fresh.session(wrap=hidden) as session:
        session.greet()
        session.ask("MAIL FROM:<s@client.example> SMTPUTF8")
        assert session.ask("RCPT TO:<jörg@example.org>").startswith("451 4.3.0 ")
        assert session.ask("RCPT TO:<alice@example.org>").startswith("250 2.1.5 ")
        assert "install libidn2-0 and libunistring2" in session.log
    (fresh.etc / "users").write_text("jörg@example.org::\n")
    argv = [*hidden, binary("mailslot-build"), "-C", fresh.etc]
    built = subprocess.run(argv, capture_output=True, text=True)
    assert built.returncode == 100 and "install libidn2-0 libunistring2" in built.stderr
