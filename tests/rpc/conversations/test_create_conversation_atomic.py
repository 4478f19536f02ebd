"""api.create_conversation_atomic."""

from typing import Any

import pytest

from tests.rpc.behind import (
    CONVERSATION_KEYS,
    MESSAGE_KEYS,
    events,
    forget_status,
    response_status,
    rows,
    set_limit,
    value,
)
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, new_user, refuse, succeed


def create(db: Connection, **arguments: Any) -> Json:
    """Create one."""
    result = succeed(db, "create_conversation_atomic", **arguments)
    assert set(result) - {"duplicate"} == {"success", "conversation_id", "conversation", "message"}
    assert set(result["conversation"]) == CONVERSATION_KEYS
    assert result["conversation"]["conversation_id"] == result["conversation_id"]
    return result


def members(db: Connection, conversation_id: str) -> dict[str, str]:
    """Roles by user id."""
    return dict(
        rows(
            db,
            "select user_id::text, role from chat.members where conversation_id = %s",
            conversation_id,
        )
    )


class TestGroups:
    """p_kind group."""

    @pytest.fixture
    def group(self, world: World) -> Json:
        """A creation by Ann, retryable."""
        return {
            "kind": "group",
            "actor_id": world.ann,
            "member_ids": [world.bob, world.cid],
            "title": "Three",
            "metadata": {"colour": "red"},
            "initial_message": "welcome",
            "client_key": "three",
            "history": "joined",
        }

    def test_it_is_there_with_members_and_first_message(
        self, db: Connection, world: World, group: Json
    ) -> None:
        result = create(db, **group)
        conversation, message = result["conversation"], result["message"]
        assert members(db, result["conversation_id"]) == {
            world.ann: "owner",
            world.bob: "member",
            world.cid: "member",
        }
        assert conversation | {"conversation_id": 0, "created_at": 0, "last_message_at": 0} == {
            "conversation_id": 0,
            "kind": "group",
            "title": "Three",
            "canonical_key": f"group:{world.ann}:three",
            "metadata": {"colour": "red"},
            "created_by": world.ann,
            "created_at": 0,
            "closed_at": None,
            "history": "joined",
            "last_seq": 1,
            "last_message_at": 0,
            "member_count": 3,
        }
        assert set(message) == MESSAGE_KEYS
        assert (message["seq"], message["sender_id"], message["content"]) == (
            1,
            world.ann,
            "welcome",
        )
        assert response_status(db) == "201"

    def test_listeners_hear_of_it_and_then_of_the_message(
        self, db: Connection, world: World, group: Json
    ) -> None:
        result = create(db, **group)
        created, sent = events(db, result["conversation_id"])
        assert (created["type"], created["seq"]) == ("conversation_created", 0)
        assert set(created["user_ids"]) == {world.ann, world.bob, world.cid}
        assert (sent["type"], sent["message"]) == ("message_created", result["message"])

    @pytest.mark.parametrize("others", [None, [], ["ann"], ["bob", "bob", "ann"]])
    def test_any_number_of_members_will_do(
        self, db: Connection, world: World, others: list[str] | None
    ) -> None:
        ids = None if others is None else [getattr(world, name) for name in others]
        result = create(db, kind="group", actor_id=world.ann, member_ids=ids)
        assert result["conversation"]["member_count"] == len({"ann", *(others or [])})
        assert (result["message"], result["conversation"]["last_seq"]) == (None, 0)

    def test_without_a_key_each_call_makes_another(self, db: Connection, world: World) -> None:
        two = {
            create(db, kind="group", actor_id=world.ann, title="x")["conversation_id"]
            for _ in range(2)
        }
        assert len(two) == 2

    def test_the_same_again_returns_the_first(
        self, db: Connection, world: World, group: Json
    ) -> None:
        first = create(db, **group)
        forget_status(db)
        again = create(db, **group | {"member_ids": [world.cid, world.bob, world.ann, world.bob]})
        assert again == first | {"duplicate": True}
        assert response_status(db) == "200"

    @pytest.mark.parametrize(
        "other",
        [
            {"title": "Four"},
            {"title": None},
            {"member_ids": []},
            {"metadata": {"colour": "blue"}},
            {"initial_message": "hi"},
            {"initial_message": None},
            {"history": "all"},
        ],
    )
    def test_anything_else_under_the_key_is_a_conflict(
        self, db: Connection, world: World, group: Json, other: Json
    ) -> None:
        first = create(db, **group)
        result = refuse(db, "idempotency_conflict", "create_conversation_atomic", **group | other)
        assert result["details"] == {"conversation_id": first["conversation_id"]}

    def test_keys_are_the_creators_own(self, db: Connection, world: World, group: Json) -> None:
        first = create(db, **group)
        other = create(db, **group | {"actor_id": world.bob})
        assert first["conversation_id"] != other["conversation_id"]

    def test_a_retry_is_one_whatever_happened_since(
        self, db: Connection, world: World, group: Json
    ) -> None:
        first = create(db, **group)
        succeed(
            db,
            "update_conversation_atomic",
            conversation_id=first["conversation_id"],
            actor_id=world.ann,
            title="Other",
        )
        succeed(db, "deactivate_user_atomic", user_id=world.cid)
        again = create(db, **group)
        assert (again["duplicate"], again["conversation"]["title"]) == (True, "Other")

    def test_who_blocks_the_creator_does_not_get_the_first_message(
        self, db: Connection, world: World, group: Json
    ) -> None:
        succeed(db, "block_user_atomic", actor_id=world.bob, user_id=world.ann)
        create(db, **group)
        assert rows(db, "select user_id::text, seq from chat.exclusions") == [(world.bob, 1)]

    def test_a_bot_may_open_one(self, db: Connection, world: World) -> None:
        bot = new_user(db, "Bot", kind="bot", tenant_id=world.tenant_id)
        result = create(
            db, kind="group", actor_id=bot, member_ids=[world.ann], initial_message="beep"
        )
        assert result["message"]["source"] == "bot"


