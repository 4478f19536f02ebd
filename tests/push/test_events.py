"""What happens arrives, as list_changes tells it, at everyone it concerns and nobody else."""

from collections.abc import Callable, Iterator

import pytest

from tests.http.support import new_id
from tests.push.support import Reader, Stage, contents, numbers
from tests.support import Json, new_direct, new_group, new_tenant, new_user

Open = Callable[[Stage, str], Reader]
both_kinds = pytest.mark.parametrize(
    "opened",
    [lambda stage, user_id: stage.socket(user_id), lambda stage, user_id: stage.stream(user_id)],
    ids=["ws", "sse"],
)


@both_kinds
def test_every_change_arrives_exactly_as_list_changes_gives_it(stage: Stage, opened: Open) -> None:
    ada, bo, cleo = stage.people(3)
    socket = opened(stage, ada)
    group = new_group(stage.db, ada, bo)
    frames = socket.so_far()
    created = stage.call("get_conversation", conversation_id=group, actor_id=ada)["conversation"]
    assert [(frame["type"], frame["seq"]) for frame in frames] == [("conversation_created", 0)]
    assert frames[0].keys() == {"type", "conversation_id", "seq", "conversation", "user_ids"}
    assert frames[0]["conversation"].items() <= created.items()
    assert set(frames[0]["user_ids"]) == {ada, bo}

    seen: list[Json] = []
    for step in every_change(stage, group, ada, bo, cleo):
        frames = socket.so_far()
        assert frames == stage.changes(group, ada, len(seen)), step
        seen += frames
    assert numbers(seen, group) == list(range(1, len(seen) + 1))
    assert {frame["type"] for frame in seen} == {
        "message_created",
        "message_edited",
        "message_deleted",
        "reaction_added",
        "reaction_removed",
        "member_added",
        "member_removed",
        "role_changed",
        "conversation_updated",
        "conversation_closed",
        "conversation_reopened",
    }


def every_change(stage: Stage, group: str, ada: str, bo: str, cleo: str) -> Iterator[str]:
    """Do everything that can be done in a group, one thing at a time."""
    about = {"conversation_id": group, "actor_id": ada}
    message = stage.send(
        group,
        bo,
        'Zoë says "hi"\n\u2028 \U0001f600 </script>',
        metadata={"n": 12345678901234567890123, "f": 1.10, "nested": [{"a": None}]},
        client_message_id="key",
    )
    yield "send"
    stage.send(group, ada, "a reply", reply_to_id=message["id"])
    yield "reply"
    own = {"conversation_id": group, "actor_id": bo, "message_id": message["id"]}
    stage.call("edit_message_atomic", **own, content="edited")
    yield "edit"
    stage.call("add_reaction_atomic", **own, emoji="\U0001f44d\U0001f3fd")
    yield "react"
    stage.call("remove_reaction_atomic", **own, emoji="\U0001f44d\U0001f3fd")
    yield "take back"
    stage.call("delete_message_atomic", **own)
    yield "delete"
    stage.add(group, ada, cleo)
    yield "add"
    stage.call("change_member_role_atomic", **about, user_id=cleo, role="admin")
    yield "role"
    stage.remove(group, ada, bo)
    yield "remove"
    stage.remove(group, cleo, cleo)
    yield "leave"
    stage.call("update_conversation_atomic", **about, title="Another title", metadata={"a": 1})
    yield "title"
    stage.call("close_conversation_atomic", **about)
    yield "close"
    stage.call("reopen_conversation_atomic", **about)
    yield "reopen"


