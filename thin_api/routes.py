"""The table: which function answers which path, and where its arguments come from."""

import dataclasses
import re
from collections.abc import Mapping, Sequence

PATH_FIELD = re.compile(r"\{(\w+)\}")


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    A field named `x` becomes the argument `p_x`; `field:name` says otherwise, for fields of the
    path in `named`. `actor` names the arguments that are the caller; `anybody`: a service that acts
    for nobody leaves them out. `stream`: the answer may be one (run_stream.py).
    """

    method: str
    path: str
    function: str
    body: str = ""
    query: str = ""
    status: int = 200
    actor: str = "actor_id"
    service: bool = False
    named: str = ""
    anybody: bool = False
    stream: bool = False

    path_fields: Mapping[str, str] = dataclasses.field(init=False)
    query_fields: Mapping[str, str] = dataclasses.field(init=False)
    body_fields: Mapping[str, str] = dataclasses.field(init=False)
    actor_arguments: Sequence[str] = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        fields = " ".join(PATH_FIELD.findall(self.path))
        path_fields = {**_arguments(fields), **_arguments(self.named)}
        object.__setattr__(self, "path_fields", path_fields)
        object.__setattr__(self, "query_fields", _arguments(self.query))
        object.__setattr__(self, "body_fields", _arguments(self.body))
        object.__setattr__(self, "actor_arguments", tuple(_arguments(self.actor).values()))


def _arguments(fields: str) -> Mapping[str, str]:
    pairs = (field.partition(":") for field in fields.split())
    return {field: f"p_{name or field}" for field, _, name in pairs}


ONE = "/v1/conversations/{conversation_id}"
MESSAGE = f"{ONE}/messages/{{message_id}}"
REQUESTS = "/api/messaging/help-requests"
START = f"{REQUESTS}/{{help_request_id}}/start-conversation"
THREADS = "/api/crm/threads"
THREAD = f"{THREADS}/{{thread}}"
OF_THREAD = "thread:conversation_id"
SESSIONS = "/api/v1/chatkit/sessions"
SESSION = f"{SESSIONS}/{{session_id}}"
ASSISTANT = "/api/v1/chatkit/threads"
TALK = f"{ASSISTANT}/{{thread_id}}"
OF_TALK = "thread_id:conversation_id"
NEW_CONVERSATION = "kind member_ids title initial_message metadata client_key history"
NEW_USER = "user_id display_name kind external_id email tenant_id"
NEW_MESSAGE = "content client_message_id type metadata reply_to_id source"
NEW_SESSION = "user workflow chatkit_configuration expires_after rate_limits client_key"
NEW_THREAD = "title metadata client_key"
NEW_RUN = "content client_message_id metadata message_id configuration"

# fmt: off
OPERATIONS: Sequence[Operation] = (
    Operation("POST", f"{ONE}/messages", "send_message_atomic", body=NEW_MESSAGE, status=201),
    Operation("GET", f"{ONE}/messages", "list_messages", query="before_seq after_seq limit"),
    Operation("GET", f"{ONE}/changes", "list_changes", query="after_seq limit"),
    Operation("PATCH", MESSAGE, "edit_message_atomic", body="content expected_edited_at"),
    Operation("DELETE", MESSAGE, "delete_message_atomic"),
    Operation("GET", f"{MESSAGE}/status", "get_message_status"),
    Operation("PUT", f"{MESSAGE}/reactions/{{emoji}}", "add_reaction_atomic"),
    Operation("DELETE", f"{MESSAGE}/reactions/{{emoji}}", "remove_reaction_atomic"),
    Operation("POST", f"{ONE}/read", "mark_read_atomic", body="seq"),
    Operation("POST", f"{ONE}/delivered", "mark_delivered_atomic", body="seq"),
    Operation("POST", f"{ONE}/typing", "announce_typing"),
    Operation("POST", "/v1/conversations", "create_conversation_atomic",
              body=NEW_CONVERSATION, status=201),
    Operation("GET", "/v1/conversations", "list_conversations", query="limit before"),
    Operation("GET", ONE, "get_conversation"),
    Operation("PATCH", ONE, "update_conversation_atomic", body="title metadata"),
    Operation("POST", f"{ONE}/close", "close_conversation_atomic"),
    Operation("POST", f"{ONE}/reopen", "reopen_conversation_atomic"),
    Operation("POST", f"{ONE}/members", "add_members_atomic", body="member_ids", status=201),
    Operation("GET", f"{ONE}/members", "list_members", query="limit after"),
    Operation("PATCH", f"{ONE}/members/{{user_id}}", "change_member_role_atomic", body="role"),
    Operation("DELETE", f"{ONE}/members/{{user_id}}", "remove_member_atomic"),
    Operation("GET", "/v1/search", "search_messages", query="q:query conversation_id limit"),
    Operation("GET", "/v1/me", "get_user"),
    Operation("POST", "/v1/users", "upsert_user_atomic",
              body=NEW_USER, actor="", service=True, status=201),
    Operation("PUT", "/v1/blocks/{user_id}", "block_user_atomic"),
    Operation("DELETE", "/v1/blocks/{user_id}", "unblock_user_atomic"),
    Operation("POST", REQUESTS, "create_help_request_atomic",
              body="title metadata client_key", status=201),
    Operation("POST", START, "create_conversation_atomic",
              body="initial_message", actor="actor_id helper_id", status=201),
    Operation("GET", THREADS, "list_threads",
              query="q:query unread:unread_only assignee_id closed limit before"),
    Operation("POST", THREADS, "open_thread_atomic",
              body="contact display_name channel_id", status=201),
    Operation("GET", THREAD, "get_thread"),
    Operation("GET", f"{THREAD}/messages", "list_thread_messages",
              query="before_seq after_seq limit"),
    Operation("POST", f"{THREAD}/messages", "send_message_atomic",
              body=NEW_MESSAGE, named=OF_THREAD, status=201),
    Operation("POST", f"{THREAD}/messages/{{message_id}}/retry", "retry_delivery_atomic",
              named=OF_THREAD),
    Operation("POST", f"{THREAD}/assign", "assign_thread_atomic",
              body="assignee_id", named=OF_THREAD),
    Operation("POST", f"{THREAD}/close", "close_conversation_atomic", named=OF_THREAD),
    Operation("POST", f"{THREAD}/reopen", "reopen_conversation_atomic", named=OF_THREAD),
    Operation("POST", f"{THREAD}/link", "link_contact_atomic",
              body="kind value", named="thread:contact_id"),
    Operation("POST", "/api/whatsapp/conversations/{thread}/mark_read", "mark_thread_read_atomic",
              body="seq"),
    Operation("GET", "/api/crm/channels", "list_channels"),
    Operation("POST", SESSIONS, "create_session_atomic",
              body=NEW_SESSION, status=201, anybody=True),
    Operation("GET", SESSIONS, "list_sessions", query="limit before"),
    Operation("GET", SESSION, "get_session", anybody=True),
    Operation("POST", f"{SESSION}/cancel", "cancel_session_atomic", anybody=True),
    Operation("POST", f"{SESSION}/threads", "create_thread_atomic", body=NEW_THREAD, status=201),
    Operation("GET", f"{SESSION}/threads", "list_assistant_threads",
              query="limit after before order"),
    Operation("POST", ASSISTANT, "create_thread_atomic",
              body=f"session_id {NEW_THREAD}", status=201),
    Operation("GET", ASSISTANT, "list_assistant_threads",
              query="user session_id limit after before order", anybody=True),
    Operation("GET", TALK, "get_assistant_thread", named=OF_TALK, anybody=True),
    Operation("DELETE", TALK, "delete_thread_atomic", named=OF_TALK, anybody=True),
    Operation("GET", f"{TALK}/items", "list_thread_items",
              query="limit after before order", named=OF_TALK, anybody=True),
    *(
        operation
        for thread in (f"{SESSION}/threads/{{thread_id}}", TALK)
        for operation in (
            Operation("GET", f"{thread}/messages", "list_assistant_messages",
                      query="before_seq after_seq limit", named=OF_TALK, anybody=True),
            Operation("POST", f"{thread}/runs", "create_run_atomic",
                      body=NEW_RUN, named=OF_TALK, status=201, stream=True),
            Operation("GET", f"{thread}/runs", "list_runs", query="limit before", named=OF_TALK),
            Operation("GET", f"{thread}/runs/{{run_id}}", "get_run",
                      query="attempt after", named=OF_TALK),
            Operation("POST", f"{thread}/runs/{{run_id}}/cancel", "cancel_run_atomic",
                      named=OF_TALK, anybody=True),
            Operation("GET", f"{thread}/runs/{{run_id}}/events", "get_run",
                      query="attempt after", named=OF_TALK, stream=True),
        )
    ),
)
# fmt: on
