"""Real TLS clients, all of which verify the certificate: users' programs, other mail systems, scanners."""

import json
import os
import re
import smtplib
import socket
import subprocess

import pytest
from basics import HOSTNAME, needs, needs_path_for_others, over_usr, sanitized, skip_because, unpacked, unpacked_environment
from client import start_own
from processes import spawn, wait_until
from postfix import Postfix, in_mount
from tls import PASSWORD, context, plain, use

ALICE = "alice@example.org"
BOB = "bob@example.org"
MAIL = f"From: {ALICE}\nTo: {BOB}\nSubject: hello\nDate: x\nMessage-ID: <x@client.example>\n\nFrom here,\n.\nto there.\n".encode()
WIRE = MAIL.replace(b"\n", b"\r\n")


@pytest.fixture(autouse=True)
def localhost_is_known():
    """Skips if localhost is unknown, as in a bare chroot: clients verify the name that they were given."""
    try:
        socket.getaddrinfo("localhost", 25)
    except OSError:
        skip_because("the name localhost is not known here (/etc/hosts)")


@pytest.fixture
def submission(secured):
    return start_own(secured, "-r", "submission")


@pytest.fixture
def submissions(secured):
    return start_own(secured, "-r", "submissions")


def client(*argv, given=b"", code=0, **more):
    done = subprocess.run([str(a) for a in argv], input=given, capture_output=True, timeout=400, **more)
    out = (done.stdout + done.stderr).decode(errors="replace")
    assert code is None or done.returncode == code, out
    return out


def arrived(world, how="ESMTPSA", text=MAIL):
    """Asserts that bob has this one message, received over TLS."""
    (message,) = world.messages("bob")
    if text is not None:
        assert message.sent == text
    received = message.header("Received")
    assert re.search(rf"\(using TLS1\.[23] with cipher [A-Z0-9_a-z]+\) by {HOSTNAME} with {how} id ", received), received


def converse(argv, path, commands):
    """Types each command after the reply to the previous one."""
    with open(path, "wb") as out:
        process = spawn(argv, stdin=subprocess.PIPE, stdout=out, stderr=out, bufsize=0)
    for said, due in commands:
        process.stdin.write(said)
        assert wait_until(lambda: re.search(due, path.read_bytes(), re.M)), path.read_bytes().decode(errors="replace")
    process.stdin.close()
    assert process.wait(20) is not None
    return path.read_text(errors="replace")


SESSION = [
    (b"EHLO client.example\r\n", rb"^250 HELP"),
    (plain(ALICE).encode() + b"\r\n", rb"^235 2\.7\.0"),
    (f"mail FROM:<{ALICE}>\r\n".encode(), rb"^250 2\.1\.0"),
    (f"rcpt TO:<{BOB}>\r\n".encode(), rb"^250 2\.1\.5"),  # a line that begins with R makes s_client renegotiate
    (b"DATA\r\n", rb"^354 "),
    (WIRE.replace(b"\r\n.", b"\r\n..") + b".\r\n", rb"^250 2\.0\.0 Delivered"),
    (b"quit\r\n", rb"^221 2\.0\.0"),
]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_starttls(secured, submission, version):
    needs("openssl")
    ca = secured.certificates / "ca.crt"
    out = converse(
        ["openssl", "s_client", version, "-connect", f"localhost:{submission.port}", "-starttls", "smtp", "-CAfile", ca,
         "-verify_return_error", "-verify_hostname", HOSTNAME],
        secured.folder / "out", SESSION,
    )  # fmt: skip
    assert "Verification: OK" in out or "Verify return code: 0 (ok)" in out
    arrived(secured)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_direct(secured, submissions, version):
    needs("openssl")
    ca = secured.certificates / "ca.crt"
    converse(
        ["openssl", "s_client", version, "-connect", f"localhost:{submissions.port}", "-CAfile", ca,
         "-verify_return_error", "-verify_hostname", HOSTNAME],
        secured.folder / "out", [(b"", rb"^220 "), *SESSION],
    )  # fmt: skip
    arrived(secured)


@pytest.mark.parametrize("way", ["starttls", "direct"])
def test_gnutls_cli(secured, submission, submissions, way):
    needs("gnutls-cli")
    port = submission.port if way == "starttls" else submissions.port
    options = ["--starttls-proto=smtp"] if way == "starttls" else []
    out = converse(
        ["gnutls-cli", *options, f"--x509cafile={secured.certificates / 'ca.crt'}", "-p", port, "localhost"],
        secured.folder / "out", SESSION,
    )  # fmt: skip
    assert "The certificate is trusted" in out and "Peer has closed" in out
    arrived(secured)


