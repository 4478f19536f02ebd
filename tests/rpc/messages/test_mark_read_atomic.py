"""api.mark_read_atomic."""

import pytest

from tests.rpc.behind import events, rows, value
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


@pytest.fixture
def by_cid(world: World) -> Json:
    """Cid, who has read nothing of the group yet."""
    return {"conversation_id": world.group, "actor_id": world.cid}


def unread(db: Connection, world: World, actor_id: str) -> int:
    """What the conversation says is unread."""
    result = succeed(db, "get_conversation", conversation_id=world.group, actor_id=actor_id)
    count: int = result["conversation"]["unread_count"]
    return count


def test_reading_up_to_now_reads_all(db: Connection, world: World, by_cid: Json) -> None:
    assert succeed(db, "mark_read_atomic", **by_cid) == {
        "success": True,
        "delivered_seq": 2,
        "read_seq": 2,
        "unread_count": 0,
    }


def test_reading_up_to_a_number_leaves_the_rest(db: Connection, world: World, by_cid: Json) -> None:
    result = succeed(db, "mark_read_atomic", **by_cid, seq=1)
    assert (result["read_seq"], result["delivered_seq"], result["unread_count"]) == (1, 1, 1)


@pytest.mark.parametrize("seq", [0, 1])
def test_read_marks_never_go_back(db: Connection, world: World, by_cid: Json, seq: int) -> None:
    succeed(db, "mark_read_atomic", **by_cid)
    result = succeed(db, "mark_read_atomic", **by_cid, seq=seq)
    assert (result["read_seq"], result["unread_count"]) == (2, 0)


@pytest.mark.parametrize("seq", [-1, 3, 2**62])
def test_a_mark_lies_within_the_log(db: Connection, world: World, by_cid: Json, seq: int) -> None:
    result = refuse(db, "validation_error", "mark_read_atomic", **by_cid, seq=seq)
    assert result["details"] == {"field": "seq"}


def test_the_others_are_told_once(db: Connection, world: World, by_cid: Json) -> None:
    for _ in range(2):
        succeed(db, "mark_read_atomic", **by_cid)
    assert [event for event in events(db, world.group) if event["type"] == "receipt"] == [
        {
            "type": "receipt",
            "conversation_id": world.group,
            "user_id": world.cid,
            "delivered_seq": 2,
            "read_seq": 2,
        }
    ]
    assert rows(db, "select kind, seq from chat.receipts") == [("read", 2)]


def test_marking_uses_no_number_of_the_log(db: Connection, world: World, by_cid: Json) -> None:
    succeed(db, "mark_read_atomic", **by_cid)
    assert send(db, world.group, world.ann, "next")["seq"] == 3


def test_marking_says_when(db: Connection, world: World, by_cid: Json) -> None:
    succeed(db, "mark_read_atomic", **by_cid)
    members = succeed(db, "list_members", **by_cid)["members"]
    read_at = {member["user_id"]: member["last_read_at"] for member in members}
    assert read_at.pop(world.cid) is not None
    assert set(read_at.values()) == {None}


class TestUnread:
    """What counts as unread."""

    def test_ones_own_messages_do_not(self, db: Connection, world: World) -> None:
        assert [unread(db, world, who) for who in (world.ann, world.bob, world.cid)] == [1, 1, 2]

    def test_ones_own_messages_between_unread_ones_do_not(
        self, db: Connection, world: World, by_cid: Json
    ) -> None:
        send(db, world.group, world.cid, "mine")
        send(db, world.group, world.ann, "yours")
        assert unread(db, world, world.cid) == 3
        assert succeed(db, "mark_read_atomic", **by_cid, seq=2)["unread_count"] == 1
        assert succeed(db, "mark_read_atomic", **by_cid, seq=3)["unread_count"] == 1
        assert succeed(db, "mark_read_atomic", **by_cid, seq=4)["unread_count"] == 0

    def test_system_messages_do_not(self, db: Connection, world: World) -> None:
        succeed(
            db,
            "add_members_atomic",
            conversation_id=world.group,
            actor_id=world.ann,
            member_ids=[world.dee],
        )
        assert unread(db, world, world.cid) == 2

    def test_edits_and_reactions_do_not(self, db: Connection, world: World, by_cid: Json) -> None:
        succeed(db, "mark_read_atomic", **by_cid)
        about = {"conversation_id": world.group, "message_id": world.hello["id"]}
        succeed(db, "edit_message_atomic", actor_id=world.ann, content="new", **about)
        succeed(db, "add_reaction_atomic", actor_id=world.bob, emoji="x", **about)
        assert unread(db, world, world.cid) == 0

    def test_what_was_said_before_joining_does_not(self, db: Connection, world: World) -> None:
        succeed(
            db,
            "add_members_atomic",
            conversation_id=world.group,
            actor_id=world.ann,
            member_ids=[world.dee],
        )
        assert unread(db, world, world.dee) == 0
        send(db, world.group, world.ann, "welcome")
        assert unread(db, world, world.dee) == 1

    def test_what_was_said_while_away_does_not(
        self, db: Connection, world: World, by_cid: Json
    ) -> None:
        send(db, world.group, world.cid, "bye")
        succeed(db, "remove_member_atomic", **by_cid, user_id=world.cid)
        send(db, world.group, world.ann, "he is gone")
        succeed(
            db,
            "add_members_atomic",
            conversation_id=world.group,
            actor_id=world.ann,
            member_ids=[world.cid],
        )
        assert unread(db, world, world.cid) == 0
        send(db, world.group, world.cid, "I am back")
        send(db, world.group, world.ann, "welcome back")
        assert unread(db, world, world.cid) == 1
        assert succeed(db, "mark_read_atomic", **by_cid)["unread_count"] == 0

    def test_deleted_messages_do_not_even_when_they_are_ones_own(
        self, db: Connection, world: World, by_cid: Json
    ) -> None:
        mine = send(db, world.group, world.cid, "mine")
        for message, sender in ((mine, world.cid), (world.reply, world.bob)):
            succeed(
                db,
                "delete_message_atomic",
                conversation_id=world.group,
                actor_id=sender,
                message_id=message["id"],
            )
        assert unread(db, world, world.cid) == 1

    def test_what_came_and_went_while_counting_does_not(self, db: Connection, world: World) -> None:
        seen = value(
            db,
            "select to_jsonb(c) from chat.conversations c where conversation_id = %s",
            world.group,
        )
        message = send(db, world.group, world.ann, "oops")
        succeed(
            db,
            "delete_message_atomic",
            conversation_id=world.group,
            actor_id=world.ann,
            message_id=message["id"],
        )
        count = value(
            db,
            "select chat.unread_count(jsonb_populate_record(null::chat.conversations, %s), m)"
            " from chat.members m where m.conversation_id = %s and m.user_id = %s",
            seen,
            world.group,
            world.cid,
        )
        assert count == 2
