"""mailslot-user with users of other programs: import, export, list --json, add --system."""

import grp
import json
import os
import pwd
import stat
import subprocess

import pytest
from basics import BUILD, needs, over_usr, private_mount, skip_because, unpacked, unpacked_environment
from tools import CHEAP, PASSWORD, good, names, record, run, scram, start

HASH = CHEAP["$6$"]
YESCRYPT = CHEAP["$y$"]


def put(folder, name, *lines):
    """Writes a file of these lines."""
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def users(folder):
    return (folder / "users").read_text().splitlines()


def objects(folder, *words):
    return json.loads(good("user", folder, "list", "--json", *words).stdout)


@pytest.fixture
def lists(tmp_path_factory):
    return tmp_path_factory.mktemp("lists")


# --- passwd and shadow

PASSWD = (
    "root:x:0:0:root:/root:/bin/bash",
    "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin",
    "alice:x:1000:1000:Alice \"A\" [,,,:/home/alice:/bin/bash",
    "bob:x:1001:1001::/home/bob:/usr/sbin/nologin",
    "carol:x:1002:1002::/home/carol:/bin/sh",
    "dave:x:1003:1003::/home/dave:/bin/sh",
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
)
SHADOW = (
    f"root:{HASH}:19000:0:99999:7:::",
    "daemon:*:19000:0:99999:7:::",
    f"alice:{YESCRYPT}:19000:0:99999:7:::",
    f"bob:!{HASH}:19000:0:99999:7:::",
    "carol:!:19000:0:99999:7:::",
    f"dave:{HASH}:19000:0:99999:7::19001:",
    "nobody:*:19000:0:99999:7:::",
)
IMPORTED = [
    f"alice@example.org:{YESCRYPT}:",
    f"bob@example.org:!{HASH}:",
    "carol@example.org:!:",
    f"dave@example.org:!{HASH}:",
]


@pytest.mark.parametrize("order", ["passwd shadow", "shadow passwd", "one stream"])
def test_passwd_and_shadow_make_users_together(folder, lists, order):
    files = {"passwd": put(lists, "passwd", *PASSWD), "shadow": put(lists, "shadow", *SHADOW)}
    if order == "one stream":
        text = b"".join(path.read_bytes() for path in files.values())
        result = good("user", folder, "import", stdin=text)
    else:
        result = good("user", folder, "import", *(files[name] for name in order.split()))
    assert sorted(users(folder)) == IMPORTED
    assert result.stdout == "4 added, 0 replaced; left out: 3 system accounts\n"
    assert record(folder, "credential:alice@example.org") == [f"crypt={YESCRYPT}"]
    for name in ("bob", "carol", "dave"):
        assert record(folder, f"credential:{name}@example.org") is None
        assert record(folder, f"user:{name}@example.org")


def test_passwd_alone_makes_users_who_only_receive(folder, lists):
    good("user", folder, "import", put(lists, "passwd", *PASSWD))
    assert users(folder) == [f"{name}@example.org::" for name in ("alice", "bob", "carol", "dave")]


def test_shadow_alone_does_not_make_users_of_accounts_without_a_password(folder, lists):
    result = good("user", folder, "import", put(lists, "shadow", *SHADOW))
    assert users(folder) == [line for line in IMPORTED if not line.startswith("carol")]
    assert "1 system account, 3 accounts without a password" in result.stdout


def test_this_machines_own_files(folder):
    if os.geteuid() != 0:
        pytest.skip("only root can read shadow")
    good("user", folder, "import", "/etc/passwd", "/etc/shadow")
    found = users(folder) if (folder / "users").exists() else []  # a bare machine has none
    assert not {"root", "daemon", "nobody"} & {line.split("@")[0] for line in found}


def test_a_lock_may_precede_or_follow_the_scheme(folder, lists):
    good("user", folder, "import", put(lists, "list", f"alice:!{{CRYPT}}{HASH}", f"bob:{{CRYPT}}!{HASH}", f"carol:!{HASH}"))
    assert {line.partition(":")[2] for line in users(folder)} == {f"!{HASH}:"}


def test_old_hashes_without_a_dollar_are_accepted(folder, lists):
    good("user", folder, "import", put(lists, "shadow", "alice:itfCIl1erVSlo:19000::::::"))
    assert users(folder) == ["alice@example.org:{CRYPT}itfCIl1erVSlo:"]


