"""api.erase_user_atomic."""

import pytest
from psycopg.types.json import Jsonb

from tests.rpc.assistant.chatkit import add_item, hidden_item, save_thread, user_message
from tests.rpc.assistant.runs import ask, claim, complete, new_session, new_thread, say
from tests.rpc.behind import events, rows
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World, new_help_request
from tests.support import (
    Connection,
    Json,
    new_group,
    new_user,
    receive,
    refuse,
    send,
    succeed,
    violations,
)

NAME = "Quixote"
NUMBER = "+34911234567"


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
    tell_the_assistant(db, user_id)
    return user_id


def tell_the_assistant(db: Connection, user_id: str) -> None:
    """Leave traces wherever one can with the assistant: two threads, an answer under way in one."""
    session_id = new_session(
        db, user_id, client_key=f"{NAME}:1", workflow={"id": "wf", "signed": NAME}
    )
    thread = succeed(
        db,
        "create_thread_atomic",
        actor_id=user_id,
        session_id=session_id,
        title=NAME,
        metadata={"signed": NAME},
        client_key=f"{NAME}:1",
    )["thread_id"]
    ask(db, thread, user_id, f"Who is {NAME}?", configuration={"signed": NAME})
    complete(db, claim(db), f"{NAME} is a knight")
    ask(db, thread, user_id, f"Is {NAME} mad?")
    say(db, claim(db), f"{NAME} ")
    save_thread(db, user_id, title=f"{NAME}'s horse")
    for item in (
        user_message("msg_1", f"I am {NAME}"),
        hidden_item("note_1", content=f"{NAME} is mad"),
    ):
        add_item(db, user_id, item)
    succeed(
        db,
        "save_attachment_atomic",
        attachment_id="file_1",
        actor_id=user_id,
        attachment={"id": "file_1", "name": f"{NAME}.txt"},
    )


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
    assert result == {"success": True, "user_id": quixote, "affected_count": 6}
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


@pytest.fixture
def caller(db: Connection, world: World) -> str:
    """Somebody who wrote to the desk and has left traces wherever a contact can."""
    name = {"display_name": NAME}
    first = receive(db, world.channel, f"I am {NAME}", contact=NUMBER, **name)
    contact, thread = first["contact"]["id"], first["conversation_id"]
    second = receive(db, world.channel, f"{NAME} again", contact={"bsuid": f"{NAME}.2"}, **name)
    by_ann = {"conversation_id": thread, "actor_id": world.ann}
    link = {"actor_id": world.ann, "contact_id": contact}
    succeed(db, "link_contact_atomic", **link, kind="lead", value=f"{NAME}-1")
    succeed(db, "link_contact_atomic", **link, kind="bsuid", value=f"{NAME}.2")
    succeed(db, "update_conversation_atomic", **by_ann, title=NAME, metadata={"of": "the desk"})
    succeed(db, "update_conversation_atomic", **by_ann, title=f"{NAME}'s horse")
    answer = send(db, second["conversation_id"], world.ann, "dear Sir")
    rows(
        db,
        "update chat.deliveries set error = jsonb_build_object('code', 1, 'title', %s::text)"
        " where message_id = %s",
        f"{NUMBER} is busy",
        answer["id"],
    )
    about = {
        "address": world.channel["address"],
        "at": "2027-01-01T00:00:00Z",
        "contact": {"phone": NUMBER},
        "name": NAME,
    }
    found = [
        {**about, "kind": "message", "id": "q1", "type": "text", "content": NAME, "metadata": {}},
        {**about, "kind": "edit", "id": "q2", "target": "q1", "by": "contact", "type": "text"}
        | {"content": f"I, {NAME}", "metadata": {"from": NUMBER}},
        {**about, "kind": "reaction", "id": "q3", "target": "q1", "emoji": "x", "by": "contact"},
        {**about, "kind": "revoke", "id": "q4", "target": "never came", "by": "contact"},
        {**about, "kind": "system", "id": "q5", "event": "contact_identity_changed"}
        | {"content": f"{NAME} ({NUMBER}) is somebody else", "new": {"bsuid": f"{NAME}.3"}},
    ]
    succeed(
        db,
        "receive_webhooks_atomic",
        webhooks=Jsonb(
            [{"provider": "whatsapp", "payload": f"{NAME} {NUMBER[1:]}", "events": found}]
        ),
    )
    return str(contact)


def test_nothing_of_a_contact_is_left(db: Connection, caller: str) -> None:
    assert len(traces(db, NAME)) > 8
    assert len(traces(db, NUMBER[1:])) > 4
    succeed(db, "erase_user_atomic", user_id=caller)
    assert traces(db, NAME) == []
    assert traces(db, NUMBER[1:]) == []