@pytest.mark.parametrize("way", ["starttls", "direct"])
@pytest.mark.parametrize("crlf", [["--crlf"], []], ids=["crlf", "lf"])
def test_curl(secured, submission, submissions, way, crlf):
    """Without --crlf, curl sends the lines of the file with bare LF, and adds a line end after the last one."""
    needs("curl")
    path = secured.folder / "mail.txt"
    path.write_bytes(MAIL)
    url = f"smtp://localhost:{submission.port}" if way == "starttls" else f"smtps://localhost:{submissions.port}"
    client(
        "curl", "-sS", *crlf, "--ssl-reqd", "--cacert", secured.certificates / "ca.crt", "--user", f"{ALICE}:{PASSWORD}",
        f"{url}/client.example", "--mail-from", ALICE, "--mail-rcpt", BOB, "--upload-file", path,
    )  # fmt: skip
    arrived(secured, text=MAIL if crlf else MAIL + b"\n")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("way", ["starttls", "direct"])
def test_swaks(secured, submission, submissions, way, mechanism):
    needs("swaks")
    if subprocess.run(["perl", "-MNet::SSLeay", "-e", "1"], capture_output=True).returncode != 0:
        skip_because("swaks has no TLS here: libnet-ssleay-perl is not installed")
    port = submission.port if way == "starttls" else submissions.port
    out = client(
        "swaks", "-4", "--server", "localhost", "--port", port, "--tls" if way == "starttls" else "--tlsc", "--tls-verify",
        "--tls-ca-path", secured.certificates / "ca.crt", "--auth", mechanism, "--auth-user", ALICE, "--auth-password",
        PASSWORD, "--from", ALICE, "--to", BOB, "--body", "From here\n.\nto there",
    )  # fmt: skip
    assert "235 2.7.0" in out and "250 2.0.0 Delivered" in out
    arrived(secured, text=None)


@pytest.mark.parametrize("way", ["starttls", "direct"])
@pytest.mark.parametrize("mechanism", ["scram-sha-256-plus", "scram-sha-256", "plain"])
def test_msmtp(secured, submission, submissions, way, mechanism):
    needs("msmtp")
    port = submission.port if way == "starttls" else submissions.port
    config = secured.folder / "msmtprc"
    config.write_text(
        f"account default\nhost localhost\nport {port}\nfrom {ALICE}\nuser {ALICE}\npassword {PASSWORD}\ndomain client.example\n"
        f"auth {mechanism}\ntls on\ntls_starttls {'on' if way == 'starttls' else 'off'}\n"
        f"tls_trust_file {secured.certificates / 'ca.crt'}\nset_date_header off\nset_msgid_header off\n"
    )
    config.chmod(0o600)
    out = client("msmtp", "-C", config, BOB, given=MAIL, code=0 if mechanism == "plain" else None)
    if "invalid argument" in out:
        skip_because("this msmtp knows no SCRAM-SHA-256-PLUS")
    if "Error authenticating user" in out and "auth failed" not in (submission.log + submissions.log):
        skip_because("this msmtp refuses SCRAM without the channel binding that it could have")
    arrived(secured, "(ESMTPSA|UTF8SMTPSA)")  # msmtp 1.8.28 requests SMTPUTF8 whenever it is offered
    server = submission if way == "starttls" else submissions
    assert f"user={ALICE} mechanism={mechanism.upper()} " in server.log


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"])
def test_gsasl(secured, submission, mechanism):
    """GNU SASL supports tls-exporter."""
    needs("gsasl")
    argv = ["gsasl", "--smtp", "--starttls", f"--connect=localhost:{submission.port}", "-m", mechanism, "-a", ALICE,
            f"--x509-ca-file={secured.certificates / 'ca.crt'}", "--verbose"]  # fmt: skip
    if mechanism == "SCRAM-SHA-256":  # gsasl refuses to omit a binding that it supports
        argv.append("--no-cb")
    out = client(*argv, "-p", PASSWORD)
    assert "235 2.7.0" in out and "The certificate is trusted" in out
    assert not mechanism.startswith("SCRAM") or "server trusted" in out
    assert f"user={ALICE} mechanism={mechanism} " in submission.log
    assert "535 5.7.8" in client(*argv, "-p", "wrong", code=None)


def test_gsasl_external(secured):
    needs("gsasl")
    (secured.etc / "clients.crt").write_bytes((secured.certificates / "client-ca.crt").read_bytes())
    secured.build(tls_client_ca="clients.crt")
    server = start_own(secured, "-r", "submission")
    made = secured.certificates
    out = client(
        "gsasl", "--smtp", "--starttls", f"--connect=localhost:{server.port}", "-m", "EXTERNAL", "-z", ALICE, "--verbose",
        f"--x509-ca-file={made / 'ca.crt'}", f"--x509-cert-file={made / 'alice.crt'}", f"--x509-key-file={made / 'alice.key'}",
    )  # fmt: skip
    assert "235 2.7.0" in out, out


