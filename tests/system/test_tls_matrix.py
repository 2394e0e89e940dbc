"""Every enabled handshake: each kind of certificate, version, signature algorithm and key exchange, with three
implementations of TLS; and disabled key exchanges."""

import os
import re
import subprocess

import pytest
from basics import HOSTNAME, TOP, UNPACKED, binary, needs, skip_because
from client import start_own, to_wire
from processes import wait_until
from tls import use

# (kind of certificate, version): its signature algorithms, by their names in OpenSSL and in GnuTLS
PSS = [(f"RSA-PSS+SHA{n}", f"RSA-PSS-RSAE-SHA{n}") for n in (256, 384, 512)]
SIGNATURES = {
    ("rsa", "1.2"): [(f"RSA+SHA{n}", f"RSA-SHA{n}") for n in (256, 384, 512)] + PSS,
    ("rsa", "1.3"): PSS,
    ("ecdsa", "1.2"): [(f"ECDSA+SHA{n}", f"ECDSA-SHA{n}") for n in (256, 384, 512)],
    ("ecdsa", "1.3"): [("ECDSA+SHA256", "ECDSA-SECP256R1-SHA256")],
}
# the names in OpenSSL and in GnuTLS, and how OpenSSL shows the group
GROUPS = [
    ("X25519", "X25519", "X25519"), ("X448", "X448", "X448"), ("P-256", "SECP256R1", "prime256v1"),
    ("P-384", "SECP384R1", "secp384r1"), ("P-521", "SECP521R1", "secp521r1"),
]  # fmt: skip
VERSIONS = ["1.2", "1.3"]
SUITES = {
    "rsa": ["TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256", "TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384",
            "TLS-ECDHE-RSA-WITH-AES-128-CBC-SHA", "TLS-ECDHE-RSA-WITH-CHACHA20-POLY1305-SHA256"],
    "ecdsa": ["TLS-ECDHE-ECDSA-WITH-AES-128-GCM-SHA256", "TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384"],
}  # fmt: skip
TEXT = b"Subject: t\n\nx\n"

kinds = pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
versions = pytest.mark.parametrize("version", VERSIONS)


def run(*argv, given=b"QUIT\r\n"):
    done = subprocess.run([str(a) for a in argv], input=given, capture_output=True, timeout=60)
    return (done.stdout + done.stderr).decode(errors="replace")


def openssl(world, server, version, *options):
    needs("openssl")
    return run(
        "openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-starttls", "smtp", f"-tls{version.replace('.', '_')}",
        "-CAfile", world.certificates / "ca.crt", "-verify_return_error", "-verify_hostname", HOSTNAME, *options,
    )  # fmt: skip


def gnutls_cli(world, server, version, more):
    """gnutls-cli's description of the session, such as (TLS1.2)-(ECDHE-X25519)-(RSA-SHA256)-(AES-256-GCM)."""
    needs("gnutls-cli")
    out = run(
        "gnutls-cli", "--starttls-proto=smtp", f"--x509cafile={world.certificates / 'ca.crt'}", "-p", server.port,
        f"--verify-hostname={HOSTNAME}", f"--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}:{more}", "127.0.0.1",
    )  # fmt: skip
    assert "The certificate is trusted" in out, out
    return re.search(r"^- Description: (.*)$", out, re.M).group(1)


@pytest.fixture(scope="session")
def mbedtls_client(tmp_path_factory):
    """The client, built with the libraries of Debian's libmbedtls-dev, installed or unpacked."""
    roots = [p for p in ("/", UNPACKED / "libmbedtls-dev") if os.path.exists(f"{p}/usr/include/mbedtls/ssl.h")]
    if not roots:
        skip_because("no mbed TLS here: libmbedtls-dev is neither installed nor unpacked")
    include = f"{roots[0]}/usr/include"
    archives = sorted(str(p) for p in (UNPACKED / "libmbedtls-dev").glob("usr/lib/*/libmbed*.a"))
    names = ["tls", "x509", "crypto"]
    libraries = [a for n in names for a in archives if a.endswith(f"/libmbed{n}.a")] or [f"-lmbed{n}" for n in names]
    made = tmp_path_factory.mktemp("mbedtls") / "client"
    compiler = os.environ.get("CC", "cc").split()
    subprocess.run([*compiler, "-w", "-I", include, "-o", made, TOP / "tests/system/mbedtls_client.c", *libraries], check=True)
    return made


def only_good(server, count):
    """Asserts that there were so many handshakes, and nothing that the back took for an attack."""
    assert len(re.findall(r" tls peer=", server.log)) == count, server.log
    assert " tls-failed " not in server.log and " breach " not in server.log, server.log


# ---- signatures --------------------------------------------------------------------------------


@kinds
@versions
def test_signature_algorithms_of_openssl(fresh, certificates, kind, version):
    server = start_own(use(fresh, kind, certificates=certificates))
    algorithms = [ours for ours, _ in SIGNATURES[kind, version]]
    for algorithm in algorithms:
        out = openssl(fresh, server, version, "-sigalgs", algorithm)
        name, _, digest = algorithm.partition("+")
        alike = {"RSA": "rsa_pkcs1_", "RSA-PSS": "rsa_pss_rsae_", "ECDSA": r"ecdsa_\w+_"}[name] + digest.lower()  # OpenSSL 3.5
        assert f"Peer signing digest: {digest}\n" in out and re.search(rf"^Peer signature type: ({name}|{alike})$", out, re.M), out
        assert "Verify return code: 0 (ok)" in out or "Verification: OK" in out, out
    only_good(server, len(algorithms))


