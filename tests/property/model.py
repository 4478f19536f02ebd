"""What Parley must answer, said as plainly as possible: lists that are walked, nothing counted.

Each method of World that bears the name of an api function changes the world as that function
must, and returns the whole result it must give, or raises the refusal.
"""

import dataclasses
import datetime
import itertools
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Json = dict[str, Any]

STATUSES = {
    "validation_error": 400,
    "unsupported": 400,
    "permission_denied": 403,
    "not_a_member": 403,
    "blocked": 403,
    "not_found": 404,
    "conversation_exists": 409,
    "idempotency_conflict": 409,
    "conversation_closed": 409,
    "last_owner": 409,
    "edit_conflict": 409,
    "too_large": 413,
}
PAGE = 100
BATCH = 100
CONTENT = 16_000
TITLE = 200
EARLIER = "2020-01-01T00:00:00+00:00"  # for a mute that ends at once


class Refused(Exception):  # noqa: N818 - it is an answer
    """The refusal a function must give."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details or None


class Learned:
    """What only the database can say, an id or a time: the first sight of it fixes it for good."""

    def __init__(self, read: Callable[[str], Any], after: "Learned | None" = None) -> None:
        self.value: str | None = None
        self._read = read
        self._after = after

    def __repr__(self) -> str:
        return self.value or f"any {self._read.__name__}"

    def agrees(self, actual: Any) -> bool:
        """Compare with what the database says; the first time it only has to be plausible."""
        if self.value is not None:
            return bool(actual == self.value)
        try:
            now = self._read(actual)
        except (TypeError, ValueError):
            return False
        self.value = actual
        earlier = self._after.value if self._after else None
        return earlier is None or bool(now > self._read(earlier))


def new_id() -> Learned:
    """Expect an id."""
    return Learned(uuid.UUID)


def new_time(after: Learned | None = None) -> Learned:
    """Expect a time."""
    return Learned(datetime.datetime.fromisoformat, after)


@dataclasses.dataclass(eq=False)
class User:
    """Somebody of a tenant."""

    id: str
    tenant_id: str
    display_name: str
    kind: str
    created_at: Learned = dataclasses.field(default_factory=new_time)
    deactivated_at: Learned | None = None


@dataclasses.dataclass(eq=False)
class Message:
    """One entry of a log that people read."""

    conversation: "Conversation"
    seq: int
    sender: User | None
    source: str
    type: str
    content: str | None
    metadata: Json
    reply_to: "Message | None"
    client_message_id: str | None
    first_request: Any
    hidden_from: list[User]
    id: Learned = dataclasses.field(default_factory=new_id)
    created_at: Learned = dataclasses.field(default_factory=new_time)
    edited_at: Learned | None = None
    deleted_at: Learned | None = None
    reactions: list[tuple[str, User]] = dataclasses.field(default_factory=list)

    def __repr__(self) -> str:
        return f"<message {self.seq} of {self.conversation!r}>"

    @property
    def answers(self) -> "Message | None":
        """The message it answers, unless that was purged."""
        return self.reply_to if self.reply_to in self.conversation.messages() else None


@dataclasses.dataclass(eq=False)
class Change:
    """One entry of a log that tells what happened to a message or to the conversation."""

    kind: str
    seq: int
    actor: User
    message: Message | None = None
    emoji: str | None = None


@dataclasses.dataclass(eq=False)
class Member:
    """Who is, or was, in a conversation."""

    user: User
    role: str
    joined_seq: int = 0
    left_seq: int | None = None
    delivered_seq: int = 0
    read_seq: int = 0
    receipts: list[tuple[str, int, Learned]] = dataclasses.field(default_factory=list)
    last_read_at: Learned | None = None
    joined_at: Learned = dataclasses.field(default_factory=new_time)
    notify: str = "all"
    muted_until: str | None = None


@dataclasses.dataclass(eq=False)
class HelpRequest:
    """What somebody asks help for."""

    owner: User
    title: str
    metadata: Json
    client_key: str | None
    id: Learned = dataclasses.field(default_factory=new_id)
    created_at: Learned = dataclasses.field(default_factory=new_time)
    closed_at: Learned | None = None


@dataclasses.dataclass(eq=False)
class Conversation:
    """A conversation and its log; the entry at index n has the number n + 1."""

    kind: str
    tenant_id: str
    creator: User
    subject: Any
    canonical_key: str | None
    client_key: str | None
    first_request: Any
    title: str | None
    metadata: Json
    history: str
    active: int
    members: list[Member] = dataclasses.field(default_factory=list)
    log: list[Message | Change] = dataclasses.field(default_factory=list)
    purged_seq: int = 0
    id: Learned = dataclasses.field(default_factory=new_id)
    created_at: Learned = dataclasses.field(default_factory=new_time)
    closed_at: Learned | None = None

    def __repr__(self) -> str:
        return f"<{self.kind} {self.id!r}>"

    @property
    def last_seq(self) -> int:
        """The length of the log."""
        return len(self.log)

    def row_of(self, user: User) -> Member | None:
        """Find who is or was a member."""
        return next((member for member in self.members if member.user is user), None)

    def active_members(self) -> list[Member]:
        """List who is a member now, by user id."""
        now = [member for member in self.members if member.left_seq is None]
        return sorted(now, key=lambda member: member.user.id)

    def messages(self) -> list[Message]:
        """List the messages that are kept."""
        return [
            entry
            for entry in self.log
            if isinstance(entry, Message) and entry.seq > self.purged_seq
        ]

    def visible_from(self, member: Member) -> int:
        """Say from which number on a member may see the log."""
        joined = member.joined_seq if self.history == "joined" else 0
        return max(self.purged_seq + 1, joined)

    def shows(self, member: Member, message: Message) -> bool:
        """Tell whether a member may see a message."""
        return message.seq >= self.visible_from(member) and member.user not in message.hidden_from

    def visible(self, member: Member) -> list[Message]:
        """List the messages a member may see."""
        return [message for message in self.messages() if self.shows(member, message)]

    def unread(self, member: Member) -> int:
        """Walk the log and count what a member has not read."""
        count = 0
        for message in self.messages():
            if (
                message.seq > max(member.read_seq, member.joined_seq)
                and message.sender not in (None, member.user)
                and message.deleted_at is None
                and member.user not in message.hidden_from
            ):
                count += 1
        return count


class World:
    """Everything there is."""

    def __init__(self) -> None:
        self.users: list[User] = []
        self.blocks: list[tuple[User, User]] = []
        self.help_requests: list[HelpRequest] = []
        self.conversations: list[Conversation] = []
        self._clock = itertools.count()

    def answer(self, function: str, arguments: Json) -> Json:
        """Call a function; its result, refusals too."""
        try:
            return {"success": True, **getattr(self, function.removesuffix("_atomic"))(**arguments)}
        except Refused as refused:
            return {
                "success": False,
                "error": refused.code,
                "code": f"PT{STATUSES[refused.code]}",
                "message": ANYTHING,
                "details": refused.details,
                "hint": None,
            }

    # People.

    def upsert_user(self, user: User, display_name: str | None = None) -> Json:
        """Make a user, bring one back or rename one."""
        created = user not in self.users
        if created:
            self.users.append(user)
        user.deactivated_at = None
        user.display_name = display_name or user.display_name
        return {"user_id": user.id, "user": _user_json(user), "created": created}

    def deactivate_user(self, user: User) -> Json:
        """Take a user out of every group, unless one would be left without an owner."""
        if user.deactivated_at is not None:
            return {"user_id": user.id, "user": _user_json(user), "duplicate": True}
        groups = sorted(
            (
                group
                for group in self.conversations
                if group.kind == "group" and _active(group, user) is not None
            ),
            key=lambda group: str(group.id.value),
        )
        stuck = [group.id for group in groups if _is_last_owner(group, user)]
        if stuck:
            raise Refused("last_owner", conversation_ids=stuck)
        for group in groups:
            self._end_membership(group, user, user)
        user.deactivated_at = new_time()
        return {"user_id": user.id, "user": _user_json(user)}

    def get_user(self, actor: User, user: User) -> Json:
        """Show a user; e-mail address and blocks only to themself."""
        self._actor(actor)
        if user not in self.users or user.tenant_id != actor.tenant_id:
            raise Refused("not_found")
        shown = _user_json(user)
        if user is not actor:
            del shown["email"]
            return {"user": shown}
        blocked = sorted(blocked.id for blocker, blocked in self.blocks if blocker is actor)
        return {"user": {**shown, "blocked_user_ids": blocked}}

    def block_user(self, actor: User, user: User) -> Json:
        """Stop hearing from someone."""
        self._actor(actor)
        if user is actor:
            raise Refused("validation_error", field="user_id")
        if user not in self.users or user.tenant_id != actor.tenant_id:
            raise Refused("not_found")
        if (actor, user) in self.blocks:
            return {"user_id": user.id, "duplicate": True}
        self.blocks.append((actor, user))
        return {"user_id": user.id}

    def unblock_user(self, actor: User, user: User) -> Json:
        """Hear from someone again."""
        self._actor(actor)
        if (actor, user) not in self.blocks:
            return {"user_id": user.id, "duplicate": True}
        self.blocks.remove((actor, user))
        return {"user_id": user.id}

    # Conversations.

    def create_help_request(
        self,
        actor: User,
        title: str | None = None,
        metadata: Json | None = None,
        client_key: str | None = None,
    ) -> Json:
        """Ask for help."""
        if title is None:
            raise Refused("validation_error", field="title")
        _check_title(title)
        self._actor(actor)
        for request in self.help_requests:
            if client_key and (request.owner, request.client_key) == (actor, client_key):
                if (request.title, request.metadata) != (title, metadata or {}):
                    raise Refused("idempotency_conflict", help_request_id=request.id)
                return {**_help_request_json(request), "duplicate": True}
        request = HelpRequest(actor, title, metadata or {}, client_key)
        self.help_requests.append(request)
        return _help_request_json(request)

    def close_help_request(self, actor: User, help_request: HelpRequest) -> Json:
        """Let nobody start another conversation about it."""
        self._actor(actor)
        if help_request.owner.tenant_id != actor.tenant_id:
            raise Refused("not_found")
        if help_request.owner is not actor:
            raise Refused("permission_denied")
        if help_request.closed_at is not None:
            return {**_help_request_json(help_request), "duplicate": True}
        help_request.closed_at = new_time()
        return _help_request_json(help_request)

    def create_conversation(
        self,
        actor: User,
        kind: str | None = None,
        members: list[User] | None = None,
        help_request: HelpRequest | None = None,
        initial_message: str | None = None,
        title: str | None = None,
        metadata: Json | None = None,
        history: str | None = None,
        client_key: str | None = None,
    ) -> Json:
        """Open a conversation, once about the same subject."""
        if help_request is not None and initial_message is None:
            raise Refused("validation_error", field="initial_message")
        if initial_message is not None:
            _check_content(initial_message, "initial_message")
        _check_title(title)
        self._actor(actor)
        subject: Any = None
        canonical_key = None
        if help_request is not None:
            kind = "help"
            if help_request.owner.tenant_id != actor.tenant_id:
                raise Refused("not_found")
            if help_request.owner is actor:
                raise Refused("permission_denied")
            others = [help_request.owner]
            subject = ("help", help_request, actor)
            canonical_key = f"help:{help_request.id}:{actor.id}"
        else:
            others = [user for user in _by_id(members or []) if user is not actor]
            if kind == "direct":
                if len(others) != 1:
                    raise Refused("validation_error", field="member_ids")
                subject = ("direct", frozenset((actor, others[0])))
                canonical_key = "direct:" + ":".join(sorted((actor.id, others[0].id)))
            elif client_key is not None:
                subject = ("group", actor, client_key)
                canonical_key = f"group:{actor.id}:{client_key}"

        assert kind is not None
        wanted = (kind, others, initial_message, title, metadata or {}, history or "all")
        for there in self.conversations:
            if subject is not None and there.subject == subject:
                return _existing(there, actor, client_key, wanted)
        self._check_users(actor, others)
        if help_request is not None and help_request.closed_at is not None:
            raise Refused("conversation_closed")
        if kind in ("direct", "help") and self._apart(actor, others[0]):
            raise Refused("blocked")

        conversation = Conversation(
            kind,
            actor.tenant_id,
            actor,
            subject,
            canonical_key,
            client_key,
            wanted,
            title,
            metadata or {},
            history or "all",
            next(self._clock),
        )
        self.conversations.append(conversation)
        for user in [*others, actor]:
            role = "owner" if user is actor and kind == "group" else "member"
            conversation.members.append(Member(user, role))
        first = None
        if initial_message is not None:
            first = self._append(conversation, actor, "text", initial_message, {})
        return _created(conversation, first)

    def get_conversation(self, actor: User, conversation: Conversation) -> Json:
        """Show a conversation as one of its members sees it."""
        member = self._member(actor, conversation)
        return {"conversation": _listed_json(conversation, member)}

    def list_conversations(self, actor: User) -> list[Json]:
        """List all of somebody's conversations, newest activity first: pages put together."""
        mine = [
            (conversation, member)
            for conversation in self.conversations
            if (member := _active(conversation, actor)) is not None
        ]
        mine.sort(key=lambda each: each[0].active, reverse=True)
        return [_listed_json(conversation, member) for conversation, member in mine]

    def update_conversation(
        self,
        actor: User,
        conversation: Conversation,
        title: str | None = None,
        metadata: Json | None = None,
    ) -> Json:
        """Change title or metadata."""
        _check_title(title or None)
        if title is None and metadata is None:
            raise Refused("validation_error", field="title")
        member = self._member(actor, conversation)
        _check_manager(conversation, member)
        title = conversation.title if title is None else title or None
        metadata = conversation.metadata if metadata is None else metadata
        if (title, metadata) == (conversation.title, conversation.metadata):
            return {"conversation": _conversation_json(conversation), "duplicate": True}
        if conversation.closed_at is not None:
            raise Refused("conversation_closed")
        self._check_apart(conversation, actor)
        conversation.title, conversation.metadata = title, metadata
        _append_change(conversation, "conversation_updated", actor)
        return {"conversation": _conversation_json(conversation)}

    def close_conversation(self, actor: User, conversation: Conversation) -> Json:
        """Let nobody say anything more."""
        return self._set_closed(actor, conversation, closed=True)

    def reopen_conversation(self, actor: User, conversation: Conversation) -> Json:
        """Let people speak again."""
        return self._set_closed(actor, conversation, closed=False)

    # Members.

    def add_members(self, actor: User, conversation: Conversation, members: list[User]) -> Json:
        """Add people to a group, all or none."""
        if not members:
            raise Refused("validation_error", field="member_ids")
        me = self._member(actor, conversation)
        if conversation.kind != "group":
            raise Refused("unsupported")
        _check_manager(conversation, me)
        self._check_users(actor, members)
        wanted = _by_id(members)
        added = [user for user in wanted if _active(conversation, user) is None]
        already = [user.id for user in wanted if user not in added]
        if not added:
            return {
                "added": [],
                "already_members": already,
                "message": None,
                "affected_count": 0,
                "duplicate": True,
            }
        if conversation.closed_at is not None:
            raise Refused("conversation_closed")
        message = self._tell(conversation, "member_added", actor, added)
        for user in added:
            seq = message.seq
            member = conversation.row_of(user)
            if member is None:
                conversation.members.append(
                    Member(user, "member", joined_seq=seq, delivered_seq=seq, read_seq=seq)
                )
            else:
                member.role, member.notify, member.muted_until = "member", "all", None
                member.joined_seq = member.delivered_seq = member.read_seq = seq
                member.joined_at, member.left_seq = new_time(), None
        return {
            "added": [user.id for user in added],
            "already_members": already,
            "message": _message_json(message),
            "affected_count": len(added),
        }

    def remove_member(self, actor: User, conversation: Conversation, user: User) -> Json:
        """Take somebody out of a group, or leave it."""
        target = conversation.row_of(user)
        nothing = {"message": None, "affected_count": 0, "duplicate": True}
        try:
            me = self._member(actor, conversation)
        except Refused as refused:
            if refused.code == "not_a_member" and user is actor and target is not None:
                return nothing
            raise
        if conversation.kind != "group":
            raise Refused("unsupported")
        if user is not actor and me.role == "member":
            raise Refused("permission_denied")
        if target is None:
            raise Refused("not_found")
        if target.left_seq is not None:
            return nothing
        if user is not actor and me.role == "admin" and target.role != "member":
            raise Refused("permission_denied")
        if _is_last_owner(conversation, user):
            raise Refused("last_owner")
        message = self._end_membership(conversation, user, actor)
        return {"message": _message_json(message), "affected_count": 1}

    def change_member_role(
        self, actor: User, conversation: Conversation, user: User, role: str
    ) -> Json:
        """Give a member of a group another role."""
        if role not in ("owner", "admin", "member"):
            raise Refused("validation_error", field="role")
        me = self._member(actor, conversation)
        if conversation.kind != "group":
            raise Refused("unsupported")
        if me.role != "owner":
            raise Refused("permission_denied")
        target = _active(conversation, user)
        if target is None:
            raise Refused("not_found")
        if target.role == role:
            return {"message": None, "affected_count": 0, "duplicate": True}
        owners = [each for each in conversation.active_members() if each.role == "owner"]
        if owners == [target]:
            raise Refused("last_owner")
        target.role = role
        message = self._tell(conversation, "role_changed", actor, [user], role)
        return {"message": _message_json(message), "affected_count": 1}

    def list_members(
        self, actor: User, conversation: Conversation, limit: int, after: User | None
    ) -> Json:
        """List the members, by user id."""
        _check_limit(limit)
        self._member(actor, conversation)
        rest = [
            member
            for member in conversation.active_members()
            if after is None or member.user.id > after.id
        ]
        return {
            "members": [_member_json(member) for member in rest[:limit]],
            "has_more": len(rest) > limit,
        }

    def set_notification_preferences(
        self,
        actor: User,
        conversation: Conversation,
        notify: str | None = None,
        muted_until: str | None = None,
    ) -> Json:
        """Note what a member wants to hear of."""
        if notify not in (None, "all", "mentions", "none"):
            raise Refused("validation_error", field="notify")
        member = self._member(actor, conversation)
        member.notify = notify or member.notify
        if muted_until is not None:
            member.muted_until = None if muted_until == EARLIER else muted_until
        return {"notify": member.notify, "muted_until": member.muted_until}

    # Messages.

    def send_message(
        self,
        actor: User,
        conversation: Conversation,
        content: str | None = None,
        client_message_id: str | None = None,
        type: str = "text",  # noqa: A002 - the argument's name
        metadata: Json | None = None,
        reply_to: Message | None = None,
    ) -> Json:
        """Say something, once for the same key."""
        if type in ("system", "Bad type"):
            raise Refused("validation_error", field="type")
        if content is not None or type == "text":
            _check_content(content, "content", blank=type != "text")
        member = self._member(actor, conversation)
        # What was purged cannot be told from nothing any more.
        kept = reply_to if reply_to in conversation.messages() else None
        request = (content, type, metadata or {})
        for message in conversation.messages():
            if client_message_id is not None and (
                (message.sender, message.client_message_id) == (actor, client_message_id)
            ):
                if (message.first_request, message.answers) != (request, kept):
                    raise Refused("idempotency_conflict", message_id=message.id)
                return {"message": _message_json(message), "duplicate": True}
        if reply_to is not None and reply_to not in conversation.visible(member):
            raise Refused("validation_error", field="reply_to_id")
        self._check_apart(conversation, actor)
        if conversation.closed_at is not None:
            raise Refused("conversation_closed")
        message = self._append(
            conversation, actor, type, content, metadata or {}, reply_to, client_message_id
        )
        return {"message": _message_json(message)}

    def send_messages(self, messages: list[Any]) -> Json:
        """Send several, each as if it were alone."""
        if len(messages) > BATCH:
            raise Refused("too_large", field="messages", limit=BATCH)
        results: list[Any] = [None] * len(messages)
        # Alone or together makes no difference, but whose activity is the latest.
        order = sorted(range(len(messages)), key=lambda index: _conversation_of(messages[index]))
        for index in order:
            message = messages[index]
            if isinstance(message, dict) and "wrong" not in message:
                results[index] = self.answer("send_message_atomic", message)
            else:
                field = "messages" if isinstance(message, str) else message["wrong"]
                results[index] = self.answer("_refuse", {"field": field})
        return {"results": results}

    def _refuse(self, field: str) -> Json:
        raise Refused("validation_error", field=field)

    def edit_message(
        self,
        actor: User,
        message: Message,
        content: str,
        conversation: Conversation,
        expected_edited_at: Learned | None = None,
    ) -> Json:
        """Replace what one said."""
        _check_content(content, "content")
        self._member(actor, conversation)
        self._check_target(actor, message, conversation)
        if message.sender is not actor:
            raise Refused("permission_denied")
        if message.deleted_at is not None:
            raise Refused("edit_conflict")
        if message.content == content:
            return {"message": _message_json(message), "duplicate": True}
        now = message.edited_at or message.created_at
        if expected_edited_at not in (None, now):
            raise Refused("edit_conflict", edited_at=message.edited_at)
        if conversation.closed_at is not None:
            raise Refused("conversation_closed")
        self._check_apart(conversation, actor)
        message.content = content
        message.edited_at = new_time(after=now)
        _append_change(conversation, "message_edited", actor, message)
        return {"message": _message_json(message)}

    def delete_message(self, actor: User, message: Message, conversation: Conversation) -> Json:
        """Take back what one said, or in a group what anybody said."""
        me = self._member(actor, conversation)
        self._check_target(actor, message, conversation)
        moderates = conversation.kind == "group" and me.role in ("owner", "admin")
        if message.sender is None or (message.sender is not actor and not moderates):
            raise Refused("permission_denied")
        if message.deleted_at is not None:
            return {"message": _message_json(message), "duplicate": True}
        if conversation.closed_at is not None:
            raise Refused("conversation_closed")
        message.content, message.metadata = None, {}
        message.reactions.clear()
        message.deleted_at = new_time()
        _append_change(conversation, "message_deleted", actor, message)
        return {"message": _message_json(message)}

    def add_reaction(
        self, actor: User, message: Message, emoji: str, conversation: Conversation
    ) -> Json:
        """React to a message."""
        if not emoji or " " in emoji:
            raise Refused("validation_error", field="emoji")
        self._member(actor, conversation)
        self._check_target(actor, message, conversation)
        if message.deleted_at is not None:
            raise Refused("edit_conflict")
        if (emoji, actor) in message.reactions:
            return {"message": _message_json(message), "duplicate": True}
        if conversation.closed_at is not None:
            raise Refused("conversation_closed")
        self._check_apart(conversation, actor)
        message.reactions.append((emoji, actor))
        _append_change(conversation, "reaction_added", actor, message, emoji)
        return {"message": _message_json(message)}

    def remove_reaction(
        self, actor: User, message: Message, emoji: str, conversation: Conversation
    ) -> Json:
        """Take back one's reaction."""
        self._member(actor, conversation)
        self._check_target(actor, message, conversation)
        if (emoji, actor) not in message.reactions:
            return {"message": _message_json(message), "duplicate": True}
        if conversation.closed_at is not None:
            raise Refused("conversation_closed")
        message.reactions.remove((emoji, actor))
        _append_change(conversation, "reaction_removed", actor, message, emoji)
        return {"message": _message_json(message)}

    def mark_delivered(
        self, actor: User, conversation: Conversation, seq: int | None = None
    ) -> Json:
        """Note what has arrived."""
        member, seq = self._mark(actor, conversation, seq)
        if seq > member.delivered_seq:
            member.delivered_seq = seq
            member.receipts.append(("delivered", seq, new_time()))
        return _marks_json(conversation, member)

    def mark_read(self, actor: User, conversation: Conversation, seq: int | None = None) -> Json:
        """Note what has been read."""
        member, seq = self._mark(actor, conversation, seq)
        if seq > member.read_seq:
            member.read_seq = seq
            member.delivered_seq = max(seq, member.delivered_seq)
            member.receipts.append(("read", seq, new_time()))
            member.last_read_at = new_time()
        return _marks_json(conversation, member)

    def list_messages(
        self,
        actor: User,
        conversation: Conversation,
        before_seq: int | None = None,
        after_seq: int | None = None,
        limit: int = 50,
    ) -> Json:
        """Show a page of messages, ascending."""
        _check_limit(limit)
        member = self._member(actor, conversation)
        found = [
            message
            for message in conversation.visible(member)
            if (before_seq is None or message.seq < before_seq)
            and (after_seq is None or message.seq > after_seq)
        ]
        page = found[-limit:] if after_seq is None else found[:limit]
        return {
            "messages": [_message_json(message) for message in page],
            "last_seq": conversation.last_seq,
            "has_more": len(found) > limit,
        }

    def list_changes(
        self, actor: User, conversation: Conversation, after_seq: int, limit: int
    ) -> Json:
        """Tell what happened after a number."""
        _check_limit(limit)
        member = self._member(actor, conversation)
        if after_seq < 0:
            raise Refused("validation_error", field="after_seq")
        first = conversation.visible_from(member)
        after = after_seq or first - 1
        last_seq = conversation.last_seq
        if not first - 1 <= after <= last_seq:
            return {"changes": [], "last_seq": last_seq, "has_more": False, "reset": True}
        page = conversation.log[after : after + limit]
        return {
            "changes": [_frame(conversation, member, entry) for entry in page],
            "last_seq": last_seq,
            "has_more": after + limit < last_seq,
            "reset": False,
        }

    def get_message_status(self, actor: User, message: Message, conversation: Conversation) -> Json:
        """Say how far a message has got with each member who was to get it."""
        self._member(actor, conversation)
        self._check_target(actor, message, conversation)
        members = [
            member
            for member in conversation.members
            if member.user is not message.sender
            and member.user not in message.hidden_from
            and member.joined_seq < message.seq
            and (member.left_seq is None or member.left_seq > message.seq)
        ]
        members.sort(key=lambda member: (member.user.display_name, member.user.id))
        return {
            "message_id": message.id,
            "seq": message.seq,
            "members": [_status_json(member, message) for member in members],
        }

    def search_messages(
        self,
        actor: User,
        query: str,
        conversation: Conversation | None = None,
        limit: int = 20,
    ) -> Json:
        """Find messages that have all the words, newest first."""
        _check_limit(limit)
        if not query.strip():
            raise Refused("validation_error", field="query")
        self._actor(actor)
        if conversation is not None:
            self._member(actor, conversation)
        found = [
            message
            for place in self.conversations
            if conversation in (None, place)
            if (member := _active(place, actor)) is not None
            for message in place.visible(member)
            if message.sender is not None
            if set(query.split()) <= set((message.content or "").split())
        ]
        found.sort(key=lambda message: str(message.created_at.value), reverse=True)
        return {"messages": [_message_json(message) for message in found[:limit]]}

    def announce_typing(self, actor: User, conversation: Conversation) -> Json:
        """Tell the others that somebody is typing."""
        self._member(actor, conversation)
        self._check_apart(conversation, actor)
        if conversation.closed_at is not None:
            raise Refused("conversation_closed")
        return {}

    # Operations.

    def purge_messages(self, conversation: Conversation, before: Message) -> Json:
        """Forget the log before a message."""
        seq = before.seq - 1
        if seq <= conversation.purged_seq:
            return {"affected_count": 0, "conversations": 0}
        gone = [message for message in conversation.messages() if message.seq <= seq]
        conversation.purged_seq = seq
        for member in conversation.members:
            if member.left_seq is None and member.read_seq < seq:
                member.read_seq = seq
                member.delivered_seq = max(seq, member.delivered_seq)
            member.receipts = [receipt for receipt in member.receipts if receipt[1] > seq]
        return {"affected_count": len(gone), "conversations": 1}

    # What the functions have in common.

    def _actor(self, actor: User) -> None:
        if actor not in self.users:
            raise Refused("not_found")
        if actor.deactivated_at is not None:
            raise Refused("permission_denied")

    def _member(self, actor: User, conversation: Conversation) -> Member:
        self._actor(actor)
        if conversation not in self.conversations or conversation.tenant_id != actor.tenant_id:
            raise Refused("not_found")
        member = _active(conversation, actor)
        if member is None:
            raise Refused("not_a_member")
        return member

    def _check_users(self, actor: User, users: list[User]) -> None:
        missing = [
            user.id
            for user in _by_id(users)
            if user not in self.users
            or user.tenant_id != actor.tenant_id
            or user.deactivated_at is not None
        ]
        if missing:
            raise Refused("not_found", field="member_ids", user_ids=missing)

    def _check_target(self, actor: User, message: Message, conversation: Conversation) -> None:
        member = self._member(actor, conversation)
        if message not in conversation.messages() or not conversation.shows(member, message):
            raise Refused("not_found")

    def _apart(self, one: User, other: User) -> bool:
        return (one, other) in self.blocks or (other, one) in self.blocks

    def _check_apart(self, conversation: Conversation, actor: User) -> None:
        if conversation.kind in ("direct", "help") and any(
            self._apart(actor, member.user) for member in conversation.members
        ):
            raise Refused("blocked")

    def _set_closed(self, actor: User, conversation: Conversation, *, closed: bool) -> Json:
        member = self._member(actor, conversation)
        _check_manager(conversation, member)
        if (conversation.closed_at is not None) == closed:
            return {"conversation": _conversation_json(conversation), "duplicate": True}
        conversation.closed_at = new_time() if closed else None
        kind = "conversation_closed" if closed else "conversation_reopened"
        _append_change(conversation, kind, actor)
        return {"conversation": _conversation_json(conversation)}

    def _mark(self, actor: User, conversation: Conversation, seq: int | None) -> tuple[Member, int]:
        member = self._member(actor, conversation)
        seq = conversation.last_seq if seq is None else seq
        if not 0 <= seq <= conversation.last_seq:
            raise Refused("validation_error", field="seq")
        return member, seq

    def _append(
        self,
        conversation: Conversation,
        sender: User,
        type_: str,
        content: str | None,
        metadata: Json,
        reply_to: Message | None = None,
        client_message_id: str | None = None,
    ) -> Message:
        conversation.active = next(self._clock)
        message = Message(
            conversation,
            conversation.last_seq + 1,
            sender,
            sender.kind,
            type_,
            content,
            metadata,
            reply_to,
            client_message_id,
            (content, type_, metadata),
            [
                member.user
                for member in conversation.active_members()
                if (member.user, sender) in self.blocks
            ],
        )
        conversation.log.append(message)
        return message

    def _tell(
        self,
        conversation: Conversation,
        event: str,
        actor: User,
        users: list[User],
        role: str | None = None,
    ) -> Message:
        names = ", ".join(user.display_name for user in users[:3])
        if len(users) > 3:
            names += f" and {len(users) - 3} more"
        content = {
            "member_added": f"{actor.display_name} added {names}",
            "member_removed": f"{actor.display_name} removed {names}",
            "member_left": f"{names} left",
            "role_changed": f"{actor.display_name} made {names} {role}",
        }[event]
        metadata: Json = {
            "event": event,
            "actor_id": actor.id,
            "user_ids": [user.id for user in users],
        }
        if role is not None:
            metadata["role"] = role
        conversation.active = next(self._clock)
        message = Message(
            conversation,
            conversation.last_seq + 1,
            None,
            "system",
            "system",
            content,
            metadata,
            None,
            None,
            None,
            [],
        )
        conversation.log.append(message)
        return message

    def _end_membership(self, conversation: Conversation, user: User, actor: User) -> Message:
        event = "member_left" if user is actor else "member_removed"
        message = self._tell(conversation, event, actor, [user])
        member = conversation.row_of(user)
        assert member is not None
        member.left_seq = message.seq
        return message