class TestDirect:
    """p_kind direct."""

    def test_there_is_one_for_a_pair_whichever_side_opens_it(
        self, db: Connection, world: World
    ) -> None:
        for one, other in ((world.ann, world.bob), (world.bob, world.ann)):
            result = refuse(
                db,
                "conversation_exists",
                "create_conversation_atomic",
                kind="direct",
                actor_id=one,
                member_ids=[other],
                initial_message="again",
            )
            assert result["details"] == {"conversation_id": world.direct}
            assert result["code"] == "PT409"

    def test_its_first_message_has_number_1_and_it_has_no_owner(
        self, db: Connection, world: World
    ) -> None:
        result = create(
            db,
            kind="direct",
            actor_id=world.ann,
            member_ids=[world.cid, world.ann],
            initial_message="hi",
        )
        assert result["message"]["seq"] == 1
        low, high = sorted([world.ann, world.cid])
        assert result["conversation"]["canonical_key"] == f"direct:{low}:{high}"
        assert set(members(db, result["conversation_id"]).values()) == {"member"}

    def test_a_key_makes_it_retryable_for_its_creator(self, db: Connection, world: World) -> None:
        direct = {
            "kind": "direct",
            "actor_id": world.ann,
            "member_ids": [world.cid],
            "client_key": "k",
        }
        first = create(db, **direct)
        assert create(db, **direct) == first | {"duplicate": True}
        refuse(
            db,
            "idempotency_conflict",
            "create_conversation_atomic",
            **direct | {"initial_message": "hi"},
        )
        swapped = {"actor_id": world.cid, "member_ids": [world.ann]}
        refuse(db, "conversation_exists", "create_conversation_atomic", **direct | swapped)
        refuse(
            db, "conversation_exists", "create_conversation_atomic", **direct | {"client_key": "j"}
        )

    @pytest.mark.parametrize("others", [None, [], ["ann"], ["bob", "cid"]])
    def test_it_takes_exactly_one_other(
        self, db: Connection, world: World, others: list[str] | None
    ) -> None:
        ids = None if others is None else [getattr(world, name) for name in others]
        result = refuse(
            db,
            "validation_error",
            "create_conversation_atomic",
            kind="direct",
            actor_id=world.ann,
            member_ids=ids,
        )
        assert result["details"] == {"field": "member_ids"}

    @pytest.mark.parametrize(("blocker", "blocked"), [("ann", "cid"), ("cid", "ann")])
    def test_a_blocked_pair_cannot_open_one(
        self, db: Connection, world: World, blocker: str, blocked: str
    ) -> None:
        succeed(
            db,
            "block_user_atomic",
            actor_id=getattr(world, blocker),
            user_id=getattr(world, blocked),
        )
        refuse(
            db,
            "blocked",
            "create_conversation_atomic",
            kind="direct",
            actor_id=world.ann,
            member_ids=[world.cid],
        )


