"""One good call of every function of the surface, by Ann; and what kind of function each is."""

from collections.abc import Callable
from typing import Any

from psycopg.types.json import Jsonb

from tests.rpc.conftest import World
from tests.support import Json

NOBODY = "00000000-0000-4000-8000-000000000000"
CHANNEL = {"provider": "whatsapp", "address": "1065"}
NOTE = {"id": "note_1", "type": "hidden_context_item", "content": "rides a bike"}


def _about(conversation_or_message: str, **more: Any) -> Callable[[World], Json]:
    def arguments(world: World) -> Json:
        ids = {"conversation_id": world.group}
        if conversation_or_message == "message":
            ids["message_id"] = world.hello["id"]
        return ids | more

    return arguments


def _of_run(world: World, **more: Any) -> Json:
    return {"conversation_id": world.talk, "run_id": world.run["id"]} | more


# The arguments beside the actor that make each function succeed.
CALLS: dict[str, Callable[[World], Json]] = {
    "upsert_tenant_atomic": lambda _: {"tenant_id": NOBODY, "name": "New"},
    "upsert_user_atomic": lambda w: {"display_name": "New", "tenant_id": w.tenant_id},
    "deactivate_user_atomic": lambda w: {"user_id": w.bob},
    "get_user": lambda _: {},
    "block_user_atomic": lambda w: {"user_id": w.bob},
    "unblock_user_atomic": lambda w: {"user_id": w.bob},
    "create_conversation_atomic": lambda w: {"kind": "group", "member_ids": [w.dee]},
    "create_help_request_atomic": lambda _: {"title": "My tap drips", "client_key": "tap"},
    "close_help_request_atomic": lambda w: {"help_request_id": w.own_request},
    "get_conversation": _about("conversation"),
    "list_conversations": lambda _: {},
    "update_conversation_atomic": _about("conversation", title="A better title"),
    "close_conversation_atomic": _about("conversation"),
    "reopen_conversation_atomic": _about("conversation"),
    "add_members_atomic": lambda w: {"conversation_id": w.group, "member_ids": [w.dee]},
    "remove_member_atomic": lambda w: {"conversation_id": w.group, "user_id": w.bob},
    "change_member_role_atomic": lambda w: {
        "conversation_id": w.group,
        "user_id": w.bob,
        "role": "admin",
    },
    "list_members": _about("conversation"),
    "set_notification_preferences_atomic": _about("conversation", notify="mentions"),
    "send_message_atomic": _about("conversation", content="hi", client_message_id="hi-1"),
    "send_messages_atomic": lambda w: {
        "messages": [{"p_conversation_id": w.group, "p_actor_id": w.ann, "p_content": "hi"}]
    },
    "edit_message_atomic": _about("message", content="Hello!"),
    "delete_message_atomic": _about("message"),
    "add_reaction_atomic": _about("message", emoji="👍"),
    "remove_reaction_atomic": _about("message", emoji="👍"),
    "mark_delivered_atomic": _about("conversation"),
    "mark_read_atomic": _about("conversation"),
    "list_messages": _about("conversation"),
    "list_changes": _about("conversation"),
    "get_message_status": _about("message"),
    "search_messages": lambda _: {"query": "hello"},
    "announce_typing": _about("conversation"),
    "list_subscriptions": lambda _: {},
    "push_attach": lambda _: {},
    "push_fetch": lambda w: w.listener,
    "push_sleep": lambda w: w.listener,
    "push_wake": lambda w: w.listener,
    "is_feature_enabled": lambda w: {"flag": "dark_mode", "user_id": w.ann},
    "set_feature_flag_atomic": lambda _: {"flag": "dark_mode", "enabled": True},
    "check_invariants": lambda _: {},
    "must": lambda _: {"result": {"success": True}},
    "export_user": lambda w: {"user_id": w.ann},
    "erase_user_atomic": lambda w: {"user_id": w.bob},
    "purge_messages_atomic": lambda _: {"before": "2020-01-01"},
    "maintain": lambda _: {},
    "upsert_channel_atomic": lambda w: {**CHANNEL, "tenant_id": w.tenant_id},
    "list_channels": lambda _: {},
    "set_desk_atomic": lambda w: {"tenant_id": w.tenant_id, "agent_ids": [w.ann]},
    "list_threads": lambda _: {},
    "get_thread": lambda w: {"thread": w.thread},
    "list_thread_messages": lambda w: {"thread": w.thread},
    "mark_thread_read_atomic": lambda w: {"thread": w.thread},
    "assign_thread_atomic": lambda w: {"conversation_id": w.thread, "assignee_id": w.bob},
    "claim_deliveries": lambda _: {"worker": "one"},
    "settle_delivery_atomic": lambda w: {
        "conversation_id": w.thread,
        "message_id": w.offer["id"],
        "lease": NOBODY,
        "outcome": "unknown",
    },
    "retry_delivery_atomic": lambda w: {
        "conversation_id": w.thread,
        "message_id": w.offer["id"],
    },
    "record_delivery_status_atomic": lambda w: {
        "provider": w.channel["provider"],
        "address": w.channel["address"],
        "provider_message_id": "wamid.2",
        "status": "sent",
    },
    "open_thread_atomic": lambda _: {"contact": {"phone": "+4915112345678"}},
    "link_contact_atomic": lambda w: {"contact_id": w.contact, "kind": "lead", "value": "L-1"},
    "receive_message_atomic": lambda _: {
        **CHANNEL,
        "provider_message_id": "wamid.1",
        "contact": {"phone": "+491701234567"},
        "content": "hello",
    },
    "import_thread_atomic": lambda w: {
        "tenant_id": w.tenant_id,
        "thread": {
            "channel_id": w.channel["channel_id"],
            "identities": [{"kind": "lead", "value": "L1"}],
            "messages": [],
        },
    },
    "receive_webhooks_atomic": lambda _: {
        "webhooks": Jsonb([{"provider": "whatsapp", "payload": "{}", "events": []}])
    },
    "park_webhook_atomic": lambda _: {"provider": "whatsapp", "payload": "{", "problem": "id 1"},
    "create_session_atomic": lambda _: {"workflow": {"id": "wf_1"}},
    "get_session": lambda w: {"session_id": w.session["id"]},
    "list_sessions": lambda _: {},
    "cancel_session_atomic": lambda w: {"session_id": w.session["id"]},
    "authenticate_session": lambda w: {"client_secret": w.session["client_secret"]},
    "create_thread_atomic": lambda _: {"title": "My bike"},
    "get_assistant_thread": lambda w: {"conversation_id": w.talk},
    "list_assistant_threads": lambda _: {},
    "list_assistant_messages": lambda w: {"conversation_id": w.talk},
    "list_thread_items": lambda w: {"conversation_id": w.talk},
    "delete_thread_atomic": lambda w: {"conversation_id": w.talk},
    "save_chatkit_thread_atomic": lambda _: {"thread_id": "thr_1", "thread": {"id": "thr_1"}},
    "load_chatkit_thread": lambda w: {"thread_id": w.talk},
    "list_chatkit_threads": lambda _: {},
    "delete_chatkit_thread_atomic": lambda w: {"thread_id": w.talk},
    "add_chatkit_item_atomic": lambda w: {"thread_id": w.talk, "item": NOTE},
    "save_chatkit_item_atomic": lambda w: {"thread_id": w.talk, "item": NOTE},
    "load_chatkit_item": lambda w: {"thread_id": w.talk, "item_id": w.remark["id"]},
    "list_chatkit_items": lambda w: {"thread_id": w.talk},
    "delete_chatkit_item_atomic": lambda w: {"thread_id": w.talk, "item_id": w.remark["id"]},
    "save_attachment_atomic": lambda _: {"attachment_id": "file_1", "attachment": {"id": "file_1"}},
    "load_attachment": lambda w: {"attachment_id": w.attachment},
    "delete_attachment_atomic": lambda w: {"attachment_id": w.attachment},
    "create_run_atomic": lambda w: {"conversation_id": w.talk, "content": "why?"},
    "claim_run": lambda _: {"worker": "one"},
    "append_run_delta": lambda w: _of_run(w, lease=NOBODY, content="because"),
    "complete_run_atomic": lambda w: _of_run(w, lease=NOBODY),
    "fail_run_atomic": lambda w: _of_run(w, lease=NOBODY, error={"code": "a", "message": "b"}),
    "release_run_atomic": lambda w: _of_run(w, lease=NOBODY),
    "cancel_run_atomic": lambda w: _of_run(w),
    "get_run": lambda w: _of_run(w),
    "list_runs": lambda w: {"conversation_id": w.talk},
}