class _Anything:
    def __repr__(self) -> str:
        return "anything"


ANYTHING = _Anything()


def differences(expected: Any, actual: Any, path: str = "result") -> Iterator[str]:
    """Compare what must be with what is; one line for each place that differs."""
    if expected is ANYTHING:
        return
    if isinstance(expected, Learned):
        same = expected.agrees(actual)
    elif isinstance(expected, dict) and isinstance(actual, dict):
        for key in sorted(expected.keys() | actual.keys()):
            if key not in expected or key not in actual:
                yield f"{path}.{key} is {'missing' if key in expected else 'unexpected'}"
            else:
                yield from differences(expected[key], actual[key], f"{path}.{key}")
        return
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
        return
    else:
        same = type(expected) is type(actual) and expected == actual
    if not same:
        yield f"{path} is {actual!r}, must be {expected!r}"


def _active(conversation: Conversation, user: User) -> Member | None:
    member = conversation.row_of(user)
    return member if member is not None and member.left_seq is None else None


def _by_id(users: Iterable[User]) -> list[User]:
    return sorted(dict.fromkeys(users), key=lambda user: user.id)


def _is_last_owner(conversation: Conversation, user: User) -> bool:
    """Tell whether a group would be left with members and without an owner."""
    members = conversation.active_members()
    others = [member for member in members if member.user is not user]
    mine = [member for member in members if member.user is user]
    return (
        any(member.role == "owner" for member in mine)
        and bool(others)
        and not any(member.role == "owner" for member in others)
    )


