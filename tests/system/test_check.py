"""mailslot-check: an installation without mistakes, then one mistake at a time. Each is reported with a
command, and when that has been typed, nothing is wrong any more."""

import re
import shlex
import subprocess

import pytest

import tls
from basics import binary
from processes import wait_until
from house import find, wrong
from seal import image_of, seal

CONF = """hostname = mx.example.org
domains = example.org
tls-certificate = mx.crt
tls-key = mx.key
"""
SET_UP = """
userdel mailslot 2>/dev/null || true
useradd -r -G mail -d /var/lib/mailslot mailslot
useradd -M erin
rm -rf /etc/mailslot /var/lib/mailslot
install -d -g mailslot -m 750 /etc/mailslot
cd /etc/mailslot
install -d -o mailslot -g mailslot -m 750 /var/lib/mailslot
install -g mailslot -m 644 "$CERTIFICATES/ecdsa.crt" mx.crt
install -g mailslot -m 640 "$CERTIFICATES/ecdsa.key" mx.key
echo "$CONF" >mailslot.conf
mailslot-user add alice
mailslot-user add --no-password --system erin
echo 'postmaster: alice' >aliases
mailslot-build
"""
PASSWORD = "correct horse battery\n"


def serve(house):
    house.serve(binary("mailslot-smtpd"), "-l", "25")
    # It listens before it reads the database, and is confined after that.
    assert wait_until(lambda: "0019 " in house.type("cat /proc/net/tcp /proc/net/tcp6"))
    assert wait_until(lambda: "Seccomp:\t2" in house.type("cat /proc/[0-9]*/status 2>/dev/null || true"))


@pytest.fixture
def house(new_house):
    """Nothing is wrong here."""
    serve(new_house)
    return new_house


def test_without_mistakes_everything_is_ok(house):
    found = house.check()
    assert not wrong(found), found
    subjects = ["user", "files", "database", "hostname", "domains", "users", "postmaster", "passwords"]
    subjects += ["space", "mail-root", "mailbox", "certificate", "key", "port"]
    assert {one.subject for one in found if one.mark == "ok"} == set(subjects)