@pytest.mark.parametrize("way", ["starttls", "direct"])
def test_smtplib(secured, submission, submissions, way):
    """CRAM-MD5 is not offered, so Python uses PLAIN; or LOGIN if the test asks for it."""
    trusting = context(secured.certificates)
    if way == "starttls":
        smtp = smtplib.SMTP("localhost", submission.port, local_hostname="client.example")
        assert smtp.starttls(context=trusting)[0] == 220
    else:
        smtp = smtplib.SMTP_SSL("localhost", submissions.port, local_hostname="client.example", context=trusting)
    with smtp:
        assert smtp.login(ALICE, PASSWORD)[0] == 235
        assert smtp.sendmail(ALICE, [BOB], WIRE) == {}
    arrived(secured)


def test_client_that_distrusts_sends_nothing(secured, submission):
    needs("msmtp")
    argv = ["msmtp", "-C", "/dev/null", "--host=localhost", f"--port={submission.port}", f"--from={ALICE}", "--tls=on",
            f"--tls-trust-file={secured.certificates / 'client-ca.crt'}", BOB]  # fmt: skip
    client(*argv, given=MAIL, code=69)
    assert secured.everything() == {}


# ---- mail systems ------------------------------------------------------------------------------


def share_certificates(world):
    """The folder that a mail system sees as /mnt, with the CA certificates."""
    folder = world.folder / "mnt"
    folder.mkdir(exist_ok=True)
    for name in ("ca", "client-ca"):
        (folder / f"{name}.crt").write_bytes((world.certificates / f"{name}.crt").read_bytes())
    return folder


@pytest.fixture
def postfix(secured):
    system = Postfix(share_certificates(secured))

    def deliver(port, level, ca="ca"):
        system.start(
            f"relayhost = [localhost]:{port}\nsmtp_host_lookup = native\nsmtp_dns_support_level = disabled\n"
            f"smtp_tls_security_level = {level}\nsmtp_tls_CAfile = /mnt/{ca}.crt\nsmtp_tls_loglevel = 1\n"
        )
        system.send(MAIL, ALICE, BOB)
        return system.wait_for("status=")

    yield deliver
    system.stop()


@pytest.mark.world
@pytest.mark.parametrize("level", ["verify", "secure"])
def test_postfix(secured, postfix, level):
    log = postfix(start_own(secured).port, level)
    assert "Verified TLS connection established to localhost[127.0.0.1]" in log and "status=sent (250 2.0.0 Delivered" in log, log
    arrived(secured, "ESMTPS", None)
    assert secured.sent("bob")[0].endswith(b"\n\nFrom here,\n.\nto there.\n")


@pytest.mark.world
def test_postfix_that_distrusts(secured, postfix):
    """This shows that Postfix does verify in the test above."""
    log = postfix(start_own(secured).port, "secure", "client-ca")
    assert re.search(r"status=deferred \(Server certificate not (trusted|verified)\)", log), log
    assert secured.everything() == {}


EXIM = """\
primary_hostname = client.example
spool_directory = /mnt/spool
log_file_path = /mnt/exim-%slog
exim_path = PROGRAM
log_selector = +tls_certificate_verified +tls_cipher
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
trusted_users = root
qualify_domain = client.example
keep_environment =
begin routers
all:
  driver = manualroute
  route_list = * localhost byname
  self = send
  transport = out
begin transports
out:
  driver = smtp
  port = PORT
  hosts_require_tls = *
  tls_verify_certificates = /mnt/CA.crt
  TLS_HOSTS = *
  tls_verify_cert_hostnames = *
  hosts_try_dane =
begin retry
* * F,1h,1h
"""