class TestHelp:
    """The help-request form."""

    @pytest.fixture
    def help_with_bike(self, world: World) -> Json:
        """Ann offers Bob help."""
        return {
            "help_request_id": world.help_request,
            "helper_id": world.ann,
            "initial_message": "I have oil",
        }

    def test_three_arguments_are_enough(
        self, db: Connection, world: World, help_with_bike: Json
    ) -> None:
        result = create(db, **help_with_bike)
        assert members(db, result["conversation_id"]) == {
            world.ann: "member",
            world.bob: "member",
        }
        assert (result["message"]["seq"], result["message"]["sender_id"]) == (1, world.ann)
        assert result["conversation"]["kind"] == "help"
        assert result["conversation"]["canonical_key"] == f"help:{world.help_request}:{world.ann}"

    def test_the_actor_is_the_helper(
        self, db: Connection, world: World, help_with_bike: Json
    ) -> None:
        create(db, **help_with_bike | {"helper_id": None, "actor_id": world.cid})
        other = help_with_bike | {"actor_id": world.cid}
        refuse(db, "permission_denied", "create_conversation_atomic", **other)

    def test_there_is_one_for_a_request_and_a_helper(
        self, db: Connection, world: World, help_with_bike: Json
    ) -> None:
        first = create(db, **help_with_bike)
        result = refuse(db, "conversation_exists", "create_conversation_atomic", **help_with_bike)
        assert result["details"] == {"conversation_id": first["conversation_id"]}
        create(db, **help_with_bike | {"helper_id": world.cid})

    def test_the_owner_does_not_help_themself(
        self, db: Connection, world: World, help_with_bike: Json
    ) -> None:
        own = help_with_bike | {"helper_id": world.bob}
        refuse(db, "permission_denied", "create_conversation_atomic", **own)

    def test_none_starts_about_a_closed_request_but_those_there_are_found(
        self, db: Connection, world: World, help_with_bike: Json
    ) -> None:
        create(db, **help_with_bike)
        succeed(
            db,
            "close_help_request_atomic",
            help_request_id=world.help_request,
            actor_id=world.bob,
        )
        late = help_with_bike | {"helper_id": world.cid}
        refuse(db, "conversation_closed", "create_conversation_atomic", **late)
        refuse(db, "conversation_exists", "create_conversation_atomic", **help_with_bike)

    def test_a_blocked_helper_is_refused(
        self, db: Connection, world: World, help_with_bike: Json
    ) -> None:
        succeed(db, "block_user_atomic", actor_id=world.bob, user_id=world.ann)
        refuse(db, "blocked", "create_conversation_atomic", **help_with_bike)

    def test_another_tenants_request_is_not_found(
        self, db: Connection, world: World, help_with_bike: Json
    ) -> None:
        for other in ({"helper_id": world.zoe}, {"help_request_id": NOBODY}):
            refuse(db, "not_found", "create_conversation_atomic", **help_with_bike | other)

    @pytest.mark.parametrize(
        ("given", "field"),
        [
            ({"initial_message": None}, "initial_message"),
            ({"helper_id": None}, "actor_id"),
            ({"member_ids": []}, "member_ids"),
            ({"kind": "group"}, "help_request_id"),
            ({"kind": "help", "help_request_id": None}, "help_request_id"),
        ],
    )
    def test_the_form_is_checked(
        self, db: Connection, world: World, help_with_bike: Json, given: Json, field: str
    ) -> None:
        result = refuse(
            db, "validation_error", "create_conversation_atomic", **help_with_bike | given
        )
        assert result["details"] == {"field": field}