# The mistake, how it is reported, and what must be edited before the command is typed.
MISTAKES = {
    "no user": ("userdel -f mailslot", "FAIL user", "no user mailslot", ""),
    "a name that is unknown": (
        "sed -i '1i hostnam = x' mailslot.conf", "FAIL files", r"mailslot\.conf:1: hostnam", "sed -i 1d mailslot.conf"),
    "passwords open to all": ("chmod 755 .; chmod 644 users", "FAIL files", "users can be read by other users", ""),
    "a file others can change": ("chmod 666 mailslot.conf", "FAIL files", r"mailslot\.conf can be changed", ""),
    "a file of another": ("chown erin aliases", "FAIL files", "aliases belongs to user", ""),
    "a folder of another": ("chown erin /etc/mailslot", "FAIL files", "/etc/mailslot belongs to user", ""),
    "a folder others can change": ("chmod 757 /etc/mailslot", "FAIL files", "/etc/mailslot can be changed", ""),
    "edited, not built": ("echo '#' >>aliases", "WARN database", "aliases has changed since the last build", ""),
    "an old one put back": (
        "echo >aliases; touch -d 2020-01-01 aliases", "WARN database", "aliases has changed", "echo postmaster: alice >aliases"),
    "one taken away": ("rm aliases", "WARN database", "aliases has changed", "echo postmaster: alice >aliases"),
    "never built": ("rm mailslot.cdb", "FAIL database", "No such file", ""),
    "cut short": ("truncate -s 100 mailslot.cdb", "FAIL database", "damaged", ""),
    "a damaged record": ("sed -i s/mailbox=/mailbix=/ mailslot.cdb", "FAIL database", "damaged", ""),
    "a database others can change": ("chmod o+w mailslot.cdb", "FAIL database", "only root can change", ""),
    "a database of another": ("chown erin mailslot.cdb", "FAIL database", "regular file that belongs to root", ""),
    "a folder as database": (
        "rm mailslot.cdb; mkdir mailslot.cdb", "FAIL database", "regular file", ""),
    "hashes for all": ("chmod 755 .; chmod 644 mailslot.cdb", "FAIL database", "can be read by other users", ""),
    "a database for root": ("chmod 600 mailslot.cdb", "FAIL database", "cannot be read by mailslot", ""),
    "a database of root's group": ("chgrp root mailslot.cdb", "FAIL database", "cannot be read by mailslot", ""),
    "a folder for root": ("chmod 700 /etc/mailslot", "FAIL database", "cannot be read by mailslot.*chmod g.x", ""),
    "the machine's name": (
        "sed -i s/^hostname.*/hostname=localhost/ mailslot.conf; mailslot-build", "WARN hostname", "look up the name localhost",
        "sed -i s/^hostname.*/hostname=mx.example.org/ mailslot.conf"),
    "an address as name": (
        "sed -i s/^hostname.*/hostname=10.0.0.1/ mailslot.conf; mailslot-build", "WARN hostname", "look up the name 10.0.0.1",
        "sed -i s/^hostname.*/hostname=mx.example.org/ mailslot.conf"),
    "an address as domain": (
        "sed -i s/^domains.*/domains=example.org,192.0.2.7/ mailslot.conf; mailslot-build", "WARN domains", "send mail to 192.0.2.7",
        "sed -i s/^domains.*/domains=example.org/ mailslot.conf"),
    "a name of the house": (
        "sed -i s/^domains.*/domains=example.org,lan/ mailslot.conf; mailslot-build", "WARN domains", "send mail to lan",
        "sed -i s/^domains.*/domains=example.org/ mailslot.conf"),
    "no postmaster": ("rm aliases; mailslot-build", "WARN postmaster", "postmaster@example.org", ""),
    "a postmaster who is away": (
        "echo dave::disabled >>users; echo postmaster: dave >aliases; mailslot-build", "WARN postmaster", "is disabled",
        "echo postmaster: erin >aliases"),
    "nobody": ("rm users aliases; mailslot-build", "FAIL users", "there is none", ""),
    "nobody who is there": (
        "echo dave::disabled >users; rm aliases; mailslot-build", "FAIL users", "all are disabled", ""),
    "nobody with a password": (
        "sed -i 's/:.*:/::/' users; echo erin::mailbox=/var/mail/erin >>users; sed -i 2d users; mailslot-build",
        "WARN passwords", "nobody can log in", ""),
    "an old hash": (
        r"sed -i 's|^\(alice[^:]*\):.*|\1:'$(openssl passwd -1 x)':|' users; mailslot-build", "WARN passwords", "md5crypt", ""),
    "passwords in clear": (
        "echo auth-without-tls = yes >>mailslot.conf; mailslot-build", "WARN passwords", "without TLS",
        "sed -i '$ d' mailslot.conf"),
    "no mail-root": ("rmdir /var/lib/mailslot", "FAIL mail-root", "No such file", ""),
    "a mail-root of root's": ("chown root: /var/lib/mailslot", "FAIL mail-root", "mailslot cannot write", ""),
    "a mail-root of all": ("chmod 777 /var/lib/mailslot", "FAIL mail-root", "everyone can write", ""),
    "a mail-root that is a file": (
        "rmdir /var/lib/mailslot; touch /var/lib/mailslot", "FAIL mail-root", "not a folder", ""),
    "a mail-root out of reach": ("chmod 700 /var/lib", "FAIL mail-root", r"mailslot cannot write.*chmod o\+x /var/lib$", ""),
    "a disk to read": (
        "mount -t tmpfs tmpfs /var/lib/mailslot; chown mailslot: /var/lib/mailslot; mount -o remount,ro /var/lib/mailslot",
        "FAIL mail-root", "Read-only", ""),
    "a folder of root's": (
        "mkdir -m 700 /var/lib/mailslot/example.org", "FAIL mailbox", "example.org: mailslot cannot write", ""),
    "a mailbox of root's": ("mail alice; chown root: $BOX", "FAIL mailbox", "alice: mailslot cannot write", ""),
    "a mailbox to read": ("mail alice; chmod 400 $BOX", "FAIL mailbox", r"alice: mailslot cannot write.*chmod u\+", ""),
    "a mailbox for all": ("mail alice; chmod 755 /var/lib/mailslot $(dirname $BOX); chmod 644 $BOX", "WARN mailbox", "can be read or changed by other users", ""),
    "a mailbox with two names": ("mail alice; ln $BOX $BOX.2", "FAIL mailbox", "not a regular file with a single hard link", ""),
    "a fifo": ("mail alice; rm $BOX; mkfifo $BOX", "FAIL mailbox", "not a regular file", ""),
    "a link": (
        "mail alice; mv $BOX $BOX.real; ln -s alice.real $BOX", "FAIL mailbox", "contains a symbolic link.*mailbox=/var/lib/mailslot/example.org/alice.real ",
        "sed -i '/^alice/s|$|mailbox=/var/lib/mailslot/example.org/alice.real|' users"),
    "a folder as lock": ("mail alice; mkdir $BOX.lock", "FAIL mailbox", r"alice\.lock is not a lock file", ""),
    "a lock before the mailbox": (
        "mkdir -p /var/lib/mailslot/example.org/alice.lock; chown mailslot: /var/lib/mailslot/example.org",
        "FAIL mailbox", r"alice\.lock is not a lock file", ""),
    "a mail program that keeps its lock": (
        "mail alice; sleep 999 >/dev/null 2>&1 & echo $! >$BOX.lock", "WARN mailbox",
        r"alice is locked by sleep \(process \d+, /var/lib/mailslot/example.org/alice.lock\)", None),
    "a lock of another machine's": (
        "mail alice; echo 1:imap.example.net >$BOX.lock", "WARN mailbox", "may be the lock of another machine", ""),
    "a lock that only the kernel has": (
        "mail alice; python3 -c 'import fcntl, time; file = open(\"'$BOX'\", \"r+\"); fcntl.lockf(file, fcntl.LOCK_EX); time.sleep(999)' "
        ">/dev/null 2>&1 & sleep 0.5", "WARN mailbox",
        r"alice is locked by python\S* \(process \d+, by fcntl or flock\)", ""),
    "a lock by flock": (
        "mail alice; flock $BOX sleep 999 >/dev/null 2>&1 & sleep 0.3", "WARN mailbox", "alice is locked by ", None),
    "a file system of fstab": (
        "echo /dev/mail /var/lib/mailslot ext4 defaults 0 2 >>/etc/fstab; mkdir /run/disk", "FAIL mail-root",
        r"nothing is mounted at /var/lib/mailslot, although /etc/fstab names a file system for it; type: .*mount /var/lib/mailslot$",
        "sed -i 's|^/dev/mail.*|tmpfs /var/lib/mailslot tmpfs uid=mailslot,gid=mailslot,mode=750 0 0|' /etc/fstab"),
    "a file system of fstab, not there at all": (
        "rmdir /var/lib/mailslot; echo tmpfs /var/lib/mailslot/ tmpfs uid=mailslot,mode=750 0 0 >>/etc/fstab",
        "FAIL mail-root", "nothing is mounted at /var/lib/mailslot, ", ""),
    "a link to nothing": ("mail alice; ln -sf nowhere $BOX", "FAIL mailbox", "dangling", ""),
    "no mailbox in /var/mail": ("rm /var/mail/erin", "FAIL mailbox", r"set -C; : >/var/mail/erin\) && chown -h erin:mail", ""),
    "a mode of another system": ("chmod 600 /var/mail/erin", "FAIL mailbox", "owner erin, group mail and mode 0660", ""),
    "another group's mailbox": ("chgrp adm /var/mail/erin; usermod -aG adm mailslot", "FAIL mailbox", "group mail and mode", ""),
    "another's mailbox": ("chown root /var/mail/erin", "FAIL mailbox", "owner erin, group mail and mode 0660", ""),
    "not in group mail": ("gpasswd -d mailslot mail", "FAIL mailbox", "/var/mail: mailslot cannot write.*usermod -aG mail", ""),
    "a folder of the system's": (
        "echo bob::mailbox=/etc/bob >>users; mailslot-build", "FAIL mailbox", "/etc: mailslot cannot write.* must not",
        "sed -i '$ d' users"),
    "no folder elsewhere": (
        "echo bob::mailbox=/media/'new mail'/bob >>users; mailslot-build; mount -t tmpfs tmpfs /media",
        "FAIL mailbox", "/media/new mail: No such file", ""),
    "no mailbox elsewhere": (
        "echo bob::mailbox=/media/bob >>users; mailslot-build; mount -t tmpfs -o gid=mail,mode=1775 tmpfs /media",
        "FAIL mailbox", "the server cannot create it", ""),
    "a small disk": (
        "mount -t tmpfs -o size=1m,uid=mailslot,mode=750 tmpfs /var/lib/mailslot", "WARN space", "has 1 MiB free.*may have 50",
        "mount -o remount,size=100m /var/lib/mailslot"),
    "a disk that is full": (
        "mount -t tmpfs -o size=1m,uid=mailslot,mode=750 tmpfs /var/lib/mailslot; "
        "head -c 1m /dev/zero >/var/lib/mailslot/other || true", "FAIL space", "has 0 MiB free", "rm /var/lib/mailslot/other; umount /var/lib/mailslot"),
    "no room for files": (
        "mount -t tmpfs -o nr_inodes=50,uid=mailslot,mode=750 tmpfs /var/lib/mailslot", "WARN space", "room for only 4. more files",
        "mount -o remount,nr_inodes=1000 /var/lib/mailslot"),
    "no certificate": (
        "sed -i /^tls/d mailslot.conf; mailslot-build", "WARN certificate", "there is none",
        "printf 'tls-certificate = mx.crt\\ntls-key = mx.key\\n' >>mailslot.conf"),
    "a wrong path": (
        "mv mx.crt crt", "FAIL certificate", r"mx\.crt: No such file", "mv crt mx.crt"),
    "a certbot that has not run": (
        "sed -i '/^tls/s|= mx|= /etc/letsencrypt/live/x/mx|' mailslot.conf; mailslot-build", "FAIL certificate",
        "certbot certonly --standalone -d mx.example.org", None),
    "another's key": (
        "cp $CERTIFICATES/rsa.key mx.key", "FAIL certificate", "is not the key of", "cp $CERTIFICATES/ecdsa.key mx.key"),
    "out of date": (
        "cp $CERTIFICATES/expired.crt mx.crt; cp $CERTIFICATES/expired.key mx.key", "FAIL certificate", "expired",
        "cp $CERTIFICATES/ecdsa.crt mx.crt; cp $CERTIFICATES/ecdsa.key mx.key"),
    "soon out of date": (
        "sign 'activation_date = \"2020-01-01 00:00:00\"\nexpiration_days = 3'", "WARN certificate", "expires in [23] days",
        "cp $CERTIFICATES/ecdsa.crt mx.crt"),
    "too early": (
        "sign 'activation_date = \"2090-01-01 00:00:00\"\nexpiration_date = \"2091-01-01 00:00:00\"'",
        "FAIL certificate", "not valid yet", "cp $CERTIFICATES/ecdsa.crt mx.crt"),
    "another name": (
        "cp $CERTIFICATES/other.crt mx.crt; cp $CERTIFICATES/other.key mx.key", "WARN certificate",
        "valid for the hostname mx.example.org", "sed -i s/^hostname.*/hostname=mail.example.net/ mailslot.conf"),
    "a key for all": ("chmod 755 .; chmod 644 mx.key", "FAIL key", "can be read by other users", ""),
    "a key for root": ("chown root: mx.key; chmod 600 mx.key", "FAIL key", "cannot be read by mailslot", ""),
    "a certificate for root": ("chown root: mx.crt; chmod 600 mx.crt", "FAIL certificate", "cannot be read by mailslot", ""),
    "a key behind a door": (
        "mkdir -m 700 /etc/door; mv mx.key /etc/door; ln -s /etc/door/mx.key mx.key", "FAIL key", r"chmod o\+x /etc/door$", ""),
    "no secret of tickets": ("echo tls-tickets = yes >>mailslot.conf; mailslot-build", "WARN tickets", "does not exist", ""),
    "no authorities": (
        "echo tls-client-ca = ca.crt >>mailslot.conf; mailslot-build", "FAIL client-ca", "ca.crt: No such",
        "install -g mailslot -m 644 $CERTIFICATES/ca.crt ca.crt"),
}
HELPERS = r"""
cd /etc/mailslot
BOX=/var/lib/mailslot/example.org/alice
mail() {
    install -d -o mailslot -g mailslot -m 700 ${BOX%/*}
    install -o mailslot -g mailslot -m 600 /dev/null $BOX
}
sign() {
    printf 'cn = x\ndns_name = mx.example.org\n%s\n' "$1" >/run/template
    certtool --generate-self-signed --load-privkey mx.key --template /run/template --outfile mx.crt 2>/dev/null
}
"""


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_reported_and_the_command_corrects_it(house, name):
    mistake, told, said, edit = MISTAKES[name]
    house.type(HELPERS + mistake)
    one = find(house.check(), *told.split(), said)
    if edit is not None:
        house.type(HELPERS + edit)
        house.type(one.remedy, stdin=PASSWORD)
        wait_until(lambda: not wrong(house.check()), 5)  # what was killed may take a moment to end
        assert not wrong(house.check())


