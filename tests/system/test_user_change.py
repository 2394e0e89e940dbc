"""mailslot-user in folders that already have mistakes: whether a change is accepted depends on its result."""

import json

import pytest
from tools import PASSWORD, good, run

HASH = "$5$saltsalt$VO9nvaWKJSK6YPyWFdKQkgxqIbH10Gz8KDu1Zh/ngI1"


def show(folder, address):
    return run("show", folder, address).stdout


def can_log_in(folder, name):
    shown = show(folder, f"{name}@example.org")
    assert "accepted" in shown
    return "credentials  none" not in shown and "credentials  locked" not in shown


def append(path, text):
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mailslot.conf").write_text(
        f"domains = example.org\nhostname = mx.example.org\nmail-root = {tmp_path}/mail\n")
    return tmp_path


@pytest.fixture
def house(folder):
    (folder / "users").write_text("".join(f"{name}@example.org:{HASH}:\n" for name in ("alice", "bob", "carol")))
    (folder / "aliases").write_text("postmaster: alice\nteam: alice, bob\n")
    good("build", folder)
    return folder


# name: (the file with the mistake, the line that is added to it)
MISTAKES = {
    "alias": ("aliases", "info: nobody\n"),
    "loop": ("aliases", "one: two\ntwo: one\n"),
    "setting": ("mailslot.conf", "max-recipient = 5\n"),
    "user": ("users", "dave@example.org::quota=much\n"),
    "line": ("users", "what is this\n"),
    "twice": ("users", f"bob@example.org:{HASH}:\n"),
}


@pytest.fixture(params=MISTAKES)
def broken(house, request):
    name, text = MISTAKES[request.param]
    append(house / name, text)
    assert run("build", house).returncode == 100
    return house


def test_an_alias_may_be_written_before_its_user(folder):
    (folder / "aliases").write_text("postmaster: alice\n")
    done = good("user", folder, "add", "alice", stdin=PASSWORD)
    assert done.stderr == "" and "accepted: alias" in show(folder, "postmaster")


def test_two_missing_users_can_be_added_one_after_the_other(folder):
    (folder / "aliases").write_text("postmaster: alice, bob\n")
    done = good("user", folder, "add", "-n", "alice")
    assert "aliases:1: warning: bob@example.org: no such user" in done.stderr
    assert "no mail is received" in done.stderr and not (folder / "mailslot.cdb").exists()
    assert good("user", folder, "add", "-n", "bob").stderr == ""
    assert "accepted: alias" in show(folder, "postmaster")


def test_a_lock_takes_effect_whatever_else_is_wrong(broken):
    done = good("user", broken, "lock", "alice@example.org")
    assert "warning: " in done.stderr and "correct the errors, then run mailslot-build" in done.stderr
    assert f"alice@example.org:!{HASH}" in (broken / "users").read_text()
    assert not can_log_in(broken, "alice") and can_log_in(broken, "bob") and can_log_in(broken, "carol")
    assert "accepted: alias" in show(broken, "team"), "what was in force before stays"
    good("user", broken, "unlock", "alice@example.org")
    assert can_log_in(broken, "alice")


def test_nothing_else_of_a_wrong_file_gets_into_the_database(broken):
    (broken / "aliases").write_text("postmaster: nobody\n")
    users = broken / "users"
    users.write_text(users.read_text().replace(f"carol@example.org:{HASH}:", "carol@example.org::disabled"))
    good("user", broken, "lock", "alice@example.org")
    assert can_log_in(broken, "carol") and "accepted: user" in show(broken, "carol")
    assert "accepted: alias" in show(broken, "team") and "accepted: alias" in show(broken, "postmaster")


def test_other_changes_take_effect_too(broken):
    good("user", broken, "passwd", "carol@example.org", stdin=PASSWORD)
    good("user", broken, "add", "erin@example.org", f"mailbox={broken}/elsewhere/erin", stdin=PASSWORD)
    good("user", broken, "del", "carol@example.org")
    assert can_log_in(broken, "erin") and "no such user" in show(broken, "carol@example.org")
    assert b"folders%s/elsewhere\n" % bytes(broken) in (broken / "mailslot.cdb").read_bytes()
    passwd = broken / "passwd"
    passwd.write_text(f"fay@example.org:{HASH}\n")
    done = good("user", broken, "import", passwd)
    assert done.stdout == "1 added, 0 replaced\n" and can_log_in(broken, "fay")


