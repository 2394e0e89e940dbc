"""What a mailbox is: how it is found or made, mail of other programs in it, paths and links, and what is refused."""

import os
import re
import shutil
import socket
import stat
import time

import pytest
from basics import skip_because
from client import to_wire
from mbox import messages_of, python_reads
from processes import spawn

TEXT = b"Subject: t\n\nbody\n"
SEED = b"From old@client.example Mon Jan  1 00:00:00 2001\nSubject: old\n\nold body\n\n"


# ---- existing mailboxes, new mailboxes ---------------------------------------------------------


@pytest.mark.parametrize(
    "old, count",
    [
        (b"", 0),
        (SEED, 1),
        (SEED[:-1], 1),
        (SEED[:-2], 1),
        (SEED + SEED, 2),
        (SEED + b"\n\n", 1),
        (SEED.replace(b"old body", b"old body\n\nmore"), 1),
    ],
    ids=["empty", "good", "no blank line", "no line end", "two", "more blank lines", "blank inside"],
)
def test_appended_to_mail_of_other_programs(world, old, count):
    """Other programs' mail stays unchanged to the byte; ours begins after a blank line."""
    path = world.preset("alice", old)
    world.deliver("alice@example.org", text=TEXT)
    assert path.read_bytes().startswith(old)
    read = python_reads(path)
    assert len(read) == count + 1 and read[-1].endswith(b"\n" + TEXT)
    joint = path.read_bytes()[len(old) :]
    assert re.match(rb"\n{0,2}From s@client\.example ", joint)
    if old.endswith(b"\n\n") or not old:
        assert joint.startswith(b"From ")


@pytest.mark.parametrize("umask", [0, 0o22, 0o77])
def test_new_mailbox_and_folders_are_private(world, umask):
    reply = world.deliver("carol@example.net", preexec_fn=lambda: os.umask(umask))
    assert reply.startswith("250")
    path = world.mailbox("carol@example.net")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_modes_of_what_exists_stay(world):
    path = world.preset("alice", SEED, mode=0o640)
    path.parent.chmod(0o750)
    world.deliver("alice@example.org")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750


def test_inode_stays(world):
    """A mailbox is appended to, never replaced, because readers keep it open."""
    path = world.preset("alice", SEED)
    before = path.stat().st_ino
    world.deliver("alice@example.org")
    assert path.stat().st_ino == before


def test_mailbox_by_absolute_path(fresh):
    spool = fresh.folder / "spool"
    spool.mkdir(0o700)
    fresh.users.append(f"dave@example.org::mailbox={spool}/dave")
    fresh.build()
    assert fresh.deliver("dave@example.org", text=TEXT).startswith("250")
    assert len(python_reads(spool / "dave")) == 1 and not fresh.mailbox("dave").exists()


@pytest.mark.parametrize("spelling", ["/mail//example.org/alice", "/mail/./example.org/alice"])
def test_two_spellings_of_one_path(fresh, spelling):
    """Either mailslot-build refuses two users with one mailbox, or the message is stored once."""
    fresh.users.append(f"one@example.org::mailbox={fresh.folder}{spelling}")
    try:
        fresh.build(lock_timeout="5s")
    except AssertionError as error:
        assert "users:6:" in str(error)
        return
    delivered_once(fresh, "alice@example.org", "one@example.org")


def delivered_once(world, *recipients):
    path = world.mailbox("alice")
    start = time.monotonic()
    assert world.deliver(*recipients, text=TEXT).startswith("250")
    assert time.monotonic() - start < 4, "waited for its own lock"
    assert world.sent("alice") == [TEXT]
    path.unlink()


def test_two_paths_one_mailbox(fresh):
    """mail-root is a link, and another user's mailbox is given by the path of its target. It is one mailbox: it gets
    one message, and the delivery does not wait for its own lock."""
    linked = fresh.folder / "linked"
    linked.symlink_to(fresh.root)
    path = fresh.mailbox("alice")
    fresh.users.append(f"one@example.org::mailbox={path}")
    fresh.build(mail_root=linked, lock_timeout="5s")
    path.parent.mkdir(0o700)
    delivered_once(fresh, "alice@example.org", "one@example.org")
    delivered_once(fresh, "one@example.org", "bob@example.org", "alice@example.org")
    delivered_once(fresh, "one@example.org")
    assert fresh.sent("bob") == [TEXT]


