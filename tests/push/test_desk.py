"""What happens in an inbox reaches the sockets of its desk, each number once and in order."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.http.support import Link
from tests.push.support import (
    Reader,
    Socket,
    Stage,
    contents,
    hub_blind,
    numbers,
    reading_held,
    subscribers,
)
from tests.push.test_hub import wait_until_attached, wait_until_live
from tests.support import Json, at_once, connect, new_channel, new_tenant, receive, send, wait_for

Stages = Callable[..., Stage]


@dataclass
class Shop:
    """A tenant with a channel, agents, and contacts who write to it."""

    stage: Stage
    tenant_id: str
    channel: Json
    ann: str = ""
    bob: str = ""
    phones: Iterator[str] = field(
        default_factory=lambda: (f"+4917012345{number:02}" for number in range(100))
    )

    @classmethod
    def open(cls, stage: Stage) -> "Shop":
        tenant_id = new_tenant(stage.db)
        address = f"1{uuid.uuid4().int % 10**12}"
        shop = cls(stage, tenant_id, new_channel(stage.db, tenant_id, address=address))
        shop.ann, shop.bob = shop.agent("Ann"), shop.agent("Bob")
        return shop

    def agent(self, name: str = "Agent") -> str:
        """Make one more, who may be told something that comes after all before."""
        made = self.stage.call(
            "upsert_user_atomic", display_name=name, kind="person", tenant_id=self.tenant_id
        )
        user_id: str = made["user_id"]
        self.stage.add_bell(user_id, self.tenant_id)
        return user_id

    def contact(self) -> "Contact":
        """Let somebody new write once."""
        return Contact(self, next(self.phones))

    def set_desk(self, *agents: str, everyone: bool = False) -> None:
        """Say who works at the desk."""
        self.stage.call(
            "set_desk_atomic", tenant_id=self.tenant_id, agent_ids=None if everyone else [*agents]
        )


class Contact:
    """Somebody outside, with a thread."""

    def __init__(self, shop: Shop, phone: str) -> None:
        self.shop = shop
        self.phone = phone
        self.thread: str = self.write("hello")["conversation_id"]

    def write(self, content: str, **more: Any) -> Json:
        """Write to the shop."""
        return receive(self.shop.stage.db, self.shop.channel, content, self.phone, **more)

    def write_many(self, count: int) -> None:
        for number in range(count):
            self.write(f"more {number}")

    def answer(self, agent: str, content: str) -> Json:
        """Let an agent answer."""
        return send(self.shop.stage.db, self.thread, agent, content)

    @property
    def last_seq(self) -> int:
        row = self.shop.stage.operator.execute(
            "select c.last_seq from chat.conversations c where c.conversation_id = %s",
            [self.thread],
        ).fetchone()
        assert row
        last_seq: int = row[0]
        return last_seq


@pytest.fixture
def shop(stage: Stage) -> Shop:
    return Shop.open(stage)


def test_what_a_contact_writes_reaches_every_agent(shop: Shop) -> None:
    readers: list[Reader] = [shop.stage.socket(shop.ann), shop.stage.stream(shop.bob)]
    contact = shop.contact()
    contact.write("one")
    contact.answer(shop.ann, "two")
    for reader in readers:
        frames = reader.so_far()
        assert frames[0]["type"] == "conversation_created"
        assert numbers(frames, contact.thread) == [1, 2, 3]
        assert contents(frames)[1:4] == ["hello", "one", "two"]


def test_the_frames_are_those_of_the_log(shop: Shop) -> None:
    socket = shop.stage.socket(shop.bob)
    contact = shop.contact()
    contact.answer(shop.ann, "hi")
    frames = [one for one in socket.so_far() if one.get("seq")]
    assert frames == shop.stage.changes(contact.thread, shop.bob)


def test_ready_says_whose_inbox_one_answers_and_lists_none_of_it(shop: Shop) -> None:
    shop.contact()
    shop.set_desk(shop.ann)
    assert shop.stage.socket(shop.ann).ready["desk_id"] == shop.tenant_id
    ready = shop.stage.socket(shop.bob).ready
    assert ready["desk_id"] is None
    assert [shop.stage.hide_bell(shop.bob)] == [
        one["conversation_id"] for one in ready["conversations"]
    ]


def test_who_is_no_agent_hears_nothing_of_it(shop: Shop) -> None:
    shop.set_desk(shop.ann)
    bob, zoe = shop.stage.socket(shop.bob), shop.stage.socket(shop.stage.person("Zoe"))
    contact = shop.contact()
    contact.answer(shop.ann, "hi")
    assert bob.so_far() == []
    assert zoe.so_far() == []


def test_marks_typing_and_deliveries_reach_the_desk_too(shop: Shop) -> None:
    contact = shop.contact()
    ann, bob = shop.stage.socket(shop.ann), shop.stage.socket(shop.bob)
    bob.tell({"type": "typing", "conversation_id": contact.thread})
    typing = ann.next()
    assert (typing["type"], typing["user_id"]) == ("typing", shop.bob)
    bob.tell({"type": "read", "conversation_id": contact.thread, "seq": 1})
    receipt = ann.next()
    assert (receipt["type"], receipt["user_id"], receipt["read_seq"]) == ("receipt", shop.bob, 1)
    message = contact.answer(shop.ann, "hi")
    claimed = shop.stage.call("claim_deliveries", worker="test", limit=100)["deliveries"]
    (delivery,) = [one for one in claimed if one["message_id"] == message["id"]]
    shop.stage.call(
        "settle_delivery_atomic",
        conversation_id=contact.thread,
        message_id=message["id"],
        lease=delivery["lease"],
        outcome="sent",
        provider_message_id=f"wamid.{message['id']}",
    )
    told = [one for one in bob.so_far() if one["type"] == "delivery"]
    assert [(one["message_id"], one["status"]) for one in told] == [(message["id"], "sent")]


def test_a_cursor_is_caught_up_then_live(shop: Shop) -> None:
    contact = shop.contact()
    contact.write_many(250)
    socket = shop.stage.socket(shop.ann, {contact.thread: 1})
    contact.write("live")
    frames = socket.until_seq(contact.thread, 252)
    assert numbers(frames, contact.thread) == list(range(2, 253))
    assert [one for one in socket.so_far() if one.get("seq")] == []


def test_without_a_cursor_a_conversation_is_live_from_the_opening(shop: Shop) -> None:
    contact = shop.contact()
    contact.write("before")
    socket = shop.stage.socket(shop.ann)
    contact.write("after")
    assert contents(socket.so_far()) == ["after"]


def test_a_cursor_at_the_end_gives_nothing_twice(shop: Shop) -> None:
    contact = shop.contact()
    socket = shop.stage.socket(shop.ann, {contact.thread: 1})
    contact.write("two")
    assert numbers(socket.so_far(), contact.thread) == [2]


def test_a_cursor_of_another_desk_is_refused(shop: Shop) -> None:
    contact = shop.contact()
    other = Shop.open(shop.stage)
    shop.set_desk(shop.bob)
    for user in (other.ann, shop.ann):
        socket = shop.stage.socket(user, {contact.thread: 0})
        error = socket.next()
        assert (error["type"], error["error"]) == ("error", "not_a_member")
        assert error["conversation_id"] == contact.thread


@pytest.mark.parametrize("what", ["conversations", "log"])
@pytest.mark.parametrize("after", [False, True])
def test_what_happens_while_a_socket_catches_up_comes_once(
    shop: Shop, what: str, after: bool
) -> None:
    contact, other = shop.contact(), shop.contact()
    contact.write("two")
    witness = shop.stage.socket(shop.bob)
    with reading_held(shop.stage, what, after=after) as gate:
        socket = shop.stage.connect()
        socket.hello(shop.ann, {contact.thread: 0})
        gate.wait()
        contact.write("three")
        other.write("other two")
        assert contents(witness.so_far()) == ["three", "other two"]
    socket.read_ready()
    contact.write("four")
    frames = socket.until_seq(contact.thread, 4)
    assert numbers(frames, contact.thread) == [1, 2, 3, 4]
    if what == "log" or after:
        assert numbers(frames, other.thread) == [2]
    assert numbers(socket.so_far(), contact.thread) == []


def test_what_the_hub_has_not_fetched_yet_is_not_told_twice(shop: Shop) -> None:
    contact = shop.contact()
    shop.stage.socket(shop.bob)
    with hub_blind() as gate:
        shop.stage.operator.execute("select pg_notify('parley', '')")
        gate.wait()
        contact.write("two")
        socket, fresh = (
            shop.stage.socket(shop.ann, {contact.thread: 0}),
            shop.stage.socket(shop.ann),
        )
        assert numbers(socket.until_seq(contact.thread, 2), contact.thread) == [1, 2]
        contact.write("three")
        gate.open()
        assert numbers(socket.so_far(), contact.thread) == [3]
        assert numbers(fresh.so_far(), contact.thread) == [3]


def test_contacts_who_write_at_once_are_all_heard_in_order(shop: Shop) -> None:
    contacts = [shop.contact() for _ in range(6)]
    sockets = [
        shop.stage.socket(shop.ann, {one.thread: 1 for one in contacts[:3]}),
        shop.stage.socket(shop.bob),
    ]

    def talk(contact: Contact) -> None:
        with connect(shop.stage.site.dsn) as db:
            for number in range(20):
                receive(db, shop.channel, f"{number}", contact.phone)

    at_once([lambda contact=contact: talk(contact) for contact in contacts])  # type: ignore[misc]
    for socket in sockets:
        frames = socket.so_far()
        for contact in contacts:
            assert numbers(frames, contact.thread) == list(range(2, 22))


def test_who_comes_to_the_desk_hears_from_then_on(shop: Shop) -> None:
    shop.set_desk(shop.ann)
    contact = shop.contact()
    bob = shop.stage.socket(shop.bob)
    contact.write("not for Bob")
    shop.set_desk(shop.ann, shop.bob)
    assert bob.next() == {"type": "desk_changed", "desk_id": shop.tenant_id}
    contact.write("for Bob")
    assert contents(bob.so_far()) == ["for Bob"]


def test_who_leaves_the_desk_hears_no_more(shop: Shop) -> None:
    contact, other = shop.contact(), shop.contact()
    bob, ann = shop.stage.socket(shop.bob, {contact.thread: 1}), shop.stage.socket(shop.ann)
    bob.so_far()
    shop.set_desk(shop.ann)
    assert bob.next() == {"type": "desk_changed", "desk_id": None}
    lost = bob.next()
    assert (lost["error"], lost["conversation_id"]) == ("not_a_member", contact.thread)
    contact.write("not for Bob")
    other.write("nor this")
    assert bob.so_far() == []
    assert contents(ann.so_far()) == ["not for Bob", "nor this"]
    shop.set_desk(everyone=True)
    assert bob.next() == {"type": "desk_changed", "desk_id": shop.tenant_id}
    contact.write("for Bob again")
    assert contents(bob.so_far()) == ["for Bob again"]


def test_who_leaves_the_desk_while_catching_up_hears_no_more(shop: Shop) -> None:
    contact = shop.contact()
    bob = shop.stage.connect()
    with reading_held(shop.stage, "log", after=True) as gate:
        bob.hello(shop.bob, {contact.thread: 0})
        gate.wait()
        shop.set_desk(shop.ann)
        wait_for(
            lambda: all(one.desk_id is None for one in subscribers(shop.stage, shop.bob)),
            "the hub to read the desk anew",
        )
    bob.read_ready()
    contact.write("not for Bob")
    assert contents(bob.so_far()) == ["hello", "error", "desk_changed"]


def test_who_is_away_from_the_desk_for_a_moment_misses_nothing(shop: Shop) -> None:
    contact = shop.contact()
    bob = shop.stage.connect()
    with reading_held(shop.stage, "log", after=True) as gate:
        bob.hello(shop.bob, {contact.thread: 0})
        gate.wait()
        for agents, desk_id in (([shop.ann], None), ([shop.ann, shop.bob], shop.tenant_id)):
            shop.set_desk(*agents)
            wait_for(
                lambda desk_id=desk_id: all(  # type: ignore[misc]
                    one.desk_id == desk_id for one in subscribers(shop.stage, shop.bob)
                ),
                "the hub to read the desk anew",
            )
            contact.write("two or three")
    bob.read_ready()
    contact.write("four")
    assert numbers(bob.so_far(), contact.thread) == [1, 2, 3, 4]


def test_what_came_while_a_desk_was_read_anew_comes_once(shop: Shop) -> None:
    shop.set_desk(shop.ann)
    contact = shop.contact()
    bob = shop.stage.socket(shop.bob)
    with reading_held(shop.stage, after=True) as gate:
        shop.set_desk(shop.bob)
        gate.wait()
        contact.write("meanwhile")
        assert bob.so_far() == []
    frames = bob.until(lambda frame: frame["type"] == "message_created")
    assert contents(frames) == ["desk_changed", "meanwhile"]
    assert bob.so_far() == []


def test_a_merge_resets_both_and_goes_on_with_the_survivor(shop: Shop) -> None:
    survivor, other = shop.contact(), shop.contact()
    sockets = [
        shop.stage.socket(shop.ann, {survivor.thread: 1, other.thread: 1}),
        shop.stage.socket(shop.bob),
    ]
    linked = _link(survivor, other.phone)
    assert linked["merged"] is True
    survivor.write("after")
    for socket in sockets:
        frames = socket.so_far()
        resets = {one["conversation_id"]: one for one in frames if one["type"] == "reset"}
        assert resets[other.thread]["merged_into"] == survivor.thread
        last_seq = resets[survivor.thread]["last_seq"]
        told = numbers(frames, survivor.thread)
        assert [one for one in told if one > last_seq] == list(
            range(last_seq + 1, survivor.last_seq + 1)
        )
        assert numbers(frames, other.thread) == []


@pytest.mark.parametrize("cursor", [0, 1])
def test_a_cursor_from_before_a_merge_is_told_where_to_go_on(shop: Shop, cursor: int) -> None:
    survivor, other = shop.contact(), shop.contact()
    _link(survivor, other.phone)
    last_seq = survivor.last_seq
    socket = shop.stage.socket(shop.ann, {other.thread: cursor})
    assert socket.next() == {
        "type": "reset",
        "conversation_id": other.thread,
        "last_seq": last_seq,
        "merged_into": survivor.thread,
    }
    survivor.write("after")
    assert numbers(socket.so_far(), survivor.thread) == [last_seq + 1]


def test_a_reset_moves_the_hubs_place_in_the_log(own_stage: Stages) -> None:
    stage = own_stage()
    shop = Shop.open(stage)
    survivor, other = shop.contact(), shop.contact()
    socket = stage.socket(shop.ann, {survivor.thread: 1})
    _link(survivor, other.phone)
    merged = socket.so_far()
    ended = stage.end_listeners()
    survivor.write("during")
    wait_until_attached(stage, ended)
    survivor.write("after")
    frames = socket.so_far()
    assert [one for one in frames if one.get("conversation_id") and one["type"] == "reset"] == []
    last = max(numbers(merged, survivor.thread))
    assert numbers(frames, survivor.thread) == [last + 1, last + 2]


def test_what_came_while_nobody_looked_is_caught_up_or_told_to_be_fetched(
    own_stage: Stages, link: Link
) -> None:
    stage = own_stage(listen_url=link.dsn)
    shop = Shop.open(stage)
    contact, other = shop.contact(), shop.contact()
    socket = stage.socket(shop.ann, {contact.thread: 1})
    elsewhere = stage.socket(stage.person("Zoe"))
    wait_until_live(stage)
    link.cut()
    wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
    contact.write("two")
    other.write("unheard")
    link.heal()
    wait_until_attached(stage)
    contact.write("three")
    other.write("heard")
    frames = socket.so_far()
    assert {"type": "reset", "desk_id": shop.tenant_id} in frames
    assert numbers(frames, contact.thread) == [2, 3]
    assert numbers(frames, other.thread) == [3]
    assert elsewhere.so_far() == []


def test_a_socket_that_is_closed_is_forgotten_at_the_desk(shop: Shop) -> None:
    contact = shop.contact()
    socket: Socket = shop.stage.socket(shop.ann, {contact.thread: 0})
    socket.so_far()
    assert shop.tenant_id in shop.stage.hub._desks
    socket.close()
    wait_for(lambda: not subscribers(shop.stage, shop.ann), "the hub to forget it")
    assert shop.tenant_id not in shop.stage.hub._desks
    assert contact.thread not in shop.stage.hub._rooms


def test_whoever_waits_for_the_inbox_is_told_once_a_look(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(shop.stage.hub, "on_desk", lambda: told.append(1))
    person = shop.stage.person()
    socket = shop.stage.socket(person)
    shop.stage.ring(person)
    socket.so_far()
    assert told == []
    contact = shop.contact()
    wait_for(lambda: told, "the hub to tell")
    shop.stage.ring(person)
    socket.so_far()
    told.clear()
    piece = f'{{"type": "run_delta", "content": "So", "conversation_id": "{contact.thread}"}}'
    shop.stage.operator.execute(
        "select chat.publish(%s, %s, p_desk_id => %s)", [contact.thread, piece, shop.tenant_id]
    )
    shop.stage.ring(person)
    socket.so_far()
    assert told == []


def _link(survivor: Contact, phone: str) -> Json:
    """Make the contact with this number the same as another."""
    contact_id = survivor.shop.stage.operator.execute(
        "select t.contact_id::text from chat.threads t where t.conversation_id = %s",
        [survivor.thread],
    ).fetchone()
    assert contact_id
    linked: Json = survivor.shop.stage.call(
        "link_contact_atomic",
        actor_id=survivor.shop.ann,
        contact_id=contact_id[0],
        kind="phone",
        value=phone,
    )
    return linked
