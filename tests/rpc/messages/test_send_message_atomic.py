"""api.send_message_atomic."""

import uuid

import pytest

from tests.rpc.behind import (
    MESSAGE_KEYS,
    acting_as,
    events,
    forget_status,
    published,
    response_status,
    rows,
    set_limit,
    value,
)
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_user, receive, refuse, send, succeed


def test_the_message_comes_back_whole(db: Connection, world: World) -> None:
    message = send(
        db,
        world.group,
        world.bob,
        "a picture",
        type="image",
        client_message_id="picture-1",
        metadata={"width": 3},
        reply_to_id=world.hello["id"],
    )
    assert set(message) == MESSAGE_KEYS
    assert {key: message[key] for key in MESSAGE_KEYS - {"id", "created_at"}} == {
        "conversation_id": world.group,
        "seq": 3,
        "sender_id": world.bob,
        "sender_name": "Bob",
        "source": "person",
        "type": "image",
        "content": "a picture",
        "metadata": {"width": 3},
        "reply_to_id": world.hello["id"],
        "client_message_id": "picture-1",
        "edited_at": None,
        "deleted_at": None,
        "reactions": [],
    }
    assert uuid.UUID(message["id"]).version == 7


def test_numbers_and_times_go_up(db: Connection, world: World) -> None:
    sent = [send(db, world.direct, world.ann, "again") for _ in range(5)]
    assert [message["seq"] for message in sent] == [1, 2, 3, 4, 5]
    times = [message["created_at"] for message in sent]
    assert times == sorted(times)


def test_sending_moves_nobodys_read_mark(db: Connection, world: World) -> None:
    assert rows(db, "select distinct read_seq from chat.members") == [(0,)]
    send(db, world.group, world.ann, "more")
    assert rows(db, "select distinct read_seq from chat.members") == [(0,)]


def test_listeners_are_told_what_the_sender_gets_back(db: Connection, world: World) -> None:
    message = send(db, world.group, world.ann, "listen")
    assert events(db, world.group)[-1] == {
        "type": "message_created",
        "conversation_id": world.group,
        "seq": 3,
        "message": message,
    }


def test_a_bots_message_says_so(db: Connection, world: World) -> None:
    bot = new_user(db, "Bot", kind="bot", tenant_id=world.tenant_id)
    succeed(
        db, "add_members_atomic", conversation_id=world.group, actor_id=world.ann, member_ids=[bot]
    )
    assert send(db, world.group, bot, "beep")["source"] == "bot"


@pytest.mark.parametrize(
    "content", ["שלום", "👩‍👩‍👧 e\u0301", "a\nb\tc", "'; drop--", "\\x00%s", "  x  "]
)
def test_content_is_kept_as_it_is(db: Connection, world: World, content: str) -> None:
    assert send(db, world.group, world.ann, content)["content"] == content


@pytest.mark.parametrize("content", [None, "", "   ", "\n\t "])
def test_text_needs_content(db: Connection, world: World, content: str | None) -> None:
    result = refuse(
        db,
        "validation_error",
        "send_message_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        content=content,
    )
    assert result["details"] == {"field": "content"}


def test_other_types_may_do_without_content(db: Connection, world: World) -> None:
    result = succeed(
        db,
        "send_message_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        type="location",
        metadata={"lat": 1.5},
    )
    assert result["message"]["content"] is None


@pytest.mark.parametrize("kind", [None, "", "system", "Text", "a b", "x" * 33, "1st"])
def test_a_type_is_a_word_and_never_system(db: Connection, world: World, kind: str | None) -> None:
    result = refuse(
        db,
        "validation_error",
        "send_message_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        content="x",
        type=kind,
    )
    assert result["details"] == {"field": "type"}


def test_sizes_are_counted_in_characters_up_to_the_limit(db: Connection, world: World) -> None:
    send(db, world.group, world.ann, "👍" * 16_000)
    result = refuse(
        db,
        "too_large",
        "send_message_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        content="x" * 16_001,
    )
    assert result["details"] == {"field": "content", "limit": 16_000}
    assert "16000" in result["message"]


def test_the_limit_is_a_setting(db: Connection, world: World) -> None:
    set_limit(db, "content_characters", 3)
    send(db, world.group, world.ann, "abc")
    refuse(
        db,
        "too_large",
        "send_message_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        content="abcd",
    )