@kinds
@versions
def test_signature_algorithms_of_gnutls(fresh, certificates, kind, version):
    server = start_own(use(fresh, kind, certificates=certificates))
    algorithms = [theirs for _, theirs in SIGNATURES[kind, version]]
    for algorithm in algorithms:
        # the client must also accept ECDSA-SHA256, by which the test authority has signed the certificates
        shown = gnutls_cli(fresh, server, version, f"-SIGN-ALL:+SIGN-{algorithm}:+SIGN-ECDSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256")
        assert f"-({algorithm})-" in shown, shown
    only_good(server, len(algorithms))


@kinds
@versions
@pytest.mark.world
def test_mbedtls(fresh, certificates, mbedtls_client, kind, version):
    """A client without RSA-PSS in TLS 1.2 sends a message, with its default suites and with each suite."""
    server = start_own(use(fresh, kind, certificates=certificates))
    given = b"EHLO c.example\r\nMAIL FROM:<s@c.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n" + to_wire(TEXT) + b".\r\nQUIT\r\n"
    argv = [mbedtls_client, server.port, certificates / "ca.crt", HOSTNAME, version]
    sent = 0
    for suite in ["", *(SUITES[kind] if version == "1.2" else [])]:
        done = subprocess.run([str(a) for a in [*argv, suite] if a], input=given, capture_output=True, timeout=60)
        if done.returncode == 77:
            skip_because(f"this mbed TLS has no TLS {version} or no {suite}")
        assert done.returncode == 0 and b"\n250 2.0.0 Delivered" in done.stdout, done
        assert suite in done.stdout.decode()
        sent += 1
    assert fresh.sent("bob") == [TEXT] * sent
    only_good(server, sent)


def test_no_pkcs1_if_only_tls_1_3_is_enabled(fresh, certificates):
    server = start_own(use(fresh, "rsa", certificates=certificates, tls_priority="NORMAL:-VERS-ALL:+VERS-TLS1.3"))
    assert re.search("Peer signature type: (RSA-PSS|rsa_pss_rsae_)", openssl(fresh, server, "1.3"))
    assert "Cipher is (NONE)" in openssl(fresh, server, "1.2", "-sigalgs", "RSA+SHA256")
    assert "Cipher is (NONE)" in openssl(fresh, server, "1.3", "-sigalgs", "RSA+SHA256")
    assert " breach " not in server.log


# ---- key exchanges -----------------------------------------------------------------------------


@kinds
@versions
def test_groups(fresh, certificates, kind, version):
    server = start_own(use(fresh, kind, certificates=certificates))
    for ours, theirs, shown in GROUPS:
        # in TLS 1.2 the groups also apply to the certificate
        more = ":P-256" if (kind, version) == ("ecdsa", "1.2") and ours != "P-256" else ""
        out = openssl(fresh, server, version, "-groups", ours + more)
        assert re.search(rf"^(Server|Peer) Temp Key: (ECDH, )?{shown},", out, re.M), out
        shown = gnutls_cli(fresh, server, version, f"-GROUP-ALL:+GROUP-{theirs}")
        assert f"(ECDHE-{theirs})" in shown, shown
    only_good(server, 2 * len(GROUPS))


FIELDS = {
    "ffdhe2048": ("1.3", "-groups", "ffdhe2048"),
    "ffdhe8192": ("1.3", "-groups", "ffdhe8192"),
    "a retry": ("1.3", "-groups", "ffdhe3072:ffdhe2048"),
    "DHE": ("1.2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-SHA"),
}


@pytest.mark.parametrize("priority", [None, "NORMAL:+DHE-RSA:+GROUP-DH-ALL", "NORMAL:-GROUP-ALL:+GROUP-FFDHE8192:+GROUP-X25519"])
def test_no_finite_fields(fresh, certificates, priority):
    """They would cost the server ten to three hundred times as much as curves, before anybody has logged in."""
    more = {"tls_priority": priority} if priority else {}
    server = start_own(use(fresh, "rsa", certificates=certificates, **more))
    for name, (version, *options) in FIELDS.items():
        out = openssl(fresh, server, version, *options)
        assert "Cipher is (NONE)" in out, f"{name}: {out}"
    assert wait_until(lambda: server.log.count(" tls-failed ") == len(FIELDS)), server.log
    # if the client offers both, the curve is chosen, whatever the client prefers
    assert "Temp Key: X25519" in openssl(fresh, server, "1.3", "-groups", "ffdhe8192:X25519")
    assert "Temp Key: X25519" in openssl(
        fresh, server, "1.2", "-groups", "X25519", "-cipher", "DHE-RSA-AES256-SHA:ECDHE-RSA-AES256-SHA"
    )


@pytest.mark.parametrize(
    "priority",
    ["NORMAL:-GROUP-ALL:+GROUP-FFDHE2048", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA:+RSA",
     "NORMAL:-VERS-ALL:+VERS-TLS1.1", "NORMAL:-SIGN-ALL:+SIGN-RSA-SHA1"],
)  # fmt: skip
def test_priority_that_leaves_nothing(secured, priority):
    """mailslot-build refuses it; otherwise the server would refuse every client."""
    conf = secured.etc / "mailslot.conf"
    lines = conf.read_text().splitlines() + [f"tls-priority = {priority}"]
    conf.write_text("\n".join(lines) + "\n")
    done = subprocess.run([binary("mailslot-build"), "-C", secured.etc], capture_output=True, text=True)
    assert done.returncode == 100, done
    assert f"mailslot.conf:{len(lines)}: tls-priority: " in done.stderr and priority in done.stderr, done.stderr