@pytest.mark.parametrize("alias", ["@example.org: lmtp:/run/store", "far: bob@example.com"])
def test_a_host_without_users_whose_aliases_lead_out_accepts_mail(house, alias):
    house.type(f"cd /etc/mailslot; rm users; echo relay = /run/relay >>mailslot.conf; echo '{alias}' >aliases; mailslot-build")
    found = house.check()
    assert find(found, "ok", "users", "aliases lead to a mail store, or elsewhere")
    if not alias.startswith("@"):
        house.type(find(found, "WARN", "postmaster", "postmaster@example.org").remedy, stdin=PASSWORD)
    assert find(house.check(), "ok", "postmaster", "")


def test_users_without_a_scram_verifier_are_reported(house):
    house.type("cd /etc/mailslot; echo bob:$(openssl passwd -6 x): >>users; mailslot-build")
    one = find(house.check(), "WARN", "passwords", "without a SCRAM verifier: 1")
    house.type(one.remedy.replace("ADDRESS", "bob"), stdin=PASSWORD)
    assert not wrong(house.check())


def without_record(data, key):
    """The database with another key in place of this one, and the seal that this requires."""
    data = bytearray(image_of(data))
    at = re.search(re.escape(len(key).to_bytes(4, "little")) + b"(?s:....)" + key, data).start() + 8
    data[at : at + len(key)] = key[:-1] + b"\xff"
    return seal(bytes(data))