def test_reading_always_works(broken):
    assert good("user", broken, "list").stdout.count("@example.org") >= 3
    assert good("user", broken, "list", "alice@example.org").stdout.startswith("alice@example.org")
    assert "warning: " in good("user", broken, "list", "--json").stderr
    assert run("user", broken, "export").stdout.count(HASH) >= 3


def test_a_new_mistake_is_refused(broken):
    before = {path.name: path.read_bytes() for path in broken.iterdir() if path.is_file()}
    done = run("user", broken, "add", "-n", "erin@example.org", "quota=much")
    assert done.returncode == 100 and "1 error in" in done.stderr, done
    assert run("user", broken, "add", "-n", "erin@example.com").returncode == 100
    assert before == {path.name: path.read_bytes() for path in broken.iterdir() if path.is_file()}


def test_a_correct_file_is_compiled_again(broken):
    good("user", broken, "lock", "alice@example.org")
    (broken / "mailslot.conf").write_text("domains = example.org\n")
    (broken / "aliases").write_text("postmaster: alice\n")
    users = broken / "users"
    users.write_text("".join(line for line in users.read_text().splitlines(True)[:3]))
    assert good("user", broken, "unlock", "alice").stderr == ""
    assert can_log_in(broken, "alice") and "no such user" in show(broken, "team")


@pytest.mark.parametrize("wrong", ["quota=much", "send-as=nobody", "mailbox=relative", "colour=blue"])
def test_a_user_with_a_mistake_is_locked_and_otherwise_unchanged(house, wrong):
    users = house / "users"
    users.write_text(users.read_text().replace(f"{HASH}:\n", f"{HASH}:{wrong}\n", 1))
    good("user", house, "lock", "alice")
    assert not can_log_in(house, "alice") and f"mailbox      {house}/mail/example.org/alice" in show(house, "alice")


def test_malformed_credentials_can_be_locked(house):
    users = house / "users"
    users.write_text(users.read_text().replace(HASH, "$5$cut", 1))
    good("user", house, "lock", "alice")
    assert not can_log_in(house, "alice")


WRONG_LINES = {
    "control byte in the options": (b"alice@example.org:%s:\x01quota=1G", b"alice@example.org:!%s:\x01quota=1G"),
    "control byte in the hash": (b"alice@example.org:\x02%s:", b"alice@example.org:!\x02%s:"),
    "control byte after the address": (b"alice@example.org\x7f:%s:", b"alice@example.org\x7f:!%s:"),
    "NUL": (b"alice@example.org\0:%s:", b"alice@example.org\0:!%s:"),
    "no colon": (b"alice@example.org %s", b"alice@example.org:! %s"),
    "address alone": (b"alice@example.org", b"alice@example.org:!"),
    "upper case": (b"Alice@Example.org %s", b"Alice@Example.org:! %s"),
    "too long": (b"alice@example.org:%s:" + b"x" * 70000, b"alice@example.org:!%s:" + b"x" * 70000),
}


@pytest.mark.parametrize("line", WRONG_LINES)
@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_malformed_line_is_locked_if_it_begins_with_the_address(house, line, end):
    old, new = (text.replace(b"%s", HASH.encode()) + end for text in WRONG_LINES[line])
    users = house / "users"
    others = b"".join(users.read_bytes().splitlines(True)[1:])
    users.write_bytes(others + old)
    errors = run("build", house).stderr
    assert errors.count("users:3: ") == 1 and can_log_in(house, "alice")
    good("user", house, "lock", "alice")
    assert users.read_bytes() == others + new
    assert not can_log_in(house, "alice") and "accepted: alias" in show(house, "team") and can_log_in(house, "bob")


@pytest.mark.parametrize("line", [line for line in WRONG_LINES if line != "address alone"])
def test_a_further_malformed_line_is_locked_too(house, line):
    old, new = (text.replace(b"%s", HASH.encode()) + b"\n" for text in WRONG_LINES[line])
    users = house / "users"
    text = users.read_bytes()
    users.write_bytes(old + text)
    good("user", house, "lock", "alice")
    assert users.read_bytes() == new + text.replace(b":", b":!", 1)
    assert not can_log_in(house, "alice") and can_log_in(house, "bob")


def test_a_malformed_line_can_get_a_password_and_be_deleted(house):
    users = house / "users"
    users.write_text(users.read_text().replace(f"carol@example.org:{HASH}:", f"carol@example.org:{HASH}:\x01"))
    good("user", house, "passwd", "carol", stdin=PASSWORD)
    assert can_log_in(house, "carol") and HASH not in users.read_text().splitlines()[2]
    good("user", house, "del", "carol")
    assert "carol" not in users.read_text() and "no such user" in show(house, "carol")