@pytest.mark.parametrize(
    ("metadata", "code"),
    [([{"a": 1}], "validation_error"), ("3", "validation_error"), ({"a": "x" * 8200}, "too_large")],
)
def test_metadata_is_an_object_of_at_most_8_kb(
    db: Connection, world: World, metadata: object, code: str
) -> None:
    result = refuse(
        db,
        code,
        "send_message_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        content="x",
        metadata=metadata,
    )
    assert result["details"]["field"] == "metadata"


@pytest.mark.parametrize(("key", "code"), [(" ", "validation_error"), ("k" * 201, "too_large")])
def test_a_key_is_neither_blank_nor_endless(
    db: Connection, world: World, key: str, code: str
) -> None:
    result = refuse(
        db,
        code,
        "send_message_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        content="x",
        client_message_id=key,
    )
    assert result["details"]["field"] == "client_message_id"


class TestRetries:
    """The same client_message_id again."""

    @staticmethod
    def first(world: World) -> Json:
        return {
            "conversation_id": world.group,
            "actor_id": world.ann,
            "content": "once",
            "client_message_id": "key",
            "metadata": {"n": 1},
            "reply_to_id": world.reply["id"],
        }

    def test_the_same_again_returns_the_first(self, db: Connection, world: World) -> None:
        first = succeed(db, "send_message_atomic", **self.first(world))
        assert response_status(db) == "201"
        forget_status(db)
        again = succeed(db, "send_message_atomic", **self.first(world))
        assert again == first | {"duplicate": True}
        assert response_status(db) == "200"
        assert value(db, "select count(*) from chat.messages where content = 'once'") == 1

    @pytest.mark.parametrize(
        "other",
        [
            {"content": "twice"},
            {"type": "image"},
            {"metadata": {"n": 2}},
            {"metadata": None},
            {"reply_to_id": None},
            {"reply_to_id": "hello"},
        ],
    )
    def test_anything_else_under_the_key_is_a_conflict(
        self, db: Connection, world: World, other: Json
    ) -> None:
        first = succeed(db, "send_message_atomic", **self.first(world))["message"]
        if other.get("reply_to_id"):
            other = {"reply_to_id": world.hello["id"]}
        result = refuse(
            db, "idempotency_conflict", "send_message_atomic", **self.first(world) | other
        )
        assert result["details"] == {"message_id": first["id"]}

    def test_a_reply_is_not_what_was_no_reply(self, db: Connection, world: World) -> None:
        succeed(db, "send_message_atomic", **self.first(world) | {"reply_to_id": None})
        refuse(db, "idempotency_conflict", "send_message_atomic", **self.first(world))

    def test_a_reply_whose_target_was_purged_is_still_the_same(
        self, db: Connection, world: World
    ) -> None:
        succeed(db, "send_message_atomic", **self.first(world))
        rows(
            db,
            "update chat.messages set created_at = '2020-01-01'"
            " where conversation_id = %s and seq <= 2",
            world.group,
        )
        rows(db, "update chat.conversations set created_at = '2020-01-01'")
        succeed(db, "purge_messages_atomic", before="2021-01-01")
        assert succeed(db, "send_message_atomic", **self.first(world))["duplicate"] is True

    def test_the_original_counts_after_an_edit(self, db: Connection, world: World) -> None:
        first = succeed(db, "send_message_atomic", **self.first(world))["message"]
        for content in ("better", "best"):
            succeed(
                db,
                "edit_message_atomic",
                conversation_id=world.group,
                actor_id=world.ann,
                message_id=first["id"],
                content=content,
            )
        again = succeed(db, "send_message_atomic", **self.first(world))
        assert (again["duplicate"], again["message"]["content"]) == (True, "best")
        refuse(
            db,
            "idempotency_conflict",
            "send_message_atomic",
            **self.first(world) | {"content": "best"},
        )

    def test_what_was_deleted_since_stays_deleted(self, db: Connection, world: World) -> None:
        first = succeed(db, "send_message_atomic", **self.first(world))["message"]
        succeed(
            db,
            "delete_message_atomic",
            conversation_id=world.group,
            actor_id=world.ann,
            message_id=first["id"],
        )
        again = succeed(db, "send_message_atomic", **self.first(world))
        assert (again["duplicate"], again["message"]["content"]) == (True, None)
        refuse(
            db,
            "idempotency_conflict",
            "send_message_atomic",
            **self.first(world) | {"content": "twice"},
        )

    def test_keys_are_the_senders_own_and_the_conversations(
        self, db: Connection, world: World
    ) -> None:
        succeed(db, "send_message_atomic", **self.first(world))
        for other in ({"actor_id": world.bob}, {"conversation_id": world.direct}):
            arguments = self.first(world) | {"reply_to_id": None, "content": "else"} | other
            assert "duplicate" not in succeed(db, "send_message_atomic", **arguments)

    def test_a_retry_succeeds_after_the_conversation_was_closed(
        self, db: Connection, world: World
    ) -> None:
        succeed(db, "send_message_atomic", **self.first(world))
        succeed(db, "close_conversation_atomic", conversation_id=world.group, actor_id=world.ann)
        assert succeed(db, "send_message_atomic", **self.first(world))["duplicate"] is True