def exim(world, port, hosts="tls_verify_hosts", ca="ca"):
    program = unpacked("exim4-daemon-light", "usr/sbin/exim4")
    needs_path_for_others(program)
    folder = share_certificates(world)
    command = in_mount(
        folder,
        f"{over_usr()} && mount --bind /mnt/passwd /etc/passwd && mount --bind /mnt/group /etc/group && "
        f"exec {program} -C /mnt/exim.conf -odf -oi -f {ALICE} {BOB}",
    )
    for name, row in (("passwd", "Debian-exim:x:1:1::/:/bin/false\n"), ("group", "Debian-exim:x:1:\n")):
        with open(f"/etc/{name}") as file:
            (folder / name).write_text(file.read() + row)
    text = EXIM.replace("PORT", str(port)).replace("CA.crt", f"{ca}.crt").replace("TLS_HOSTS", hosts)
    (folder / "exim.conf").write_text(text.replace("PROGRAM", str(program)))
    (folder / "exim.conf").chmod(0o644)
    (folder / "spool").mkdir()
    os.chown(folder / "spool", 1, 1)
    os.chown(folder, 1, 1)  # for its log
    out = client(*command, given=MAIL, env=unpacked_environment(), cwd="/", code=None)
    log = folder / "exim-mainlog"
    if not log.exists():
        skip_because(f"Exim does not run here: {out}")
    return log.read_text() + out


@pytest.mark.world
@pytest.mark.parametrize("hosts", ["tls_verify_hosts", "tls_try_verify_hosts"])
def test_exim(secured, hosts):
    """Exim uses BDAT if it is offered: `K` in its log."""
    log = exim(secured, start_own(secured).port, hosts)
    assert re.search(rf"=> {re.escape(BOB)} R=all T=out H=localhost \[127\.0\.0\.1\].* X=TLS1\.[23]:\S+ CV=yes .*K C=\"250 2\.0\.0 Delivered", log), log
    arrived(secured, "ESMTPS", None)


@pytest.mark.world
def test_exim_that_distrusts(secured):
    log = exim(secured, start_own(secured).port, ca="client-ca")
    assert "verif" in log and "=>" not in log, log
    assert secured.everything() == {}


# ---- scanners ----------------------------------------------------------------------------------


@pytest.fixture
def scanned(fresh, certificates):
    return start_own(use(fresh, "ecdsa", "rsa", certificates=certificates, max_errors=1000))


@pytest.mark.world
def test_sslscan(scanned):
    """Only TLS 1.2 and 1.3, only ciphers with forward secrecy and at least 128 bits, no renegotiation."""
    needs("sslscan")
    out = client("sslscan", "--no-colour", "--starttls-smtp", f"127.0.0.1:{scanned.port}")
    versions = dict(re.findall(r"^((?:SSL|TLS)v[\d.]+)\s+(enabled|disabled)$", out, re.M))
    assert {v for v, state in versions.items() if state == "enabled"} == {"TLSv1.2", "TLSv1.3"}, out
    assert "Session renegotiation not supported" in out
    ciphers = re.findall(r"^(?:Preferred|Accepted)\s+(\S+)\s+(\d+) bits\s+(\S+)", out, re.M)
    assert len(ciphers) > 4
    for version, bits, name in ciphers:
        assert int(bits) >= 128 and (version == "TLSv1.3" or re.match("(EC)?DHE-", name)), name
        assert not re.search("RC4|DES|NULL|EXP|MD5|anon|PSK", name), name
    assert not re.search(r"^(?!.*not vulnerable).*vulnerable", out, re.M)


# What testssl.sh rates above LOW, and why it does not matter here.
EXEMPT = {
    "engine_problem": "the openssl that testssl.sh uses has no GOST; this concerns only the scanner",
    "cipher_order": "GnuTLS's NORMAL follows the client's order, and all enabled ciphers are good "
    "(`tls-priority = NORMAL:%SERVER_PRECEDENCE` changes that)",
    "cert_revocation": "the tests' own authority publishes no CRL, and has no OCSP responder",
    "cert_chain_of_trust": "nobody knows the tests' own authority",
    "cert_trust": "the test connects to an address of localhost",
    "cert_validityPeriod": "the validity of the tests' own certificates",
}


@pytest.mark.world
def test_testssl(scanned, certificates, tmp_path):
    needs("testssl")
    if sanitized():
        skip_because("testssl.sh takes minutes with sanitizers, and judges the same protocol")
    report = tmp_path / "report.json"
    client(
        "testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1", "--starttls", "smtp",
        "-p", "-s", "-S", "-P", "-f", "-U", "--add-ca", certificates / "ca.crt", "-oj", report, f"localhost:{scanned.port}",
        code=None, cwd=tmp_path,
    )  # fmt: skip
    found = json.loads(report.read_text())
    ids = {row["id"] for row in found}
    assert {"TLS1_2", "TLS1_3", "cipher_order", "heartbleed", "CCS", "ROBOT", "secure_renego", "CRIME_TLS", "LUCKY13"} <= ids, ids
    bad = [row for row in found if row["severity"] not in ("OK", "INFO", "DEBUG", "LOW")]
    left = [f"{row['severity']} {row['id']}: {row['finding']}" for row in bad if row["id"].split()[0] not in EXEMPT]
    assert not left, left
