"""api.list_changes."""

import pytest

from tests.rpc.behind import events, published, rows, set_limit
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


@pytest.fixture
def busy(db: Connection, world: World) -> str:
    """A group where everything that has a number has happened."""
    about = {"conversation_id": world.group, "message_id": world.hello["id"]}
    by_ann = {"conversation_id": world.group, "actor_id": world.ann}
    succeed(db, "edit_message_atomic", actor_id=world.ann, content="hello all", **about)
    succeed(db, "add_reaction_atomic", actor_id=world.bob, emoji="x", **about)
    succeed(db, "remove_reaction_atomic", actor_id=world.bob, emoji="x", **about)
    succeed(db, "add_members_atomic", **by_ann, member_ids=[world.dee])
    succeed(db, "change_member_role_atomic", **by_ann, user_id=world.dee, role="admin")
    succeed(db, "remove_member_atomic", **by_ann, user_id=world.bob)
    succeed(
        db,
        "remove_member_atomic",
        conversation_id=world.group,
        actor_id=world.cid,
        user_id=world.cid,
    )
    succeed(db, "update_conversation_atomic", **by_ann, title="Two of us")
    succeed(db, "close_conversation_atomic", **by_ann)
    succeed(db, "reopen_conversation_atomic", **by_ann)
    succeed(db, "delete_message_atomic", actor_id=world.ann, **about)
    return world.group


TYPES = [
    "message_created",
    "message_created",
    "message_edited",
    "reaction_added",
    "reaction_removed",
    "member_added",
    "role_changed",
    "member_removed",
    "member_removed",
    "conversation_updated",
    "conversation_closed",
    "conversation_reopened",
    "message_deleted",
]


def changes(db: Connection, conversation_id: str, actor_id: str, **more: object) -> Json:
    """What happened."""
    result = succeed(db, "list_changes", conversation_id=conversation_id, actor_id=actor_id, **more)
    assert set(result) == {"success", "changes", "last_seq", "has_more", "reset"}
    return result


def test_every_number_comes_once_and_in_order(db: Connection, world: World, busy: str) -> None:
    result = changes(db, busy, world.ann)
    assert [change["type"] for change in result["changes"]] == TYPES
    assert [change["seq"] for change in result["changes"]] == list(range(1, 14))
    assert (result["last_seq"], result["has_more"], result["reset"]) == (13, False, False)


def test_messages_come_as_they_are_now(db: Connection, world: World, busy: str) -> None:
    told = changes(db, busy, world.ann)["changes"]
    now = succeed(db, "list_messages", conversation_id=busy, actor_id=world.ann)["messages"][0]
    about_hello = [change for change in told if change.get("message", now)["seq"] == 1]
    assert [change["message"] for change in about_hello if "message" in change] == [now] * 5


def test_what_does_not_change_afterwards_is_told_as_sockets_were(
    db: Connection, world: World, busy: str
) -> None:
    sent = {event["seq"]: event for event in events(db, busy) if event.get("seq")}
    told = {change["seq"]: change for change in changes(db, busy, world.ann)["changes"]}
    for seq in (2, 6, 7, 8, 9, 13):
        assert told[seq] == sent[seq]
    for seq in (1, 3, 4, 5, 10, 11, 12):
        assert set(told[seq]) == set(sent[seq])


def test_events_about_members_say_who(db: Connection, world: World, busy: str) -> None:
    told = changes(db, busy, world.ann, after_seq=5, limit=4)["changes"]
    assert [change["user_ids"] for change in told] == [
        [world.dee],
        [world.dee],
        [world.bob],
        [world.cid],
    ]


def test_events_about_the_conversation_show_it(db: Connection, world: World, busy: str) -> None:
    told = changes(db, busy, world.ann, after_seq=9, limit=1)["changes"][0]
    assert set(told) == {"type", "conversation_id", "seq", "actor_id", "conversation"}
    assert told["conversation"]["title"] == "Two of us"