# ---- what is refused as a mailbox --------------------------------------------------------------


def make_symlink(path, folder):
    (folder / "victim").write_bytes(SEED)
    path.symlink_to(folder / "victim")


def make_dangling(path, folder):
    path.symlink_to(folder / "victim")


def make_hard_link(path, folder):
    (folder / "victim").write_bytes(SEED)
    os.link(folder / "victim", path)


def make_fifo(path, _):
    os.mkfifo(path)


def make_folder(path, _):
    path.mkdir()


def make_device(path, _):
    if os.geteuid() != 0:
        skip_because("mknod needs root")
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))


def make_socket(path, _):
    with socket.socket(socket.AF_UNIX) as sock:
        here = os.open(path.parent, os.O_RDONLY)  # a path of a socket is short
        sock.bind(f"/proc/self/fd/{here}/{path.name}")
        os.close(here)


def kind_and_content(path):
    st = path.lstat()
    return stat.S_IFMT(st.st_mode), st.st_nlink, os.readlink(path) if path.is_symlink() else None


@pytest.mark.parametrize(
    "make", [make_symlink, make_dangling, make_hard_link, make_fifo, make_folder, make_device, make_socket]
)
def test_odd_mailboxes_are_refused(world, make):
    """Anything but a regular file with a single hard link is refused with 4xx, and nothing is written anywhere."""
    path = world.mailbox("alice")
    path.parent.mkdir(0o700)
    make(path, world.folder)
    before = kind_and_content(path)
    reply = world.deliver("alice@example.org", "bob@example.org")
    assert re.match(r"4\d\d 4\.\d", reply), reply
    assert kind_and_content(path) == before
    assert world.raw("bob") == b""
    victim = world.folder / "victim"
    if make is make_dangling:
        assert not victim.exists()
    elif victim.exists():
        assert victim.read_bytes() == SEED


def test_symlinked_folder(world):
    """Below mail-root no link is followed, not even one to a folder."""
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir(0o700)
    (world.root / "example.org").symlink_to(elsewhere)
    assert re.match(r"4\d\d 4\.\d", world.deliver("alice@example.org"))
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("spelling", ["linked/box", "linked/deeper/box", "home/to-box"])
def test_link_on_the_way_to_an_absolute_mailbox(fresh, spelling):
    """The owner of a folder on the path could link to any folder: 451, nothing is written, and the log gives the
    reason."""
    home = fresh.folder / "home"
    (home / "deeper").mkdir(0o700, parents=True)
    (fresh.folder / "linked").symlink_to(home)
    (home / "to-box").symlink_to(home / "box")
    fresh.users.append(f"dave@example.org::mailbox={fresh.folder}/{spelling}")
    fresh.build()
    with fresh.session() as session:
        reply = session.send_message(["bob@example.org", "dave@example.org"], TEXT)
    assert reply.startswith("451 4.2.0"), reply
    assert re.search(rf"deferred .*doing=open mailbox={fresh.folder}/{spelling} error=.*link", session.log)
    assert fresh.everything() == {}
    assert sorted(os.listdir(home)) == ["deeper", "to-box"] and os.listdir(home / "deeper") == []


def test_missing_folder_of_an_absolute_mailbox(fresh):
    """It is not created, because we make no folders in another user's folder."""
    fresh.users.append(f"dave@example.org::mailbox={fresh.folder}/home/box")
    fresh.build()
    assert fresh.deliver("dave@example.org").startswith("451 4.3.0")
    assert not (fresh.folder / "home").exists()


def test_missing_mailbox_of_a_system_user(fresh):
    """In a folder like /var/mail it would not belong to its user. It is not created, and the log says how to do it."""
    spool = fresh.folder / "spool"
    spool.mkdir()
    spool.chmod(0o2775)
    fresh.users.append(f"dave@example.org::mailbox={spool}/dave")
    fresh.build()
    session = fresh.session()
    with session:
        assert session.send_message(["dave@example.org"], TEXT).startswith("451 4.2.0")
    assert "install -m 660 -o USER -g mail /dev/null MAILBOX" in session.log
    assert os.listdir(spool) == []
    (spool / "dave").touch(0o660)
    assert fresh.deliver("dave@example.org", text=TEXT).startswith("250")
    assert len(python_reads(spool / "dave")) == 1