def test_a_reply_points_into_the_same_conversation(db: Connection, world: World) -> None:
    elsewhere = send(db, world.direct, world.ann, "elsewhere")
    for target in (elsewhere["id"], world.group):
        result = refuse(
            db,
            "validation_error",
            "send_message_atomic",
            conversation_id=world.group,
            actor_id=world.ann,
            content="re",
            reply_to_id=target,
        )
        assert result["details"] == {"field": "reply_to_id"}


def test_nothing_is_said_in_a_closed_conversation(db: Connection, world: World) -> None:
    succeed(db, "close_conversation_atomic", conversation_id=world.group, actor_id=world.ann)
    refuse(
        db,
        "conversation_closed",
        "send_message_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        content="x",
    )


@pytest.mark.parametrize(("blocker", "sender"), [("ann", "bob"), ("bob", "ann")])
def test_a_blocked_pair_cannot_use_its_direct_conversation(
    db: Connection, world: World, blocker: str, sender: str
) -> None:
    blocker_id, sender_id = getattr(world, blocker), getattr(world, sender)
    succeed(db, "block_user_atomic", actor_id=blocker_id, user_id=sender_id)
    for actor_id in (world.ann, world.bob):
        refuse(
            db,
            "blocked",
            "send_message_atomic",
            conversation_id=world.direct,
            actor_id=actor_id,
            content="x",
        )
    succeed(db, "unblock_user_atomic", actor_id=blocker_id, user_id=sender_id)
    send(db, world.direct, sender_id, "x")


