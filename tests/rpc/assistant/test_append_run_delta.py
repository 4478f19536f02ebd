"""api.append_run_delta."""

import pytest

from tests.rpc.assistant.runs import (
    ask,
    claim,
    complete,
    held,
    lose_worker,
    outdate,
    pieces,
    run_row,
    say,
    unknown,
)
from tests.rpc.behind import events, rows, set_limit
from tests.rpc.conftest import World
from tests.support import Connection, Json, refuse, succeed


@pytest.fixture
def run(db: Connection, world: World) -> Json:
    """A run that a worker has."""
    ask(db, world.talk, world.ann)
    return claim(db)


def test_pieces_are_kept_in_order_and_told_to_who_reads_along(
    db: Connection, world: World, run: Json
) -> None:
    assert say(db, run, "I would") == {"success": True, "active": True, "offset": 7}
    assert say(db, run, " say")["offset"] == 11
    assert pieces(db, run["id"]) == [(0, "I would"), (7, " say")]
    assert events(db, world.talk)[-2:] == [
        {
            "type": "run_delta",
            "conversation_id": world.talk,
            "run_id": run["id"],
            "attempt": 1,
            "offset": offset,
            "content": content,
        }
        for offset, content in ((0, "I would"), (7, " say"))
    ]


def test_offsets_count_characters(db: Connection, world: World, run: Json) -> None:
    assert say(db, run, "naïve 🚲", offset=0)["offset"] == 7
    assert say(db, run, "!", offset=7)["offset"] == 8


def test_a_piece_said_twice_is_there_once(db: Connection, world: World, run: Json) -> None:
    say(db, run, "I would", offset=0)
    before = events(db, world.talk)
    again = say(db, run, "I would", offset=0)
    assert again == {"success": True, "active": True, "offset": 7, "duplicate": True}
    assert (pieces(db, run["id"]), events(db, world.talk)) == ([(0, "I would")], before)


def test_nothing_is_left_out(db: Connection, world: World, run: Json) -> None:
    say(db, run, "I would", offset=0)
    refused = refuse(
        db, "validation_error", "append_run_delta", **held(run), content="say", offset=8
    )
    assert refused["details"] == {"field": "offset"}


@pytest.mark.parametrize("content", [None, ""])
def test_to_say_nothing_is_to_say_that_one_lives(
    db: Connection, world: World, run: Json, content: str | None
) -> None:
    before = events(db, world.talk)
    assert say(db, run, content) == {"success": True, "active": True, "offset": 0}
    assert (pieces(db, run["id"]), events(db, world.talk)) == ([], before)


@pytest.mark.parametrize("content", [None, "I would"])
def test_a_lease_of_which_a_quarter_is_over_begins_anew(
    db: Connection, world: World, content: str | None
) -> None:
    ask(db, world.talk, world.ann)
    run = claim(db, lease="8 seconds")
    full = run_row(db, run["id"])["due_at"]
    say(db, run, content)
    assert run_row(db, run["id"])["due_at"] == full
    rows(db, "update chat.runs set due_at = due_at - interval '3 seconds'")
    say(db, run, content)
    row = run_row(db, run["id"])
    assert row["due_at"] >= full
    assert rows(
        db,
        "select due_at <= clock_timestamp() + interval '8 seconds' from chat.runs"
        " where run_id = %s",
        run["id"],
    ) == [(True,)]


def test_a_lease_that_has_ended_is_good_until_another_has_the_run(
    db: Connection, world: World, run: Json
) -> None:
    lose_worker(db)
    assert say(db, run, "I would")["active"] is True
    assert succeed(db, "claim_run", worker="two")["data"] is None


def test_no_lease_is_longer_than_the_answer_is_wanted(
    db: Connection, world: World, run: Json
) -> None:
    rows(
        db,
        "update chat.runs set due_at = clock_timestamp() + interval '1 second',"
        " expires_at = clock_timestamp() + interval '10 seconds' where run_id = %s",
        run["id"],
    )
    say(db, run, "I would")
    row = run_row(db, run["id"])
    assert row["due_at"] == row["expires_at"]


# When to stop.


def test_a_worker_stops_when_the_run_was_cancelled(db: Connection, world: World, run: Json) -> None:
    say(db, run, "I would")
    succeed(
        db,
        "cancel_run_atomic",
        conversation_id=world.talk,
        actor_id=world.ann,
        run_id=run["id"],
    )
    result = say(db, run, " say", offset=7)
    assert (result["active"], result["data"]["status"]) == (False, "cancelled")
    assert pieces(db, run["id"]) == []


def test_a_worker_stops_when_another_has_the_run(db: Connection, world: World, run: Json) -> None:
    say(db, run, "I would")
    lose_worker(db)
    other = claim(db)
    say(db, other, "It")
    result = say(db, run, " say", offset=7)
    assert (result["active"], result["offset"], result["data"]["attempt"]) == (False, 2, 2)
    assert pieces(db, run["id"]) == [(0, "It")]


def test_a_worker_stops_when_nobody_waits_any_more(db: Connection, world: World, run: Json) -> None:
    outdate(db)
    for content in ("I would", None):
        assert say(db, run, content)["active"] is False
    assert pieces(db, run["id"]) == []


def test_a_worker_stops_when_the_answer_is_there(db: Connection, world: World, run: Json) -> None:
    complete(db, run, "because")
    result = say(db, run, "I would", offset=0)
    assert (result["active"], result["data"]["status"]) == (False, "completed")


def test_a_run_that_is_not_there_is_not_found(db: Connection, world: World, run: Json) -> None:
    for more in ({"run_id": unknown()}, {"conversation_id": unknown()}):
        refuse(db, "not_found", "append_run_delta", **{**held(run), **more}, content="I would")


def test_an_answer_has_a_limit(db: Connection, world: World, run: Json) -> None:
    set_limit(db, "answer_characters", 8)
    say(db, run, "I would")
    refused = refuse(db, "too_large", "append_run_delta", **held(run), content=" say")
    assert refused["details"] == {"field": "content", "limit": 8}
    assert say(db, run, "!")["offset"] == 8


@pytest.mark.parametrize("field", ["conversation_id", "run_id", "lease"])
def test_a_worker_names_what_it_has(db: Connection, world: World, run: Json, field: str) -> None:
    refused = refuse(
        db, "validation_error", "append_run_delta", **(held(run) | {field: None}), content="I"
    )
    assert refused["details"] == {"field": field}