@pytest.mark.parametrize("limit", [1, 4, 12, 13, 100])
def test_pages_meet_without_gap_or_overlap(
    db: Connection, world: World, busy: str, limit: int
) -> None:
    numbers: list[int] = []
    more = True
    while more:
        after = numbers[-1] if numbers else 0
        result = changes(db, busy, world.ann, after_seq=after, limit=limit)
        numbers += [change["seq"] for change in result["changes"]]
        more = result["has_more"]
    assert numbers == list(range(1, 14))


def test_who_is_up_to_date_gets_nothing(db: Connection, world: World, busy: str) -> None:
    result = changes(db, busy, world.ann, after_seq=13)
    assert (result["changes"], result["has_more"], result["reset"]) == ([], False, False)


def test_who_saw_numbers_that_are_not_there_starts_again(
    db: Connection, world: World, busy: str
) -> None:
    result = changes(db, busy, world.ann, after_seq=14)
    assert (result["changes"], result["reset"], result["last_seq"]) == ([], True, 13)
    assert changes(db, busy, world.ann, after_seq=2**63 - 1)["reset"] is True


def test_a_gap_too_wide_is_not_bridged(db: Connection, world: World, busy: str) -> None:
    set_limit(db, "changes_gap", 12)
    assert changes(db, busy, world.ann)["reset"] is True
    assert changes(db, busy, world.ann, after_seq=1)["reset"] is False


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"after_seq": -1}, "after_seq"),
        ({"after_seq": None}, "after_seq"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
    ],
)
def test_arguments_are_checked(db: Connection, world: World, given: Json, field: str) -> None:
    result = refuse(
        db,
        "validation_error",
        "list_changes",
        conversation_id=world.group,
        actor_id=world.ann,
        **given,
    )
    assert result["details"] == {"field": field}


class TestHistoryFromJoining:
    """Dee joins a group that shows its members only what came after them."""

    @pytest.fixture
    def group(self, db: Connection, world: World) -> str:
        """The group; number 1 is a secret, number 2 Dee's joining."""
        result = succeed(
            db,
            "create_conversation_atomic",
            kind="group",
            actor_id=world.ann,
            history="joined",
            initial_message="secret",
        )
        group: str = result["conversation_id"]
        succeed(
            db,
            "add_members_atomic",
            conversation_id=group,
            actor_id=world.ann,
            member_ids=[world.dee],
        )
        return group

    def test_a_newcomer_starts_with_the_joining(
        self, db: Connection, world: World, group: str
    ) -> None:
        told = changes(db, group, world.dee)
        assert [change["seq"] for change in told["changes"]] == [2]

    def test_a_cursor_from_before_is_reset(self, db: Connection, world: World, group: str) -> None:
        for _ in range(2):
            send(db, group, world.ann, "x")
        succeed(
            db,
            "remove_member_atomic",
            conversation_id=group,
            actor_id=world.dee,
            user_id=world.dee,
        )
        succeed(
            db,
            "add_members_atomic",
            conversation_id=group,
            actor_id=world.ann,
            member_ids=[world.dee],
        )
        assert changes(db, group, world.dee, after_seq=3)["reset"] is True
        assert changes(db, group, world.dee, after_seq=5)["reset"] is False

    def test_changes_to_what_was_said_before_are_skipped(
        self, db: Connection, world: World, group: str
    ) -> None:
        secret = rows(
            db, "select id::text from chat.messages where conversation_id = %s and seq = 1", group
        )[0][0]
        about = {"conversation_id": group, "actor_id": world.ann, "message_id": secret}
        succeed(db, "edit_message_atomic", **about, content="another secret")
        succeed(db, "add_reaction_atomic", **about, emoji="x")
        assert changes(db, group, world.dee, after_seq=2)["changes"] == [
            {"type": "skip", "conversation_id": group, "seq": seq} for seq in (3, 4)
        ]
        assert [excluded for _, excluded in published(db, group)[-2:]] == [[world.dee]] * 2
        refuse(
            db, "not_found", "edit_message_atomic", **about | {"actor_id": world.dee}, content="x"
        )
        refuse(db, "not_found", "add_reaction_atomic", **about | {"actor_id": world.dee}, emoji="x")
