"""Filters: rspamd, OpenDKIM, OpenDMARC, ClamAV and SpamAssassin, which a mail server asks by the milter protocol.

Each is in a network of its own, which contains nothing but a name server with the records of the test (names()).
"""

import base64
import os
import socket
import struct
import subprocess
from pathlib import Path

from basics import UNPACKED, skip_because
from hop import at_folder
from private_server import PrivateServer
from processes import spawn, wait_until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"

START = """\
ip link set lo up
/usr/bin/python3 /mnt/name_server.py /mnt/names &
"""


class Filter(PrivateServer):
    """path: of the socket where it is asked."""

    network = False
    owner = None  # of the folder of the socket

    def __init__(self, folder, **settings):
        """settings: for its configuration, as each kind says."""
        super().__init__(folder)
        self.settings = settings
        self.path = folder / "run" / "milter"
        self.make("run", self.owner)
        self.write("etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("name_server.py", (Path(__file__).parent / "name_server.py").read_text())
        self.write("names", "")

    def names(self, text):
        """The records of the name server, as name_server.py says; also while it runs."""
        self.write("names", text)

    def script(self):
        """What starts it, in sh; the last command is the one that is stopped."""
        raise NotImplementedError

    def command(self):
        return ["sh", "-euc", START + self.script()]

    def ready(self):
        return negotiates(self.path)


def negotiates(path):
    """Does a filter answer the first packet of the protocol, at this socket?"""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(20)
        try:
            at_folder(path, sock.connect)
            sock.sendall(struct.pack("!IcIII", 13, b"O", 6, 0x1FF, 0x1FFFFF))
            return sock.recv(5)[4:] == b"O"
        except OSError:
            return False


class Rspamd(Filter):
    """settings: redis=True for greylisting (a second retry is accepted after a second)."""

    packages = ("rspamd", "redis-server", "redis-tools")
    users = {"_rspamd": 811, "redis": 812}
    owner = "_rspamd"

    # In local.d/, as the administrator would write them. No module asks anybody but the name server.
    LOCAL = {
        "logging.inc": 'type = "console";',
        "options.inc": 'filters = "chartable,dkim,regexp";\nlocal_addrs = [];\nurl_tld = "/mnt/top-level-domains";\ndns { nameserver = ["127.0.0.1:53:1"]; }',
        "worker-proxy.inc": 'bind_socket = "/mnt/run/milter mode=0666";\nupstream "local" { default = yes; self_scan = yes; }',
        "worker-normal.inc": "enabled = false;",
        "worker-controller.inc": "enabled = false;",
        "milter_headers.conf": 'use = ["x-spam-status"];',
        "actions.conf": "greylist = 30;\nadd_header = 50;\nreject = 70;",
        "greylist.conf": "timeout = 1s;\ncheck_local = true;",
        **{f"{name}.conf": "enabled = false;" for name in ("asn", "fuzzy_check", "multimap", "neural", "phishing", "rbl", "surbl")},
    }  # fmt: skip

    # Words in the subject that give a high score, or change the message. Rules of rspamd itself do not add up to that much.
    RULES = """\
for word, score in pairs({rather = 35, probably = 55, surely = 90}) do
  rspamd_config:register_symbol({
    name = 'TEST_' .. word:upper(), score = score,
    callback = function(task) return (task:get_subject() or ''):find(word) ~= nil end,
  })
end
rspamd_config:register_symbol({
  name = 'TEST_CHANGES', score = 0,
  callback = function(task)
    if (task:get_subject() or ''):find('changes') then
      task:set_milter_reply({
        remove_headers = {['X-Old'] = 2},
        add_headers = {['X-New'] = 'last', ['X-Second'] = {value = 'folded\\n\\tvalue', order = 1}},
        add_rcpt = {'team@example.org'}, del_rcpt = {'bob@example.org'},
      })
    end
  end,
})
"""

    def configure(self):
        for name, text in self.LOCAL.items():
            self.write(f"etc/rspamd/local.d/{name}", text + "\n")
        self.write("etc/rspamd/rspamd.local.lua", self.RULES)
        self.write("top-level-domains", "com\nnet\norg\n")  # Debian's list takes half a minute to compile
        for name in ("lib/rspamd", "log/rspamd"):
            self.make(f"var/{name}", "_rspamd")
        if self.settings.get("redis"):
            self.write("etc/rspamd/local.d/redis.conf", 'servers = "127.0.0.1:6379";\n')

    def script(self):
        redis = "redis-server --save '' --dir /mnt --bind 127.0.0.1 &\n" if self.settings.get("redis") else ""
        return redis + "install -d -o _rspamd /run/rspamd\nexec rspamd -f -u _rspamd -g _rspamd -c /etc/rspamd/rspamd.conf\n"


class OpenDkim(Filter):
    """settings: lines of opendkim.conf, such as Mode="s". Its key for example.org is the record `mail._domainkey`."""

    packages = ("opendkim", "opendkim-tools")
    users = {"opendkim": 813}
    owner = "opendkim"
    CONF = {
        "Syslog": "yes", "SyslogSuccess": "yes", "LogWhy": "yes", "Canonicalization": "relaxed/simple", "OversignHeaders": "From",
        "Domain": "example.org", "Selector": "mail", "KeyFile": "/mnt/etc/dkimkeys/mail.private", "UserID": "opendkim",
        "UMask": "000", "Socket": "local:/mnt/run/milter", "InternalHosts": "192.0.2.1", "Nameservers": "127.0.0.1",
        "AlwaysAddARHeader": "yes",
    }  # fmt: skip

    def configure(self):
        self.write("etc/opendkim.conf", "".join(f"{name} {value}\n" for name, value in {**self.CONF, **self.settings}.items()))
        self.make("etc/dkimkeys", "opendkim", 0o700)
        key = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, text=True, check=True).stdout
        public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=key.encode(), capture_output=True).stdout
        self.write("etc/dkimkeys/mail.private", key, "opendkim", 0o600)
        self.key_record = f"mail._domainkey.example.org TXT v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}\n"
        self.names(self.key_record)

    def script(self):
        return "exec opendkim -f\n"

    def verify(self, text):
        """What opendkim-testmsg, another program of the same project, says about the signature in a text; "" is good."""
        self.write("message", text.decode("latin-1"))
        return self.run("sh", "-c", "iconv -f utf-8 -t latin1 /mnt/message | opendkim-testmsg 2>&1 || true")