def _append_change(
    conversation: Conversation,
    kind: str,
    actor: User,
    message: Message | None = None,
    emoji: str | None = None,
) -> None:
    change = Change(kind, conversation.last_seq + 1, actor, message, emoji)
    conversation.log.append(change)


def _existing(there: Conversation, actor: User, client_key: str | None, wanted: Any) -> Json:
    if client_key is None or (there.creator, there.client_key) != (actor, client_key):
        raise Refused("conversation_exists", conversation_id=there.id)
    if there.first_request != wanted:
        raise Refused("idempotency_conflict", conversation_id=there.id)
    first = there.messages()[:1]
    said = first[0] if first and first[0].seq == 1 and wanted[2] is not None else None
    return {**_created(there, said), "duplicate": True}


def _conversation_of(message: Any) -> str:
    """Order a batch as the database does: by conversation, what has none last."""
    if isinstance(message, dict) and "conversation" in message:
        return str(message["conversation"].id.value)
    return "~"


def _check_title(title: str | None) -> None:
    if title is not None and not title.strip():
        raise Refused("validation_error", field="title")
    if title is not None and len(title) > TITLE:
        raise Refused("too_large", field="title", limit=TITLE)


def _check_content(content: str | None, field: str, *, blank: bool = False) -> None:
    if not blank and not (content or "").strip():
        raise Refused("validation_error", field=field)
    if len(content or "") > CONTENT:
        raise Refused("too_large", field=field, limit=CONTENT)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= PAGE:
        raise Refused("validation_error", field="limit")