@pytest.mark.parametrize("record, mark", [(b"folders", "FAIL"), (b"texts", "WARN")])
def test_a_database_of_an_older_build_is_reported(house, tmp_path, record, mark):
    house.type(f"cp /etc/mailslot/mailslot.cdb {tmp_path}")
    (tmp_path / "mailslot.cdb").write_bytes(without_record((tmp_path / "mailslot.cdb").read_bytes(), record))
    house.type(f"cat {tmp_path}/mailslot.cdb >/etc/mailslot/mailslot.cdb")
    assert record == b"folders" or "by an older mailslot-build" in house.type("mailslot-show alice 2>&1")
    house.type(find(house.check(), mark, "database", "by an older mailslot-build").remedy)
    assert not wrong(house.check())


# --- ports


def test_the_program_that_uses_the_port_is_named(new_house):
    house = new_house
    assert find(house.check(), "WARN", "port", "no program listens on 25").remedy == "man mailslot-smtpd"
    other = house.serve("python3", "-c", "import socket, time; s = socket.create_server(('127.0.0.1', 25)); time.sleep(99)")
    wait_until(lambda: "0019 " in house.type("cat /proc/net/tcp"))
    house.type(find(house.check(), "FAIL", "port", "25 is in use by python3 .process").remedy)
    wait_until(lambda: other.poll() is not None)
    serve(house)
    assert not wrong(house.check())


