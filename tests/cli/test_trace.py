"""parley trace: the story of a message, from the database and from logs."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.listening import Listener
from tests.support import Connection, Json, connect, new_group, new_user, send, succeed
from thin_api import doctor, trace


@dataclass
class Scene:
    """Ann, Bob, Cid and Dee in a group; Cid has blocked Ann, who has sent a message."""

    dsn: str
    db: Connection
    ann: str
    bob: str
    cid: str
    dee: str
    group: str
    message: Json

    @property
    def about(self) -> Json:
        return {"conversation_id": self.group, "message_id": self.message["id"]}

    def told(self, *logs: Path) -> str:
        """Tell the story."""
        with doctor.connect(self.dsn) as connection:
            conversation_id, message_id = map(uuid.UUID, self.about.values())
            paths = [str(log) for log in logs]
            return "\n".join(trace.tell(connection, conversation_id, message_id, paths))


@pytest.fixture
def scene(fresh_database: str) -> Any:
    with connect(fresh_database) as db:
        ann, bob, cid, dee = (new_user(db, name) for name in ("Ann", "Bob", "Cid", "Dee"))
        succeed(db, "block_user_atomic", actor_id=cid, user_id=ann)
        group = new_group(db, ann, bob, cid, dee, title="Lunch")
        message = send(db, group, ann, "Twelve?", client_message_id="k-1")
        yield Scene(fresh_database, db, ann, bob, cid, dee, group, message)


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., Path]:
    """Write a log of these lines."""

    def write(*lines: Json | str) -> Path:
        path = tmp_path / f"{uuid.uuid4()}.log"
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        path.write_text("\n".join(texts), encoding="utf-8")
        return path

    return write


def parley(
    dsn: str, *arguments: str, given: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run the command."""
    ours = ("PARLEY_", "DATABASE_URL")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return subprocess.run(
        [sys.executable, "-m", "thin_api", "trace", *arguments],
        env={**environment, "DATABASE_URL": dsn},
        input=given or "",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lines_with(text: str, told: str) -> list[str]:
    return [line for line in told.splitlines() if text in line]


def test_who_sent_it_and_how_it_stands(scene: Scene) -> None:
    told = scene.told()
    assert f'message {scene.message["id"]} in group conversation {scene.group} "Lunch"' in told
    (sent,) = lines_with("sent as", told)
    assert sent.endswith(f'  sent as 1 by Ann ({scene.ann}): person, text; client_message_id "k-1"')
    day, clock = scene.message["created_at"][:10], scene.message["created_at"][11:23]
    assert sent.startswith(f"{day} {clock}")
    assert 'now: "Twelve?"' in told
    assert f"not for (had blocked the sender): Cid ({scene.cid})" in told
    assert f"not delivered to 2: Bob ({scene.bob}), Dee ({scene.dee})" in told


def test_each_change_with_its_number_its_actor_and_what_was_there(scene: Scene) -> None:
    succeed(scene.db, "edit_message_atomic", **scene.about, actor_id=scene.ann, content="One?")
    succeed(scene.db, "add_reaction_atomic", **scene.about, actor_id=scene.bob, emoji="👍")
    told = scene.told()
    (edited,) = lines_with("message_edited as 2 by Ann", told)
    assert edited.endswith('; it was "Twelve?"')
    (reaction,) = lines_with("reaction_added as 3 by Bob", told)
    assert reaction.endswith(': "👍"')
    assert 'now: "One?", edited at ' in told
    assert 'reactions: "👍" x 1' in told
    assert told.index("sent as 1") < told.index("message_edited") < told.index("reaction_added")

    succeed(scene.db, "delete_message_atomic", **scene.about, actor_id=scene.ann)
    told = scene.told()
    assert lines_with("message_deleted as 4 by Ann", told)[0].endswith('; it was "One?"')
    assert "now: deleted at " in told
    assert "reactions:" not in told


def test_who_received_and_read_it_and_when(scene: Scene) -> None:
    here = {"conversation_id": scene.group}
    succeed(scene.db, "mark_delivered_atomic", **here, actor_id=scene.dee)
    succeed(scene.db, "mark_read_atomic", **here, actor_id=scene.bob)
    told = scene.told()
    assert len(lines_with(f"  delivered to Dee ({scene.dee})", told)) == 1
    assert len(lines_with(f"  read by Bob ({scene.bob})", told)) == 1
    assert lines_with("delivered to Bob", told) == []
    assert f"delivered, not read, to 1: Dee ({scene.dee})" in told
    assert f"read by 1: Bob ({scene.bob})" in told
    assert "not delivered" not in told


def test_its_event_and_which_listener_has_confirmed_it(scene: Scene) -> None:
    told = scene.told()
    (event,) = lines_with("outbox: message_created 1, xid ", told)
    assert event.endswith(": nobody listens")

    listener = Listener(scene.dsn)
    try:
        succeed(scene.db, "edit_message_atomic", **scene.about, actor_id=scene.ann, content="One?")
        assert f": listener {listener.id} has not confirmed it" in scene.told()
        listener.fetch()
        with connect(scene.dsn, None) as owner:
            owner.execute("update chat.listeners set fetched_at = fetched_at - interval '1 min'")
        listener.fetch()
        events = lines_with("outbox: ", scene.told())
        assert [f"listener {listener.id} has confirmed it" in event for event in events] == [
            True,
            True,
        ]
    finally:
        listener.close()


def test_an_event_that_was_trimmed_is_told_as_gone(scene: Scene) -> None:
    succeed(scene.db, "maintain")
    told = scene.told()
    assert lines_with("outbox: ", told) == []
    assert "no event of it is in the outbox any more" in told


def test_lines_of_logs_are_merged_in_by_time(
    scene: Scene, log: Callable[..., Path], tmp_path: Path
) -> None:
    request = {
        "event": "request",
        "time": "2000-01-01T00:00:00.000Z",
        "request_id": "r-1",
        "method": "POST",
        "route": "/v1/conversations/{conversation_id}/messages",
        "status": 201,
        "ms": 3.25,
        "user_id": scene.ann,
        "message_id": scene.message["id"],
        "level": "info",
    }
    succeed(scene.db, "edit_message_atomic", **scene.about, actor_id=scene.ann, content="One?")
    event = {
        "event": "event",
        "type": "message_edited",
        "time": "2100-01-01T00:00:00+00:00",
        "conversation_id": scene.group,
        "seq": 2,
        "sockets": 3,
        "ms": 5.5,
    }
    told = scene.told(log(event), log("Parley serves", request, "{", "[]", '"text"', "\x00"))
    lines = told.splitlines()
    assert lines[2] == (
        "2000-01-01 00:00:00.000  log: POST /v1/conversations/{conversation_id}/messages"
        f" answered 201 in 3.25 ms, request r-1 user_id={scene.ann}"
    )
    assert lines[lines.index("", 2) - 1] == (
        "2100-01-01 00:00:00.000  log: message_edited 2 handed to 3 sockets,"
        " 5.5 ms after it was written"
    )


def test_lines_about_other_messages_stay_out(scene: Scene, log: Callable[..., Path]) -> None:
    other = str(uuid.uuid4())
    told = scene.told(
        log(
            {"event": "request", "message_id": other},
            {"event": "event", "conversation_id": scene.group, "seq": 2},
            {"event": "event", "conversation_id": other, "seq": 1},
        )
    )
    assert lines_with("log:", told) == []


def test_a_line_of_another_shape_is_told_as_it_is_and_last(
    scene: Scene, log: Callable[..., Path]
) -> None:
    told = scene.told(
        log({"event": "request", "message_id": scene.message["id"], "odd": [1], "time": "then"})
    )
    (line,) = lines_with("log:", told)
    assert line == "at a time unknown        log: request odd=[1]"
    assert told.splitlines().index(line) == told.splitlines().index("", 2) - 1


def test_nothing_a_terminal_acts_on_gets_through(scene: Scene, log: Callable[..., Path]) -> None:
    nasty = 'a\x1b]0;b\x07"\\\u202e\r\n\u009b31m'
    message = send(scene.db, scene.group, scene.ann, nasty, client_message_id="\x1b[2J")
    succeed(
        scene.db, "upsert_user_atomic", user_id=scene.bob, display_name="B\x1bob", kind="person"
    )
    scene.message = message
    entry = {"event": nasty, nasty: nasty, "message_id": message["id"], "time": nasty}
    told = scene.told(log(entry))
    assert [one for one in told if not one.isprintable() and one != "\n"] == []
    assert r'now: "a\x1b]0;b\x07\"\\\u202e\r\n\x9b31m"' in told
    assert r"B\x1bob" in told
    assert r'client_message_id "\x1b[2J"' in told


def test_a_long_text_is_shortened(scene: Scene) -> None:
    scene.message = send(scene.db, scene.group, scene.ann, "é" * 5000)
    assert f'now: "{"é" * 60}…" (5000 characters)' in scene.told()


def test_of_many_readers_the_first_are_named(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "LISTED", 1)
    for reader in (scene.bob, scene.dee):
        succeed(scene.db, "mark_read_atomic", conversation_id=scene.group, actor_id=reader)
    told = scene.told()
    assert len(lines_with(f"  read by Bob ({scene.bob})", told)) == 1
    assert len(lines_with("  delivered to or read by 1 more from here on", told)) == 1
    assert f"read by 2: Bob ({scene.bob}) and 1 more" in told


@pytest.mark.parametrize("unknown", ["conversation", "message"])
def test_unknown_ids_are_told_in_one_line(scene: Scene, unknown: str) -> None:
    ids = scene.about | {f"{unknown}_id": str(uuid.uuid4())}
    done = parley(scene.dsn, *ids.values())
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"parley: there is no {unknown} {ids[f'{unknown}_id']}")
    assert done.stderr.count("\n") == 1


