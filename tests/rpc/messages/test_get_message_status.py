"""api.get_message_status, and the view behind it."""

import pytest

from tests.rpc.behind import rows
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_group, refuse, send, succeed


@pytest.fixture
def about(world: World) -> Json:
    """Ann's first message."""
    return {"conversation_id": world.group, "message_id": world.hello["id"]}


def statuses(db: Connection, about: Json, actor_id: str) -> dict[str, str]:
    """Each member's status by name."""
    result = succeed(db, "get_message_status", actor_id=actor_id, **about)
    return {member["display_name"]: member["status"] for member in result["members"]}


def test_every_member_but_the_sender_has_a_status(
    db: Connection, world: World, about: Json
) -> None:
    result = succeed(db, "get_message_status", actor_id=world.ann, **about)
    assert result == {
        "success": True,
        "message_id": world.hello["id"],
        "seq": 1,
        "members": [
            {
                "user_id": user_id,
                "display_name": name,
                "status": "sent",
                "delivered_at": None,
                "read_at": None,
            }
            for user_id, name in ((world.bob, "Bob"), (world.cid, "Cid"))
        ],
    }


def test_it_follows_the_marks(db: Connection, world: World, about: Json) -> None:
    in_group = {"conversation_id": world.group, "seq": 1}
    succeed(db, "mark_delivered_atomic", actor_id=world.bob, **in_group)
    succeed(db, "mark_read_atomic", actor_id=world.cid, **in_group)
    assert statuses(db, about, world.ann) == {"Bob": "delivered", "Cid": "read"}
    later = about | {"message_id": world.reply["id"]}
    assert statuses(db, later, world.ann) == {"Ann": "sent", "Cid": "sent"}


def test_times_are_those_of_the_mark_that_reached_it(
    db: Connection, world: World, about: Json
) -> None:
    in_group = {"conversation_id": world.group, "actor_id": world.bob}
    succeed(db, "mark_delivered_atomic", **in_group, seq=1)
    succeed(db, "mark_read_atomic", **in_group, seq=2)
    times = dict(rows(db, "select kind, to_jsonb(created_at) #>> '{}' from chat.receipts"))
    bob = succeed(db, "get_message_status", actor_id=world.ann, **about)["members"][0]
    assert (bob["delivered_at"], bob["read_at"]) == (times["delivered"], times["read"])
    mine = succeed(
        db, "get_message_status", actor_id=world.bob, **about | {"message_id": world.reply["id"]}
    )
    assert {member["status"] for member in mine["members"]} == {"sent"}


def test_who_joins_later_has_no_status_and_who_leaves_later_keeps_theirs(
    db: Connection, world: World, about: Json
) -> None:
    in_group = {"conversation_id": world.group, "actor_id": world.ann}
    succeed(db, "add_members_atomic", **in_group, member_ids=[world.dee])
    succeed(db, "remove_member_atomic", **in_group, user_id=world.bob)
    assert statuses(db, about, world.ann) == {"Bob": "sent", "Cid": "sent"}
    last = send(db, world.group, world.ann, "now")
    assert statuses(db, about | {"message_id": last["id"]}, world.ann) == {
        "Cid": "sent",
        "Dee": "sent",
    }


def test_what_one_may_not_see_has_no_status(db: Connection, world: World, about: Json) -> None:
    refuse(
        db, "not_found", "get_message_status", actor_id=world.ann, **about | {"message_id": NOBODY}
    )
    elsewhere = send(db, world.direct, world.ann, "elsewhere")
    refuse(
        db,
        "not_found",
        "get_message_status",
        actor_id=world.ann,
        **about | {"message_id": elsewhere["id"]},
    )


def test_before_ones_joining_is_out_of_sight_where_history_is_joined(
    db: Connection, world: World
) -> None:
    group = succeed(
        db, "create_conversation_atomic", kind="group", actor_id=world.ann, history="joined"
    )["conversation_id"]
    message = send(db, group, world.ann, "early")
    succeed(
        db, "add_members_atomic", conversation_id=group, actor_id=world.ann, member_ids=[world.bob]
    )
    refuse(
        db,
        "not_found",
        "get_message_status",
        conversation_id=group,
        actor_id=world.bob,
        message_id=message["id"],
    )


def test_the_message_must_be_named(db: Connection, world: World, about: Json) -> None:
    result = refuse(
        db,
        "validation_error",
        "get_message_status",
        actor_id=world.ann,
        **about | {"message_id": None},
    )
    assert result["details"] == {"field": "message_id"}


def test_alone_there_is_nobody_to_ask_about(db: Connection, world: World) -> None:
    group = new_group(db, world.ann)
    message = send(db, group, world.ann, "echo")
    about = {"conversation_id": group, "message_id": message["id"]}
    assert statuses(db, about, world.ann) == {}
