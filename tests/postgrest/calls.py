"""Calls made to PostgREST and to us, and what both must answer. `$ann` stands for an id."""

import dataclasses
from typing import Any

JSON = "application/json"


@dataclasses.dataclass(frozen=True)
class Call:
    """One request; the refusal's name where the function itself refuses."""

    what: str
    function: str
    status: int
    error: str | None = None
    body: Any = None
    query: dict[str, str] | None = None
    who: str | None = "ann"
    method: str = "POST"
    text: str | None = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


HERE = {"p_conversation_id": "$group"}
CALLS = [
    # Creations: 201, and 200 for the second time.
    Call("a message", "send_message_atomic", 201, body={**HERE, "p_content": "hi"}),
    Call(
        "a message with everything",
        "send_message_atomic",
        201,
        body={
            **HERE,
            "p_actor_id": "$ann",
            "p_content": 'Ünï "quoted" \\ \n \u2028 \U0001f389',
            "p_client_message_id": "k",
            "p_type": "image",
            "p_metadata": {"b": [1, 2.50, None, {"a": True}], "a": 1e3, "é": "\u0001"},
            "p_reply_to_id": "$message",
        },
    ),
    Call(
        "a message that was sent before",
        "send_message_atomic",
        200,
        body={**HERE, "p_content": "hello", "p_client_message_id": "first"},
    ),
    Call(
        "a group",
        "create_conversation_atomic",
        201,
        body={
            "p_kind": "group",
            "p_member_ids": ["$bob", "$cleo"],
            "p_title": "Three",
            "p_metadata": {"topic": None},
            "p_initial_message": "Welcome",
        },
    ),
    Call(
        "a group of one, with an empty array",
        "create_conversation_atomic",
        201,
        body={"p_kind": "group", "p_member_ids": []},
    ),
    Call(
        "a direct conversation",
        "create_conversation_atomic",
        201,
        body={"p_kind": "direct", "p_member_ids": ["$cleo"]},
    ),
    Call(
        "help for somebody",
        "create_conversation_atomic",
        201,
        body={"p_help_request_id": "$request", "p_helper_id": "$ann", "p_initial_message": "How?"},
    ),
    Call("a help request", "create_help_request_atomic", 201, body={"p_title": "Please"}),
    Call("a new member", "add_members_atomic", 201, body={**HERE, "p_member_ids": ["$cleo"]}),
    Call(
        "a member who is one",
        "add_members_atomic",
        200,
        body={**HERE, "p_member_ids": ["$bob", "$ann"]},
    ),
    Call(
        "a new user, by a service",
        "upsert_user_atomic",
        201,
        who="the service",
        body={"p_display_name": "New", "p_email": "new@example.org"},
    ),
    Call(
        "a user there is, by a service",
        "upsert_user_atomic",
        200,
        who="the service",
        body={"p_user_id": "$ann", "p_display_name": "Anna"},
    ),
    # Other changes.
    Call(
        "messages in one go, refusals among them",
        "send_messages_atomic",
        200,
        body={
            "p_messages": [
                {**HERE, "p_content": "one"},
                {"p_conversation_id": "$direct", "p_content": "two"},
                {**HERE, "p_content": " "},
                {**HERE, "p_content": "three", "p_actor_id": "$bob"},
                {**HERE, "p_contents": "four"},
                5,
            ]
        },
    ),
    Call("no messages in one go", "send_messages_atomic", 200, body={"p_messages": []}),
    Call(
        "an edit",
        "edit_message_atomic",
        200,
        body={**HERE, "p_message_id": "$message", "p_content": "hello again"},
    ),
    Call("a deletion", "delete_message_atomic", 200, body={**HERE, "p_message_id": "$message"}),
    Call(
        "a reaction",
        "add_reaction_atomic",
        200,
        body={**HERE, "p_message_id": "$answer", "p_emoji": "\U0001f44d"},
    ),
    Call(
        "no reaction to take back",
        "remove_reaction_atomic",
        200,
        body={**HERE, "p_message_id": "$answer", "p_emoji": "x"},
    ),
    Call("read up to now", "mark_read_atomic", 200, body={**HERE, "p_seq": None}),
    Call("read up to a number", "mark_read_atomic", 200, body={**HERE, "p_seq": 1}, who="bob"),
    Call("a number as a string", "mark_read_atomic", 200, body={**HERE, "p_seq": "2"}, who="bob"),
    Call("delivered", "mark_delivered_atomic", 200, body=HERE, who="bob"),
    Call("typing", "announce_typing", 200, body=HERE),
    Call("leaving", "remove_member_atomic", 200, body={**HERE, "p_user_id": "$bob"}, who="bob"),
    Call(
        "a new role",
        "change_member_role_atomic",
        200,
        body={**HERE, "p_user_id": "$bob", "p_role": "owner"},
    ),
    Call(
        "notifications",
        "set_notification_preferences_atomic",
        200,
        body={**HERE, "p_notify": "none", "p_muted_until": "2040-01-01T00:00:00+02:00"},
    ),
    Call("a new title", "update_conversation_atomic", 200, body={**HERE, "p_title": "New"}),
    Call("closing", "close_conversation_atomic", 200, body=HERE),
    Call("reopening", "reopen_conversation_atomic", 200, body={"p_conversation_id": "$closed"}),
    Call("a block", "block_user_atomic", 200, body={"p_user_id": "$cleo"}),
    Call("no block", "unblock_user_atomic", 200, body={"p_user_id": "$cleo"}),
    Call(
        "closing a request",
        "close_help_request_atomic",
        200,
        body={"p_help_request_id": "$request"},
        who="cleo",
    ),
    # Reads, by both methods.
    Call("oneself", "get_user", 200, body={}),
    Call("oneself, without a body", "get_user", 200, text=""),
    Call("oneself, by GET", "get_user", 200, method="GET"),
    Call("oneself, with nulls", "get_user", 200, body={"p_user_id": None, "p_actor_id": None}),
    Call("somebody else, by GET", "get_user", 200, method="GET", query={"p_user_id": "$bob"}),
    Call("messages", "list_messages", 200, body={**HERE, "p_limit": 2}),
    Call(
        "messages, by GET",
        "list_messages",
        200,
        method="GET",
        query={"p_conversation_id": "$group", "p_after_seq": "1", "p_limit": "100"},
    ),
    Call("changes", "list_changes", 200, body={**HERE, "p_after_seq": 0}),
    Call("members, by GET", "list_members", 200, method="GET", query=HERE),
    Call("a conversation", "get_conversation", 200, method="GET", query=HERE),
    Call("conversations", "list_conversations", 200, method="GET", query={"p_limit": "2"}),
    Call(
        "a status",
        "get_message_status",
        200,
        method="GET",
        query={**HERE, "p_message_id": "$message"},
    ),
    Call("a search", "search_messages", 200, method="GET", query={"p_query": "well hello"}),
    Call("a plus is a space", "search_messages", 200, method="GET", query={"p_query": '"a+b"'}),
    Call("a flag", "is_feature_enabled", 200, method="GET", query={"p_flag": "new.inbox"}),
    Call("everything selected", "get_user", 200, method="GET", query={"select": "*"}),
    Call("everything selected, by POST", "get_user", 200, body={}, query={"select": "*"}),
    Call("what a body's null means", "list_messages", 200, body={**HERE, "p_before_seq": None}),
    Call(
        "a result that may pass",
        "must",
        200,
        body={"p_result": {"success": True, "list": [1, {"deep": []}], "text": "null"}},
    ),
    Call("invariants, by a service", "check_invariants", 200, who="the service", body={}),
    Call("invariants, by GET", "check_invariants", 200, who="the service", method="GET"),
    Call(
        "a service names the actor",
        "get_user",
        200,
        who="the service",
        body={"p_actor_id": "$bob"},
    ),
    Call(
        "one object",
        "get_user",
        200,
        body={},
        headers={"Accept": "application/vnd.pgrst.object+json"},
    ),
    Call(
        "what official clients send",
        "get_user",
        200,
        body={},
        headers={"Content-Profile": "api", "Accept-Profile": "api", "Prefer": "count=exact"},
    ),
    # Refusals, one for each code that can be reached.
    Call("blank", "send_message_atomic", 400, "validation_error", {**HERE, "p_content": " "}),
    Call("nothing said", "send_message_atomic", 400, "validation_error", HERE),
    Call("a page too long", "list_messages", 400, "validation_error", {**HERE, "p_limit": 101}),
    Call(
        "a page too long, by GET",
        "list_messages",
        400,
        "validation_error",
        query={**HERE, "p_limit": "0"},
        method="GET",
    ),
    Call("a service who names nobody", "get_user", 400, "validation_error", {}, who="the service"),
    Call(
        "metadata of another shape",
        "send_message_atomic",
        400,
        "validation_error",
        {**HERE, "p_content": "x", "p_metadata": [1]},
    ),
    Call(
        "a null among members",
        "add_members_atomic",
        400,
        "validation_error",
        {**HERE, "p_member_ids": ["$cleo", None]},
    ),
    Call(
        "somebody added to two",
        "add_members_atomic",
        400,
        "unsupported",
        {"p_conversation_id": "$direct", "p_member_ids": ["$cleo"]},
    ),
    Call("someone else's name", "get_user", 403, "permission_denied", {"p_actor_id": "$bob"}),
    Call(
        "someone else's name, by GET",
        "list_conversations",
        403,
        "permission_denied",
        query={"p_actor_id": "$bob"},
        method="GET",
    ),
    Call(
        "a member who adds",
        "add_members_atomic",
        403,
        "permission_denied",
        {**HERE, "p_member_ids": ["$cleo"]},
        who="bob",
    ),
    Call("an outsider", "get_conversation", 403, "not_a_member", HERE, who="cleo"),
    Call(
        "a blocked pair",
        "send_message_atomic",
        403,
        "blocked",
        {"p_conversation_id": "$apart", "p_content": "hello?"},
    ),
    Call("another tenant", "get_conversation", 404, "not_found", HERE, who="xenia"),
    Call("another tenant's user", "block_user_atomic", 404, "not_found", {"p_user_id": "$xenia"}),
    Call("a user who is not there", "get_user", 404, "not_found", {}, who="ghost"),
    Call(
        "a second conversation",
        "create_conversation_atomic",
        409,
        "conversation_exists",
        {"p_kind": "direct", "p_member_ids": ["$bob"]},
    ),
    Call(
        "a key used twice",
        "send_message_atomic",
        409,
        "idempotency_conflict",
        {**HERE, "p_content": "other", "p_client_message_id": "first"},
    ),
    Call(
        "a closed conversation",
        "send_message_atomic",
        409,
        "conversation_closed",
        {"p_conversation_id": "$closed", "p_content": "late"},
    ),
    Call(
        "the last owner", "remove_member_atomic", 409, "last_owner", {**HERE, "p_user_id": "$ann"}
    ),
    Call(
        "an old version",
        "edit_message_atomic",
        409,
        "edit_conflict",
        {
            **HERE,
            "p_message_id": "$edited",
            "p_content": "thrice",
            "p_expected_edited_at": "2020-01-01T00:00:00Z",
        },
    ),
    Call(
        "too much said",
        "send_message_atomic",
        413,
        "too_large",
        {**HERE, "p_content": "x" * 16_001},
    ),
    Call(
        "too many at once",
        "send_messages_atomic",
        413,
        "too_large",
        {"p_messages": [{"p_content": "x"}] * 101},
    ),
]

