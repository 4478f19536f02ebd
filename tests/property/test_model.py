"""Random operations by several people, on the database and on a simple model: both must agree.

`MODEL_EXAMPLES` and `MODEL_STEPS` in the environment make it longer, for a nightly run.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.property.model import (
    Conversation,
    HelpRequest,
    Json,
    Learned,
    Message,
    User,
    World,
    differences,
)
from tests.support import Connection, call, connect, violations

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "70"))
STEPS = int(os.environ.get("MODEL_STEPS", "60"))
CHECKED_EVERY = 10
SERVICE_ONLY = {"upsert_user_atomic", "deactivate_user_atomic", "purge_messages_atomic"}
CREATIONS = {
    "upsert_user_atomic",
    "create_help_request_atomic",
    "create_conversation_atomic",
    "add_members_atomic",
    "send_message_atomic",
}

OURS, THEIRS = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
NAMES = {
    # By id they come in another order than by name.
    "Ann": ("40", OURS, "person"),
    "Bob": ("10", OURS, "person"),
    "Cleo": ("50", OURS, "person"),
    "Dan": ("20", OURS, "person"),
    "Robot": ("30", OURS, "bot"),
    "Xenia": ("05", THEIRS, "person"),
    "Yuri": ("60", THEIRS, "person"),
    "Nobody": ("99", OURS, "person"),
}
LATER = "2040-01-01T00:00:00+00:00"
FAR = 2**63 - 1

# Mostly people of one tenant; now and then a stranger, or someone who does not exist.
people = st.sampled_from([*["Ann", "Bob", "Cleo", "Dan", "Robot"] * 4, "Xenia", "Xenia", "Yuri"])
anybody = people | st.just("Nobody")
groups = st.lists(people, max_size=5)
words = ["red fox", "red hen", "blue fox", "hen", "blue"]
contents = st.sampled_from([*words * 4, " \n", "x" * 16_001])
titles = st.sampled_from([None, None, "Here", "There", " "])
metadata = st.sampled_from([None, None, {}, {"n": 1}])
keys = st.sampled_from([None, None, "one", "two"])
emojis = st.sampled_from(["+1", "+1", "\N{PARTY POPPER}", "a b", ""])
limits = st.sampled_from([1, 2, 3, 50, 100, 0, 101])
seqs = st.none() | st.integers(-1, 12) | st.sampled_from([FAR, -FAR])


class Machine(RuleBasedStateMachine):
    """Does the same to both, and compares every answer."""

    conversations = Bundle("conversations")
    messages = Bundle("messages")
    help_requests = Bundle("help_requests")

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection
        self.world = World()
        self.as_user = False
        self.calls = 0
        self.users: dict[str, User] = {}
        self.nowhere = Conversation(
            "group", OURS, User("", OURS, "", ""), None, None, None, None, None, {}, "all", 0
        )
        self.nowhere.id.value = str(uuid.UUID(int=3))
        connection.execute("set local time zone 'UTC'")
        connection.execute("set local role parley_api")

    @initialize(as_user=st.booleans())
    def people_arrive(self, as_user: bool) -> None:
        """Make everybody; from then on act as a service for them, or with tokens of their own."""
        for name, (prefix, tenant_id, kind) in NAMES.items():
            user = User(str(uuid.UUID(prefix + "0" * 30)), tenant_id, name, kind)
            self.users[name] = user
            if name != "Nobody":
                self.compare(
                    "upsert_user_atomic",
                    {"user": user, "display_name": name},
                    user_id=user.id,
                    display_name=name,
                    kind=kind,
                    tenant_id=tenant_id,
                )
        self.as_user = as_user

    def teardown(self) -> None:
        """Check what must always hold, and forget it all."""
        try:
            self.nothing_is_violated()
        finally:
            self.connection.rollback()

    @precondition(lambda self: self.calls >= CHECKED_EVERY)
    @invariant()
    def nothing_is_violated(self) -> None:
        """Check what must always hold."""
        if self.connection.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS:
            self.calls = 0
            self.connection.execute("set local role parley_api")
            assert violations(self.connection) == []

    # People.

    @rule(user=people, name=st.sampled_from([None, "Zoe"]))
    def upsert_user(self, user: str, name: str | None) -> None:
        self.compare(
            "upsert_user_atomic",
            {"user": self.users[user], "display_name": name},
            user_id=self.users[user].id,
            display_name=name,
        )

    @rule(user=people)
    def deactivate_user(self, user: str) -> None:
        self.compare(
            "deactivate_user_atomic", {"user": self.users[user]}, user_id=self.users[user].id
        )

    @rule(actor=anybody, user=anybody)
    def get_user(self, actor: str, user: str) -> None:
        self.compare("get_user", self.between(actor, user), actor, user_id=self.users[user].id)

    @rule(actor=anybody, user=anybody)
    def block_user(self, actor: str, user: str) -> None:
        arguments = self.between(actor, user)
        self.compare("block_user_atomic", arguments, actor, user_id=self.users[user].id)

    @rule(actor=anybody, user=anybody)
    def unblock_user(self, actor: str, user: str) -> None:
        arguments = self.between(actor, user)
        self.compare("unblock_user_atomic", arguments, actor, user_id=self.users[user].id)

    # Conversations.

    @rule(target=help_requests, actor=anybody, title=titles, metadata=metadata, key=keys)
    def create_help_request(
        self, actor: str, title: str | None, metadata: Json | None, key: str | None
    ) -> Any:
        given: Json = {"title": title, "metadata": metadata, "client_key": key}
        before = len(self.world.help_requests)
        arguments = {"actor": self.users[actor], **given}
        self.compare("create_help_request_atomic", arguments, actor, **given)
        return multiple(*self.world.help_requests[before:])

    @rule(actor=anybody, help_request=help_requests)
    def close_help_request(self, actor: str, help_request: HelpRequest) -> None:
        self.compare(
            "close_help_request_atomic",
            {"actor": self.users[actor], "help_request": help_request},
            actor,
            help_request_id=help_request.id.value,
        )

    @rule(
        target=conversations,
        actor=anybody,
        help_request=help_requests,
        initial_message=st.none() | contents,
        key=keys,
    )
    def help_somebody(
        self, actor: str, help_request: HelpRequest, initial_message: str | None, key: str | None
    ) -> Any:
        given: Json = {"initial_message": initial_message, "client_key": key}
        before = len(self.world.conversations)
        self.compare(
            "create_conversation_atomic",
            {"actor": self.users[actor], "help_request": help_request, **given},
            actor,
            help_request_id=help_request.id.value,
            helper_id=self.users[actor].id,
            **given,
        )
        return multiple(*self.world.conversations[before:])

    @rule(
        target=conversations,
        actor=anybody,
        kind=st.sampled_from(["direct", "group"]),
        members=groups,
        given=st.fixed_dictionaries(
            {},
            optional={
                "initial_message": contents,
                "title": titles,
                "metadata": metadata,
                "client_key": keys,
                "history": st.sampled_from(["all", "joined"]),
            },
        ),
    )
    def create_conversation(self, actor: str, kind: str, members: list[str], given: Json) -> Any:
        if kind == "direct":
            members = members[:1]
        before = len(self.world.conversations)
        everybody = [self.users[name] for name in members]
        self.compare(
            "create_conversation_atomic",
            {"actor": self.users[actor], "kind": kind, "members": everybody, **given},
            actor,
            kind=kind,
            member_ids=[user.id for user in everybody],
            **given,
        )
        return multiple(*self.world.conversations[before:])

    @rule(target=messages, conversation=conversations)
    def retry_creation(self, conversation: Conversation) -> Any:
        """Repeat a creation word for word, perhaps long afterwards."""
        kind, others, initial_message, title, metadata, history = conversation.first_request
        if kind == "help":
            return multiple()
        request: Json = {
            "kind": kind,
            "initial_message": initial_message,
            "title": title,
            "metadata": metadata,
            "client_key": conversation.client_key,
            "history": history,
        }
        if kind == "group" and conversation.client_key is None:
            return multiple()
        before = len(self.world.conversations)
        self.compare(
            "create_conversation_atomic",
            {"actor": conversation.creator, "members": others, **request},
            self.name_of(conversation.creator),
            member_ids=[user.id for user in others],
            **request,
        )
        assert len(self.world.conversations) == before
        return multiple(*conversation.messages()[:1])

    @rule(actor=anybody, conversation=conversations)
    def get_conversation(self, actor: str, conversation: Conversation) -> None:
        self.about(conversation, "get_conversation", actor)

    @rule(actor=people, limit=st.sampled_from([1, 2, 50]))
    def list_conversations(self, actor: str, limit: int) -> None:
        user = self.users[actor]
        if user.deactivated_at is not None:
            return
        pages: list[Any] = []
        before = None
        while True:
            page = self.call("list_conversations", actor, limit=limit, before=before)[0]
            assert len(page["conversations"]) <= limit
            assert page["has_more"] is (page["next_before"] is not None)
            pages += page["conversations"]
            if not page["has_more"]:
                break
            before = page["next_before"]
        self.agree("list_conversations", self.world.list_conversations(user), pages)

    @rule(actor=anybody, conversation=conversations, title=titles, metadata=metadata)
    def update_conversation(
        self, actor: str, conversation: Conversation, title: str | None, metadata: Json | None
    ) -> None:
        given = {"title": title, "metadata": metadata}
        self.about(conversation, "update_conversation_atomic", actor, **given)

    @rule(actor=anybody, conversation=conversations)
    def close_conversation(self, actor: str, conversation: Conversation) -> None:
        self.about(conversation, "close_conversation_atomic", actor)

    @rule(actor=anybody, conversation=conversations)
    def reopen_conversation(self, actor: str, conversation: Conversation) -> None:
        self.about(conversation, "reopen_conversation_atomic", actor)

    @rule(
        actor=anybody,
        function=st.sampled_from(
            ["get_conversation", "announce_typing", "mark_read_atomic", "close_conversation_atomic"]
        ),
    )
    def go_nowhere(self, actor: str, function: str) -> None:
        self.about(self.nowhere, function, actor)

    # Members.

    @rule(target=messages, actor=anybody, conversation=conversations, members=groups)
    def add_members(self, actor: str, conversation: Conversation, members: list[str]) -> Any:
        everybody = [self.users[name] for name in members]
        self.compare(
            "add_members_atomic",
            {
                "actor": self.users[actor],
                "conversation": conversation,
                "members": everybody,
            },
            actor,
            conversation_id=conversation.id.value,
            member_ids=[user.id for user in everybody],
        )
        return multiple(*conversation.messages()[-1:])

    @rule(actor=anybody, conversation=conversations, user=people)
    def remove_member(self, actor: str, conversation: Conversation, user: str) -> None:
        self.about_member(conversation, "remove_member_atomic", actor, user)

    @rule(actor=people, conversation=conversations)
    def leave(self, actor: str, conversation: Conversation) -> None:
        self.about_member(conversation, "remove_member_atomic", actor, actor)

    @rule(
        actor=anybody,
        conversation=conversations,
        user=people,
        role=st.sampled_from(["owner", "admin", "member", "king"]),
    )
    def change_member_role(
        self, actor: str, conversation: Conversation, user: str, role: str
    ) -> None:
        self.about_member(conversation, "change_member_role_atomic", actor, user, role=role)

    @rule(actor=anybody, conversation=conversations, limit=limits, after=st.none() | anybody)
    def list_members(
        self, actor: str, conversation: Conversation, limit: int, after: str | None
    ) -> None:
        last = self.users[after] if after else None
        self.compare(
            "list_members",
            {
                "actor": self.users[actor],
                "conversation": conversation,
                "limit": limit,
                "after": last,
            },
            actor,
            conversation_id=conversation.id.value,
            limit=limit,
            after=last and last.id,
        )

    @rule(
        actor=people,
        conversation=conversations,
        notify=st.sampled_from([None, "all", "mentions", "none", "never"]),
        muted_until=st.sampled_from([None, LATER]),
    )
    def set_notification_preferences(
        self, actor: str, conversation: Conversation, notify: str | None, muted_until: str | None
    ) -> None:
        given = {"notify": notify, "muted_until": muted_until}
        self.about(conversation, "set_notification_preferences_atomic", actor, **given)

    # Messages.

    @rule(target=messages, actor=people, conversation=conversations, content=contents)
    def say(self, actor: str, conversation: Conversation, content: str) -> Any:
        before = conversation.last_seq
        self.about(conversation, "send_message_atomic", actor, content=content)
        return multiple(*conversation.log[before:])

    @rule(
        target=messages,
        actor=anybody,
        conversation=conversations,
        content=st.none() | contents,
        key=keys,
        kind=st.sampled_from(["text", "text", "image", "system", "Bad type"]),
        metadata=metadata,
        reply_to=st.none() | messages,
    )
    def send_message(
        self,
        actor: str,
        conversation: Conversation,
        content: str | None,
        key: str | None,
        kind: str,
        metadata: Json | None,
        reply_to: Message | None,
    ) -> Any:
        before = conversation.last_seq
        given: Json = {
            "content": content,
            "client_message_id": key,
            "type": kind,
            "metadata": metadata,
        }
        self.compare(
            "send_message_atomic",
            {
                "actor": self.users[actor],
                "conversation": conversation,
                "reply_to": reply_to,
                **given,
            },
            actor,
            conversation_id=conversation.id.value,
            reply_to_id=reply_to and reply_to.id.value,
            **given,
        )
        return multiple(*conversation.log[before:])

    @rule(message=messages, changed=st.sampled_from([None, None, "content", "metadata"]))
    def retry_sending(self, message: Message, changed: str | None) -> None:
        """Repeat a message word for word, or nearly so, whatever became of it."""
        if message.sender is None or message.client_message_id is None:
            return
        content, kind, metadata = message.first_request
        reply_to = message.reply_to
        given: Json = {
            "content": "changed" if changed == "content" else content,
            "client_message_id": message.client_message_id,
            "type": kind,
            "metadata": {"changed": True} if changed == "metadata" else metadata,
        }
        self.compare(
            "send_message_atomic",
            {
                "actor": message.sender,
                "conversation": message.conversation,
                "reply_to": reply_to,
                **given,
            },
            self.name_of(message.sender),
            conversation_id=message.conversation.id.value,
            reply_to_id=reply_to and reply_to.id.value,
            **given,
        )

    @rule(
        actor=people,
        items=st.lists(
            st.tuples(people, conversations, contents, keys)
            | st.sampled_from(["no object", ("p_content", 5), ("p_colour", "red")]),
            max_size=6,
        ),
    )
    def send_messages(self, actor: str, items: list[Any]) -> None:
        modelled: list[Any] = []
        sent: list[Any] = []
        for item in items:
            if isinstance(item, str):
                modelled.append(item)
                sent.append(item)
            elif len(item) == 2:
                modelled.append({"wrong": item[0].removeprefix("p_")})
                sent.append({item[0]: item[1]})
            else:
                name, conversation, content, key = item
                # With a token of one's own nobody else can be named.
                sender = self.users[actor if self.as_user else name]
                modelled.append(
                    {
                        "actor": sender,
                        "conversation": conversation,
                        "content": content,
                        "client_message_id": key,
                    }
                )
                sent.append(
                    {
                        "p_conversation_id": conversation.id.value,
                        "p_actor_id": sender.id,
                        "p_content": content,
                        "p_client_message_id": key,
                    }
                )
        self.compare(
            "send_messages_atomic",
            {"messages": modelled},
            actor if self.as_user else None,
            messages=psycopg.types.json.Jsonb(sent),
        )

    @rule(
        actor=people,
        message=messages,
        content=contents,
        seen=st.sampled_from(["whichever", "the latest", "the first"]),
    )
    def edit_message(self, actor: str, message: Message, content: str, seen: str) -> None:
        version: Learned | None = None
        if seen == "the latest":
            version = message.edited_at or message.created_at
        elif seen == "the first":
            version = message.created_at
        self.about_message(
            message,
            "edit_message_atomic",
            actor,
            {"content": content, "expected_edited_at": version},
            content=content,
            expected_edited_at=self.known(version, message) if version else None,
        )

    @rule(message=messages, content=contents)
    def edit_own_message(self, message: Message, content: str) -> None:
        if message.sender is not None:
            given: Json = {"content": content}
            name = self.name_of(message.sender)
            self.about_message(message, "edit_message_atomic", name, given, **given)

    @rule(actor=people, message=messages)
    def delete_message(self, actor: str, message: Message) -> None:
        self.about_message(message, "delete_message_atomic", actor)

    @rule(message=messages)
    def delete_own_message(self, message: Message) -> None:
        if message.sender is not None:
            self.about_message(message, "delete_message_atomic", self.name_of(message.sender))

    @rule(actor=anybody, message=messages, elsewhere=conversations)
    def delete_message_elsewhere(
        self, actor: str, message: Message, elsewhere: Conversation
    ) -> None:
        self.about_message(message, "delete_message_atomic", actor, place=elsewhere)

    @rule(actor=people, message=messages, emoji=emojis)
    def add_reaction(self, actor: str, message: Message, emoji: str) -> None:
        self.about_message(message, "add_reaction_atomic", actor, {"emoji": emoji}, emoji=emoji)

    @rule(actor=people, message=messages, emoji=emojis)
    def remove_reaction(self, actor: str, message: Message, emoji: str) -> None:
        self.about_message(message, "remove_reaction_atomic", actor, {"emoji": emoji}, emoji=emoji)

    @rule(actor=people, message=messages)
    def get_message_status(self, actor: str, message: Message) -> None:
        self.about_message(message, "get_message_status", actor)

    @rule(actor=people, conversation=conversations, seq=seqs)
    def mark_delivered(self, actor: str, conversation: Conversation, seq: int | None) -> None:
        self.about(conversation, "mark_delivered_atomic", actor, seq=seq)

    @rule(actor=people, conversation=conversations, seq=seqs)
    def mark_read(self, actor: str, conversation: Conversation, seq: int | None) -> None:
        self.about(conversation, "mark_read_atomic", actor, seq=seq)

    @rule(actor=anybody, conversation=conversations, before=seqs, after=seqs, limit=limits)
    def list_messages(
        self,
        actor: str,
        conversation: Conversation,
        before: int | None,
        after: int | None,
        limit: int,
    ) -> None:
        given = {"before_seq": before, "after_seq": after, "limit": limit}
        self.about(conversation, "list_messages", actor, **given)

    @rule(
        actor=people,
        conversation=conversations,
        after_seq=st.integers(-1, 12) | st.just(FAR),
        limit=limits,
    )
    def list_changes(
        self, actor: str, conversation: Conversation, after_seq: int, limit: int
    ) -> None:
        self.about(conversation, "list_changes", actor, after_seq=after_seq, limit=limit)

    @rule(conversation=conversations)
    def everybody_looks(self, conversation: Conversation) -> None:
        """Compare all that each member can see, from the first number on."""
        for member in conversation.active_members():
            if member.user.deactivated_at is None:
                name = self.name_of(member.user)
                self.about(conversation, "list_changes", name, after_seq=0, limit=100)
                self.about(conversation, "get_conversation", name)

    @rule(
        actor=anybody,
        query=st.sampled_from(["fox", "red", "fox red", "blue hen", "cat", " "]),
        conversation=st.none() | conversations,
        limit=limits,
    )
    def search_messages(
        self, actor: str, query: str, conversation: Conversation | None, limit: int
    ) -> None:
        given: Json = {"query": query, "limit": limit}
        self.compare(
            "search_messages",
            {"actor": self.users[actor], "conversation": conversation, **given},
            actor,
            conversation_id=conversation and conversation.id.value,
            **given,
        )

    @rule(actor=anybody, conversation=conversations)
    def announce_typing(self, actor: str, conversation: Conversation) -> None:
        self.about(conversation, "announce_typing", actor)

    @rule(message=messages)
    def purge_messages(self, message: Message) -> None:
        if message in message.conversation.messages():
            self.compare(
                "purge_messages_atomic",
                {"conversation": message.conversation, "before": message},
                before=self.known(message.created_at, message),
                conversation_id=message.conversation.id.value,
            )

    # How both are asked.

    def between(self, actor: str, user: str) -> Json:
        """Name two users to the model."""
        return {"actor": self.users[actor], "user": self.users[user]}

    def about(self, conversation: Conversation, function: str, actor: str, **given: Any) -> None:
        """Call a function whose arguments beside the conversation are plain values."""
        self.compare(
            function,
            {"actor": self.users[actor], "conversation": conversation, **given},
            actor,
            conversation_id=conversation.id.value,
            **given,
        )

    def about_member(
        self, conversation: Conversation, function: str, actor: str, user: str, **given: Any
    ) -> None:
        """Call a function about a member of a conversation."""
        self.compare(
            function,
            {**self.between(actor, user), "conversation": conversation, **given},
            actor,
            conversation_id=conversation.id.value,
            user_id=self.users[user].id,
            **given,
        )

    def about_message(
        self,
        message: Message,
        function: str,
        actor: str,
        modelled: Json | None = None,
        place: Conversation | None = None,
        **given: Any,
    ) -> None:
        """Call a function about a message."""
        self.known(message.id, message)
        place = place or message.conversation
        self.compare(
            function,
            {
                "actor": self.users[actor],
                "message": message,
                "conversation": place,
                **(modelled or {}),
            },
            actor,
            conversation_id=place.id.value,
            message_id=message.id.value,
            **given,
        )

    def compare(
        self, function: str, modelled: Json, actor: str | None = None, **arguments: Any
    ) -> None:
        """Ask both, and compare result and HTTP status."""
        self.calls += 1
        expected = self.world.answer(function, modelled)
        actual, status = self.call(function, actor, **arguments)
        self.agree(function, expected, actual)
        assert status == _status(function, expected), (function, status, actual)

    def agree(self, function: str, expected: Any, actual: Any) -> None:
        """Fail with what differs."""
        found = list(differences(expected, actual))
        assert not found, "\n".join([f"{function} answers {actual}", *found])

    def call(self, function: str, actor: str | None, **arguments: Any) -> tuple[Any, int]:
        """Call the database; the result, and the status PostgREST would answer with."""
        execute = self.connection.execute
        execute("select set_config('response.status', '', true)")
        if self.as_user and function not in SERVICE_ONLY:
            subject = self.users[actor or "Nobody"].id
            execute("set local role parley_user")
            execute(
                "select set_config('request.jwt.claims', %s, true)", [f'{{"sub": "{subject}"}}']
            )
        else:
            execute("set local role parley_api")
            execute("select set_config('request.jwt.claims', '', true)")
            if actor is not None:
                arguments["actor_id"] = self.users[actor].id
        result = call(self.connection, function, **arguments)
        row = execute("select current_setting('response.status')").fetchone()
        assert row is not None
        return result, int(row[0] or 200)

    def known(self, value: Learned, message: Message) -> str:
        """Give a value the database chose; a message never shown yet is looked up first."""
        if value.value is None:
            self.connection.execute("reset role")
            row = self.connection.execute(
                "select to_jsonb(m) from chat.messages m where conversation_id = %s and seq = %s",
                [message.conversation.id.value, message.seq],
            ).fetchone()
            assert row is not None, message
            for field in ("id", "created_at", "edited_at"):
                expected = getattr(message, field)
                assert expected is None or expected.agrees(row[0][field]), message
        assert value.value is not None
        return value.value

    def name_of(self, user: User) -> str:
        """Find the name a user had at first."""
        return next(name for name, other in self.users.items() if other is user)


def _status(function: str, expected: Json) -> int:
    """Say which HTTP status belongs to a result."""
    if not expected["success"]:
        return int(expected["code"].removeprefix("PT"))
    creates = function in CREATIONS
    repeated = expected.get("duplicate") or expected.get("created") is False
    return 201 if creates and not repeated else 200


@pytest.fixture
def connection(shared_database: str) -> Iterator[Connection]:
    """Yield a connection whose work is always rolled back."""
    with connect(shared_database, None, autocommit=False) as one:
        yield one
        one.rollback()


@pytest.fixture
def machine(connection: Connection) -> Callable[[], Machine]:
    """Make machines that work on one connection, one transaction each."""
    return lambda: Machine(connection)


def test_the_database_agrees_with_the_model(machine: Callable[[], Machine]) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