def test_what_the_desk_said_to_a_contact_stays(db: Connection, world: World, caller: str) -> None:
    page = succeed(db, "list_threads", actor_id=world.ann, query=NUMBER)["threads"]
    thread = page[0]["conversation_id"]
    succeed(db, "erase_user_atomic", user_id=caller)
    messages = succeed(db, "list_thread_messages", thread=thread, actor_id=world.ann)["messages"]
    assert [one["content"] for one in messages if one["source"] == "person"] == ["dear Sir"]
    answer = next(one for one in messages if one["source"] == "person")
    assert answer["delivery"]["status"] == "failed"
    assert answer["delivery"]["error"] == {"code": "erased"}
    after = succeed(db, "get_thread", thread=thread, actor_id=world.ann)["thread"]
    assert after["contact"] == {"id": caller, "display_name": "Erased user", "identities": []}
    assert after["unread_count"] == 0
    found = succeed(db, "list_threads", actor_id=world.ann, query=NUMBER)["threads"]
    assert found == []


def test_a_contact_is_erased_by_an_old_id_too(db: Connection, world: World, caller: str) -> None:
    old = rows(
        db,
        "select old_id::text from chat.redirects where kind = 'contact' and new_id = %s",
        caller,
    )[0][0]
    assert succeed(db, "erase_user_atomic", user_id=old)["user_id"] == caller
    assert traces(db, NAME) == []


def test_an_erased_contact_who_writes_again_is_somebody_new(
    db: Connection, world: World, caller: str
) -> None:
    succeed(db, "erase_user_atomic", user_id=caller)
    received = receive(db, world.channel, "hello", contact=NUMBER)
    assert received["contact"]["id"] != caller
    thread = received["conversation_id"]
    assert succeed(db, "get_thread", thread=thread, actor_id=world.ann)["thread"]["last_seq"] == 1


def test_an_erased_agents_answers_do_not_go_out(db: Connection, world: World) -> None:
    send(db, world.thread, world.bob, "yes")
    succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.ann, world.bob])
    succeed(db, "erase_user_atomic", user_id=world.bob)
    messages = succeed(db, "list_thread_messages", thread=world.thread, actor_id=world.ann)[
        "messages"
    ]
    assert [(one["content"], one.get("delivery", {}).get("status")) for one in messages] == [
        ("20 % off", "queued"),
        ("are you open?", None),
        (None, "failed"),
    ]
    assert rows(db, "select 1 from chat.desk_agents where user_id = %s", world.bob) == []


def test_users_erase_themselves_only(db: Connection, world: World) -> None:
    refuse(db, "permission_denied", "erase_user_atomic", user_id=world.bob, actor_id=world.ann)


@pytest.mark.parametrize(("user_id", "code"), [(None, "validation_error"), (NOBODY, "not_found")])
def test_whom_must_be_said_and_known(
    db: Connection, world: World, user_id: str | None, code: str
) -> None:
    refuse(db, code, "erase_user_atomic", user_id=user_id)


def test_what_was_told_to_the_assistant_is_deleted_and_that_is_told(
    db: Connection, world: World, quixote: str
) -> None:
    threads = rows(db, "select conversation_id from chat.assistant_threads")
    assert len(threads) == 2
    succeed(db, "erase_user_atomic", user_id=quixote)
    for table in ("assistant_threads", "thread_items", "sessions", "attachments", "runs"):
        assert rows(db, f"select 1 from chat.{table}") == []
    for (thread,) in threads:
        told = [event["type"] for event in events(db, thread)]
        assert told[-1] == "conversation_deleted"
        assert set(told) <= {"run_failed", "conversation_deleted"}
        refuse(db, "not_found", "get_assistant_thread", conversation_id=thread)


def test_what_others_told_the_assistant_stays(db: Connection, world: World, quixote: str) -> None:
    thread = new_thread(db, world.ann, new_session(db, world.ann))
    ask(db, thread, world.ann)
    answer = complete(db, claim(db), "because")["message"]
    succeed(db, "erase_user_atomic", user_id=quixote)
    page = succeed(db, "list_messages", conversation_id=thread, actor_id=world.ann)
    assert page["messages"][-1] == answer


def test_an_erased_assistant_leaves_the_questions(db: Connection, world: World) -> None:
    ask(db, world.talk, world.ann)
    answer = complete(db, claim(db), "because")["message"]
    add_item(db, world.ann, hidden_item("note_1"), world.talk)
    succeed(db, "erase_user_atomic", user_id=answer["sender_id"])
    page = succeed(db, "list_messages", conversation_id=world.talk, actor_id=world.ann)
    assert [one["content"] for one in page["messages"]] == ["why?", None]
    assert rows(db, "select 1 from chat.thread_items") == []