def _check_manager(conversation: Conversation, member: Member) -> None:
    if conversation.kind == "group" and member.role == "member":
        raise Refused("permission_denied")


def _user_json(user: User) -> Json:
    return {
        "user_id": user.id,
        "tenant_id": user.tenant_id,
        "display_name": user.display_name,
        "kind": user.kind,
        "external_id": None,
        "email": None,
        "created_at": user.created_at,
        "deactivated_at": user.deactivated_at,
    }


def _help_request_json(request: HelpRequest) -> Json:
    return {
        "help_request_id": request.id,
        "help_request": {
            "help_request_id": request.id,
            "owner_id": request.owner.id,
            "title": request.title,
            "metadata": request.metadata,
            "created_at": request.created_at,
            "closed_at": request.closed_at,
        },
    }


def _created(conversation: Conversation, message: Message | None) -> Json:
    return {
        "conversation_id": conversation.id,
        "conversation": _conversation_json(conversation),
        "message": message and _message_json(message),
    }


def _conversation_json(conversation: Conversation) -> Json:
    said = [entry for entry in conversation.log if isinstance(entry, Message)]
    return {
        "conversation_id": conversation.id,
        "kind": conversation.kind,
        "title": conversation.title,
        "canonical_key": conversation.canonical_key,
        "metadata": conversation.metadata,
        "created_by": conversation.creator.id,
        "created_at": conversation.created_at,
        "closed_at": conversation.closed_at,
        "history": conversation.history,
        "last_seq": conversation.last_seq,
        "last_message_at": said[-1].created_at if said else None,
        "member_count": len(conversation.active_members()),
    }


