"""What filters do with the envelope after the dot: recipients added and removed, the sender changed."""

import pytest
from hop import CLOSE, HANG, NOTHING
from milter_packet import CONTINUE, REJECT, add_field, add_rcpt, change_sender, delete_rcpt, quarantine
from mixture import ALICE, CAROL, EXT, OUT, SAM, SUE, TEXT, Mixture, events
from test_auth import authenticated
from test_milter_message import nothing_is_stored, send

BOB = "bob@example.org"
AGAIN = "250 2.0.0 Delivered"


@pytest.fixture
def filtered(filtered):
    """filtered(packets, ..., setting=value): a world with a filter for each of these changes."""
    return lambda *changes, **conf: filtered(*({"changes": packets} for packets in changes), **conf)


def holders(world):
    """Who has how many messages."""
    found = {address: len(world.messages(address)) for address in (ALICE, BOB, CAROL, "alice@example.net")}
    return {address: count for address, count in found.items() if count}


# ---- mailboxes


@pytest.mark.parametrize("given, changes, due", [
    ([ALICE], add_rcpt(BOB), [ALICE, BOB]),
    ([ALICE], add_rcpt("<bob@example.org>"), [ALICE, BOB]),
    ([ALICE], add_rcpt("BOB@Example.ORG"), [ALICE, BOB]),
    ([ALICE], add_rcpt("bob+spam@example.org", "NOTIFY=NEVER"), [ALICE, BOB]),
    ([ALICE], add_rcpt("info@example.org"), [ALICE, BOB]),
    ([ALICE], add_rcpt("postmaster@example.org"), [ALICE, "alice@example.org"]),
    ([ALICE], add_rcpt(ALICE) + add_rcpt(ALICE), [ALICE]),
    ([ALICE], add_rcpt(BOB) + delete_rcpt(BOB), [ALICE]),
    ([ALICE], delete_rcpt(ALICE) + add_rcpt(ALICE), [ALICE]),
    ([ALICE], delete_rcpt(ALICE) + add_rcpt(BOB), [BOB]),
    ([ALICE, BOB], delete_rcpt("<Alice@EXAMPLE.org>"), [BOB]),
    ([ALICE, BOB], delete_rcpt("nobody@example.org"), [ALICE, BOB]),
    # one mailbox, by two recipients: it stays as long as one of them does
    ([BOB, "info@example.org"], delete_rcpt(BOB), [BOB]),
    (["info@example.org", BOB], delete_rcpt("info@example.org"), [BOB]),
    (["team@example.org"], delete_rcpt(BOB), [ALICE, BOB]),
    (["team@example.org"], delete_rcpt("team@example.org") + add_rcpt(CAROL), [CAROL]),
])  # fmt: skip
def test_who_gets_it(filtered, given, changes, due):
    world = filtered(changes)
    assert send(world, TEXT, given).startswith(AGAIN)
    assert holders(world) == {address: 1 for address in due}
    assert not events(world.log, "added recipient refused")


def test_what_the_log_says(filtered):
    changes = add_rcpt(BOB) + add_rcpt(CAROL) + delete_rcpt(ALICE) + change_sender("new@client.example") + change_sender("")
    world = filtered(changes, NOTHING)
    assert send(world, TEXT, [ALICE]).startswith(AGAIN)
    (line,) = events(world.log, "changed by filter")
    assert f"filter={world.filters[0].path}" in line and "sender=s@client.example" in line and "new-sender=<>" in line
    assert f"added={BOB}" in line and CAROL in line and f"removed={ALICE}" in line and "header" not in line and "body" not in line
    (line,) = events(world.log, "delivered")
    assert f"users={BOB},{CAROL}" in line or (BOB in line and CAROL in line)


def test_nobody_remains(filtered):
    world = filtered(delete_rcpt(ALICE), delete_rcpt(BOB), NOTHING)
    assert send(world, TEXT, [ALICE, BOB]).startswith(AGAIN)
    assert nothing_is_stored(world)
    (line,) = events(world.log, "discarded")
    assert f"filter={world.filters[1].path}" in line and not events(world.log, "delivered")
    assert len(world.filters[2].messages) == 1