# --- Dovecot


def test_dovecot_lines(folder, lists):
    path = put(
        lists, "passwd",
        "# Dovecot's", "",
        f"alice:{{SHA512-CRYPT}}{HASH}:5000:5000::/srv/mail/alice::userdb_quota_rule=*:storage=1G",
        f"bob@example.net:{{BLF-CRYPT}}{CHEAP['$2b$']}:::::: nologin userdb_quota_rule=*:bytes=5",
        f"carol:{scram(b'x')}::::::userdb_mail=mbox:~/mail:INBOX=/srv/50%%/carol",
        f"dave:{HASH}", "eve::::::: allow_nets=127.0.0.1 userdb_quota_rule2=Trash:ignore",
        f"frank:{{CRYPT}}!{HASH}:vmail:vmail::/home:", f"grace:{{MD5-CRYPT}}{CHEAP['$1$']}:8:8::/h:",
    )
    result = good("user", folder, "import", path)
    assert users(folder) == [
        f"alice@example.org:{{SHA512-CRYPT}}{HASH}:quota=1G",
        f"bob@example.net:!{{BLF-CRYPT}}{CHEAP['$2b$']}:quota=5",
        f"carol@example.org:{scram(b'x')}:mailbox=/srv/50%/carol",
        f"dave@example.org:{HASH}:", "eve@example.org::",
        f"frank@example.org:!{HASH}:", f"grace@example.org:{{MD5-CRYPT}}{CHEAP['$1$']}:",
    ]
    for name in ("allow_nets", "userdb_quota_rule2"):
        assert f"{path}:7: warning: {name}: " in result.stderr
    assert "127.0.0.1" not in result.stderr


BAD = {
    f"a:{{PLAIN}}secret-word:::::": "a@example.org: this {SCHEME} is not supported",
    "b:{SSHA}secret-word::::::": "b@example.org: this {SCHEME}",
    "c:secret-word::::::": "c@example.org: an unknown kind of hash",
    f"d:{{SHA512-CRYPT}}{HASH}x::::::": "d@example.org: the hash is damaged",
    f"e:{HASH}::::::userdb_quota_rule=*:storage=much": "userdb_quota_rule: not a size",
    f"f@gmail.com:{HASH}": "`f@gmail.com`: gmail.com is not one of",
    "no colon": "no colon",
    "g h:x:1000:1000:::": "`g h` is not a mail address",
    "old:x:1000:1000:::": "old@example.org already exists in ",
    f"good:{HASH}": "good@example.org is already in ",
    "../i:x:1000:1000:::": "`../i` cannot be the name of a file",
    "j/k:x:1000:1000:::": "`j/k` cannot be the name of a file",
    "l:$3$$cfc43211ba8dc470832267827cac1407::::::": "an NT hash has no salt",
    f"m:{HASH}:quota=1G": "as in mailslot's own `users`",
    "n:x:1000:1000:\x07::": "control character",
    "o:{CRYPT}::::::": "not a crypt(3) hash",
    "p:::::::userdb_mail=mbox:~/m:INBOX=/m/s/old": "mailbox /m/s/old already belongs to old@example.org",
    "s:::::::userdb_mail=mbox:~/m:INBOX=/m/s": "mailbox /m/s/old would be inside the mailbox of s@",
    "q:::::::userdb_mailslot_send_as=@-x": "send-as: `@-x` is not a domain name",
    "r:::::::userdb_mailslot_scram=1;2": "the SCRAM verifier is damaged",
    "+::::::": "users of NIS",
}


def test_with_one_wrong_line_nothing_is_imported(folder, lists):
    put(folder, "users", "old::mailbox=/m/s/old")
    before = names(folder)
    for line, said in BAD.items():
        path = put(lists, "list", f"good:{HASH}", line)
        result = run("user", folder, "import", path)
        assert result.returncode == 100, line
        assert f"{path}:2: " in result.stderr and said in result.stderr, result.stderr
        assert "1 line is wrong, so nothing was imported" in result.stderr
        assert "secret-word" not in result.stderr
        assert users(folder) == ["old::mailbox=/m/s/old"] and names(folder) == before


