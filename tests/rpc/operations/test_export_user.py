"""api.export_user."""

import pytest

from tests.rpc.assistant.chatkit import add_item, hidden_item, save_thread, user_message
from tests.rpc.assistant.runs import ask, claim, complete, new_session, new_thread
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, receive, refuse, send, succeed


def test_it_holds_everything_kept_about_a_user(db: Connection, world: World) -> None:
    in_group = {"conversation_id": world.group, "actor_id": world.bob}
    succeed(
        db, "edit_message_atomic", **in_group, message_id=world.reply["id"], content="hello you"
    )
    succeed(db, "add_reaction_atomic", **in_group, message_id=world.hello["id"], emoji="x")
    succeed(db, "mark_read_atomic", **in_group, seq=2)
    succeed(db, "block_user_atomic", actor_id=world.bob, user_id=world.cid)
    succeed(db, "remove_member_atomic", **in_group, user_id=world.bob)
    exported = succeed(db, "export_user", user_id=world.bob)
    assert set(exported) == {
        "success",
        "user",
        "memberships",
        "messages",
        "reactions",
        "blocks",
        "help_requests",
        "receipts",
        "identities",
        "threads",
        "sessions",
        "assistant_threads",
        "thread_items",
        "attachments",
        "runs",
    }
    assert exported["user"]["display_name"] == "Bob"
    assert {m["conversation_id"] for m in exported["memberships"]} == {world.group, world.direct}
    (message,) = exported["messages"]
    assert (message["content"], message["previous_contents"]) == ("hello you", ["hello Ann"])
    assert [reaction["emoji"] for reaction in exported["reactions"]] == ["x"]
    assert [block["blocked_id"] for block in exported["blocks"]] == [world.cid]
    assert [r["help_request_id"] for r in exported["help_requests"]] == [world.help_request]
    assert [(receipt["kind"], receipt["seq"]) for receipt in exported["receipts"]] == [("read", 2)]


def test_it_holds_nothing_others_said(db: Connection, world: World) -> None:
    send(db, world.direct, world.ann, "a secret of Ann's")
    assert "secret" not in str(succeed(db, "export_user", user_id=world.bob))


def test_who_did_nothing_has_an_empty_one(db: Connection, world: World) -> None:
    exported = succeed(db, "export_user", user_id=world.dee)
    assert [value for key, value in exported.items() if key not in ("success", "user")] == [[]] * 13


def test_a_contacts_holds_what_leads_to_them_and_their_thread(db: Connection, world: World) -> None:
    other = receive(db, world.channel, "me, too", contact="+4915112345678")
    succeed(
        db,
        "link_contact_atomic",
        actor_id=world.ann,
        contact_id=world.contact,
        kind="phone",
        value="+4915112345678",
    )
    exported = succeed(db, "export_user", user_id=other["contact"]["id"])
    assert exported == succeed(db, "export_user", user_id=world.contact)
    assert {one["value"] for one in exported["identities"]} == {"+491701234567", "+4915112345678"}
    assert [one["conversation_id"] for one in exported["threads"]] == [world.thread]
    assert [one["content"] for one in exported["messages"]] == ["are you open?", "me, too"]


def test_users_export_themselves_only(db: Connection, world: World) -> None:
    succeed(db, "export_user", user_id=world.bob, actor_id=world.bob)
    refuse(db, "permission_denied", "export_user", user_id=world.bob, actor_id=world.ann)


def test_the_deactivated_keep_the_right_to_their_data(db: Connection, world: World) -> None:
    succeed(db, "deactivate_user_atomic", user_id=world.bob)
    succeed(db, "export_user", user_id=world.bob, actor_id=world.bob)


@pytest.mark.parametrize(("user_id", "code"), [(None, "validation_error"), (NOBODY, "not_found")])
def test_whom_must_be_said_and_known(
    db: Connection, world: World, user_id: str | None, code: str
) -> None:
    refuse(db, code, "export_user", user_id=user_id)


def test_it_holds_what_the_assistant_was_told(db: Connection, world: World) -> None:
    session_id = new_session(db, world.bob, workflow={"id": "wf_1"})
    thread = new_thread(db, world.bob, session_id)
    asked = ask(db, thread, world.bob, "why?", configuration={"tone": "kind"})
    complete(db, claim(db), "because")
    save_thread(db, world.bob)
    item = user_message("msg_1", "Hello!")
    add_item(db, world.bob, item)
    about = {"attachment_id": "file_1", "attachment": {"id": "file_1"}}
    succeed(db, "save_attachment_atomic", **about, actor_id=world.bob)
    new_thread(db, world.ann, new_session(db, world.ann))

    exported = succeed(db, "export_user", user_id=world.bob)
    (session,) = exported["sessions"]
    assert (session["session_id"], session["configuration"]) == (
        session_id,
        {"workflow": {"id": "wf_1"}},
    )
    assert not [key for key in session if "digest" in key]
    assert [(one["conversation_id"], one["title"]) for one in exported["assistant_threads"]][
        :1
    ] == [(thread, None)]
    assert exported["assistant_threads"][1]["payload"]["id"] == "thr_1"
    assert [one["payload"] for one in exported["thread_items"]] == [item]
    assert [one["payload"] for one in exported["attachments"]] == [{"id": "file_1"}]
    (run,) = exported["runs"]
    assert (run["id"], run["status"]) == (asked["run_id"], "completed")
    assert run["configuration"] == {"tone": "kind"}
    assert [one["content"] for one in exported["messages"]] == ["hello Ann", "why?", "Hello!"]


def test_what_is_hidden_from_them_is_given_to_a_service_alone(db: Connection, world: World) -> None:
    save_thread(db, world.bob)
    add_item(db, world.bob, user_message("msg_1", "Hello!"))
    add_item(db, world.bob, hidden_item("msg_2"))
    for actor_id, found in ((None, ["msg_1", "msg_2"]), (world.bob, ["msg_1"])):
        exported = succeed(db, "export_user", user_id=world.bob, actor_id=actor_id)
        assert [one["item_id"] for one in exported["thread_items"]] == found
