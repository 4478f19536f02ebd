"""api.send_messages_atomic."""

from typing import Any

import pytest

from tests.rpc.behind import acting_as, response_status, set_limit
from tests.rpc.calls import NOBODY
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, send, succeed


def item(conversation_id: str, actor_id: str, content: str, **more: Any) -> Json:
    """One message of a batch."""
    return {
        "p_conversation_id": conversation_id,
        "p_actor_id": actor_id,
        "p_content": content,
        **more,
    }


def results(db: Connection, *messages: Any) -> list[Json]:
    """What a batch answers."""
    answer = succeed(db, "send_messages_atomic", messages=list(messages) or "[]")
    assert set(answer) == {"success", "results"}
    answers: list[Json] = answer["results"]
    return answers


def outcome(result: Json) -> str:
    """The code of a refusal, or what was sent."""
    said: str = result["error"] if not result["success"] else result["message"]["content"]
    return said


def test_each_gets_what_it_would_have_got_alone(db: Connection, world: World) -> None:
    one, refused, other = results(
        db,
        item(world.group, world.ann, "one", p_client_message_id="1", p_metadata={"a": 1}),
        item(world.group, world.dee, "not mine"),
        item(world.direct, world.bob, "other", p_type="image", p_metadata=None),
    )
    again = succeed(
        db,
        "send_message_atomic",
        conversation_id=world.group,
        actor_id=world.ann,
        content="one",
        client_message_id="1",
        metadata={"a": 1},
    )
    assert one | {"duplicate": True} == again
    assert (refused["success"], refused["error"]) == (False, "not_a_member")
    assert (other["message"]["type"], other["message"]["seq"]) == ("image", 1)
    assert response_status(db) == "200"


def test_answers_come_in_the_order_given(db: Connection, world: World) -> None:
    given = [
        item(world.direct if number % 2 else world.group, world.ann, str(number))
        for number in range(10)
    ]
    answers = results(db, *given)
    assert [outcome(answer) for answer in answers] == [str(number) for number in range(10)]
    in_group = [a["message"]["seq"] for a in answers[::2]]
    assert in_group == [3, 4, 5, 6, 7]


def test_every_refusal_of_a_send_may_be_a_result(db: Connection, world: World) -> None:
    send(db, world.group, world.ann, "first", client_message_id="key")
    succeed(db, "block_user_atomic", actor_id=world.bob, user_id=world.ann)
    set_limit(db, "content_characters", 50)
    answers = results(
        db,
        item(world.group, world.ann, "second", p_client_message_id="key"),
        item(world.direct, world.ann, "hi"),
        item(NOBODY, world.ann, "hi"),
        item(world.group, NOBODY, "hi"),
        item(world.group, world.ann, "x" * 51),
        item(world.group, world.ann, ""),
        item(world.group, world.ann, "re", p_reply_to_id=NOBODY),
        item(world.group, world.ann, "good"),
    )
    assert [outcome(answer) for answer in answers] == [
        "idempotency_conflict",
        "blocked",
        "not_found",
        "not_found",
        "too_large",
        "validation_error",
        "validation_error",
        "good",
    ]


def test_a_key_twice_in_a_batch_is_sent_once(db: Connection, world: World) -> None:
    once = item(world.group, world.ann, "once", p_client_message_id="key")
    first, second = results(db, once, once)
    assert second == first | {"duplicate": True}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ("hello", "messages"),
        (None, "messages"),
        ([], "messages"),
        ({"content": "x"}, "content"),
        ({"p_conversation_id": "x"}, "conversation_id"),
        ({"p_conversation_id": None}, "conversation_id"),
        ({"p_actor_id": 7}, "actor_id"),
        ({"p_actor_id": None}, "actor_id"),
        ({"p_content": 7}, "content"),
        ({"p_content": ["x"]}, "content"),
        ({"p_reply_to_id": "x"}, "reply_to_id"),
        ({"p_metadata": [1]}, "metadata"),
        ({"p_metadata": "x"}, "metadata"),
        ({"p_type": True}, "type"),
        ({"p_client_message_id": {}}, "client_message_id"),
    ],
)
def test_what_is_wrong_with_one_is_told_and_the_others_are_sent(
    db: Connection, world: World, wrong: Any, field: str
) -> None:
    good = item(world.group, world.ann, "good")
    bad = good | wrong if isinstance(wrong, dict) else wrong
    refused, sent = results(db, bad, good)
    assert (refused["error"], refused["details"]) == ("validation_error", {"field": field})
    assert sent["success"] is True


def test_an_empty_batch_has_no_results(db: Connection, world: World) -> None:
    assert results(db) == []


@pytest.mark.parametrize("messages", [None, "{}", '"x"', "null", "3"])
def test_a_batch_is_an_array(db: Connection, world: World, messages: str | None) -> None:
    result = refuse(db, "validation_error", "send_messages_atomic", messages=messages)
    assert result["details"] == {"field": "messages"}


def test_a_batch_has_a_limit(db: Connection, world: World) -> None:
    batch = [item(world.group, world.ann, str(number)) for number in range(101)]
    assert all(answer["success"] for answer in results(db, *batch[:100]))
    result = refuse(db, "too_large", "send_messages_atomic", messages=batch)
    assert result["details"] == {"field": "messages", "limit": 100}


def test_a_token_sends_as_its_own_user_only(db: Connection, world: World) -> None:
    nameless = {"p_conversation_id": world.group, "p_content": "mine"}
    with acting_as(db, "parley_user", {"sub": world.ann}):
        mine, forged = results(db, nameless, item(world.group, world.bob, "forged"))
    assert mine["message"]["sender_id"] == world.ann
    assert forged["error"] == "permission_denied"


def test_without_claims_a_user_sends_nothing(db: Connection, world: World) -> None:
    with acting_as(db, "parley_user"):
        answers = results(db, item(world.group, world.ann, "x"))
    assert [answer["error"] for answer in answers] == ["unauthenticated"]