def test_each_line_of_a_user_is_locked(house):
    append(house / "users", f"alice@example.org:{HASH}:\nalice@example.org:{HASH}:quota=1G\n")
    good("user", house, "lock", "alice")
    assert (house / "users").read_text().count(f"alice@example.org:!{HASH}") == 3


def test_a_lock_by_hand_takes_effect(house):
    users = house / "users"
    users.write_text(users.read_text().replace(HASH, f"!{HASH}", 1))
    append(house / "aliases", "info: nobody\n")
    good("user", house, "lock", "alice")
    assert not can_log_in(house, "alice")


@pytest.mark.parametrize("name", ["mailslot.conf", "aliases"])
def test_a_lock_needs_no_other_file(house, name):
    (house / name).unlink()
    (house / name).mkdir()
    good("user", house, "lock", "alice@example.org")
    assert not can_log_in(house, "alice")
    assert run("user", house, "add", "-n", "erin@example.org").returncode == 111
    assert "alice@example.org" in good("user", house, "list").stdout


def test_without_domains_the_whole_address_is_needed(house):
    conf = house / "mailslot.conf"
    conf.write_text(conf.read_text().replace("domains", "domans"))
    done = run("user", house, "lock", "alice")
    assert done.returncode == 100 and "write the whole address" in done.stderr
    good("user", house, "lock", "alice@example.org")
    assert not can_log_in(house, "alice")


def test_a_user_who_receives_mail_of_an_alias_in_the_database_is_not_deleted(house):
    (house / "aliases").write_text("postmaster: nobody\n")
    done = run("user", house, "del", "bob")
    assert done.returncode == 100 and "still includes this user" in done.stderr, done
    assert "accepted: alias" in show(house, "team") and "bob@" in (house / "users").read_text()


# --- set


@pytest.mark.parametrize("words", [("lock", "alice"), ("set", "alice", "quota=1M"), ("passwd", "-n", "alice")],
                         ids=lambda words: words[0])
def test_an_alias_with_a_users_name_comes_before_the_user_after_a_change(house, words):
    append(house / "aliases", "alice: bob, carol\n")
    good("build", house)
    append(house / "aliases", "info: nobody\n")
    good("user", house, *words)
    assert "accepted: alias" in show(house, "alice") and "accepted: user" in show(house, "bob")


def options(folder, name="alice"):
    for line in (folder / "users").read_text().splitlines():
        if line.startswith(f"{name}@"):
            return line.split(":", 2)[2]
    raise AssertionError(name)


def test_options_are_set_and_removed(house):
    good("user", house, "set", "alice", "quota=1G", "send-as=sales@example.org,@example.net")
    assert options(house) == "quota=1G,send-as=sales@example.org,@example.net"
    shown = show(house, "alice")
    assert "1073741824 bytes" in shown and "send-as      @example.net" in shown
    done = good("user", house, "set", "alice", "quota=2M")
    assert options(house) == "send-as=sales@example.org,@example.net,quota=2M"
    assert done.stdout == f"alice@example.org: {options(house)}\n"
    good("user", house, "set", "alice", "disabled", "send-as=")
    assert options(house) == "quota=2M,disabled" and "disabled" in show(house, "alice")
    good("user", house, "set", "alice", "disabled=no,quota=")
    assert options(house) == "" and "accepted" in show(house, "alice")