SERVICE_ONLY = {
    "authenticate_session",
    "save_chatkit_thread_atomic",
    "load_chatkit_thread",
    "list_chatkit_threads",
    "delete_chatkit_thread_atomic",
    "add_chatkit_item_atomic",
    "save_chatkit_item_atomic",
    "load_chatkit_item",
    "list_chatkit_items",
    "delete_chatkit_item_atomic",
    "save_attachment_atomic",
    "load_attachment",
    "delete_attachment_atomic",
    "claim_run",
    "append_run_delta",
    "complete_run_atomic",
    "fail_run_atomic",
    "release_run_atomic",
    "upsert_channel_atomic",
    "set_desk_atomic",
    "receive_message_atomic",
    "receive_webhooks_atomic",
    "import_thread_atomic",
    "park_webhook_atomic",
    "claim_deliveries",
    "settle_delivery_atomic",
    "record_delivery_status_atomic",
    "upsert_tenant_atomic",
    "upsert_user_atomic",
    "deactivate_user_atomic",
    "set_feature_flag_atomic",
    "check_invariants",
    "erase_user_atomic",
    "purge_messages_atomic",
    "maintain",
    "push_attach",
    "push_fetch",
    "push_sleep",
    "push_wake",
}
FOR_USERS = sorted(set(CALLS) - SERVICE_ONLY)
FOR_OPERATORS = {"check_invariants"}

