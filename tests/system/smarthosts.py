"""Smarthosts: Postfix, Exim and OpenSMTPD, which take mail for any domain from who logs in over TLS, and keep all of it in one
Maildir. They listen on ports of 127.0.0.1: `starttls` (as 587), `implicit` (as 465), and `plain`, which takes mail from this host
without TLS or a password, as a queue next door does."""

import os
import re
import smtplib
import subprocess

from client import start_own
from postfix import FOLDERS, QUEUE
from private_server import PrivateServer, greets
from tls import set_password, use
from world import World

USER, PASSWORD = "sender@isp.example", "a smarthost's secret"


class Smarthost(PrivateServer):
    ports = ("starttls", "implicit", "plain")
    owner = None  # of the Maildir
    key_owner = "root"  # of the TLS key
    certificate = "ecdsa"  # of tls.CERTIFICATES

    def __init__(self, folder, certificates, certificate=None, **settings):
        """settings: more lines of the configuration, for servers that have such."""
        super().__init__(folder)
        self.settings = settings
        certificate = certificate or self.certificate
        self.write("tls.crt", (certificates / f"{certificate}.crt").read_text())
        self.write("tls.key", (certificates / f"{certificate}.key").read_text(), self.key_owner, 0o600)
        self.make("out", self.owner, 0o700)

    def ready(self):
        return greets(self.port["plain"])

    def filled(self, text, **more):
        """The text with @NAME@ replaced: the ports, and these."""
        for name, value in {**self.port, **more}.items():
            text = text.replace(f"@{name.upper()}@", str(value))
        return text

    def has_tls(self):
        return True

    def client(self, tls, context):
        """smtplib's client at the port `starttls` or `implicit`, in TLS."""
        if tls == "implicit":
            return smtplib.SMTP_SSL("localhost", self.port["implicit"], timeout=20, context=context)
        client = smtplib.SMTP("localhost", self.port["starttls"], timeout=20)
        client.starttls(context=context)
        return client

    def received(self):
        """The texts that it has delivered, in no order, with LF line ends and its own header fields."""
        return [path.read_bytes().replace(b"\r\n", b"\n") for path in self.folder.glob("out/**/new/*")]


MASTER_CF = QUEUE + """\
127.0.0.1:@STARTTLS@ inet n - n - - smtpd
127.0.0.1:@IMPLICIT@ inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:@PLAIN@ inet n - n - - smtpd -o smtpd_tls_security_level=none -o smtpd_recipient_restrictions=permit_mynetworks,reject -o smtpd_relay_restrictions=permit_mynetworks,reject
proxymap unix - - n - - proxymap
virtual unix - n n - - virtual
"""

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = /mnt/queue
data_directory = /mnt/data
maillog_file = /mnt/log
maillog_file_prefixes = /mnt
myhostname = postfix.example
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
virtual_mailbox_domains = static:all
virtual_mailbox_maps = static:all/
virtual_mailbox_base = /mnt/out
virtual_uid_maps = static:805
virtual_gid_maps = static:805
virtual_minimum_uid = 1
smtpd_tls_cert_file = /mnt/tls.crt
smtpd_tls_key_file = /mnt/tls.key
smtpd_tls_security_level = encrypt
smtpd_tls_received_header = yes
cyrus_sasl_config_path = /etc/postfix/sasl
smtpd_sasl_auth_enable = yes
smtpd_sasl_authenticated_header = yes
smtpd_sasl_security_options = noanonymous
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
"""

SASL_CONF = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: /mnt/sasldb2
mech_list: SCRAM-SHA-256 PLAIN LOGIN
"""


class Postfix(Smarthost):
    """settings: lines of main.cf, such as smtpd_timeout="2s"."""

    packages = ("postfix", "sasl2-bin")
    users = {"postfix": 805, "postdrop": 806}
    owner = "postfix"

    def configure(self):
        self.write("etc/postfix/master.cf", self.filled(MASTER_CF))
        defaults = dict(line.split(" =", 1) for line in MAIN_CF.splitlines())
        self.write("etc/postfix/main.cf", "".join(f"{k} = {v}\n" for k, v in {**defaults, **self.settings}.items()))
        self.write("etc/postfix/sasl/smtpd.conf", SASL_CONF)
        for name in FOLDERS:
            self.make_queue(name)
        self.make("data", "postfix", 0o700)

    def make_queue(self, name):
        """A folder of the queue, as `postfix set-permissions` makes it."""
        dropped = name in ("maildrop", "public")
        path = self.make(f"queue/{name}", "root" if name in ("", "pid") else "postfix", 0o755 if name in ("", "pid") else 0o700)
        if dropped:
            os.chown(path, self.users["postfix"], self.users["postdrop"])
            path.chmod(0o730 if name == "maildrop" else 0o710)

    def command(self):
        user, _, realm = USER.partition("@")
        made = f"printf '%s' \"$0\" | saslpasswd2 -c -p -f /mnt/sasldb2 -u {realm} {user} && chown postfix /mnt/sasldb2"
        return ["sh", "-c", f"{made} && exec /usr/lib/postfix/sbin/master -d", PASSWORD]