@pytest.mark.parametrize("line", ["alice", "alice:", "alice::", " alice : : quota=1M ", "alice::\tdisabled ,quota=1M"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_the_rest_of_the_line_and_the_file_stay(folder, line, end):
    users = folder / "users"
    users.write_bytes(f"# who\nbob::quota=3M\n{line if ':' in line else line + ':'}{end}".encode())
    good("user", folder, "set", "alice", "quota=5M")
    text = users.read_bytes().decode()
    assert text.startswith("# who\nbob::quota=3M\n") and text.endswith(("quota=5M " if line.endswith(" ") else "quota=5M") + end)
    assert "5242880 bytes" in show(folder, "alice") and ("disabled" in show(folder, "alice")) == ("disabled" in line)


@pytest.mark.parametrize("words, said", [
    (["quota=much"], "quota: write a size"),
    (["colour=blue"], "`colour=blue` is not an option"),
    (["quota=1G", "quota=2G"], "given twice"),
    (["send-as=nobody@"], "`nobody@` is not a mail address"),
    (["mailbox=relative"], "write an absolute path"),
    ([f"mailbox=/{'x' * 300}"], "longer than 200 bytes"),
    (["quota=1G\nbob::"], "line break"),
    ([], "set needs an ADDRESS and options"),
])
def test_refused_options_are_explained(house, words, said):
    before = (house / "users").read_bytes(), (house / "mailslot.cdb").read_bytes()
    done = run("user", house, "set", "alice", *words)
    assert done.returncode == 100 and said in done.stderr, done
    assert before == ((house / "users").read_bytes(), (house / "mailslot.cdb").read_bytes())


def test_an_old_mistake_does_not_allow_the_same_one_again(house):
    users = house / "users"
    users.write_text(users.read_text().replace(f"{HASH}:\n", f"{HASH}:quota=1X\n", 1))
    assert run("user", house, "set", "alice", "quota=2X").returncode == 100
    assert good("user", house, "set", "alice", "quota=2G").stderr == "" and "2147483648" in show(house, "alice")


@pytest.mark.parametrize("words, said", [
    (["quota", "alice"], "mailslot-user set ADDRESS quota=SIZE"),
    (["send-as", "alice"], "mailslot-user set ADDRESS send-as=ADDRESS"),
    (["remove", "alice"], "there is no command remove"),
    ([], "give a command"),
    (["lock"], "lock needs an ADDRESS"),
    (["del", "alice", "bob"], "remove bob"),
    (["list", "--replace"], "list does not take --replace"),
])
def test_wrong_usage_is_explained_in_a_line(house, words, said):
    done = run("user", house, *words)
    assert done.returncode == 100 and said in done.stderr and done.stderr.count("\n") == 1, done


# --- mail of a former user


def put_mail(folder, name, mail="From x\n\nold\n\n"):
    mailbox = folder / "mail" / "example.org" / name
    mailbox.parent.mkdir(parents=True, exist_ok=True)
    mailbox.write_text(mail)
    return mailbox


def test_old_mail_is_not_given_to_a_new_user_by_default(house):
    mailbox = put_mail(house, "carol")
    good("user", house, "del", "carol")
    done = run("user", house, "add", "-n", "carol")
    assert done.returncode == 100 and f"{mailbox} already exists, with 13 bytes of mail" in done.stderr, done
    assert "carol" not in (house / "users").read_text() and mailbox.exists()
    done = good("user", house, "add", "-n", "--keep-mail", "carol")
    assert "mail that was already there is now this user's: 13 bytes" in done.stdout


def test_an_empty_mailbox_does_not_prevent_a_new_user(house):
    put_mail(house, "dave", "")
    assert "already" not in good("user", house, "add", "-n", "dave").stdout


def test_imported_users_with_mail_are_named(house):
    mailbox = put_mail(house, "dave")
    (house / "passwd").write_text(f"dave@example.org:{HASH}\nerin@example.org:{HASH}\n")
    done = good("user", house, "import", house / "passwd")
    assert f"{mailbox} already exists, with 13 bytes" in done.stderr and "erin" not in done.stderr


def test_another_mailbox_leaves_the_mail_where_it_is(house):
    old = put_mail(house, "alice")
    new = house / "elsewhere"
    new.write_text("From y\n\n")
    said = good("user", house, "set", "alice", f"mailbox={new}").stdout
    assert said.splitlines()[1:] == [
        f"the old mail stays in {old}: 13 bytes", f"the mail already in {new} is now this user's: 8 bytes"]
    assert "stays" not in good("user", house, "set", "alice", "quota=1G").stdout
    old.unlink()
    said = good("user", house, "set", "alice", "mailbox=").stdout
    assert f"stays in {new}: 8 bytes" in said and "already" not in said
    assert old.parent.exists() and new.read_text() == "From y\n\n"


def test_a_line_with_only_an_address_can_get_options(house):
    append(house / "users", "dave@example.org\n")
    good("user", house, "set", "dave", "quota=1G")
    assert "dave@example.org::quota=1G\n" in (house / "users").read_text() and "1073741824" in show(house, "dave")


def test_sizes_of_mailboxes_are_shown(house):
    put_mail(house, "alice", "x" * 20000)
    rows = [line.split() for line in good("user", house, "list", "--usage").stdout.splitlines()]
    assert [row[4] for row in rows] == ["USED", "19K", "-", "-"]
    one, *others = json.loads(good("user", house, "list", "--usage", "--json").stdout)
    assert one["usage"] == 20000 and others[0]["usage"] is None
    assert "size         20000 bytes" in show(house, "alice") and "size         0 bytes" in show(house, "bob")