@pytest.mark.parametrize("address, reason", [
    ("nobody@example.org", "unknown user"), ("closed@example.org", "disabled"), ("x@elsewhere.example", "not local"),
])  # fmt: skip
def test_an_added_recipient_is_refused(filtered, address, reason):
    """It is dropped; but if it is the only one that is left, the message is refused, and not lost."""
    world = filtered([add_rcpt(address), add_rcpt(address) + delete_rcpt(ALICE)])
    assert send(world, TEXT, [ALICE]).startswith(AGAIN) and holders(world) == {ALICE: 1}
    (line,) = events(world.log, "added recipient refused")
    assert f"recipient={address}" in line and reason in line and f"filter={world.filters[0].path}" in line
    assert send(world, TEXT, [ALICE])[:3] == "550" and holders(world) == {ALICE: 1}


def test_an_added_recipient_is_deferred(filtered):
    world = filtered(add_rcpt(BOB))
    world.users = [user.replace("bob@example.org::", "bob@example.org::quota=10") for user in world.users]
    world.build()
    world.preset(BOB, b"From a Mon Jan  1 00:00:00 2001\n\nfull\n\n")
    before = world.everything()
    assert send(world, TEXT, [ALICE]).startswith("452 4.2.2")
    assert world.everything() == before and len(events(world.log, "added recipient refused")) == 1


@pytest.mark.parametrize("changes", [
    add_rcpt(""), add_rcpt("a b@x"), add_rcpt("b\xf6b@example.org"), delete_rcpt("@"), change_sender("nobody"), change_sender("a@b@"),
    add_rcpt("x" * 300 + "@example.org"),
])  # fmt: skip
def test_addresses_that_are_none(filtered, changes):
    """The filter has failed, and nothing of what it wanted counts."""
    world = filtered(add_rcpt(BOB) + changes, add_rcpt(CAROL), milter_failure="accept")
    assert send(world, TEXT, [ALICE]).startswith(AGAIN)
    assert holders(world) == {ALICE: 1, CAROL: 1} and len(events(world.log, "filter unavailable")) == 1


def test_a_hundred_thousand_recipients(filtered):
    world = filtered(b"".join(add_rcpt(f"u{number}@example.org") for number in range(100000)))
    assert send(world, TEXT, [ALICE]).startswith("451 4.7.1")
    assert nothing_is_stored(world)
    assert "too many changes" in events(world.log, "filter unavailable")[0]


def test_many_recipients(filtered):
    """As many as filters may add, to one mailbox; the client may give fewer than without filters."""
    world = filtered(b"".join(add_rcpt(f"bob+{number}@example.org") for number in range(1000)), max_recipients="1000")
    assert send(world, TEXT, [ALICE]).startswith(AGAIN) and holders(world) == {ALICE: 1, BOB: 1}
    with world.session() as session:
        session.greet()
        assert session.ask("MAIL FROM:<s@client.example>").startswith("250")
        replies = [session.ask(f"RCPT TO:<alice+{number}@example.org>")[:9] for number in range(401)]
    assert replies == 400 * ["250 2.1.5"] + ["452 4.5.3"]


@pytest.mark.parametrize("end", [REJECT, CLOSE])
def test_what_a_refusing_filter_wanted(fresh, milters, end):
    """Never half a change: also when it asks for changes and then refuses, or breaks."""
    first = milters("first", changes=add_rcpt(BOB) + change_sender("new@x.example"))
    second = milters("second", changes=add_rcpt(CAROL) + delete_rcpt(ALICE) + quarantine("x"), end=[end, CONTINUE])
    fresh.build(milter=[str(first.path), str(second.path)], milter_failure="accept", quarantine="deliver")
    answer = send(fresh, TEXT, [ALICE])
    assert answer.startswith("550" if end == REJECT else "250")
    assert holders(fresh) == ({} if end == REJECT else {ALICE: 1, BOB: 1})
    assert not events(fresh.log, "quarantined")


# ---- the sender


@pytest.mark.parametrize("sender", ["new@client.example", "", "S@client.example"])
def test_a_changed_sender(filtered, sender):
    world = filtered(change_sender(sender, "RET=HDRS") if sender else change_sender("<>"))
    assert send(world, TEXT, [ALICE]).startswith(AGAIN)
    raw = world.raw(ALICE)
    assert raw.startswith(f"From {sender or 'MAILER-DAEMON'} ".encode()) and f"\nReturn-Path: <{sender}>\n".encode() in raw
    assert "sender=s@client.example" in events(world.log, "delivered")[0]


# ---- loops


def test_an_added_recipient_that_has_had_it(filtered):
    """The message comes back to a filter that adds the same archive each time: it is not added again."""
    world = filtered(add_rcpt(BOB))
    assert send(world, TEXT, [ALICE]).startswith(AGAIN) and holders(world) == {ALICE: 1, BOB: 1}
    archived = world.raw(BOB).split(b"\n", 1)[1]
    assert send(world, archived, [CAROL]).startswith(AGAIN) and holders(world) == {ALICE: 1, BOB: 1, CAROL: 1}
    assert 'reason=loop' in events(world.log, "added recipient refused")[0]
    assert send(world, archived, [BOB]).startswith("554 5.4.6")