def test_several_changes_of_one_transaction_arrive_in_order(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    socket = stage.socket(ada)
    stage.send_many(group, bo, *(f"{number}" for number in range(50)))
    assert socket.so_far() == stage.changes(group, ada)


def test_new_conversation_with_its_first_message_arrives(stage: Stage) -> None:
    ada, bo = stage.people(2)
    with stage.site.user(bo) as client:
        sockets = [stage.socket(user_id) for user_id in (ada, bo)]
        made = client.post(
            "/v1/conversations",
            json={"kind": "direct", "member_ids": [ada], "initial_message": "hello"},
        ).json()
    for socket in sockets:
        frames = socket.so_far()
        assert contents(frames) == ["conversation_created", "hello"]
        assert [frame["conversation_id"] for frame in frames] == [made["conversation_id"]] * 2
        assert [frame["seq"] for frame in frames] == [0, 1]


def test_receipts_arrive_at_everyone_and_the_reader_too(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    for number in range(3):
        stage.send(group, ada, f"{number}")
    sockets = [stage.socket(ada), stage.socket(bo), stage.socket(bo)]
    about = {"conversation_id": group, "actor_id": bo}
    stage.call("mark_delivered_atomic", **about, seq=2)
    stage.call("mark_read_atomic", **about, seq=1)
    stage.call("mark_read_atomic", **about, seq=1)
    receipt = {"type": "receipt", "conversation_id": group, "user_id": bo}
    for socket in sockets:
        assert socket.so_far() == [
            {**receipt, "delivered_seq": 2, "read_seq": 0},
            {**receipt, "delivered_seq": 2, "read_seq": 1},
        ]


def test_typing_arrives_at_the_others_only(stage: Stage) -> None:
    ada, bo, cleo = stage.people(3)
    group = new_group(stage.db, ada, bo, cleo)
    sockets = {user_id: stage.socket(user_id) for user_id in (ada, bo, cleo)}
    second = stage.socket(bo)
    stage.call("announce_typing", conversation_id=group, actor_id=bo)
    typing = {"type": "typing", "conversation_id": group, "user_id": bo}
    assert sockets[ada].so_far() == [typing]
    assert sockets[cleo].so_far() == [typing]
    assert sockets[bo].so_far() == []
    assert second.so_far() == []


def test_typing_does_not_cross_a_block(stage: Stage) -> None:
    ada, bo, cleo = stage.people(3)
    group = new_group(stage.db, ada, bo, cleo)
    stage.call("block_user_atomic", actor_id=ada, user_id=bo)
    blocker, other = stage.socket(ada), stage.socket(cleo)
    stage.call("announce_typing", conversation_id=group, actor_id=bo)
    assert blocker.so_far() == []
    assert [frame["type"] for frame in other.so_far()] == ["typing"]


def test_messages_of_a_blocked_sender_come_as_skips_to_the_blocker(stage: Stage) -> None:
    ada, bo, cleo = stage.people(3)
    group = new_group(stage.db, ada, bo, cleo)
    stage.send(group, bo, "before")
    stage.call("block_user_atomic", actor_id=ada, user_id=bo)
    blocker, other, sender = stage.socket(ada), stage.socket(cleo), stage.socket(bo)
    hidden = stage.send(group, bo, "hidden")
    own = {"conversation_id": group, "actor_id": bo, "message_id": hidden["id"]}
    stage.call("edit_message_atomic", **own, content="hidden, too")
    stage.call(
        "add_reaction_atomic",
        conversation_id=group,
        actor_id=cleo,
        message_id=hidden["id"],
        emoji="x",
    )
    stage.send(group, cleo, "seen")
    frames = blocker.so_far()
    assert contents(frames) == ["skip", "skip", "skip", "seen"]
    assert frames == stage.changes(group, ada, 1)
    assert frames[0] == {"type": "skip", "conversation_id": group, "seq": 2}
    for socket in (other, sender):
        assert contents(socket.so_far()) == ["hidden", "message_edited", "reaction_added", "seen"]
    assert "hidden" not in str(stage.socket(ada, {group: 1}).so_far())
    stage.call("unblock_user_atomic", actor_id=ada, user_id=bo)
    stage.send(group, bo, "again")
    assert contents(blocker.so_far()) == ["again"]


@both_kinds
def test_who_is_added_starts_there_and_who_is_removed_ends_there(
    stage: Stage, opened: Open
) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada)
    socket, watching = opened(stage, bo), stage.socket(ada)
    stage.send(group, ada, "before")
    stage.add(group, ada, bo)
    stage.send(group, ada, "during")
    stage.remove(group, ada, bo)
    stage.send(group, ada, "after")
    stage.call("announce_typing", conversation_id=group, actor_id=ada)
    stage.call("mark_read_atomic", conversation_id=group, actor_id=ada, seq=1)
    frames = socket.so_far()
    assert contents(frames) == ["member_added", "during", "member_removed"]
    assert numbers(frames, group) == [2, 3, 4]
    assert frames[0]["user_ids"] == [bo]
    assert frames[-1]["user_ids"] == [bo]
    assert numbers(watching.so_far(), group) == [1, 2, 3, 4, 5]


def test_who_leaves_gets_that_and_then_nothing(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    sockets = [stage.socket(bo), stage.socket(bo)]
    stage.remove(group, bo, bo)
    stage.send(group, ada, "after")
    for socket in sockets:
        assert contents(socket.so_far()) == ["member_removed"]


def test_who_is_added_again_goes_on_from_there(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    socket = stage.socket(bo)
    for _ in range(2):
        stage.send(group, ada, "in")
        stage.remove(group, ada, bo)
        stage.send(group, ada, "out")
        stage.add(group, ada, bo)
    stage.send(group, ada, "in")
    frames = socket.so_far()
    assert contents(frames) == [*["in", "member_removed", "member_added"] * 2, "in"]
    assert numbers(frames, group) == [1, 2, 4, 5, 6, 8, 9]


def test_deactivation_takes_part_in_groups_first(stage: Stage) -> None:
    ada, bo = stage.people(2)
    new_group(stage.db, ada, bo)
    watching = stage.socket(ada)
    stage.call("deactivate_user_atomic", user_id=bo)
    assert contents(watching.so_far()) == ["member_removed"]


def test_newcomer_sees_nothing_of_before_where_history_is_joined(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = stage.call("create_conversation_atomic", kind="group", actor_id=ada, history="joined")[
        "conversation_id"
    ]
    old = stage.send(group, ada, "old secret")
    socket = stage.socket(bo)
    stage.add(group, ada, bo)
    own = {"conversation_id": group, "actor_id": ada, "message_id": old["id"]}
    stage.call("edit_message_atomic", **own, content="new secret")
    stage.call("add_reaction_atomic", **own, emoji="secret")
    stage.call("delete_message_atomic", **own)
    stage.send(group, ada, "hello")
    frames = socket.so_far()
    assert contents(frames) == ["member_added", "skip", "skip", "skip", "hello"]
    assert frames == stage.changes(group, bo)
    assert "secret" not in str(frames)
    assert contents(stage.socket(bo, {group: 2}).so_far()) == ["skip", "skip", "skip", "hello"]


def test_newcomer_sees_edits_of_before_where_history_is_open(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada)
    old = stage.send(group, ada, "old")
    socket = stage.socket(bo)
    stage.add(group, ada, bo)
    stage.call(
        "edit_message_atomic",
        conversation_id=group,
        actor_id=ada,
        message_id=old["id"],
        content="x",
    )
    assert contents(socket.so_far()) == ["member_added", "message_edited"]


def test_nothing_goes_to_who_is_not_concerned(stage: Stage) -> None:
    ada, bo, eve = stage.people(3)
    stranger = new_user(stage.db, tenant_id=new_tenant(stage.db))
    outsider, abroad = stage.socket(eve), stage.socket(stranger)
    group, direct = new_group(stage.db, ada, bo), new_direct(stage.db, ada, bo)
    for conversation_id in (group, direct):
        stage.send(conversation_id, ada, "x")
        stage.call("announce_typing", conversation_id=conversation_id, actor_id=ada)
        stage.call("mark_read_atomic", conversation_id=conversation_id, actor_id=bo, seq=1)
    assert outsider.so_far() == []
    own = new_group(stage.db, stranger)
    assert [frame["conversation_id"] for frame in abroad.until_seq(own, 0)] == [own]


def test_every_socket_of_a_user_gets_everything(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    sockets: list[Reader] = [stage.socket(ada) for _ in range(5)]
    sockets += [stage.stream(ada) for _ in range(3)]
    stage.send(group, bo, "one")
    sockets[0].close()
    stage.send(group, bo, "two")
    for socket in sockets[1:]:
        assert contents(socket.so_far()) == ["one", "two"]


def test_large_messages_arrive_whole(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    socket, stream = stage.socket(ada), stage.stream(ada)
    for length in (1, 50, 126, 127, 16_000):
        stage.send(group, bo, "\U0001f600" * length)
    for reader in (socket, stream):
        assert reader.so_far() == stage.changes(group, ada)


def test_numbers_come_to_who_was_away_as_to_who_was_there(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    live = stage.socket(ada)
    with stage.site.user(bo) as client:
        for number in ("123456789012345678901234567890", "1.10", "9007199254740993", "-0.0"):
            sent = client.post(
                f"/v1/conversations/{group}/messages",
                content=f'{{"content": "x", "metadata": {{"n": {number}}}}}',
                headers={"Content-Type": "application/json"},
            )
            assert sent.status_code == 201, sent.text
    there = live.so_far()
    assert len(there) == 4
    assert there == stage.changes(group, ada)
    assert stage.socket(ada, {group: 0}).so_far() == there


def test_number_no_client_can_read_does_not_keep_anybody_out(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    stage.operator.execute(
        "select api.send_message_atomic(p_conversation_id => %s, p_actor_id => %s,"
        " p_content => 'x', p_metadata => '{\"n\": 1e400}')",
        [group, bo],
    )
    stage.send(group, bo, "next")
    frames = stage.socket(ada, {group: 0}).so_far()
    assert contents(frames) == ["x", "next"]


def test_page_of_long_messages_is_no_reason_to_close(stage: Stage) -> None:
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    away = {group: 0}
    live = stage.socket(ada)
    for _ in range(2):
        stage.send_many(group, bo, *["\U0001f600" * 16_000] * 50)
    for reader in (live, stage.socket(ada, away), stage.stream(ada, cursors=f"{group}:0")):
        assert numbers(reader.so_far(), group) == list(range(1, 101))


def test_many_conversations_are_no_reason_to_close(own_stage: Callable[..., Stage]) -> None:
    stage = own_stage(socket_backlog=65_536)
    ada = stage.person()
    stage.operator.execute(
        "select count(api.create_conversation_atomic("
        " p_kind => 'group', p_actor_id => %s, p_title => 'Group ' || n))"
        "  from generate_series(1, 500) n",
        [ada],
    )
    unknown = new_id()
    for reader in (stage.socket(ada, {unknown: 1}), stage.stream(ada, cursors=f"{unknown}:1")):
        assert len(reader.ready["conversations"]) == 501
        assert [frame["type"] for frame in reader.so_far()] == ["error"]
