"""Real filters, asked by mailslot and by Postfix: each does what it is for, and both servers make the same of it."""

import base64
import email.utils
import re

import pytest
from filtering import ALICE, AskingMailslot, AskingPostfix, Both
from filters import EICAR, GTUBE, ClamAv, OpenDkim, OpenDmarc, Rspamd, SpamAssassin
from processes import wait_until

pytestmark = pytest.mark.world

NOW = email.utils.formatdate()  # SpamAssassin holds an old date against a message
HEADER = f"From: Sam <s@client.example>\nTo: alice@example.org\nSubject: SUBJECT\nDate: {NOW}\n"
HEADER += "Message-ID: <0123456789@client.example>\nX-Odd:no blank\nX-Long: one\n two\n\tthree\n"
BODY = "\nFrom here\n.dot\n"


def text_of(subject="x", body=BODY, sender="s@client.example", more=""):
    return (HEADER.replace("SUBJECT", subject).replace("s@client.example", sender) + more + body).encode()


@pytest.fixture
def both(fresh, servers, certificates):
    """both(filter, ...)"""

    def start(*filters):
        return Both([AskingMailslot(fresh, *filters), servers(AskingPostfix, certificates, *filters)])

    return start


def values(kept, name):
    """Those of all header fields of this name."""
    return [value.decode() for known, value in kept[0] if known == name]


def unchanged(kept, text):
    """Is everything still there as it was sent, whatever was added?"""
    header, _, body = text.partition(b"\n\n")
    sent = re.findall(rb"^([^\s:]+):(.*(?:\n[ \t].*)*)", header, re.M)
    fields = [(name.encode(), value) for name, value in kept[0]]
    return [field for field in fields if field in sent] == sent and kept[1] == body


# ---- rspamd ------------------------------------------------------------------------------------


def test_rspamd(servers, both):
    """By its score a message is kept as it is, marked, or refused; GTUBE is refused."""
    asked = both(servers(Rspamd))
    reply, kept = asked.send(text_of())
    assert reply == "250" and unchanged(kept, text_of()) and values(kept, "X-Spam") == []
    assert re.match(r" No, score=", *values(kept, "X-Spam-Status"))
    reply, kept = asked.send(text_of("probably"))
    assert reply == "250" and unchanged(kept, text_of("probably")) and values(kept, "X-Spam") == [" Yes"]
    assert asked.send(text_of("surely")) == ("554 5.7.1 Spam message rejected", None)
    assert asked.send(text_of(body=f"\n{GTUBE}\n")) == ("554 5.7.1 Gtube pattern", None)


def test_greylisting(fresh, servers):
    """With a redis of its own; the second try after a second is accepted."""
    asked = Both([AskingMailslot(fresh, servers(Rspamd, redis=True))])
    assert asked.send(text_of()).reply == "250"
    text = text_of("rather")
    assert asked.send(text).reply.startswith("451 4.7.1 ")
    kept = wait_until(lambda: asked.send(text).kept, step=0.5)
    assert unchanged(kept, text)


def test_changes_of_rspamd(servers, both):
    """Header fields that it removes and adds, one of several of the same name, in several lines, and recipients."""
    more = "X-Old: one\nX-Old: two\nX-Old: three\n"
    reply, kept = both(servers(Rspamd)).send(text_of("changes", more=more), recipients=["bob@example.org"])
    assert reply == "250" and values(kept, "X-Old") == [" one", " three"]
    assert values(kept, "X-New") == [" last"] and values(kept, "X-Second") == [" folded\n\tvalue"]
    assert [name for name, _ in kept[0]][:3] == ["Received", "X-Second", "From"], kept


# ---- OpenDKIM, OpenDMARC -----------------------------------------------------------------------


def test_signed(servers, both):
    """What a user sends is signed, also with 8-bit text and odd lines; the signature holds in what was kept."""
    dkim = servers(OpenDkim)
    asked = both(dkim)
    for body in (BODY, "\nna\u00efve \nFrom here\n\n\n", "\n"):
        text = text_of(body=body, sender=ALICE)
        reply, kept = asked.send(text, sender=ALICE, login=ALICE)
        (signature,) = values(kept, "DKIM-Signature")
        assert reply == "250" and "d=example.org; s=mail;" in signature and unchanged(kept, text)
        for kept in asked.texts:
            assert dkim.verify(kept) == ""
            assert "Bad signature" in dkim.verify(kept.replace(b"Subject: x", b"Subject: y"))
    reply, kept = asked.send(text_of(sender=ALICE), sender=ALICE)
    assert values(kept, "DKIM-Signature") == [], "of a stranger"
    assert " dkim=none" in values(kept, "Authentication-Results")[0]