def test_a_super_server_that_starts_ours_may_use_the_port(new_house):
    house = new_house
    wait = "import socket, time; s = socket.create_server(('', 25)); time.sleep(99)"
    house.serve("python3", "-c", wait, "0", "25", "/usr/local/sbin/mailslot-smtpd", "-r", "mx")
    wait_until(lambda: "0019 " in house.type("cat /proc/net/tcp"))
    assert not wrong(house.check())


# --- who runs it, on which files, and what the commands do


def test_an_ordinary_user_sees_what_only_root_can_check(house):
    found = house.check(user="nobody")
    skipped = {one.subject for one in found if one.mark == "skip" and one.remedy == "sudo mailslot-check"}
    assert {"user", "database", "port"} <= skipped and not wrong(found), found


@pytest.mark.parametrize("root, unit", [
    ("/var/lib/mailslot", "var-lib-mailslot.mount"),
    ("/var/the-mail/.of ours", r"'var-the\x2dmail-\x2eof\x20ours.mount'"),
])
def test_a_mount_unit_that_is_not_mounted_is_reported(house, root, unit):
    """But not one that is masked."""
    path = f"/etc/systemd/system/{unit}"
    house.type(f"""
        install -d -o mailslot -g mailslot -m 750 '{root}'
        echo 'mail-root = {root}' >>/etc/mailslot/mailslot.conf
        mailslot-build
        mkdir -p /etc/systemd/system
        ln -s /dev/null {path}
    """)
    assert not wrong(house.check())
    house.type(f"rm {path}; printf '[Mount]\\nWhat=tmpfs\\nWhere={root}\\n' >{path}")
    one = find(house.check(), "FAIL", "mail-root", f"nothing is mounted at {root}, although var-.* names a file system")
    assert one.remedy == f"systemctl start {unit}"
    house.type(f"mount -t tmpfs -o mode=750,uid=mailslot tmpfs '{root}'")
    assert not wrong(house.check())


def test_what_only_root_can_check_is_not_called_ok(house):
    """For a user who can read the files, but cannot find out whether the server can use them."""
    house.type("usermod -aG mailslot,mail erin; chmod 755 /var/lib/mailslot; install -d -o mailslot -m 755 /var/lib/mailslot/example.org")
    found = house.check(user="erin")
    assert not wrong(found), found
    for subject in ("database", "mail-root", "certificate", "key"):
        assert find(found, "skip", subject, "").remedy == "sudo mailslot-check"