def test_all_wrong_lines_are_reported_and_the_others_can_be_imported(folder, lists):
    put(folder, "users", "old::mailbox=/m/s/old")
    path = put(lists, "list", f"good:{HASH}", *BAD, f"last:{HASH}")
    result = run("user", folder, "import", path)
    assert result.returncode == 100
    for number, line in enumerate(BAD, 2):
        assert any(said.startswith(f"{path}:{number}: ") and BAD[line] in said
                   for said in result.stderr.splitlines()), line
    assert f"{len(BAD)} lines are wrong" in result.stderr
    assert users(folder) == ["old::mailbox=/m/s/old"]
    skipped = good("user", folder, "import", "--skip-bad", path)
    assert f"2 added, 0 replaced; left out: {len(BAD)} wrong lines\n" == skipped.stdout
    assert f"{path}:2: " in skipped.stderr
    assert users(folder) == ["old::mailbox=/m/s/old", f"good@example.org:{HASH}:",
                             f"last@example.org:{HASH}:"]


def test_a_hundred_wrong_lines_are_all_reported(folder, lists):
    path = put(lists, "list", *(f"user{i}:{{SSHA}}x" for i in range(100)))
    said = run("user", folder, "import", path).stderr
    assert all(f"{path}:{i}: user{i - 1}@" in said for i in range(1, 101))
    assert "not shown" not in said


def test_users_are_imported_without_unsupported_passwords(folder, lists):
    path = put(lists, "list", "alice:{SSHA}x::::::userdb_quota_rule=*:storage=1M", "bob:!y::::::")
    assert run("user", folder, "import", path).returncode == 100
    good("user", folder, "import", "-n", path)
    assert users(folder) == ["alice@example.org::quota=1M", "bob@example.org:!:"]


# --- users who exist already


def test_replace(folder, lists):
    other = CHEAP["$1$"]
    text = (
        f"# ours\r\n  alice : {HASH} : quota=1G,send-as=x@y.z\r\n\nbob:{HASH}:quota=2G\n"
        f"carol:{HASH}:disabled\ndave:{HASH}:quota=3G\r\n# end"
    )
    (folder / "users").write_bytes(text.encode())
    path = put(
        lists, "list",
        f"alice:{other}:19000::::::", "bob:x:1000:1000:::", "carol:*:19000::::::",
        "carol:x:1001:1001:::", f"Dave@Example.org:{other}::::::userdb_quota_rule=*:storage=5",
        f"eve:{other}::::::",
    )
    assert run("user", folder, "import", path).returncode == 100
    assert (folder / "users").read_bytes() == text.encode()
    result = good("user", folder, "import", "--replace", path)
    assert result.stdout == (
        "1 added, 3 replaced; left out: 1 user for whom passwd has nothing new\n"
    )
    assert (folder / "users").read_bytes().decode() == (
        f"# ours\r\n  alice :{other}: quota=1G,send-as=x@y.z\r\n\nbob:{HASH}:quota=2G\n"
        f"carol::disabled\ndave@example.org:{other}:quota=5K\r\n# end\n"
        f"eve@example.org:{other}:\n"
    )
    assert record(folder, "credential:alice@example.org") == [f"crypt={other}"]
    wrong = put(lists, "wrong", "bob:{SSHA}x", f"dave:{HASH}")
    assert f"{wrong}:1: bob@" in run("user", folder, "import", "--replace", wrong).stderr
    good("user", folder, "import", "--replace", "--skip-bad", wrong)
    assert users(folder)[-3:] == [f"dave@example.org:{HASH}:", "# end", f"eve@example.org:{other}:"]
    assert f"bob:{HASH}:quota=2G" in users(folder)


# --- where lists come from


def test_an_import_that_waits_for_its_input_blocks_nobody(folder):
    waiting = start("user", folder, "import", "-", stdin=subprocess.PIPE)
    waiting.stdin.write(b"alice:x:1000:1000:::\n")
    waiting.stdin.flush()
    good("user", folder, "add", "-n", "bob")
    waiting.communicate(b"carol:x:1001:1001:::", timeout=60)
    assert waiting.returncode == 0
    assert users(folder) == [f"{name}@example.org::" for name in ("bob", "alice", "carol")]