class TestBlocksInGroups:
    """Bob has blocked Ann; both stay in the group."""

    @pytest.fixture
    def hidden(self, db: Connection, world: World) -> Json:
        """What Ann says while Bob blocks her."""
        succeed(db, "mark_read_atomic", conversation_id=world.group, actor_id=world.bob)
        succeed(db, "block_user_atomic", actor_id=world.bob, user_id=world.ann)
        return send(db, world.group, world.ann, "hidden words")

    @staticmethod
    def seen(db: Connection, world: World, actor_id: str) -> list[int]:
        result = succeed(db, "list_messages", conversation_id=world.group, actor_id=actor_id)
        return [message["seq"] for message in result["messages"]]

    @staticmethod
    def listed(db: Connection, world: World, actor_id: str) -> Json:
        result = succeed(db, "get_conversation", conversation_id=world.group, actor_id=actor_id)
        conversation: Json = result["conversation"]
        return conversation

    def test_the_blocker_does_not_get_the_message(
        self, db: Connection, world: World, hidden: Json
    ) -> None:
        assert self.seen(db, world, world.bob) == [1, 2]
        assert self.seen(db, world, world.cid) == self.seen(db, world, world.ann) == [1, 2, 3]
        assert self.listed(db, world, world.bob)["last_message"]["seq"] == 2

    def test_nor_an_unread_count(self, db: Connection, world: World, hidden: Json) -> None:
        assert self.listed(db, world, world.bob)["unread_count"] == 0
        assert self.listed(db, world, world.cid)["unread_count"] == 3

    def test_nor_a_status(self, db: Connection, world: World, hidden: Json) -> None:
        arguments = {"conversation_id": world.group, "message_id": hidden["id"]}
        status = succeed(db, "get_message_status", actor_id=world.ann, **arguments)
        assert [member["user_id"] for member in status["members"]] == [world.cid]
        refuse(db, "not_found", "get_message_status", actor_id=world.bob, **arguments)

    def test_nor_a_search_result(self, db: Connection, world: World, hidden: Json) -> None:
        found = {
            name: succeed(db, "search_messages", actor_id=getattr(world, name), query="hidden")
            for name in ("bob", "cid")
        }
        assert found["bob"]["messages"] == []
        assert [message["seq"] for message in found["cid"]["messages"]] == [3]

    def test_nor_an_event_but_a_skip(self, db: Connection, world: World, hidden: Json) -> None:
        assert published(db, world.group)[-1][1] == [world.bob]
        changes = succeed(
            db, "list_changes", conversation_id=world.group, actor_id=world.bob, after_seq=2
        )
        assert changes["changes"] == [{"type": "skip", "conversation_id": world.group, "seq": 3}]

    def test_nor_what_happens_to_it_later(self, db: Connection, world: World, hidden: Json) -> None:
        about = {"conversation_id": world.group, "message_id": hidden["id"]}
        succeed(db, "edit_message_atomic", actor_id=world.ann, content="still", **about)
        succeed(db, "add_reaction_atomic", actor_id=world.cid, emoji="x", **about)
        succeed(db, "remove_reaction_atomic", actor_id=world.cid, emoji="x", **about)
        succeed(
            db,
            "delete_message_atomic",
            actor_id=world.ann,
            message_id=hidden["id"],
            conversation_id=world.group,
        )
        assert [excluded for _, excluded in published(db, world.group)[-4:]] == [[world.bob]] * 4
        changes = succeed(
            db, "list_changes", conversation_id=world.group, actor_id=world.bob, after_seq=2
        )["changes"]
        assert [(change["type"], change["seq"]) for change in changes] == [
            ("skip", seq) for seq in range(3, 8)
        ]
        assert self.listed(db, world, world.bob)["unread_count"] == 0

    def test_nor_can_they_touch_it(self, db: Connection, world: World, hidden: Json) -> None:
        about = {"conversation_id": world.group, "message_id": hidden["id"]}
        refuse(db, "not_found", "add_reaction_atomic", actor_id=world.bob, emoji="x", **about)
        refuse(db, "not_found", "delete_message_atomic", actor_id=world.bob, **about)
        refuse(
            db,
            "validation_error",
            "send_message_atomic",
            conversation_id=world.group,
            actor_id=world.bob,
            content="re",
            reply_to_id=hidden["id"],
        )

    def test_what_was_said_before_stays(self, db: Connection, world: World, hidden: Json) -> None:
        assert world.hello["seq"] in self.seen(db, world, world.bob)

    def test_unblocking_is_for_what_comes(self, db: Connection, world: World, hidden: Json) -> None:
        succeed(db, "unblock_user_atomic", actor_id=world.bob, user_id=world.ann)
        send(db, world.group, world.ann, "back")
        assert self.seen(db, world, world.bob) == [1, 2, 4]
        assert self.listed(db, world, world.bob)["unread_count"] == 1

    def test_the_blocked_still_gets_what_the_blocker_says(
        self, db: Connection, world: World, hidden: Json
    ) -> None:
        send(db, world.group, world.bob, "to all")
        assert self.seen(db, world, world.ann) == [1, 2, 3, 4]