def test_the_user_mailslot_can_check_everything(house):
    found = house.check(user="mailslot")
    assert find(found, "ok", "user", "mailslot") and find(found, "ok", "mailbox", "2 users")
    assert not wrong(found), found


def test_root_in_a_user_name_space_cannot_check_as_the_server(house):
    said = house.type("unshare -r mailslot-check || [ $? = 1 ]")
    assert said.startswith("skip  user         mailslot; only root can find out")


def test_paths_are_quoted_for_the_shell(house):
    """A folder whose name has blanks, quotes and a dollar sign."""
    folder = "/etc/mail slot's $HOME"
    house.type(f'cp -a /etc/mailslot {shlex.quote(folder)}; echo >>{shlex.quote(folder)}/users')
    house.type(find(house.check("-C", folder), "WARN", "database", "has changed").remedy)
    house.type(f"chmod 600 {shlex.quote(folder)}/mx.key")
    house.type(find(house.check("-C", folder), "FAIL", "key", "cannot be read").remedy)
    assert not wrong(house.check("-C", folder))


# Traps: what a user of this machine can prepare so that a command of root's hits another file.
# What erin did in a folder of hers; the mark and the subject of the line.
TRAPS = {
    "a folder that leads to root's": ("ln -s /etc/precious mail", "FAIL mailbox"),
    "a folder that leads to nothing": ("ln -s /etc/not-there mail", "FAIL mailbox"),
    "a folder with a link above": ("mkdir real; ln -s /etc real/etc; ln -s real/etc/precious mail", "FAIL mailbox"),
    "no folder": ("true", "FAIL mailbox"),
    "a file for a folder": ("touch mail", "FAIL mailbox"),
    "a mailbox that leads to root's": ("mkdir mail; ln -s /etc/precious/file mail/bob", "FAIL mailbox"),
    "a mailbox that leads to nothing": ("mkdir mail; ln -s /etc/not-there mail/bob", "FAIL mailbox"),
    "a mailbox with two names": ("mkdir mail; touch mail/a; ln mail/a mail/bob", "FAIL mailbox"),
    "a mailbox of hers": ("mkdir mail; (umask 077; touch mail/bob)", "FAIL mailbox"),
    "no mailbox": ("mkdir mail", "FAIL mailbox"),
    "a lock that is a folder": ("mkdir -p mail/bob.lock; touch mail/bob; chmod 660 mail/bob", "FAIL mailbox"),
    "a key that leads to root's": ("cp /etc/mailslot/mx.key real.key; ln -s /etc/precious/file mx.key", "FAIL key"),
}


@pytest.mark.parametrize("name", TRAPS)
def test_root_is_told_to_change_nothing_in_a_trap(house, name):
    mistake, told = TRAPS[name]
    house.type("""
        install -d -o erin -g mail -m 2775 /var/home/erin
        install -d -m 700 /etc/precious
        install -m 600 /etc/mailslot/mx.key /etc/precious/file
        echo bob::mailbox=/var/home/erin/mail/bob >>/etc/mailslot/users
    """)
    if told.endswith("key"):
        house.type("sed -i 's|^tls-key.*|tls-key = /var/home/erin/mx.key|' /etc/mailslot/mailslot.conf")
    house.type("cd /var/home/erin; umask 002; " + mistake + "; chown -h erin * || true; chown -Rh erin mail || true")
    house.type("mailslot-build")
    before = house.type("find /etc/precious /var/home -printf '%p %M %u %g\\n'")
    found = [one for one in house.check() if (one.mark, one.subject) == tuple(told.split())]
    assert len(found) == 1, found
    assert "/precious" not in found[0].text and "not-there" not in found[0].text, found
    assert re.search("another user can change where|leads: change nothing there|cannot write there: .* and must not", found[0].text), found
    house.type(found[0].remedy, stdin=PASSWORD)
    assert house.type("find /etc/precious /var/home -printf '%p %M %u %g\\n'") == before


def test_a_command_does_not_follow_a_link_made_after_the_check(house):
    """In folders where users can replace their own files, a mode is changed as the user."""
    house.type("""
        chmod 1777 /var/mail; chmod 600 /var/mail/erin
        install -m 600 /dev/null /etc/precious
        install -d -o mailslot -g mailslot -m 700 /var/lib/mailslot/example.org
        install -o mailslot -m 400 /dev/null /var/lib/mailslot/example.org/alice
    """)
    found = [one for one in house.check() if one.subject == "mailbox"]
    assert len(found) == 2, found
    house.type("""
        rm /var/mail/erin; setpriv --reuid=erin --clear-groups ln -s /etc/precious /var/mail/erin
        ln -sf /etc/precious /var/lib/mailslot/example.org/alice; chown -h mailslot /var/lib/mailslot/example.org/alice
    """)
    for one in found:
        house.type(f"({one.remedy}) || true")
    assert house.type("stat -c %a:%U /etc/precious") == "600:root\n"


