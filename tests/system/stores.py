"""Mail stores: Dovecot and Cyrus, which take mail by LMTP on a UNIX socket, and serve it by IMAP on a port of 127.0.0.1."""

import imaplib
import subprocess
from contextlib import closing

from basics import UNPACKED, unpacked_environment
from client import connect
from private_server import PrivateServer, greets
from tls import b64

PASSWORD = "a store's secret"


class Store(PrivateServer):
    """path: of the LMTP socket."""

    ports = ("imap",)

    def ready(self):
        return greets(self.path) and greets(self.port["imap"])

    def imap(self, user):
        client = imaplib.IMAP4("127.0.0.1", self.port["imap"], timeout=20)
        client.login(user, PASSWORD)
        return client

    def read(self, user, folder="INBOX"):
        """The texts of all messages in a folder, with LF line ends, as they were stored."""
        with self.imap(user) as client:
            done, (count,) = client.select(folder, readonly=True)
            assert done == "OK", count
            found = client.fetch("1:*", "(BODY.PEEK[])")[1] if int(count) else []
        return [part[1].replace(b"\r\n", b"\n") for part in found if isinstance(part, tuple)]


DOVECOT = """\
base_dir = /mnt/run
log_path = /mnt/log
ssl = no
first_valid_uid = 1
recipient_delimiter = +
lmtp_rcpt_check_quota = yes
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
service anvil {
  unix_listener anvil {
    mode = 0666
  }
}
service imap-login {
  inet_listener imap {
    PORT
  }
  inet_listener imaps {
    port = 0
  }
}
"""

DOVECOT_2_3 = """
protocols = imap lmtp
disable_plaintext_auth = no
mail_location = maildir:~/Maildir
mail_plugins = quota
passdb {
  driver = passwd-file
  args = /mnt/users
}
userdb {
  driver = passwd-file
  args = /mnt/users
}
protocol lmtp {
  mail_plugins = $mail_plugins sieve
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=1G
  sieve = file:~/sieve
}
"""


DOVECOT_2_4 = """\
dovecot_config_version = 2.4.0
dovecot_storage_version = 2.4.0
protocols {
  imap = yes
  lmtp = yes
}
auth_allow_cleartext = yes
mail_driver = maildir
mail_path = ~/Maildir
mail_plugins {
  quota = yes
}
passdb passwd-file {
  passwd_file_path = /mnt/users
}
userdb passwd-file {
  passwd_file_path = /mnt/users
}
protocol lmtp {
  mail_plugins {
    sieve = yes
  }
}
quota "User quota" {
  driver = maildir
}
quota_storage_size = 1G
sieve_script personal {
  path = ~/sieve
}
"""


