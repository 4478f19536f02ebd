"""api.erase_user_atomic."""

import pytest

from tests.rpc.behind import events, rows
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World, new_help_request
from tests.support import Connection, Json, new_group, new_user, refuse, send, succeed, violations

NAME = "Quixote"


@pytest.fixture
def quixote(db: Connection, world: World) -> str:
    """Somebody who has left traces wherever a user can."""
    user_id = new_user(
        db,
        NAME,
        tenant_id=world.tenant_id,
        external_id=f"{NAME}-1",
        email=f"{NAME}@example.com",
    )
    by_ann = {"conversation_id": world.group, "actor_id": world.ann}
    by_him = {"conversation_id": world.group, "actor_id": user_id}
    succeed(db, "add_members_atomic", **by_ann, member_ids=[user_id, world.dee])
    succeed(db, "change_member_role_atomic", **by_ann, user_id=user_id, role="admin")
    succeed(db, "remove_member_atomic", **by_him, user_id=world.dee)
    message = send(
        db,
        world.group,
        user_id,
        f"I am {NAME}",
        metadata={"signed": NAME},
        client_message_id=f"{NAME}:1",
    )
    about = {**by_him, "message_id": message["id"]}
    succeed(db, "edit_message_atomic", **about, content=f"I, {NAME}")
    withdrawn = send(db, world.group, user_id, f"{NAME} again", metadata={"signed": NAME})
    succeed(db, "delete_message_atomic", **by_him, message_id=withdrawn["id"])
    succeed(db, "add_reaction_atomic", **by_him, message_id=world.hello["id"], emoji="x")
    succeed(db, "add_reaction_atomic", **by_ann, message_id=message["id"], emoji="x")
    succeed(db, "mark_read_atomic", **by_him)
    succeed(db, "block_user_atomic", actor_id=user_id, user_id=world.cid)
    succeed(db, "block_user_atomic", actor_id=world.cid, user_id=user_id)
    succeed(
        db,
        "create_conversation_atomic",
        kind="direct",
        actor_id=user_id,
        member_ids=[world.ann],
        initial_message=f"{NAME} here",
    )
    succeed(
        db,
        "create_help_request_atomic",
        actor_id=user_id,
        title=f"{NAME} needs a horse",
        metadata={"signed": NAME},
        client_key=f"{NAME}:horse",
    )
    left = new_group(db, world.ann, user_id)
    send(db, left, user_id, f"{NAME} was here")
    succeed(db, "remove_member_atomic", conversation_id=left, actor_id=world.ann, user_id=user_id)
    new_group(db, user_id, world.ann)
    return user_id


def traces(db: Connection, word: str) -> list[str]:
    """Which columns of which tables hold a word."""
    columns = rows(
        db,
        "select a.attrelid::regclass::text, quote_ident(a.attname)"
        "  from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relnamespace = 'chat'::regnamespace and c.relkind = 'r'"
        "   and a.attnum > 0 and not a.attisdropped",
    )
    assert len(columns) > 80
    return [
        f"{table}.{column}"
        for table, column in columns
        if rows(db, f"select 1 from {table} where {column}::text like %s limit 1", f"%{word}%")
    ]


def test_nothing_of_the_person_is_left(db: Connection, quixote: str) -> None:
    assert len(traces(db, NAME)) > 8
    succeed(db, "erase_user_atomic", user_id=quixote)
    assert traces(db, NAME) == []


def test_nobody_is_said_to_have_done_what_they_did(db: Connection, quixote: str) -> None:
    succeed(db, "erase_user_atomic", user_id=quixote)
    assert rows(db, "select kind from chat.changes where actor_id = %s", quixote) == []
    for table, column in (
        ("reactions", "user_id"),
        ("receipts", "user_id"),
        ("blocks", "blocker_id"),
        ("blocks", "blocked_id"),
    ):
        assert rows(db, f"select 1 from chat.{table} where {column} = %s", quixote) == []


def test_logs_keep_their_numbers(db: Connection, world: World, quixote: str) -> None:
    before = succeed(db, "list_changes", conversation_id=world.group, actor_id=world.ann)
    result = succeed(db, "erase_user_atomic", user_id=quixote)
    assert result == {"success": True, "user_id": quixote, "affected_count": 3}
    after = succeed(db, "list_changes", conversation_id=world.group, actor_id=world.ann)
    assert after["last_seq"] > before["last_seq"]
    assert [change["seq"] for change in after["changes"]] == list(range(1, after["last_seq"] + 1))
    assert violations(db) == []