def test_a_file_that_is_moved_away_replaces_nothing(house):
    """PATH.old may exist already: a folder, or a file that somebody needs."""
    for old in ("mkdir $BOX.old", "echo needed >$BOX.old"):
        house.type(HELPERS + f"mail alice; rm -r $BOX*; {old}; install -d -o mailslot $BOX")
        house.type(find(house.check(), "FAIL", "mailbox", "is not a regular file with a single hard link").remedy)
        assert not wrong(house.check())
    assert house.type("cat /var/lib/mailslot/example.org/alice.old.~*") == "needed\n"


def test_hostile_names_are_quoted_for_the_shell(house):
    names = ["a$(touch /etc/hit)", "b;touch /etc/hit", "c'`touch /etc/hit`'", '"&touch /etc/hit&"', "-rf *", "~erin", "!!", "{x,y}"]
    folder = "/media/" + "/".join(name.replace("/", "%") for name in names)
    house.type("mount -t tmpfs tmpfs /media; cat >>/etc/mailslot/mailslot.conf; mailslot-build", stdin=f"mail-root = {folder}\n")
    one = find(house.check(), "FAIL", "mail-root", "No such file")
    house.type("shopt -s nullglob; cd /etc;" + one.remedy.replace("install -d", "install -d -m 755 /media; install -d"))
    assert house.type(f"stat -c %U {shlex.quote(folder)}") == "mailslot\n" and not wrong(house.check())
    house.type(f"chown root: {shlex.quote(folder)}")
    house.type(find(house.check(), "FAIL", "mail-root", "cannot write").remedy)
    assert not wrong(house.check()) and house.type("ls /etc | grep -c hit || true") == "0\n"


def test_a_path_that_begins_with_a_dash_is_not_an_option(house):
    house.type("cd /etc; cp -a mailslot ./-odd; chmod 757 ./-odd; cp -a ./-odd/mailslot.cdb ./-odd.cdb; chmod o+w ./-odd.cdb")
    said = house.type("cd /etc; mailslot-check -C -odd -d -odd.cdb || true")
    assert "type: chmod go-w /etc/-odd\n" in said or "type: chmod go-w ./-odd\n" in said, said
    assert re.search(r"type: chmod 640 /etc/-odd.cdb && chown -h root:mailslot /etc/-odd.cdb\n", said), said


def test_a_database_alone_is_checked(house):
    house.type("cd /etc/mailslot; touch aliases; chmod o+w mailslot.conf; cp -a mailslot.cdb /etc/other.cdb; cp -a mx.* /etc")
    assert not wrong(house.check("-d", "/etc/other.cdb"))
    house.type("truncate -s 9 /etc/other.cdb")
    assert find(house.check("-d", "/etc/other.cdb"), "FAIL", "database", "damaged").remedy == "mailslot-build -o /etc/other.cdb"
    assert find(house.check("-C", "/etc/mailslot", "-d", "/etc/other.cdb"), "FAIL", "database", "damaged").remedy == (
        "mailslot-build -C /etc/mailslot -o /etc/other.cdb")


SSH = """#!/bin/sh
# The other machine has its text files in the same place.
test "$1" = -t && shift
shift
exec unshare -m sh -ec 'mount --bind /srv/builder /etc/mailslot; exec sh -c "$*"' sh "$@"
"""
SCP = """#!/bin/sh
exec cat "/srv/builder/${1#BUILDER:/etc/mailslot/}" >"$2"
"""
COPIED = """
mv /etc/mailslot /var/builder
install -d -g mailslot -m 750 /etc/mailslot
cp -p /var/builder/mx.* /etc/mailslot/
install -g mailslot -m 640 /var/builder/mailslot.cdb /etc/mailslot/
"""


@pytest.fixture
def copied(house):
    """A machine with only the database, and the one that builds it, reached by stand-ins for ssh and scp."""
    house.type(COPIED)
    for name, text in (("ssh", SSH), ("scp", SCP)):
        house.type(f"cat >/var/{name}; chmod 755 /var/{name}", stdin=text.replace("/srv/builder", "/var/builder"))
    house.environment["PATH"] = f"/var:{house.environment['PATH']}"
    return house


def test_a_machine_with_only_the_database_is_checked(copied):
    found = copied.check()
    assert not wrong(found) and find(found, "ok", "files", "copy from another machine"), found
    said = copied.type("mailslot-show alice 2>&1; mailslot-show 2>&1")
    assert "alice: 250 2.1.5" in said and "mailslot-show:" not in said