def test_signed_and_relayed(fresh, servers, hops):
    """What the smarthost gets has a good signature, and a mailbox here has it, too."""
    dkim, relay = servers(OpenDkim), hops("relay")
    asked = AskingMailslot(fresh, dkim, relay=str(relay.path))
    for text in (text_of(sender=ALICE), text_of(sender=ALICE, body="\n.\nFrom na\u00efve\n")):
        text = text.replace(b"Message-ID", b"Bcc: x@example.org\nX-Id").replace(b"Date", b"X-Date")
        assert asked.send(text, recipients=[ALICE, "friend@far.example"], sender=ALICE, login=ALICE).startswith("250 ")
        for kept in (asked.kept()[-1], relay.accepted[-1][1]):
            assert b"\nDate:" in kept and b"\nMessage-ID:" in kept and b"\nBcc:" not in kept
            assert b"DKIM-Signature" in kept and dkim.verify(kept) == ""


def test_verified(servers, both):
    """What a filter adds is seen by the next: OpenDMARC judges by SPF, and by what OpenDKIM says."""
    dkim, dmarc = servers(OpenDkim), servers(OpenDmarc)
    dmarc.names(
        "_dmarc.client.example TXT v=DMARC1; p=reject\nclient.example TXT v=spf1 ip4:203.0.113.9 -all\n"
        "_dmarc.example.org TXT v=DMARC1; p=reject\nexample.org TXT v=spf1 -all\n"
    )
    asked = both(dkim, dmarc)
    reply, kept = asked.send(text_of())
    assert reply == "250" and unchanged(kept, text_of())
    assert "dmarc=pass (p=reject dis=none) header.from=client.example" in values(kept, "Authentication-Results")[0]
    forged = text_of(sender=ALICE)
    assert asked.send(forged) == ("550 5.7.1 rejected by DMARC policy for example.org", None)

    assert asked.send(forged, sender=ALICE, login=ALICE).reply == "250"
    signature = re.search(rb"^DKIM-Signature:.*\n(\s.*\n)*", asked.texts[0], re.M)[0]
    reply, kept = asked.send(signature + forged)
    assert reply == "250" and "dmarc=pass" in values(kept, "Authentication-Results")[0]
    assert "dkim=pass" in values(kept, "Authentication-Results")[-1]


# ---- ClamAV ------------------------------------------------------------------------------------

VIRUS = "MIME-Version: 1.0\nContent-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"


def infected():
    return text_of("virus", more=VIRUS, body="\n" + base64.b64encode(EICAR.encode()).decode() + "\n")


def test_virus(servers, both):
    """Refused with the name of the virus; anything else is marked as clean."""
    asked = both(servers(ClamAv, RejectMsg='"Contains %v"'))
    reply, kept = asked.send(text_of())
    assert reply == "250" and unchanged(kept, text_of()) and values(kept, "X-Virus-Status") == [" Clean"]
    assert asked.send(infected()) == ("550 5.7.1 Contains Eicar-Test-Signature.UNOFFICIAL", None)
    large = text_of(body="\n" + 20000 * (70 * "x" + "\n"))
    reply, kept = asked.send(large)
    assert reply == "250" and unchanged(kept, large)


def test_virus_discarded(servers, both):
    assert both(servers(ClamAv, OnInfected="Blackhole")).send(infected()) == ("250", None)


@pytest.mark.parametrize("what", ["reject", "defer", "deliver"])
def test_virus_quarantined(fresh, servers, what):
    """Debian's default. Postfix would keep it in its queue."""
    asked = Both([AskingMailslot(fresh, servers(ClamAv, OnInfected="Quarantine"), quarantine=what)])
    reply, kept = asked.send(infected())
    if what == "deliver":
        assert reply == "250" and values(kept, "X-Quarantine") == [" quarantined by clamav-milter"]
        assert unchanged(kept, infected())
    else:
        assert reply.startswith({"reject": "550 5.7.1 ", "defer": "451 4.7.1 "}[what]) and kept is None
    assert asked.send(text_of()).reply == "250"


# ---- SpamAssassin ------------------------------------------------------------------------------


def test_spamassassin(servers, both):
    """It replaces the body, and header fields with it; GTUBE is refused."""
    asked = both(servers(SpamAssassin))
    reply, kept = asked.send(text_of())
    assert reply == "250" and unchanged(kept, text_of()) and values(kept, "X-Spam-Flag") == []
    assert re.match(r" No, score=", *values(kept, "X-Spam-Status"))
    text = text_of("Spam of the test")
    reply, kept = asked.send(text)
    assert reply == "250" and values(kept, "X-Spam-Flag") == [" YES"]
    assert values(kept, "Content-Type")[0].startswith(" multipart/mixed") and b"X-Long: one\n two\n\tthree\n\nFrom here\n.dot\n" in kept[1]
    assert asked.send(text_of(body=f"\n{GTUBE}\n")) == ("550 5.7.1 Blocked by SpamAssassin", None)


def test_signed_after_changes(fresh, servers):
    """The signature is made from the body and the fields that another filter has put there."""
    spamassassin, dkim = servers(SpamAssassin), servers(OpenDkim)
    asked = AskingMailslot(fresh, spamassassin, dkim)
    assert asked.send(text_of("Spam of the test", sender=ALICE), sender=ALICE, login=ALICE).startswith("250 ")
    (kept,) = asked.kept()
    assert b"\nX-Spam-Flag: YES\n" in kept and b"\nContent-Type: multipart/mixed" in kept and b"\nDKIM-Signature: " in kept
    assert dkim.verify(kept) == ""