@pytest.mark.parametrize("kind", ["direct", "group"])
@pytest.mark.parametrize("who", ["zoe", "nobody", "retired"])
def test_members_are_active_users_of_the_same_tenant(
    db: Connection, world: World, kind: str, who: str
) -> None:
    retired = new_user(db, "Ray", tenant_id=world.tenant_id)
    succeed(db, "deactivate_user_atomic", user_id=retired)
    user_id = {"zoe": world.zoe, "nobody": NOBODY, "retired": retired}[who]
    result = refuse(
        db,
        "not_found",
        "create_conversation_atomic",
        kind=kind,
        actor_id=world.ann,
        member_ids=[user_id],
    )
    assert result["details"] == {"field": "member_ids", "user_ids": [user_id]}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"kind": None}, "kind"),
        ({"kind": "party"}, "kind"),
        ({"title": " "}, "title"),
        ({"client_key": ""}, "client_key"),
        ({"initial_message": " \n"}, "initial_message"),
        ({"history": "some"}, "history"),
        ({"metadata": "[]"}, "metadata"),
        ({"member_ids": [None]}, "member_ids"),
    ],
)
def test_arguments_are_checked(db: Connection, world: World, given: Json, field: str) -> None:
    arguments = {"kind": "group", "actor_id": world.ann} | given
    result = refuse(db, "validation_error", "create_conversation_atomic", **arguments)
    assert result["details"] == {"field": field}


@pytest.mark.parametrize("kind", ["direct", "group"])
def test_a_list_of_lists_is_no_list_of_members(db: Connection, world: World, kind: str) -> None:
    nested = f"{{{{{world.bob}}},{{{world.cid}}}}}"
    result = refuse(
        db,
        "validation_error",
        "create_conversation_atomic",
        kind=kind,
        actor_id=world.ann,
        member_ids=nested,
    )
    assert result["details"] == {"field": "member_ids"}


@pytest.mark.parametrize(
    ("limit", "given"),
    [
        ("title_characters", {"title": "long"}),
        ("key_characters", {"client_key": "long"}),
        ("content_characters", {"initial_message": "long"}),
        ("metadata_bytes", {"metadata": {"a": 1}}),
        ("members_per_addition", {"member_ids": [NOBODY] * 4}),
    ],
)
def test_sizes_are_limited(db: Connection, world: World, limit: str, given: Json) -> None:
    set_limit(db, limit, 3)
    arguments = {"kind": "group", "actor_id": world.ann} | given
    result = refuse(db, "too_large", "create_conversation_atomic", **arguments)
    assert result["details"] == {"field": next(iter(given)), "limit": 3}


@pytest.mark.parametrize("kind", ["inbox", "assistant"])
def test_some_kinds_are_opened_elsewhere(db: Connection, world: World, kind: str) -> None:
    refuse(db, "unsupported", "create_conversation_atomic", kind=kind, actor_id=world.ann)


def test_the_tenant_is_the_actors(db: Connection, world: World) -> None:
    group = {"kind": "group", "actor_id": world.ann}
    create(db, **group, tenant_id=world.tenant_id)
    refuse(
        db,
        "not_found",
        "create_conversation_atomic",
        **group,
        tenant_id=world.other_tenant_id,
    )


def test_a_refused_creation_leaves_nothing(db: Connection, world: World) -> None:
    before = value(db, "select count(*) from chat.conversations")
    refuse(
        db,
        "not_found",
        "create_conversation_atomic",
        kind="group",
        actor_id=world.ann,
        member_ids=[world.bob, NOBODY],
    )
    assert value(db, "select count(*) from chat.conversations") == before