def test_pipes_and_unreadable_lists(folder):
    command = '"$0" -C "$1" import <(echo alice:x:1000:1000:::) <(echo bob:x:1001:1001:::)'
    subprocess.run(["bash", "-c", command, BUILD / "mailslot-user", folder], check=True,
                   capture_output=True)
    assert users(folder) == ["alice@example.org::", "bob@example.org::"]
    for path in (folder / "nothing", folder):
        result = run("user", folder, "import", path)
        assert result.returncode == 111 and str(path) in result.stderr
    before = (folder / "mailslot.cdb").stat().st_ino
    assert good("user", folder, "import").stdout == "0 added, 0 replaced\n"
    assert (folder / "mailslot.cdb").stat().st_ino == before


def test_many_users(folder, lists):
    count = 20000
    passwd = put(lists, "passwd", *(f"user{i:05}:x:{1000 + i}:9:::" for i in range(count)))
    shadow = put(lists, "shadow", *(f"user{i:05}:{HASH}:9::::::" for i in range(count)))
    good("user", folder, "import", passwd, shadow)
    assert good("user", folder, "import", "--replace", shadow).stdout == f"0 added, {count} replaced\n"
    lines = good("user", folder, "export").stdout.splitlines()
    assert len(lines) == count == len(objects(folder))
    assert record(folder, f"credential:user{count - 1:05}@example.org") == [f"crypt={HASH}"]


@pytest.mark.parametrize(
    "words",
    [("import", "-n", "--replace"), ("import", "--json"), ("export", "alice"), ("export", "-n"),
     ("list", "--skip-bad"), ("add", "--json", "-n", "alice"), ("passwd", "--system", "alice"),
     ("del", "--replace", "alice")],
)
def test_options_of_other_commands_are_wrong_usage(folder, words):
    put(folder, "users", "alice::")
    result = run("user", folder, *words)
    assert result.returncode == 100 and not result.stdout and result.stderr
    assert names(folder) == ["mailslot.conf", "users"]


# --- export

ALL = {
    "none": "", "locked-none": "!", "none-disabled": ":disabled",
    **{f"kind{i}": kind for i, kind in enumerate(CHEAP.values())},
    "scram": scram(b"one"), "two": f"{scram(b'one')} {scram('①'.encode())}",
    "both": f"{HASH} {scram(b'one')}", "all": f"{HASH} {scram(b'one')} {scram(b'two')}",
    "locked": f"!{HASH} {scram(b'one')}", "disabled": f"{HASH}:disabled",
    "both-off": f"! {scram(b'one')} :disabled,quota=1", "q1": ":quota=1G", "q2": ":quota=1023",
    "q3": ":quota=3T", "q4": f":quota={2**63 - 1}", "mailbox": ":mailbox=/srv/50%/m",
    "from": ":send-as=sales@example.org,@example.net,50%@x.org,quota=1K", "a+b": "", "#x": "",
    "everything": f"{HASH}:quota=5M,send-as=@x.org,disabled,mailbox=/srv/e",
}


def state(folder):
    """All that the database has about users, and the output of list."""
    found = {user["address"]: user for user in objects(folder)}
    return {key: (user, record(folder, f"user:{key}"), record(folder, f"credential:{key}"))
            for key, user in found.items()}


def test_an_export_makes_the_same_users_again(folder, tmp_path_factory):
    put(folder, "users", *(f"{name}:{rest}" for name, rest in ALL.items() if name != "#x"))
    good("build", folder)
    exported = good("user", folder, "export")
    assert not exported.stderr
    other = tmp_path_factory.mktemp("other")
    (other / "mailslot.conf").write_bytes((folder / "mailslot.conf").read_bytes())
    imported = good("user", other, "import", stdin=exported.stdout.encode())
    assert imported.stdout == f"{len(ALL) - 1} added, 0 replaced\n"
    assert state(other) == state(folder)
    again = good("user", folder, "import", "--replace", stdin=exported.stdout.encode())
    assert again.stdout == f"0 added, {len(ALL) - 1} replaced\n"
    assert state(other) == state(folder)
    assert good("user", folder, "export").stdout == exported.stdout


