"""api.purge_messages_atomic."""

import pytest

from tests.rpc.assistant.chatkit import add_item, items, save_thread, user_message
from tests.rpc.assistant.runs import ask, claim, complete, held
from tests.rpc.behind import events, rows, value
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import (
    Connection,
    Json,
    new_group,
    receive,
    refuse,
    send,
    succeed,
    violations,
)

THEN = "2021-01-01"


@pytest.fixture
def old(db: Connection, world: World) -> str:
    """The group; of 2020 are two messages, an edit, a hidden message and a reaction."""
    about = {"conversation_id": world.group, "message_id": world.hello["id"]}
    succeed(db, "edit_message_atomic", **about, actor_id=world.ann, content="secret of old")
    succeed(db, "block_user_atomic", actor_id=world.cid, user_id=world.bob)
    send(db, world.group, world.bob, "hidden")
    succeed(db, "add_reaction_atomic", **about, actor_id=world.bob, emoji="x")
    for table in ("messages", "changes", "conversations"):
        rows(db, f"update chat.{table} set created_at = created_at - interval '6 years'")
    send(db, world.group, world.ann, "new", reply_to_id=world.reply["id"])
    succeed(db, "remove_reaction_atomic", **about, actor_id=world.bob, emoji="x")
    return world.group


def seqs(db: Connection, actor_id: str, group: str) -> list[int]:
    """What a member still sees."""
    result = succeed(db, "list_messages", conversation_id=group, actor_id=actor_id)
    return [message["seq"] for message in result["messages"]]


def unread(db: Connection, actor_id: str, group: str) -> int:
    """What counts as unread."""
    result = succeed(db, "get_conversation", conversation_id=group, actor_id=actor_id)
    count: int = result["conversation"]["unread_count"]
    return count


def test_what_is_older_goes_for_good(db: Connection, world: World, old: str) -> None:
    result = succeed(db, "purge_messages_atomic", before=THEN)
    # Three here, and two in the thread with the contact.
    assert result == {"success": True, "affected_count": 5, "conversations": 2}
    assert seqs(db, world.ann, old) == [6]
    assert rows(db, "select seq, previous_content from chat.changes") == [(7, None)]
    assert rows(db, "select 1 from chat.exclusions") == rows(db, "select 1 from chat.reactions")
    assert value(db, "select count(*) from chat.messages where content like '%secret%'") == 0
    assert violations(db) == []


def test_numbers_go_on(db: Connection, world: World, old: str) -> None:
    succeed(db, "purge_messages_atomic", before=THEN)
    assert send(db, old, world.bob, "next")["seq"] == 8


def test_a_reply_outlives_what_it_answered(db: Connection, world: World, old: str) -> None:
    succeed(db, "purge_messages_atomic", before=THEN)
    listed = succeed(db, "list_messages", conversation_id=old, actor_id=world.ann)
    assert listed["messages"][0]["reply_to_id"] is None


def test_a_change_to_what_is_gone_is_skipped(db: Connection, world: World, old: str) -> None:
    succeed(db, "purge_messages_atomic", before=THEN)
    told = succeed(db, "list_changes", conversation_id=old, actor_id=world.ann, after_seq=5)
    assert [(change["type"], change["seq"]) for change in told["changes"]] == [
        ("message_created", 6),
        ("skip", 7),
    ]


def test_an_older_cursor_is_reset_and_a_new_one_starts_after(
    db: Connection, world: World, old: str
) -> None:
    succeed(db, "purge_messages_atomic", before=THEN)
    by_ann = {"conversation_id": old, "actor_id": world.ann}
    assert succeed(db, "list_changes", **by_ann, after_seq=4)["reset"] is True
    fresh = succeed(db, "list_changes", **by_ann)
    assert [change["seq"] for change in fresh["changes"]] == [6, 7]


def test_unread_counts_stay_exact(db: Connection, world: World, old: str) -> None:
    succeed(db, "mark_read_atomic", conversation_id=old, actor_id=world.bob, seq=6)
    succeed(db, "purge_messages_atomic", before=THEN)
    counts = {name: unread(db, getattr(world, name), old) for name in ("ann", "bob", "cid")}
    assert counts == {"ann": 0, "bob": 0, "cid": 1}
    send(db, old, world.cid, "again")
    counts = {name: unread(db, getattr(world, name), old) for name in ("ann", "bob", "cid")}
    assert counts == {"ann": 1, "bob": 1, "cid": 1}


def test_again_purges_nothing(db: Connection, old: str) -> None:
    succeed(db, "purge_messages_atomic", before=THEN)
    again = succeed(db, "purge_messages_atomic", before=THEN)
    assert (again["affected_count"], again["conversations"]) == (0, 0)