def _listed_json(conversation: Conversation, member: Member) -> Json:
    seen = conversation.visible(member)
    return {
        **_conversation_json(conversation),
        "unread_count": conversation.unread(member),
        "read_seq": member.read_seq,
        "delivered_seq": member.delivered_seq,
        "role": member.role,
        "notify": member.notify,
        "muted_until": member.muted_until,
        "last_message": _message_json(seen[-1]) if seen else None,
        "members": [
            {
                "user_id": each.user.id,
                "display_name": each.user.display_name,
                "role": each.role,
            }
            for each in conversation.active_members()[:5]
        ],
    }


def _member_json(member: Member) -> Json:
    return {
        "user_id": member.user.id,
        "display_name": member.user.display_name,
        "kind": member.user.kind,
        "role": member.role,
        "joined_at": member.joined_at,
        "joined_seq": member.joined_seq,
        "delivered_seq": member.delivered_seq,
        "read_seq": member.read_seq,
        "last_read_at": member.last_read_at,
    }


def _message_json(message: Message) -> Json:
    return {
        "id": message.id,
        "conversation_id": message.conversation.id,
        "seq": message.seq,
        "sender_id": message.sender and message.sender.id,
        "sender_name": message.sender and message.sender.display_name,
        "source": message.source,
        "type": message.type,
        "content": message.content,
        "metadata": message.metadata,
        "reply_to_id": message.answers and message.answers.id,
        "client_message_id": message.client_message_id,
        "created_at": message.created_at,
        "edited_at": message.edited_at,
        "deleted_at": message.deleted_at,
        "reactions": [
            {
                "emoji": emoji,
                "count": len(users),
                "user_ids": users,
            }
            for emoji in dict.fromkeys(emoji for emoji, _ in message.reactions)
            if (users := [user.id for used, user in message.reactions if used == emoji])
        ],
    }