class TestToAContact:
    """In an inbox conversation the desk answers, and what it says goes out."""

    def test_an_answer_waits_to_go_out(self, db: Connection, world: World) -> None:
        message = send(db, world.thread, world.bob, "we are", client_message_id="k")
        assert (message["seq"], message["source"], message["sender_name"]) == (3, "person", "Bob")
        found = rows(
            db,
            "select d.status, d.attempts, d.channel_id::text from chat.deliveries d"
            " where d.message_id = %s",
            message["id"],
        )
        assert found == [("queued", 0, world.channel["channel_id"])]

    def test_whoever_answers_joins_silently(self, db: Connection, world: World) -> None:
        before = len(events(db, world.thread))
        send(db, world.thread, world.bob, "one")
        send(db, world.thread, world.bob, "two")
        assert [event["type"] for event in events(db, world.thread)[before:]] == [
            "message_created"
        ] * 2
        assert rows(
            db,
            "select role, joined_seq, sent_count from chat.members"
            " where conversation_id = %s and user_id = %s",
            world.thread,
            world.bob,
        ) == [("agent", 0, 0)]

    def test_answers_do_not_count_as_unread(self, db: Connection, world: World) -> None:
        send(db, world.thread, world.bob, "one")
        thread = succeed(db, "get_thread", thread=world.thread, actor_id=world.ann)["thread"]
        assert (thread["unread_count"], thread["last_message"]["content"]) == (1, "one")

    def test_a_repetition_is_a_duplicate(self, db: Connection, world: World) -> None:
        by_bob = {"conversation_id": world.thread, "actor_id": world.bob, "client_message_id": "k"}
        first = succeed(db, "send_message_atomic", **by_bob, content="once")
        again = succeed(db, "send_message_atomic", **by_bob, content="once")
        assert again == {**first, "duplicate": True}
        refuse(db, "idempotency_conflict", "send_message_atomic", **by_bob, content="twice")
        assert value(db, "select count(*) from chat.deliveries") == 2

    def test_only_a_template_is_sent_when_the_window_is_closed(
        self, db: Connection, world: World
    ) -> None:
        rows(db, "update chat.threads set last_inbound_at = '2026-01-01 00:00Z'")
        by_bob = {"conversation_id": world.thread, "actor_id": world.bob}
        result = refuse(db, "window_closed", "send_message_atomic", **by_bob, content="late")
        assert result["details"] == {"closed_at": "2026-01-02T00:00:00+00:00"}
        succeed(db, "send_message_atomic", **by_bob, type="template")
        rows(db, "update chat.channels set reply_window = null")
        succeed(db, "send_message_atomic", **by_bob, content="never too late")

    def test_nobody_writes_first_but_by_a_template(self, db: Connection, world: World) -> None:
        opened = succeed(
            db, "open_thread_atomic", actor_id=world.ann, contact={"phone": "+4930123456"}
        )
        to_them = {
            "conversation_id": opened["thread"]["conversation_id"],
            "actor_id": world.ann,
        }
        result = refuse(db, "window_closed", "send_message_atomic", **to_them, content="psst")
        assert result["details"] == {"closed_at": None}
        succeed(db, "send_message_atomic", **to_them, type="template")

    def test_nothing_is_said_in_a_closed_conversation(self, db: Connection, world: World) -> None:
        by_bob = {"conversation_id": world.thread, "actor_id": world.bob}
        succeed(db, "close_conversation_atomic", **by_bob)
        refuse(db, "conversation_closed", "send_message_atomic", **by_bob, content="x")

    def test_only_the_desk_answers(self, db: Connection, world: World) -> None:
        succeed(db, "set_desk_atomic", tenant_id=world.tenant_id, agent_ids=[world.bob])
        send(db, world.thread, world.bob, "mine")
        for actor_id, code in [
            (world.ann, "not_a_member"),  # has answered before
            (world.dee, "not_a_member"),
            (world.contact, "not_a_member"),
            (world.zoe, "not_found"),
        ]:
            refuse(
                db,
                code,
                "send_message_atomic",
                conversation_id=world.thread,
                actor_id=actor_id,
                content="x",
            )

    def test_an_answer_points_into_its_conversation(self, db: Connection, world: World) -> None:
        answer = send(db, world.thread, world.bob, "x", reply_to_id=world.question["id"])
        assert answer["reply_to_id"] == world.question["id"]
        result = refuse(
            db,
            "validation_error",
            "send_message_atomic",
            conversation_id=world.thread,
            actor_id=world.bob,
            content="x",
            reply_to_id=world.hello["id"],
        )
        assert result["details"] == {"field": "reply_to_id"}

    def test_a_merged_conversation_is_found_by_its_old_id(
        self, db: Connection, world: World
    ) -> None:
        other = receive(db, world.channel, "hi", "+4930123456")
        linked = succeed(
            db,
            "link_contact_atomic",
            actor_id=world.ann,
            contact_id=other["contact"]["id"],
            kind="phone",
            value="+491701234567",
        )
        for conversation_id in (world.thread, other["conversation_id"]):
            message = send(db, conversation_id, world.bob, "hello both")
            assert message["conversation_id"] == linked["conversation_id"]


@pytest.mark.parametrize(
    ("kind", "source", "token", "code"),
    [
        ("person", "person", True, None),
        ("person", "bot", True, "permission_denied"),
        ("person", "automation", True, "permission_denied"),
        ("bot", "automation", True, None),
        ("bot", "bot", True, None),
        ("bot", "person", True, "permission_denied"),
        ("person", "automation", False, None),
        ("person", "bot", False, None),
        ("person", "contact", False, "validation_error"),
        ("person", "system", False, "validation_error"),
    ],
)
@pytest.mark.parametrize("place", ["thread", "group"])
def test_a_message_comes_from_who_may_say_so(
    db: Connection, world: World, place: str, kind: str, source: str, token: bool, code: str | None
) -> None:
    sender = new_user(db, "Sender", kind=kind, tenant_id=world.tenant_id)
    succeed(
        db,
        "add_members_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        member_ids=[sender],
    )
    given = {"conversation_id": getattr(world, place), "content": "x", "source": source}
    role, claims = ("parley_user", {"sub": sender}) if token else ("parley_api", None)
    with acting_as(db, role, claims):
        if code:
            refuse(db, code, "send_message_atomic", **given, actor_id=sender)
            return
        result = succeed(db, "send_message_atomic", **given, actor_id=sender)
    assert result["message"]["source"] == source