class Dovecot(Store):
    packages = ("dovecot-core", "dovecot-imapd", "dovecot-lmtpd", "dovecot-sieve")
    users = {"dovecot": 801, "dovenull": 802, "vmail": 803}

    def __init__(self, folder, *addresses, quota=None, sieve=None):
        """quota: {address: bytes}, sieve: {address: script}."""
        super().__init__(folder)
        self.addresses, self.quota, self.sieve = addresses, quota or {}, sieve or {}
        self.path = folder / "run" / "lmtp"
        self.make("run")
        self.make("mail", "vmail")
        for address in addresses:
            self.make(f"mail/{address}", "vmail")
            if address in self.sieve:
                self.write(f"mail/{address}/sieve", self.sieve[address], "vmail")

    def configure(self):
        program = UNPACKED / "dovecot-core/usr/sbin/dovecot"
        version = subprocess.run([program, "--version"], env=unpacked_environment(), capture_output=True, text=True).stdout
        old = version.startswith("2.3")
        quota = "userdb_quota_rule=*:bytes={0}" if old else "userdb_quota_storage_size={0}B userdb_quota_storage_grace={1}B"
        self.write("users", "".join(
            f"{address}:{{PLAIN}}{PASSWORD}:803:803::/mnt/mail/{address}::"
            + (quota.format(self.quota[address], self.quota[address] // 10) if address in self.quota else "") + "\n"
            for address in self.addresses
        ))  # fmt: skip
        port = f"port = {self.port['imap']}\n    " + ("address" if old else "listen") + " = 127.0.0.1"
        text = DOVECOT.replace("PORT", port)
        self.write("dovecot.conf", text + DOVECOT_2_3 if old else DOVECOT_2_4 + text)

    def command(self):
        return ["dovecot", "-F", "-c", "/mnt/dovecot.conf"]


CYRUS_CONF = """\
START {
  recover cmd="ctl_cyrusdb -r"
}
SERVICES {
  imap cmd="imapd" listen="127.0.0.1:IMAP" prefork=0
  sieve cmd="timsieved" listen="127.0.0.1:SIEVE" prefork=0
  lmtpunix cmd="lmtpd" listen="/mnt/run/lmtp" prefork=0
}
EVENTS {
}
"""

IMAPD_CONF = """\
configdirectory: /mnt/lib
partition-default: /mnt/spool
sievedir: /mnt/sieve
servername: cyrus.example
admins: cyrus
allowplaintext: yes
virtdomains: userid
defaultdomain: cyrus.example
unixhierarchysep: yes
lmtp_downcase_rcpt: yes
lmtp_over_quota_perm_failure: yes
lmtp_strict_quota: yes
duplicatesuppression: no
sasl_mech_list: PLAIN
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_sasldb_path: /mnt/sasldb2
"""


class Cyrus(Store):
    packages = ("cyrus-imapd", "cyrus-common", "sasl2-bin")
    users = {"cyrus": 804}
    ports = ("imap", "sieve")

    def __init__(self, folder, *addresses, quota=None, sieve=None):
        """quota: {address: KiB}, sieve: {address: script}."""
        super().__init__(folder)
        self.addresses, self.quota, self.sieve = addresses, quota or {}, sieve or {}
        self.path = folder / "run" / "lmtp"
        for name in ("run", "lib/db", "lib/proc", "lib/socket", "lib", "spool", "sieve"):
            self.make(name, "cyrus")

    def configure(self):
        text = CYRUS_CONF.replace("IMAP", str(self.port["imap"])).replace("SIEVE", str(self.port["sieve"]))
        self.write("cyrus.conf", text)
        self.write("etc/imapd.conf", IMAPD_CONF)

    def command(self):
        return ["/usr/lib/cyrus/bin/master", "-M", "/mnt/cyrus.conf"]

    def start(self):
        super().start()
        if not (self.folder / "sasldb2").exists():
            self.make_users()
        return self

    def make_users(self):
        for name in ("cyrus", *self.addresses):
            user, _, domain = name.partition("@")
            self.run("saslpasswd2", "-c", "-p", "-f", "/mnt/sasldb2", "-u", domain or "cyrus.example", user, given=PASSWORD)
        self.own(self.folder / "sasldb2", "cyrus", 0o600)
        with self.imap("cyrus") as client:
            for address in self.addresses:
                assert client.create(f"user/{address}")[0] == "OK"
                if address in self.quota:
                    client.setquota(f"user/{address}", f"(STORAGE {self.quota[address]})")
        for address, script in self.sieve.items():
            self.upload(address, script)

    def upload(self, address, script):
        """Makes this the user's script, by the ManageSieve protocol (RFC 5804)."""
        with closing(connect(self.port["sieve"])) as line:
            login = b64(f"\0{address}\0{PASSWORD}")
            for command in ("", f'AUTHENTICATE "PLAIN" "{login}"', f'PUTSCRIPT "s" {{{len(script)}+}}\r\n{script}', 'SETACTIVE "s"'):
                line.send(f"{command}\r\n".encode() if command else b"")
                while not (answer := line.line()).startswith("OK"):
                    assert answer.startswith('"'), answer