def test_a_whole_log_may_go(db: Connection, world: World, old: str) -> None:
    succeed(db, "purge_messages_atomic", before="2999-01-01")
    assert seqs(db, world.ann, old) == []
    assert [unread(db, who, old) for who in (world.ann, world.bob, world.cid)] == [0, 0, 0]
    assert send(db, old, world.ann, "afresh")["seq"] == 8
    assert unread(db, world.bob, old) == 1


def test_members_who_were_told_of_long_ago_stay(db: Connection, world: World) -> None:
    by_ann = {"conversation_id": world.group, "actor_id": world.ann}
    succeed(db, "add_members_atomic", **by_ann, member_ids=[world.dee])
    succeed(db, "remove_member_atomic", **by_ann, user_id=world.bob)
    succeed(db, "purge_messages_atomic", before="2999-01-01")
    send(db, world.group, world.dee, "still here")
    succeed(db, "add_members_atomic", **by_ann, member_ids=[world.bob])
    assert unread(db, world.bob, world.group) == 0


def test_only_where_it_is_asked(db: Connection, world: World, old: str) -> None:
    other = new_group(db, world.zoe)
    send(db, other, world.zoe, "theirs")
    all_of_it = {"before": "2999-01-01"}
    for given in (
        {"tenant_id": world.other_tenant_id, "conversation_id": old},
        {"conversation_id": NOBODY},
        {"tenant_id": NOBODY},
    ):
        assert succeed(db, "purge_messages_atomic", **all_of_it, **given)["conversations"] == 0
    theirs: Json = {"tenant_id": world.other_tenant_id}
    assert succeed(db, "purge_messages_atomic", **all_of_it, **theirs)["affected_count"] == 1
    assert seqs(db, world.ann, old) == [1, 2, 4, 6]
    assert (
        succeed(db, "purge_messages_atomic", **all_of_it, conversation_id=old)["affected_count"]
        == 4
    )


def test_a_time_must_be_given(db: Connection) -> None:
    result = refuse(db, "validation_error", "purge_messages_atomic", before=None)
    assert result["details"] == {"field": "before"}


def test_what_is_purged_of_an_inbox_is_known_when_it_is_repeated(
    db: Connection, world: World
) -> None:
    first = receive(db, world.channel, "of old", provider_message_id="wamid.old")
    for table in ("messages", "changes", "conversations"):
        rows(db, f"update chat.{table} set created_at = created_at - interval '6 years'")
    receive(db, world.channel, "new")
    succeed(db, "purge_messages_atomic", before=THEN, conversation_id=world.thread)
    again = receive(db, world.channel, "of old", provider_message_id="wamid.old")
    assert (again["duplicate"], again["conversation_id"]) == (True, first["conversation_id"])
    thread = succeed(db, "get_thread", thread=world.thread, actor_id=world.ann)["thread"]
    assert (thread["unread_count"], thread["last_seq"], thread["read_seq"]) == (1, 4, 3)
    assert rows(db, "select 1 from chat.deliveries") == []


def test_what_stands_for_a_message_goes_with_it(db: Connection, world: World) -> None:
    save_thread(db, world.ann)
    conversation_id = add_item(db, world.ann, user_message("msg_1", "secret of old"))[
        "conversation_id"
    ]
    old_run = ask(db, conversation_id, world.ann)["run_id"]
    complete(db, claim(db), "because")
    for table in ("messages", "conversations"):
        rows(
            db,
            f"update chat.{table} set created_at = created_at - interval '6 years'"
            " where conversation_id = %s",
            conversation_id,
        )
    new_run = ask(db, conversation_id, world.ann)["run_id"]
    complete(db, claim(db), "it depends")
    add_item(db, world.ann, user_message("msg_2", "new"))
    succeed(db, "purge_messages_atomic", before=THEN, conversation_id=conversation_id)
    assert [one["type"] for one in items(db, world.ann)] == [
        "user_message",
        "assistant_message",
        "user_message",
    ]
    assert value(db, "select count(*) from chat.thread_items") == 1
    about = {"conversation_id": conversation_id, "actor_id": world.ann}
    refuse(db, "not_found", "get_run", **about, run_id=old_run)
    assert succeed(db, "get_run", **about, run_id=new_run)["data"]["status"] == "completed"


def test_a_run_about_what_is_purged_ends(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    run = claim(db)
    succeed(db, "purge_messages_atomic", before="infinity", conversation_id=world.talk)
    refuse(db, "not_found", "append_run_delta", **held(run), content="because")
    assert events(db, world.talk)[-1]["type"] == "run_failed"
    ask(db, world.talk, world.ann)