def test_what_cannot_be_exported_is_reported(folder):
    put(folder, "users", "alice::quota=1G", '"#x"::', '"a b"::', '"c:d"::', "e::mailbox=/m/a b",
        "f::mailbox=/m/a:b", 'g::send-as="a,b"@x.org', "last::")
    result = run("user", folder, "export")
    assert result.returncode == 1
    for line in range(2, 8):
        assert f"{folder}/users:{line}: " in result.stderr
    assert result.stdout.splitlines() == [
        "alice@example.org:::::::userdb_quota_rule=*:storage=1G", "e@example.org:::::::",
        "f@example.org:::::::", "g@example.org:::::::", "last@example.org:::::::",
    ]


# $1: a command that mounts Dovecot into /usr, where it looks for its parts; $2: the scratch folder.
DOVECOT = r"""
eval "$1" && mount -t tmpfs tmpfs /run || exit 77
dovecot -F -c "$2/dovecot.conf" >&2 &
for i in $(seq 400); do [ -S /run/auth-client ] && [ -S /run/auth-userdb ] && break; sleep 0.05; done
for name in alice bob carol; do
    doveadm -c "$2/dovecot.conf" auth test "$name@example.org" "correct horse battery"
done
doveadm -c "$2/dovecot.conf" auth test alice@example.org "battery horse"
doveadm -c "$2/dovecot.conf" user alice@example.org
kill $! && wait
"""
DOVECOT_CONF = {
    "2.3": """
base_dir = /run
state_dir = /run
log_path = {0}/log
ssl = no
protocols =
auth_failure_delay = 0
default_internal_user = root
default_login_user = root
default_internal_group = root
mail_uid = 1000
mail_gid = 1000
mail_home = {0}/%u
mail_location = mbox:~/mail
passdb {{
  driver = passwd-file
  args = {0}/passwd
}}
userdb {{
  driver = passwd-file
  args = {0}/passwd
}}
""",
    "2.4": """
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
base_dir = /run
state_dir = /run
log_path = {0}/log
ssl = no
protocols =
auth_failure_delay = 0
default_internal_user = root
default_login_user = root
default_internal_group = root
mail_uid = 1000
mail_gid = 1000
mail_home = {0}/%{{user}}
mail_driver = mbox
mail_path = ~/mail
passdb passwd-file {{
  passwd_file_path = {0}/passwd
}}
userdb passwd-file {{
  passwd_file_path = {0}/passwd
}}
""",
}


@pytest.mark.world
def test_dovecot_takes_the_export(folder, lists):
    program = unpacked("dovecot-core", "usr/sbin/dovecot")
    if os.geteuid() != 0:
        skip_because("only root can start a Dovecot")
    told = subprocess.run([program, "--version"], env=unpacked_environment(), capture_output=True, text=True)
    version = told.stdout[:3]
    for name in ("alice", "bob", "carol"):
        good("user", folder, "add", name, "quota=1G,mailbox=/srv/" + name, stdin=PASSWORD)
    put(folder, "users", *(line.replace(line.split(":")[1], line.split(" ")[1].split(":")[0])
                           if line.startswith("bob") else line for line in users(folder)))
    good("user", folder, "lock", "carol")
    (lists / "passwd").write_text(good("user", folder, "export").stdout)
    (lists / "dovecot.conf").write_text(DOVECOT_CONF[version].format(lists))
    result = subprocess.run([*private_mount(), "bash", "-c", DOVECOT, "bash", over_usr("dovecot-core"), lists],
                            env=unpacked_environment(), capture_output=True, text=True, timeout=60)
    if result.returncode == 77:
        skip_because(f"no overlay can be mounted: {result.stderr.strip()}")
    said = result.stdout.split("passdb: ")[1:]
    for i, name in enumerate(("alice", "bob", "carol")):
        assert f"{name}@example.org auth succeeded" in said[i], result
        assert ("nologin" in said[i]) == (name == "carol")
    assert "alice@example.org auth failed" in said[3], result
    assert "quota_rule\t*:storage=1G\n" in result.stdout
    assert "mail\tmbox:~/mail:INBOX=/srv/alice\n" in result.stdout
    assert "mail_inbox_path\t/srv/alice\n" in result.stdout


# --- list --json