def _marks_json(conversation: Conversation, member: Member) -> Json:
    return {
        "delivered_seq": member.delivered_seq,
        "read_seq": member.read_seq,
        "unread_count": conversation.unread(member),
    }


def _status_json(member: Member, message: Message) -> Json:
    delivered = [time for _, seq, time in member.receipts if seq >= message.seq]
    read = [time for kind, seq, time in member.receipts if kind == "read" and seq >= message.seq]
    return {
        "user_id": member.user.id,
        "display_name": member.user.display_name,
        "status": "read"
        if message.seq <= member.read_seq
        else "delivered"
        if message.seq <= member.delivered_seq
        else "sent",
        "delivered_at": delivered[0] if delivered else None,
        "read_at": read[0] if read else None,
    }


def _frame(conversation: Conversation, member: Member, entry: Message | Change) -> Json:
    place = {"conversation_id": conversation.id, "seq": entry.seq}
    message = entry if isinstance(entry, Message) else entry.message
    if message is not None and not conversation.shows(member, message):
        return {"type": "skip", **place}
    if isinstance(entry, Change):
        told: Json = {"type": entry.kind, **place, "actor_id": entry.actor.id}
        if message is None:
            told["conversation"] = _conversation_json(conversation)
        else:
            told["message"] = _message_json(message)
        if entry.emoji is not None:
            told["emoji"] = entry.emoji
        return told
    told = {"type": "message_created", **place, "message": _message_json(entry)}
    if entry.type == "system":
        event = entry.metadata["event"]
        told["type"] = "member_removed" if event == "member_left" else event
        told["user_ids"] = entry.metadata["user_ids"]
    return told