# ---- a result for each


@pytest.mark.parametrize("role", ["lmtp", "prdr"])
def test_each_has_a_result(fresh, milters, role):
    """Who is removed is told 250; who is added belongs to the first."""
    filter = milters("filter", changes=delete_rcpt(BOB) + add_rcpt(CAROL))
    fresh.build(milter=f"{filter.path} lmtp smtp")
    assert results(fresh, role, [BOB, ALICE], TEXT) == ["250", "250"]
    assert holders(fresh) == {ALICE: 1, CAROL: 1}
    fresh.users = [user.replace("carol@example.net::", "carol@example.net::quota=10") for user in fresh.users]
    fresh.build()
    assert results(fresh, role, [BOB, ALICE], TEXT) == ["452", "250"]
    filter.script["changes"] = delete_rcpt(BOB) + delete_rcpt(ALICE)
    assert results(fresh, role, [BOB, ALICE], TEXT) == ["250", "250"] and holders(fresh) == {ALICE: 2, CAROL: 1}
    filter.script["end"] = "550-5.7.1 One\r\n550 5.7.1 Two"
    assert results(fresh, role, [BOB, ALICE], TEXT) == ["550", "550"]


def results(world, role, recipients, text):
    more = {"args": ("-r", "lmtp")} if role == "lmtp" else {}
    with world.session(**more) as session:
        session.reply()
        assert session.ask("LHLO c.example" if role == "lmtp" else "EHLO c.example").startswith("250")
        assert session.ask("MAIL FROM:<s@client.example>" + (" PRDR" if role == "prdr" else "")).startswith("250")
        assert all(session.ask(f"RCPT TO:<{recipient}>").startswith("250") for recipient in recipients)
        assert session.ask("DATA").startswith("354")
        session.send(text.replace(b"\n", b"\r\n").replace(b"\r\n.", b"\r\n..") + b".\r\n")
        if role == "prdr":
            assert session.reply().startswith("353")
        found = [session.reply()[:3] for _ in recipients]
        if role == "prdr":
            session.reply()
        assert session.ask("QUIT").startswith("221")
    return found


# ---- hops


@pytest.fixture
def mix(fresh, hops, milters):
    """mix(changes, store={...}, relay={...}): mailboxes, a store and a relay behind a filter."""

    def make(changes, store=None, relay=None, **conf):
        filter = milters("filter", changes=changes)
        fresh.conf["milter"] = str(filter.path)
        fresh.conf.update(conf)
        made = Mixture(fresh, hops("store", lmtp=True, **(store or {})), hops("relay", **(relay or {})))
        made.filter = filter
        return made

    return make


def test_hops_get_the_new_envelope(mix):
    """A recipient is taken away, one is added; the sender is another one. Nobody else is asked again."""
    m = mix(delete_rcpt(SAM) + add_rcpt(SUE) + change_sender("new@client.example"))
    assert m.deliver(SAM, ALICE, OUT).startswith(AGAIN)
    assert m.has() == {ALICE: 1, SUE: 1, EXT: 1}
    assert [message.sender for hop in (m.store, m.relay) for message in hop.messages if message.dotted] == 2 * ["new@client.example"]
    assert b"for <" not in m.relay.messages[-1].text


def test_only_a_hop_is_left(mix):
    m = mix(delete_rcpt(ALICE) + add_rcpt(SAM))
    assert m.deliver(ALICE).startswith(AGAIN) and m.has() == {SAM: 1}
    assert len(events(m.log, "relayed")) == 1


def test_no_hop_is_left(mix):
    m = mix(delete_rcpt(SAM) + delete_rcpt(OUT))
    assert m.deliver(SAM, OUT, ALICE).startswith(AGAIN) and m.has() == {ALICE: 1}
    assert not m.store.accepted and not m.relay.accepted


def test_discarded_after_hops_were_asked(mix):
    m = mix(delete_rcpt(SAM))
    assert m.deliver(SAM).startswith(AGAIN) and m.has() == {}
    assert not any(message.dotted for message in m.store.messages) and "data" not in [step for step, _ in m.store.steps]