class OpenDmarc(Filter):
    """settings: lines of opendmarc.conf."""

    packages = ("opendmarc",)
    users = {"opendmarc": 814}
    owner = "opendmarc"
    CONF = {
        "Syslog": "true", "Socket": "local:/mnt/run/milter", "UMask": "000", "UserID": "opendmarc", "RejectFailures": "true",
        "SPFSelfValidate": "true", "IgnoreHosts": "/mnt/no-hosts", "IgnoreAuthenticatedClients": "true", "SoftwareHeader": "true",
    }  # fmt: skip

    def configure(self):
        self.write("no-hosts", "192.0.2.1\n")
        self.write("etc/opendmarc.conf", "".join(f"{name} {value}\n" for name, value in {**self.CONF, **self.settings}.items()))

    def script(self):
        return "exec opendmarc -f\n"


class ClamAv(Filter):
    """settings: lines of clamav-milter.conf, such as OnInfected="Reject". The one virus that it knows is EICAR."""

    packages = ("clamav-milter", "clamav-daemon", "clamav-base")
    users = {"clamav": 815}
    owner = "clamav"
    CLAMD = "LocalSocket /mnt/run/clamd\nDatabaseDirectory /mnt/signatures\nForeground yes\nUser clamav\nLogSyslog yes\n"
    CONF = {
        "MilterSocket": "/mnt/run/milter", "MilterSocketMode": "666", "User": "clamav", "Foreground": "yes", "LogSyslog": "yes",
        "ClamdSocket": "unix:/mnt/run/clamd", "OnInfected": "Reject", "AddHeader": "Replace", "LogInfected": "Full",
    }  # fmt: skip

    def configure(self):
        self.write("signatures/eicar.ndb", f"Eicar-Test-Signature:0:*:{EICAR.encode().hex()}\n")
        self.write("etc/clamav/clamd.conf", self.CLAMD)
        self.write("etc/clamav/clamav-milter.conf", "".join(f"{k} {v}\n" for k, v in {**self.CONF, **self.settings}.items()))

    def script(self):
        return "clamd &\nwhile [ ! -S /mnt/run/clamd ]; do sleep 0.05; done\nexec clamav-milter\n"


class SpamAssassin(Filter):
    """settings: options="-m" of spamass-milter."""

    packages = ("spamass-milter", "spamassassin", "spamc", "spamd")
    users = {"spamass-milter": 816, "debian-spamd": 817}
    owner = "spamass-milter"

    RULE = "header TEST_SUBJECT Subject =~ /Spam of the test/\nscore TEST_SUBJECT 10\n"

    def configure(self):
        self.make("var/lib/spamassassin", "debian-spamd")
        self.write("etc/spamassassin/test.cf", self.RULE)

    def script(self):
        options = self.settings.get("options", "-r 15")
        return (
            "spamd --local --max-children 1 --username debian-spamd --helper-home-dir /var/lib/spamassassin &\n"
            "while ! spamc -K >/dev/null 2>&1; do sleep 0.05; done\n"
            "umask 0\n"
            f"exec setpriv --reuid spamass-milter --regid spamass-milter --clear-groups spamass-milter -p /mnt/run/milter {options}\n"
        )


class Libmilter:
    """libmilter_filter.c, which writes down what it is told and does what a script says; settings: actions and steps of its
    negotiation. It needs no packages but libmilter-dev, unpacked, and is in no network either."""

    def __init__(self, folder, script="", actions=0x1FF, steps=0):
        self.folder, self.path = folder, folder / "milter"
        folder.mkdir()
        self.flags = [f"{actions:x}", f"{steps:x}"]
        self.does(script)

    def does(self, script):
        (self.folder / "script").write_text(script)

    def start(self):
        self.process = spawn([self.build(), self.path, self.folder / "script", self.folder / "record", *self.flags], umask=0)
        assert wait_until(lambda: negotiates(self.path))
        return self

    def build(self):
        root = UNPACKED / "libmilter-dev"
        if not root.is_dir():
            skip_because(f"libmilter-dev is not unpacked in {UNPACKED}")
        made = self.folder / "libmilter_filter"
        compiler = os.environ.get("CC", "cc").split()
        (library,) = root.glob("usr/lib/*/libmilter.a")
        source = Path(__file__).parent / "libmilter_filter.c"
        subprocess.run([*compiler, "-D_GNU_SOURCE", f"-I{root}/usr/include", "-o", made, source, library, "-lpthread"], check=True)
        return made

    def record(self):
        """The lines written since the last time, when all connections are closed; see libmilter_filter.c."""
        path = self.folder / "record"

        def lines():
            return path.read_text().splitlines()

        assert wait_until(lambda: lines().count("close") == sum(line.startswith("negotiate ") for line in lines())), lines()
        found = lines()
        path.write_text("")
        return found

    def end(self):
        self.process.kill()
        self.process.wait()