# What the servers themselves refuse: status and code are the same, the words may differ.
PROTOCOL = [
    ("PGRST202", Call("no such function", "drop_everything", 404, body={})),
    ("PGRST202", Call("no such function, by GET", "drop_everything", 404, method="GET")),
    ("PGRST202", Call("a function of another schema", "pg_sleep", 404, body={})),
    ("PGRST202", Call("a private function", "actor", 404, body={"p_actor_id": "$ann"})),
    ("PGRST202", Call("an unknown argument", "get_user", 404, body={"p_colour": "red"})),
    (
        "PGRST202",
        Call("an unknown argument, by GET", "get_user", 404, method="GET", query={"p_colour": "1"}),
    ),
    ("PGRST202", Call("an argument missing", "list_messages", 404, body={"p_limit": 1})),
    ("PGRST202", Call("an argument missing, by GET", "list_messages", 404, method="GET")),
    ("22P02", Call("no uuid", "get_user", 400, body={"p_user_id": "me"})),
    ("22P02", Call("no uuid, by GET", "get_user", 400, method="GET", query={"p_user_id": "me"})),
    ("22P02", Call("no number", "list_messages", 400, body={**HERE, "p_limit": "many"})),
    ("22003", Call("too large a number", "list_messages", 400, body={**HERE, "p_limit": 2**40})),
    (
        "22007",
        Call(
            "no time",
            "set_notification_preferences_atomic",
            400,
            body={**HERE, "p_muted_until": "soon"},
        ),
    ),
    ("22P02", Call("no array", "add_members_atomic", 400, body={**HERE, "p_member_ids": "$bob"})),
    (
        "22P02",
        Call(
            "an array of other things",
            "add_members_atomic",
            400,
            body={**HERE, "p_member_ids": ["me"]},
        ),
    ),
    (
        "22P05",
        Call(
            "a null character",
            "send_message_atomic",
            400,
            text='{"p_conversation_id": null, "p_content": "\\u0000"}',
        ),
    ),
    ("PGRST102", Call("no JSON", "get_user", 400, text="{")),
    ("PGRST102", Call("words", "get_user", 400, text="hello")),
    (
        "25006",
        Call(
            "a change, by GET",
            "create_help_request_atomic",
            405,
            method="GET",
            query={"p_title": "x"},
        ),
    ),
    ("PGRST301", Call("a forged token", "get_user", 401, body={}, who="a forger")),
    ("PGRST301", Call("an expired token", "get_user", 401, body={}, who="the past")),
    (
        "PGRST301",
        Call(
            "what is no token",
            "get_user",
            401,
            body={},
            who=None,
            headers={"Authorization": "Bearer x"},
        ),
    ),
    (
        "PGRST106",
        Call("another schema", "get_user", 406, body={}, headers={"Content-Profile": "chat"}),
    ),
    (
        "PGRST106",
        Call(
            "another schema, by GET",
            "get_user",
            406,
            method="GET",
            headers={"Accept-Profile": "chat"},
        ),
    ),
    (
        "PT409",
        Call(
            "a refusal that must not be",
            "must",
            409,
            body={
                "p_result": {
                    "success": False,
                    "code": "PT409",
                    "error": "last_owner",
                    "message": "no",
                    "details": None,
                }
            },
        ),
    ),
    ("PT400", Call("no result at all", "must", 400, body={"p_result": {}})),
    (
        "PGRST107",
        Call("another format", "get_user", 415, body={}, headers={"Accept": "image/png"}),
    ),
    ("PGRST101", Call("another method", "get_user", 405, method="PATCH", text="{}")),
    ("PGRST101", Call("yet another method", "get_user", 405, method="DELETE")),
]