def test_json_has_everything_except_secrets(folder):
    put(folder, "users", f"alice:{HASH} {scram(b'one')} {scram(b'two')}:quota=1G,send-as=x@y.z,@b.c",
        f"bob:!{scram(b'one')}:disabled", "carol::mailbox=/var/mail/carol")
    shown = good("user", folder, "list", "--json").stdout
    assert json.loads(shown) == [
        {"address": "alice@example.org", "credentials": ["sha512crypt", "SCRAM-SHA-256"],
         "locked": False, "disabled": False, "quota": 2**30, "send_as": ["x@y.z", "@b.c"],
         "mailbox": "/var/lib/mailslot/example.org/alice"},
        {"address": "bob@example.org", "credentials": ["SCRAM-SHA-256"], "locked": True,
         "disabled": True, "quota": None, "send_as": [],
         "mailbox": "/var/lib/mailslot/example.org/bob"},
        {"address": "carol@example.org", "credentials": [], "locked": False, "disabled": False,
         "quota": None, "send_as": [], "mailbox": "/var/mail/carol"},
    ]
    for secret in ("a" * 20, "abcdefgh", *scram(b"one").split(",")[1:]):
        assert secret not in shown
    assert objects(folder, "Bob") == [json.loads(shown)[1]]
    result = run("user", folder, "list", "--json", "nobody")
    assert result.returncode == 1 and not result.stdout and "nobody@example.org" in result.stderr
    (folder / "users").write_text("")
    assert objects(folder) == []


def test_json_is_valid_whatever_the_bytes(folder):
    needs("jq")
    odd = [bytes([c]) for c in range(0x20, 0x100) if chr(c) not in "/,\x7f"]
    odd += ["ä€𝄞".encode(), b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf",
            b'"\\u0000"']
    (folder / "users").write_bytes(
        b"".join(b"u%d::mailbox=/srv/x%bx%d\n" % (i, text, i) for i, text in enumerate(odd))
        + rb'"q\"\\ q"::mailbox=/srv/q' + b"\n")
    process = start("user", folder, "list", "--json")
    shown = process.communicate(timeout=60)[0]
    found = json.loads(shown.decode("utf-8"))  # strictly
    assert [os.fsencode(user["mailbox"]) for user in found[:-1]] == [
        b"/srv/x%bx%d" % (text, i) for i, text in enumerate(odd)]
    assert found[-1]["address"] == 'q"\\ q@example.org'
    read = subprocess.run(["jq", "-r", ".[-1].address, length"], input=shown, capture_output=True,
                          check=True)
    assert read.stdout.decode().splitlines() == ['q"\\ q@example.org', str(len(odd) + 1)]


# --- add --system