EXIM_CONF = """\
primary_hostname = exim.example
spool_directory = /mnt/spool
log_file_path = syslog
log_selector = +smtp_connection
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = @STARTTLS@ : @IMPLICIT@ : @PLAIN@
tls_on_connect_ports = @IMPLICIT@
tls_advertise_hosts = *
tls_certificate = /mnt/tls.crt
tls_privatekey = /mnt/tls.key
auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}
acl_smtp_rcpt = rcpt
acl_smtp_data = data
@SETTINGS@
begin acl
rcpt:
  accept authenticated = *
  accept condition = ${if eq{$received_port}{@PLAIN@}}
  deny message = log in first
data:
  accept
begin routers
all:
  driver = accept
  transport = out
begin transports
out:
  driver = appendfile
  directory = /mnt/out
  maildir_format
  user = Debian-exim
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${if and{{eq{$auth2}{@USER@}}{eq{$auth3}{@PASSWORD@}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${if and{{eq{$auth1}{@USER@}}{eq{$auth2}{@PASSWORD@}}}}
  server_set_id = $auth1
"""


class Exim(Smarthost):
    """settings: main settings, such as smtp_receive_timeout="2s"."""

    packages = ("exim4-daemon-light",)
    users = {"Debian-exim": 807}
    owner = key_owner = "Debian-exim"

    def configure(self):
        settings = "\n".join(f"{k} = {v}" for k, v in self.settings.items())
        self.write("etc/exim4/exim4.conf", self.filled(EXIM_CONF, user=USER, password=PASSWORD, settings=settings))
        self.make("spool", "Debian-exim")

    def command(self):
        return ["exim4", "-bdf", "-q1m"]


SMTPD_CONF = """\
pki isp cert "/mnt/tls.crt"
pki isp key "/mnt/tls.key"
table users file:/mnt/users
listen on 127.0.0.1 port @STARTTLS@ tls-require pki isp auth <users>
listen on 127.0.0.1 port @IMPLICIT@ smtps pki isp auth <users>
listen on 127.0.0.1 port @PLAIN@ tag "plain"
action "keep" maildir "/mnt/out" virtual { "@" = "keeper" }
match auth from any for any action "keep"
match tag "plain" from any for any action "keep"
"""


class OpenSmtpd(Smarthost):
    packages = ("opensmtpd",)
    users = {"opensmtpd": 808, "opensmtpq": 809, "keeper": 810}
    owner = "keeper"

    def configure(self):
        self.write("etc/smtpd.conf", self.filled(SMTPD_CONF))
        hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True).stdout
        self.write("users", f"{USER} {hashed}")
        self.make("var/lib/opensmtpd/empty")

    def command(self):
        return ["smtpd", "-d", "-v"]

    def has_tls(self):
        """OpenSMTPD before 7.3 cannot use a key with OpenSSL 3: https://github.com/OpenSMTPD/OpenSMTPD/issues/1171."""
        version = re.search(r"OpenSMTPD (\d+)\.(\d+)", self.log())
        return (int(version[1]), int(version[2])) >= (7, 3)


class Mailslot:
    """Another mailslot, which hosts far.example. Its log-in may send as anybody at example.org."""

    friend = "friend@far.example"

    def __init__(self, folder, certificates, certificate="ecdsa"):
        folder.mkdir()
        self.world = World(folder)
        self.world.conf.update({"hostname": "isp.example", "domains": "far.example isp.example"})
        self.world.users, self.world.aliases = [f"{self.friend}::", f"{USER}::send-as=@example.org"], [f"@far.example: {self.friend}"]
        use(self.world, certificate, certificates=certificates)
        set_password(self.world, USER, PASSWORD)
        self.world.build()

    def start(self):
        self.servers = {"starttls": start_own(self.world, "-r", "submission"), "implicit": start_own(self.world, "-r", "submissions")}
        self.port = {name: server.port for name, server in self.servers.items()}
        return self

    def has_tls(self):
        return True

    def received(self):
        return [message.text for message in self.world.messages(self.friend)]

    def log(self):
        return "".join(server.log for server in self.servers.values())

    def end(self):
        for server in self.servers.values():
            server.process.kill()
            server.process.wait()
