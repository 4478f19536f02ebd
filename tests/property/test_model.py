"""Random operations by several people, on the database and on a simple model: both must agree.

`MODEL_EXAMPLES` and `MODEL_STEPS` in the environment make it longer, for a nightly run.
"""

import os
import uuid
from collections.abc import Iterator
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
    EARLIER,
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

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "40"))
STEPS = int(os.environ.get("MODEL_STEPS", "80"))
CHECKED_EVERY = 25
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
anybody = st.sampled_from([*["Ann", "Bob", "Cleo", "Dan", "Robot"] * 3, "Xenia", "Nobody"])
# Those whom a conversation knows, found when it is their turn: most of what they do is allowed.
members = st.sampled_from(["an owner", "an owner", "the first", "the last"])
somebody = members | members | people
senders = st.just("the sender") | somebody
groups = st.lists(st.sampled_from(["Ann", "Bob", "Cleo", "Dan", "Robot"]), max_size=5) | st.lists(
    people, max_size=5
)
words = ["red fox", "red hen", "blue fox", "hen", "blue"]
contents = st.sampled_from([*words * 6, " \n", "x" * 16_001])
titles = st.sampled_from([*[None, "Here", "There"] * 3, " "])
metadata = st.sampled_from([None, None, {}, {"n": 1}])
keys = st.sampled_from([None, None, "one", "two"])
emojis = st.sampled_from([*["+1", "\N{PARTY POPPER}"] * 4, "a b", ""])
limits = st.sampled_from([*[1, 2, 3, 50, 100] * 4, 0, 101])
seqs = st.sampled_from([*[None, 0, 1, 2, 3, 4, 6, 9] * 4, -1, FAR, -FAR])


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
        self.lines = 0
        self.users: dict[str, User] = {}
        self.nowhere = Conversation(
            "group", OURS, User("", OURS, "", ""), None, None, None, None, None, {}, "all", 0
        )
        self.nowhere.id.value = str(uuid.UUID(int=3))
        connection.execute("set local time zone 'UTC'")
        connection.execute("set local role parley_api")

    @initialize(
        target=conversations, as_user=st.booleans(), history=st.sampled_from(["all", "joined"])
    )
    def people_meet(self, as_user: bool, history: str) -> Any:
        """Make everybody and two conversations; act as a service for them, or with their tokens."""
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
        self.nowhere.creator = self.users["Ann"]
        ours = [name for name, (_, tenant_id, _) in NAMES.items() if tenant_id == OURS]
        self.create_conversation("Ann", "group", ours[:4], {"history": history})
        self.create_conversation("Ann", "direct", ["Bob"], {})
        for conversation in self.world.conversations:
            self.talk(conversation, [("Ann", "hen"), ("Bob", "red fox"), ("Ann", "blue")])
        return multiple(*self.world.conversations)

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

    @rule(
        function=st.sampled_from(
            [
                "get_user",
                "get_user",
                "upsert_user_atomic",
                "upsert_user_atomic",
                "deactivate_user_atomic",
            ]
        ),
        actor=anybody,
        user=people,
        name=st.sampled_from([None, "Zoe"]),
    )
    def change_or_get_user(self, function: str, actor: str, user: str, name: str | None) -> None:
        user_id = self.users[user].id
        if function == "get_user":
            self.compare(function, self.between(actor, user), actor, user_id=user_id)
        elif function == "deactivate_user_atomic":
            self.compare(function, {"user": self.users[user]}, user_id=user_id)
        else:
            modelled = {"user": self.users[user], "display_name": name}
            self.compare(function, modelled, user_id=user_id, display_name=name)

    @rule(
        function=st.sampled_from(["block_user_atomic", "unblock_user_atomic"]),
        actor=anybody,
        user=anybody,
    )
    def block_or_unblock(self, function: str, actor: str, user: str) -> None:
        self.compare(function, self.between(actor, user), actor, user_id=self.users[user].id)

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

    @rule(
        actor=somebody,
        conversation=conversations,
        title=st.one_of(titles, st.just("")),
        metadata=metadata,
    )
    def update_conversation(
        self, actor: str, conversation: Conversation, title: str | None, metadata: Json | None
    ) -> None:
        given = {"title": title, "metadata": metadata}
        self.about(conversation, "update_conversation_atomic", actor, **given)

    @rule(
        function=st.sampled_from(
            [
                "close_conversation_atomic",
                "reopen_conversation_atomic",
                "reopen_conversation_atomic",
            ]
        ),
        actor=somebody,
        conversation=conversations,
    )
    def close_or_reopen(self, function: str, actor: str, conversation: Conversation) -> None:
        self.about(conversation, function, actor)

    @rule(
        function=st.sampled_from(["get_conversation", "announce_typing", "mark_read_atomic"]),
        actor=somebody,
        conversation=st.none() | conversations,
    )
    def look_in(self, function: str, actor: str, conversation: Conversation | None) -> None:
        self.about(conversation or self.nowhere, function, actor)

    # Members.

    @rule(target=messages, actor=somebody, conversation=conversations, members=groups)
    def add_members(self, actor: str, conversation: Conversation, members: list[str]) -> Any:
        everybody = [self.users[name] for name in members]
        actor = self.find(actor, conversation)
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

    @rule(actor=somebody, conversation=conversations, user=st.none() | somebody)
    def remove_member(self, actor: str, conversation: Conversation, user: str | None) -> None:
        """Take somebody out, or leave."""
        self.about_member(conversation, "remove_member_atomic", actor, user or actor)

    @rule(conversation=conversations, user=somebody)
    def come_back(self, conversation: Conversation, user: str) -> None:
        """Go and be added again, as the same member with another beginning."""
        user = self.find(user, conversation)
        self.about_member(conversation, "remove_member_atomic", "an owner", user)
        self.add_members("an owner", conversation, [user])

    @rule(
        actor=somebody,
        conversation=conversations,
        user=somebody,
        role=st.sampled_from(["owner", "admin", "member", "king"]),
    )
    def change_member_role(
        self, actor: str, conversation: Conversation, user: str, role: str
    ) -> None:
        self.about_member(conversation, "change_member_role_atomic", actor, user, role=role)

    @rule(actor=somebody, conversation=conversations, limit=limits, after=st.none() | anybody)
    def list_members(
        self, actor: str, conversation: Conversation, limit: int, after: str | None
    ) -> None:
        last = self.users[after] if after else None
        actor = self.find(actor, conversation)
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
        actor=somebody,
        conversation=conversations,
        notify=st.sampled_from([None, "all", "mentions", "none", "never"]),
        muted_until=st.sampled_from([None, EARLIER, LATER]),
    )
    def set_notification_preferences(
        self, actor: str, conversation: Conversation, notify: str | None, muted_until: str | None
    ) -> None:
        given = {"notify": notify, "muted_until": muted_until}
        self.about(conversation, "set_notification_preferences_atomic", actor, **given)

    # Messages.

    @rule(
        target=messages,
        conversation=conversations,
        lines=st.lists(st.tuples(somebody, st.sampled_from(words)), min_size=1, max_size=6),
    )
    def talk(self, conversation: Conversation, lines: list[tuple[str, str]]) -> Any:
        """Say several things: most else needs messages."""
        before = conversation.last_seq
        for actor, content in lines:
            self.lines += 1
            given = {"content": content, "client_message_id": f"line {self.lines}"}
            self.about(conversation, "send_message_atomic", actor, **given)
        return multiple(*conversation.log[before:])

    @rule(
        target=messages,
        actor=somebody,
        conversation=conversations,
        content=st.none() | contents,
        key=keys,
        kind=st.sampled_from([*["text", "text", "image"] * 4, "system", "Bad type"]),
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
        actor = self.find(actor, conversation)
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

    @rule(
        message=messages,
        changed=st.sampled_from([None, None, "content", "metadata", "type", "reply"]),
    )
    def retry_sending(self, message: Message, changed: str | None) -> None:
        """Repeat a message word for word, or nearly so, whatever became of it."""
        if message.sender is None or message.client_message_id is None:
            return
        content, kind, metadata = message.first_request
        reply_to = message if changed == "reply" else message.reply_to
        if reply_to is not None:
            self.known(reply_to.id, reply_to)
        given: Json = {
            "content": "changed" if changed == "content" else content,
            "client_message_id": message.client_message_id,
            "type": "changed" if changed == "type" else kind,
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
            st.tuples(somebody, conversations, contents, keys)
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
                sender = self.users[actor if self.as_user else self.find(name, conversation)]
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
        actor=senders,
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

    @rule(actor=senders, message=messages)
    def delete_message(self, actor: str, message: Message) -> None:
        self.about_message(message, "delete_message_atomic", actor)

    @rule(actor=senders, message=messages, elsewhere=conversations)
    def delete_message_elsewhere(
        self, actor: str, message: Message, elsewhere: Conversation
    ) -> None:
        self.about_message(message, "delete_message_atomic", actor, place=elsewhere)

    @rule(
        function=st.sampled_from(
            ["add_reaction_atomic", "add_reaction_atomic", "remove_reaction_atomic"]
        ),
        actor=senders,
        message=messages,
        emoji=emojis,
    )
    def react(self, function: str, actor: str, message: Message, emoji: str) -> None:
        self.about_message(message, function, actor, {"emoji": emoji}, emoji=emoji)

    @rule(
        function=st.sampled_from(["mark_delivered_atomic", "mark_read_atomic", "mark_read_atomic"]),
        actor=somebody,
        conversation=conversations,
        seq=seqs,
    )
    def mark(self, function: str, actor: str, conversation: Conversation, seq: int | None) -> None:
        self.about(conversation, function, actor, seq=seq)

    @rule(actor=somebody, conversation=conversations, before=seqs, after=seqs, limit=limits)
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
        actor=somebody,
        conversation=conversations,
        after_seq=seqs.filter(lambda seq: seq is not None),
        limit=limits,
    )
    def list_changes(
        self, actor: str, conversation: Conversation, after_seq: int, limit: int
    ) -> None:
        self.about(conversation, "list_changes", actor, after_seq=after_seq, limit=limit)

    @rule(conversation=conversations)
    def everybody_looks(self, conversation: Conversation) -> None:
        """Compare all that each member can see, and how far each message has got."""
        for member in conversation.active_members():
            if member.user.deactivated_at is None:
                name = self.name_of(member.user)
                self.about(conversation, "list_changes", name, after_seq=0, limit=100)
                self.about(conversation, "get_conversation", name)
                for message in conversation.messages()[-3:]:
                    self.about_message(message, "get_message_status", name)

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
        actor = self.find(actor, conversation)
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
        actor, user = self.find(actor, conversation), self.find(user, conversation)
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
        actor = self.find(actor, place, message)
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

    def find(self, who: str, conversation: Conversation, message: Message | None = None) -> str:
        """Say whom a description like "the first" means now; names stay as they are."""
        members = conversation.active_members()
        found = {
            "an owner": next((each.user for each in members if each.role == "owner"), None),
            "the first": members[0].user if members else None,
            "the last": members[-1].user if members else None,
            "the sender": message and message.sender,
        }
        if who in found:
            return self.name_of(found[who] or conversation.creator)
        return who

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
def machine(connection: Connection) -> type[Machine]:
    """Return machines that work on one connection, one transaction each."""

    class Connected(Machine):
        def __init__(self) -> None:
            super().__init__(connection)

    Connected.__name__ = Connected.__qualname__ = Machine.__name__
    return Connected


def test_the_database_agrees_with_the_model(machine: type[Machine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