def test_the_others_are_told_of_each_deletion(db: Connection, world: World, quixote: str) -> None:
    seen = len(events(db, world.group))
    succeed(db, "erase_user_atomic", user_id=quixote)
    told = events(db, world.group)[seen:]
    assert [event["type"] for event in told] == ["member_removed", "message_deleted"]
    assert told[1]["message"]["content"] is None


def test_events_on_their_way_keep_their_numbers(db: Connection, world: World, quixote: str) -> None:
    before = [(event["type"], event.get("seq")) for event in events(db, world.group)]
    succeed(db, "erase_user_atomic", user_id=quixote)
    after = [(event["type"], event.get("seq")) for event in events(db, world.group)]
    assert after[: len(before)] == before


def test_the_messages_of_others_stay(db: Connection, world: World, quixote: str) -> None:
    succeed(db, "erase_user_atomic", user_id=quixote)
    listed = succeed(db, "list_messages", conversation_id=world.group, actor_id=world.ann)
    assert [message["content"] for message in listed["messages"][:2]] == ["hello", "hello Ann"]
    assert listed["messages"][0]["reactions"] == []


def test_their_messages_show_no_name(db: Connection, world: World, quixote: str) -> None:
    succeed(db, "erase_user_atomic", user_id=quixote)
    listed = succeed(db, "list_messages", conversation_id=world.group, actor_id=world.ann)
    names = {m["sender_name"] for m in listed["messages"] if m["sender_id"] == quixote}
    assert names == {"Erased user"}


def test_a_group_they_alone_owned_gets_another_owner(
    db: Connection, world: World, quixote: str
) -> None:
    succeed(db, "erase_user_atomic", user_id=quixote)
    newest = succeed(db, "list_conversations", actor_id=world.ann)["conversations"]
    assert all(c["role"] == "owner" for c in newest if c["kind"] == "group")


@pytest.mark.parametrize(("admin", "heir"), [(None, "bob"), ("cid", "cid")])
def test_the_heir_is_an_admin_or_the_longest_standing_member(
    db: Connection, world: World, admin: str | None, heir: str
) -> None:
    by_ann = {"conversation_id": world.group, "actor_id": world.ann}
    if admin:
        succeed(
            db,
            "change_member_role_atomic",
            **by_ann,
            user_id=getattr(world, admin),
            role="admin",
        )
    rows(
        db,
        "update chat.members set joined_at = joined_at - interval '1 hour' where user_id = %s",
        world.bob,
    )
    succeed(db, "erase_user_atomic", user_id=world.ann)
    listed = succeed(db, "list_members", conversation_id=world.group, actor_id=world.bob)
    owners = [m["user_id"] for m in listed["members"] if m["role"] == "owner"]
    assert owners == [getattr(world, heir)]


def test_open_requests_for_help_are_closed(db: Connection, world: World) -> None:
    request_id = new_help_request(db, world.dee)
    succeed(db, "erase_user_atomic", user_id=world.dee)
    assert rows(
        db,
        "select title, closed_at is not null from chat.help_requests where help_request_id = %s",
        request_id,
    ) == [("Erased", True)]


def test_they_may_not_come_back(db: Connection, world: World, quixote: str) -> None:
    succeed(db, "erase_user_atomic", user_id=quixote)
    refuse(db, "permission_denied", "list_conversations", actor_id=quixote)


@pytest.mark.parametrize("actor", [{}, {"actor_id": "himself"}])
def test_again_changes_nothing(db: Connection, quixote: str, actor: Json) -> None:
    arguments = {"user_id": quixote} | ({"actor_id": quixote} if actor else {})
    succeed(db, "erase_user_atomic", **arguments)
    again = {"success": True, "user_id": quixote, "affected_count": 0, "duplicate": True}
    assert succeed(db, "erase_user_atomic", **arguments) == again


def test_users_erase_themselves_only(db: Connection, world: World) -> None:
    refuse(db, "permission_denied", "erase_user_atomic", user_id=world.bob, actor_id=world.ann)


@pytest.mark.parametrize(("user_id", "code"), [(None, "validation_error"), (NOBODY, "not_found")])
def test_whom_must_be_said_and_known(
    db: Connection, world: World, user_id: str | None, code: str
) -> None:
    refuse(db, code, "erase_user_atomic", user_id=user_id)