@pytest.mark.parametrize("code", ["550 5.7.1 Not you", "451 4.7.1 Later"])
def test_a_hop_does_not_like_the_new_sender(mix, code):
    """What it says now decides."""
    store = {"mail": {"new@client.example": code, None: "250 2.1.0 Ok"}, "rcpt": ["250 2.1.5 Ok", "503 5.5.1 Say MAIL first"]}
    m = mix(change_sender("new@client.example"), store=store)
    assert m.deliver(ALICE, SAM) == code and m.has() == {}


@pytest.mark.parametrize("code, due", [("550 5.1.1 Unknown", "250"), ("451 4.7.1 Later", "451")])
def test_a_hop_does_not_like_an_added_recipient(mix, code, due):
    m = mix(add_rcpt(SUE), store={"rcpt": {SUE: code, None: "250 2.1.5 Ok"}})
    assert m.deliver(ALICE, SAM)[:3] == due
    assert m.has() == ({ALICE: 1, SAM: 1} if due == "250" else {})
    assert len(events(m.log, "added recipient refused")) == 1


def test_gone_while_a_hop_is_asked_about_an_added_recipient(mix):
    """The client will send it again: it must not be delivered now."""

    def leave(_, argument):
        session.close()
        return HANG

    m = mix(add_rcpt(SUE), store={"rcpt": leave})
    session = m.world.session()
    session.any_end = True
    with session:
        session.greet()
        session.begin_text()
        session.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        session.process.wait(20)
    assert m.has() == {} and len(events(session.log, "interrupted")) == 1


@pytest.mark.parametrize("code, due", [("550 5.1.1 Unknown", "250"), ("451 4.7.1 Later", "451")])
def test_a_hop_refuses_an_added_recipient_after_the_dot(mix, code, due):
    """All whom the client has named have the message when this is known, so it is not told that the message is refused."""
    m = mix(add_rcpt(SUE), store={"dot": {SUE: code}})
    assert m.deliver(OUT, ALICE)[:3] == due
    assert m.has() == {ALICE: 1, EXT: 1}
    (event,) = events(m.log, "refused by hop")
    assert f"recipient={SUE}" in event and len(events(m.log, "delivered" if due == "250" else "partly delivered")) == 1


def test_only_a_refused_one_of_a_hop_is_left(mix):
    m = mix(delete_rcpt(ALICE) + add_rcpt(SUE), store={"rcpt": "550 5.1.1 Unknown here"})
    assert m.deliver(ALICE) == "550 5.1.1 Unknown here" and m.has() == {}


def test_nobody_relays_by_a_filter(mix):
    """A stranger's message goes elsewhere only by an alias that the administrator wrote."""
    m = mix(add_rcpt("x@elsewhere.example") + add_rcpt(OUT))
    assert m.deliver(ALICE).startswith(AGAIN) and m.has() == {ALICE: 1, EXT: 1}
    assert "not local" in events(m.log, "added recipient refused")[0]


def test_marks_are_of_the_text_as_it_was_received(mix):
    """A filter's signature, and the sender that it makes, are others in every try; nobody gets it twice."""
    changes = [add_field("X-Signature", str(number)) + change_sender(f"srs{number}@client.example") for number in range(3)]
    m = mix(changes, store={"dot": {SUE: ["451 4.3.0 Later", "451 4.3.0 Later", "250 2.0.0 Ok"]}})
    assert m.deliver(ALICE, SAM, SUE).startswith("451")
    assert m.has() == {ALICE: 1, SAM: 1}
    assert m.deliver(ALICE, SAM, SUE).startswith("451")
    assert m.deliver(ALICE, SAM, SUE).startswith(AGAIN)
    assert m.has() == {ALICE: 1, SAM: 1, SUE: 1}


def test_the_limit_of_recipients_elsewhere(secured, hops, milters):
    """A recipient counts once, whatever filters change; one that a filter adds counts, too."""
    relay = hops("relay")
    filter = milters("filter", changes=[change_sender("new@example.org"), add_rcpt("b@elsewhere.example"), add_rcpt("c@elsewhere.example")])
    secured.build(milter=str(filter.path), relay=str(relay.path), relay_limit="4")
    replies = []
    with authenticated(secured, role="submission") as session:
        for _ in range(3):
            replies.append(session.transaction(["a@elsewhere.example"], TEXT, sender=ALICE)[:3])
        replies.append(session.ask(f"MAIL FROM:<{ALICE}>")[:3])
        replies.append(session.ask("RCPT TO:<a@elsewhere.example>")[:3])
    assert replies == ["250", "250", "450", "250", "450"]
    assert sorted(address for address, _ in relay.accepted) == ["a@elsewhere.example", "a@elsewhere.example", "b@elsewhere.example"]