@pytest.fixture
def spool(tmp_path_factory):
    """A folder like /var/mail, and a user of this machine."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a mailbox to its user")
    path = tmp_path_factory.mktemp("spool")
    os.chown(path, 0, grp.getgrnam("mail").gr_gid)
    path.chmod(0o2775)
    return path


USER = "nobody"


def add_system(folder, spool, *options, words=("-n",)):
    return run("user", folder, "add", "--system", *words, USER,
               ",".join([f"mailbox={spool}/{USER}", *options]), stdin=PASSWORD)


def look(path):
    st = path.lstat()
    return st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode), st.st_size


def test_a_system_users_mailbox_is_as_policy_requires(folder, spool):
    box = spool / USER
    result = add_system(folder, spool, "quota=1G", words=())
    assert result.returncode == 0 and f"{box}, new" in result.stdout
    assert users(folder)[0].endswith(f":mailbox={box},quota=1G")
    assert look(box) == (pwd.getpwnam(USER).pw_uid, grp.getgrnam("mail").gr_gid, 0o660, 0)
    good("user", folder, "del", USER)
    box.write_text("mail\n")
    inode = box.stat().st_ino
    result = add_system(folder, spool)
    assert result.returncode == 0 and f"{box}, as it is" in result.stdout
    assert box.read_text() == "mail\n" and box.stat().st_ino == inode
    assert os.listdir(spool) == [USER]


def test_a_system_users_mailbox_is_in_var_mail(folder, spool):
    script = 'mount --bind "$2" /var/mail && "$0" -C "$1" add --system -n "$3" quota=1G'
    result = subprocess.run(
        [*private_mount(), "sh", "-c", script, BUILD / "mailslot-user", folder, spool, USER],
        capture_output=True, text=True, check=False)
    assert result.returncode == 0, result
    assert users(folder) == [f"{USER}@example.org::quota=1G,mailbox=/var/mail/{USER}"]
    assert look(spool / USER)[2] == 0o660


@pytest.mark.parametrize("wrong", ["owner", "group", "mode", "open to all"])
def test_a_mailbox_of_another_kind_is_left_as_it_is(folder, spool, wrong):
    box, mode = spool / USER, {"mode": 0o600, "open to all": 0o666}.get(wrong, 0o660)
    box.write_text("mail\n")
    uid = 0 if wrong == "owner" else pwd.getpwnam(USER).pw_uid
    os.chown(box, uid, 0 if wrong == "group" else grp.getgrnam("mail").gr_gid)
    box.chmod(mode)
    before = look(box)
    result = add_system(folder, spool)
    typed = f"chown -h {USER}:mail {box} && runuser -u {USER} -- chmod 660 {box}"
    assert result.returncode == 100 and f"type: {typed}\n" in result.stderr
    assert look(box) == before and box.read_text() == "mail\n"
    assert names(folder) == ["mailslot.conf"]
    reachable = typed.replace(f"runuser -u {USER} -- ", "")  # that user cannot enter pytest's folders
    subprocess.run(reachable, shell=True, check=True)
    assert add_system(folder, spool).returncode == 0


@pytest.mark.parametrize("kind", ["link", "dangling", "hard link", "folder", "fifo", "linked folder"])
def test_links_are_not_followed(folder, spool, tmp_path_factory, kind):
    box, victim = spool / USER, tmp_path_factory.mktemp("victim") / "file"
    victim.write_text("precious\n")
    if kind in ("link", "dangling"):
        box.symlink_to(victim if kind == "link" else victim.with_name("none"))
    elif kind == "hard link":
        os.chown(victim, pwd.getpwnam(USER).pw_uid, grp.getgrnam("mail").gr_gid)
        victim.chmod(0o660)
        os.link(victim, box)
    elif kind == "fifo":
        os.mkfifo(box)
    elif kind == "folder":
        box.mkdir()
    else:
        (spool / "linked").symlink_to(victim.parent)
        spool = spool / "linked"
    before = look(victim)
    result = add_system(folder, spool)
    assert result.returncode == 100 and f"{spool}/{USER}" in result.stderr
    assert look(victim) == before and os.listdir(victim.parent) == ["file"]
    assert names(folder) == ["mailslot.conf"]


def test_a_failure_changes_nothing(folder, spool):
    assert add_system(folder, spool, "quota=much").returncode == 100
    assert run("user", folder, "add", "--system", "-n", USER,
               f"mailbox={spool}/none/{USER}").returncode == 111
    assert names(folder) == ["mailslot.conf"] and not os.listdir(spool)
    (folder / "mailslot.cdb").mkdir()  # so that the database cannot be replaced
    result = add_system(folder, spool)
    assert result.returncode == 111, result
    assert names(folder) == ["mailslot.cdb", "mailslot.conf"] and not os.listdir(spool)
    (folder / "mailslot.cdb").rmdir()
    put(folder, "users", f"{USER}::")
    assert add_system(folder, spool).returncode == 100
    assert users(folder) == [f"{USER}::"] and not os.listdir(spool)


def test_add_system_needs_root_and_a_user_of_this_machine(folder, spool):
    result = run("user", folder, "add", "--system", "-n", "no-such-user-here")
    assert result.returncode == 1 and "no user no-such-user-here" in result.stderr
    needs("unshare")
    stranger = ["unshare", "-U"]  # where the user id is mapped to nobody
    if subprocess.run([*stranger, "true"], capture_output=True, check=False).returncode != 0:
        skip_because("no user namespaces here")
    result = subprocess.run(
        [*stranger, BUILD / "mailslot-user", "-C", folder, "add", "--system", "-n", USER,
         f"mailbox={spool}/{USER}"], capture_output=True, text=True, check=False)
    assert result.returncode == 100 and "run this as root" in result.stderr
    assert not os.listdir(spool)