# Where the two differ, and why: what they answer (status, code), what we answer.
Answer = tuple[int, str | None]
DIFFERENCES: list[tuple[str, Answer, Answer, Call]] = [
    (
        "nobody calls us without a token, and nobody is told what there is",
        (401, "PT401"),
        (401, "PGRST301"),
        Call("without a token", "get_user", 0, body={}, who=None),
    ),
    (
        "nobody calls us without a token, and nobody is told what there is",
        (404, "PGRST202"),
        (401, "PGRST301"),
        Call("no such function, without a token", "drop_everything", 0, body={}, who=None),
    ),
    (
        "we look at the subject of a token before we ask the database",
        (401, "PT401"),
        (401, "PGRST301"),
        Call("a subject that is no id", "get_user", 0, body={}, who="somebody odd"),
    ),
    (
        "PostgREST takes a token without a role for nobody's; we know who it is",
        (401, "42501"),
        (403, "42501"),
        Call("what only services do", "upsert_user_atomic", 0, body={"p_display_name": "x"}),
    ),
    (
        "PostgREST takes a token without a role for nobody's; we know who it is",
        (401, "42501"),
        (403, "42501"),
        Call("what operators see, by GET", "check_invariants", 0, method="GET"),
    ),
    (
        "a function that writes may refuse before it writes; we do not try",
        (400, "PT400"),
        (405, "25006"),
        Call("a refused change, by GET", "send_message_atomic", 0, method="GET", query=HERE),
    ),
    (
        "PostgREST forgets a function's status where there is no body",
        (200, None),
        (403, None),
        Call("an outsider, by HEAD", "get_conversation", 0, method="HEAD", query=HERE, who="cleo"),
    ),
    (
        "PostgREST gives a document in an address to the function as a string",
        (400, "PT400"),
        (200, None),
        Call(
            "a document, by GET",
            "must",
            0,
            method="GET",
            query={"p_result": '{"success": true}'},
        ),
    ),
    (
        "PostgREST takes what is no object for no arguments; we say what is wrong",
        (200, None),
        (400, "PGRST102"),
        Call("a list", "get_user", 0, text="[]"),
    ),
    (
        "PostgREST reads other formats, too",
        (200, None),
        (400, "PGRST102"),
        Call(
            "a form",
            "get_user",
            0,
            text="p_user_id=$ann",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ),
    ),
    (
        "PostgREST writes other formats, too",
        (200, None),
        (415, "PGRST107"),
        Call("a table", "get_user", 0, body={}, headers={"Accept": "text/csv"}),
    ),
    (
        "we have no query language",
        (400, "42703"),
        (400, "PGRST127"),
        Call("a filter", "get_user", 0, body={}, query={"user": "eq.1"}),
    ),
    (
        "we have no query language",
        (200, None),
        (400, "PGRST127"),
        Call(
            "an order",
            "check_invariants",
            0,
            method="GET",
            query={"order": "invariant"},
            who="the service",
        ),
    ),
]