@pytest.mark.parametrize(
    "mistake, said",
    [
        ("chown erin: mailslot.cdb", "must be a regular file that belongs to root"),
        ("chmod 666 mailslot.cdb", "must be a regular file that belongs to root"),
        ("chown root: mailslot.cdb; chmod 600 mailslot.cdb", "cannot be read by mailslot"),
        ("chown root: mailslot.cdb; chmod 640 mailslot.cdb", "cannot be read by mailslot"),
    ],
)
def test_the_owner_and_mode_of_a_copy_are_checked(copied, mistake, said):
    copied.type(f"cd /etc/mailslot; {mistake}")
    one = find(copied.check(), "FAIL", "database", said)
    assert one.remedy == "chmod 640 /etc/mailslot/mailslot.cdb && chown -h root:mailslot /etc/mailslot/mailslot.cdb"
    copied.type(one.remedy)
    assert not wrong(copied.check())


@pytest.mark.parametrize(
    "mistake, mark, subject, said, edit",
    [
        ("", "FAIL", "database", "damaged", ""),
        ("rm aliases", "WARN", "postmaster", "nobody receives mail", ""),
        ("sed -i s/^hostname.*/hostname=localhost/ mailslot.conf", "WARN", "hostname",
         "mailslot.conf on the machine that builds the database", "sed -i s/^hostname.*/hostname=mx.example.org/ mailslot.conf"),
        (r"sed -i 's|^\(alice[^:]*\):.*|\1:'$(openssl passwd -1 x)':|' users", "WARN", "passwords", "md5crypt", ""),
        ("rm users aliases", "FAIL", "users", "there is none", ""),
    ],
)
def test_mistakes_in_a_copy_are_corrected_where_it_is_built(copied, mistake, mark, subject, said, edit):
    copied.type(f"cd /var/builder; {mistake}\nssh BUILDER mailslot-build")
    copied.type("cat /var/builder/mailslot.cdb >/etc/mailslot/mailslot.cdb")
    if not mistake:
        copied.type("truncate -s 100 /etc/mailslot/mailslot.cdb")
        assert "copy it here again" in copied.type("mailslot-show 2>&1 || true")
    one = find(copied.check(), mark, subject, said)
    copied.type(f"cd /var/builder; {edit}")
    copied.type(one.remedy, stdin=PASSWORD)
    assert not [each for each in wrong(copied.check()) if each.subject == subject]
    assert copied.type("stat -c %U:%G:%a /etc/mailslot/mailslot.cdb; ls /etc/mailslot | grep -c '^users\\|^aliases\\|\\.new' || true") == (
        "root:mailslot:640\n0\n")


def test_only_some_of_many_mistakes_of_a_kind_are_shown(house):
    house.type("""
        cd /etc/mailslot
        for i in {1..300}; do echo u$i::mailbox=/var/mail/u$i; done >>users
        mailslot-build
    """)
    found = [one for one in house.check() if one.subject == "mailbox"]
    assert len(found) == 21 and "280 more" in found[-1].text


def test_nothing_is_written_and_no_read_blocks(house):
    """Not even if a file is replaced by a fifo."""
    house.type("cd /etc/mailslot; rm mx.key; mkfifo mx.key; cd /var/lib/mailslot; mkdir example.org; mkfifo example.org/alice")
    listing = "find /etc/mailslot /var/lib/mailslot /var/mail /run -printf '%p %i %s %T@ %C@ %m %u\\n' | sort"
    before = house.type(listing)
    assert wrong(house.check())
    assert house.type(listing) == before
    house.type("cd /etc/mailslot; for name in users aliases mailslot.cdb; do rm $name; mkfifo $name; done")
    assert wrong(house.check())


@pytest.mark.parametrize("words", [["alice"], ["--nonsense"], ["-C"]])
def test_wrong_usage(words):
    done = subprocess.run([binary("mailslot-check"), *words], capture_output=True, text=True)
    assert done.returncode == 100 and "usage" in done.stderr and not done.stdout


def test_mailslot_show_with_check_still_works(house):
    said = house.type("mailslot-show --check -C /etc/mailslot 2>/run/notice; cat /run/notice").splitlines()
    assert said == house.type("mailslot-check -C /etc/mailslot").splitlines() + [
        "mailslot-show: --check is now a separate program: mailslot-check"]


def test_lost_output_is_an_error():
    with open("/dev/full", "w") as full:
        assert subprocess.run([binary("mailslot-check")], stdout=full, stderr=subprocess.DEVNULL).returncode == 111