# The actor may be left out by a service: then nobody in particular does it.
ADMINISTRATIVE = {
    "deactivate_user_atomic",
    "export_user",
    "erase_user_atomic",
    "get_session",
    "cancel_session_atomic",
    "get_assistant_thread",
    "list_assistant_threads",
    "list_assistant_messages",
    "list_thread_items",
    "delete_thread_atomic",
    "cancel_run_atomic",
}
# These act for nobody. A batch names an actor in each message.
WITHOUT_ACTOR = {
    "authenticate_session",
    "claim_run",
    "append_run_delta",
    "complete_run_atomic",
    "fail_run_atomic",
    "release_run_atomic",
    "upsert_channel_atomic",
    "set_desk_atomic",
    "receive_message_atomic",
    "receive_webhooks_atomic",
    "import_thread_atomic",
    "park_webhook_atomic",
    "claim_deliveries",
    "settle_delivery_atomic",
    "record_delivery_status_atomic",
    "upsert_tenant_atomic",
    "upsert_user_atomic",
    "send_messages_atomic",
    "is_feature_enabled",
    "set_feature_flag_atomic",
    "check_invariants",
    "must",
    "purge_messages_atomic",
    "maintain",
    "push_attach",
    "push_fetch",
    "push_sleep",
    "push_wake",
}
WITH_ACTOR = sorted(set(CALLS) - ADMINISTRATIVE - WITHOUT_ACTOR)
IN_CONVERSATIONS = [
    "get_conversation",
    "update_conversation_atomic",
    "close_conversation_atomic",
    "reopen_conversation_atomic",
    "add_members_atomic",
    "remove_member_atomic",
    "change_member_role_atomic",
    "list_members",
    "set_notification_preferences_atomic",
    "send_message_atomic",
    "edit_message_atomic",
    "delete_message_atomic",
    "add_reaction_atomic",
    "remove_reaction_atomic",
    "mark_delivered_atomic",
    "mark_read_atomic",
    "list_messages",
    "list_changes",
    "get_message_status",
    "announce_typing",
    "assign_thread_atomic",
    "retry_delivery_atomic",
    "get_assistant_thread",
    "list_assistant_messages",
    "list_thread_items",
    "delete_thread_atomic",
    "create_run_atomic",
    "cancel_run_atomic",
    "get_run",
    "list_runs",
]
# What a success of the good call answers with beside PostgREST's own status.
CREATIONS = {
    "create_session_atomic",
    "create_thread_atomic",
    "save_chatkit_thread_atomic",
    "add_chatkit_item_atomic",
    "save_chatkit_item_atomic",
    "create_run_atomic",
    "import_thread_atomic",
    "upsert_channel_atomic",
    "receive_message_atomic",
    "park_webhook_atomic",
    "upsert_tenant_atomic",
    "upsert_user_atomic",
    "create_conversation_atomic",
    "create_help_request_atomic",
    "add_members_atomic",
    "send_message_atomic",
    "open_thread_atomic",
}