def test_folder_that_is_a_file(world):
    (world.root / "example.org").write_bytes(b"x")
    assert re.match(r"4\d\d 4\.\d", world.deliver("alice@example.org"))
    assert (world.root / "example.org").read_bytes() == b"x"


def test_missing_mail_root(world):
    """mail-root is created like any other folder; if that fails, 4xx."""
    world.root.rmdir()
    assert world.deliver("alice@example.org", text=TEXT).startswith("250")
    assert world.sent("alice") == [TEXT]
    assert stat.S_IMODE(world.root.stat().st_mode) == 0o700
    shutil.rmtree(world.root)
    world.root.write_bytes(b"x")
    assert re.match(r"4\d\d 4\.\d", world.deliver("alice@example.org"))


@pytest.mark.parametrize("nothing", ["no/such", "file"])
def test_mail_root_is_not_needed_for_absolute_paths(fresh, nothing):
    """If all mailboxes have absolute paths, mail-root need not exist, not even for large messages, which are otherwise
    spooled there."""
    (fresh.folder / "file").write_bytes(b"x")
    (fresh.folder / "spool").mkdir(0o700)
    fresh.users = [f"{who}@example.org::mailbox={fresh.folder}/spool/{who}" for who in ("dave", "erin")]
    fresh.aliases = []
    fresh.build(mail_root=fresh.folder / nothing)
    text = b"Subject: x\n\n" + b"".join(b"%060d\n" % i for i in range(200 * 1024 // 61))
    assert fresh.deliver("dave@example.org", "erin@example.org", text=text).startswith("250")
    for who in ("dave", "erin"):
        (message,) = messages_of((fresh.folder / "spool" / who).read_bytes())
        assert message.sent == text


def test_spool_without_mail_root_after_a_refused_alias(fresh):
    """The spool is next to the mailbox of a recipient, not of an alias that was refused because its next user's mailbox is
    full: the memory that its path was in is then used for others."""
    spool, last = fresh.folder / "spool", "erin" * 10
    spool.mkdir(0o700)
    fresh.users = [f"{who}@example.org::mailbox={spool}/{who}" for who in ("dave", last)]
    fresh.users.append(f"full@example.org::quota=400,mailbox={spool}/full")
    fresh.aliases = ["both@example.org: dave@example.org, full@example.org"]
    fresh.build(mail_root=fresh.folder / "no" / "such")
    text = b"Subject: x\n\n" + b"".join(b"%060d\n" % i for i in range(200 * 1024 // 61))
    with fresh.session() as session:
        session.greet()
        assert session.ask("MAIL FROM:<s@client.example> SIZE=200000").startswith("250 ")
        assert session.ask("RCPT TO:<both@example.org>").startswith("452 4.2.2 ")
        assert session.ask(f"RCPT TO:<{last}@example.org>").startswith("250 ")
        assert session.ask("DATA").startswith("354 ")
        session.send(to_wire(text) + b".\r\n")
        assert session.reply().startswith("250 ")
    (message,) = messages_of((spool / last).read_bytes())
    assert message.sent == text


def test_mailbox_repeatedly_replaced_by_a_link(world):
    """No byte is written to the link's target."""
    path = world.preset("alice", b"")
    victim = world.folder / "victim"
    victim.write_bytes(SEED)
    swap = world.folder / "swap.py"
    swap.write_text(
        "import os, sys\n"
        "path, victim = sys.argv[1:]\n"
        "while True:\n"
        "    os.symlink(victim, path + '.new'); os.rename(path + '.new', path)\n"
        "    open(path + '.new', 'x').close(); os.rename(path + '.new', path)\n"
    )
    process = spawn(["/usr/bin/python3", swap, path, victim])
    with world.session() as session:
        session.greet()
        for _ in range(40):
            assert re.match(r"250|4\d\d", session.transaction(["alice@example.org"], TEXT))
    process.kill()
    process.wait()
    assert victim.read_bytes() == SEED