def test_a_log_may_come_by_standard_input_and_beside_others(
    scene: Scene, log: Callable[..., Path]
) -> None:
    line = {"event": "seen", "message_id": scene.message["id"]}
    path = str(log(line | {"where": "file"}))
    given = json.dumps(line | {"where": "input"})
    done = parley(scene.dsn, *scene.about.values(), "--log", path, "--log", "-", given=given)
    assert done.returncode == 0, done.stderr
    assert "log: seen where=file" in done.stdout
    assert "log: seen where=input" in done.stdout


def test_a_log_that_is_not_there_is_told_in_one_line(scene: Scene) -> None:
    done = parley(scene.dsn, *scene.about.values(), "--log", "nowhere.log")
    assert done.returncode == 1
    assert done.stderr == "parley: [Errno 2] No such file or directory: 'nowhere.log'\n"


def test_what_is_no_id_is_a_wrong_argument(scene: Scene) -> None:
    assert parley(scene.dsn, "lunch", scene.message["id"]).returncode == 2


@pytest.mark.parametrize("granted", [True, False])
def test_a_login_looks_as_operator_if_it_may(scene: Scene, granted: bool) -> None:
    name = f"trace_{uuid.uuid4().hex[:8]}"
    group = "parley_operator" if granted else "parley_api"
    with psycopg.connect(scene.dsn, autocommit=True) as owner:
        role = sql.Identifier(name)
        owner.execute(sql.SQL("create role {} in role {}").format(role, sql.Identifier(group)))
        try:
            with doctor.connect(scene.dsn) as connection:
                connection.execute(sql.SQL("set session authorization {}").format(role))
                conversation_id, message_id = map(uuid.UUID, scene.about.values())
                story = trace.tell(connection, conversation_id, message_id)
                if granted:
                    assert any("sent as 1" in line for line in story)
                else:
                    with pytest.raises(trace.TraceError, match="grant parley_operator"):
                        list(story)
        finally:
            owner.execute(sql.SQL("drop role {}").format(role))
