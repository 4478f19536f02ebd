"""The hub loses sight of the database and finds it again: nobody misses a thing."""

from collections.abc import Callable

import pytest

from tests.http.support import Link, check_refusal
from tests.push.support import Reader, Stage, contents, numbers, reading_held
from tests.support import connect, new_group, wait_for
from thin_api.frames import Event

Stages = Callable[..., Stage]


def wait_until_attached(stage: Stage, ended: list[int] | None = None) -> None:
    """Wait until the hub follows the outbox, with a session other than these, all up to date."""
    wait_for(lambda: stage.hub._attached.is_set(), "the hub to attach")
    wait_for(lambda: set(stage.listeners()) - set(ended or ()), "the listener")
    wait_until_live(stage)


def wait_until_live(stage: Stage) -> None:
    """Wait until every socket is up to date: what comes now comes live."""
    users = stage.hub._users
    wait_for(
        lambda: all(one.held is None for sockets in list(users.values()) for one in list(sockets)),
        "the sockets to be up to date",
    )


def test_listener_that_is_ended_costs_nobody_an_event(own_stage: Stages) -> None:
    stage = own_stage()
    ada, bo, cleo = stage.people(3)
    group = new_group(stage.db, ada, bo, cleo)
    other = new_group(stage.db, ada, bo)
    readers: list[Reader] = [stage.socket(ada), stage.socket(ada), stage.stream(bo)]
    for round_ in range(4):
        stage.send(group, cleo, f"before {round_}")
        ended = stage.end_listeners()
        assert ended
        stage.send(group, cleo, f"during {round_}")
        stage.send(other, bo, f"other {round_}")
        wait_until_attached(stage, ended)
        stage.send(group, cleo, f"after {round_}")
        for reader in readers:
            frames = reader.so_far()
            first = round_ * 3 + 1
            assert numbers(frames, group) == [first, first + 1, first + 2]
            assert numbers(frames, other) == [round_ + 1]
            assert frames[0]["message"]["content"] == f"before {round_}"


def test_listener_that_is_ended_while_it_attaches_tries_again(
    own_stage: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thin_api.hub.RECONNECT", (0.001,))
    stage = own_stage()
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    ended = 0

    def end_sessions() -> int:
        rows = stage.operator.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'parley listener' and datname = current_database()"
        ).fetchall()
        return len(rows)

    while ended < 40:
        ended += wait_for(end_sessions, "the hub to try again")
    socket = stage.connect()
    socket.hello(ada, {group: 0})
    socket.read_ready()
    stage.send(group, bo, "x")
    assert contents(socket.so_far()) == ["x"]


def test_what_came_and_went_while_nobody_looked_is_told(own_stage: Stages, link: Link) -> None:
    stage = own_stage(listen_url=link.dsn)
    ada, bo = stage.people(2)
    stays, leaves = new_group(stage.db, bo, ada), new_group(stage.db, bo, ada)
    joins, old = new_group(stage.db, bo), new_group(stage.db, bo)
    again = new_group(stage.db, bo, ada)
    stage.send(joins, bo, "before ada joined")
    readers: list[Reader] = [stage.socket(ada), stage.stream(ada)]
    link.cut()
    wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
    stage.send(stays, bo, "while away")
    stage.remove(leaves, bo, ada)
    stage.send(leaves, bo, "secret")
    stage.add(joins, bo, ada)
    stage.send(joins, bo, "welcome")
    stage.remove(again, bo, ada)
    stage.add(again, bo, ada)
    created = new_group(stage.db, bo, ada)
    stage.send(created, bo, "first")
    brief = new_group(stage.db, bo, ada)
    stage.remove(brief, bo, ada)
    stage.send(old, bo, "secret")
    link.heal()
    wait_until_attached(stage)
    stage.send(stays, bo, "live")
    stage.send(leaves, bo, "secret")
    stage.send(joins, bo, "live")
    stage.send(created, bo, "live")
    for reader in readers:
        frames = reader.so_far()
        of = {
            group: [frame for frame in frames if frame["conversation_id"] == group]
            for group in (stays, leaves, joins, again, created, brief, old)
        }
        assert contents(of[stays]) == ["while away", "live"]
        assert [(one["type"], one.get("error")) for one in of[leaves]] == [
            ("error", "not_a_member")
        ]
        assert contents(of[joins]) == ["member_added", "welcome", "live"]
        assert numbers(frames, joins) == [2, 3, 4]
        assert contents(of[again]) == ["member_removed", "member_added"]
        assert contents(of[created]) == ["conversation_created", "first", "live"]
        assert of[created][0]["seq"] == 0
        assert of[created][0]["conversation"]["conversation_id"] == created
        assert of[brief] == of[old] == []
        assert "secret" not in str(frames)


def test_history_stays_hidden_from_who_was_added_while_nobody_looked(
    own_stage: Stages, link: Link
) -> None:
    stage = own_stage(listen_url=link.dsn)
    ada, bo = stage.people(2)
    group = stage.call("create_conversation_atomic", kind="group", actor_id=bo, history="joined")[
        "conversation_id"
    ]
    old = stage.send(group, bo, "secret")
    socket = stage.socket(ada)
    link.cut()
    wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
    stage.add(group, bo, ada)
    stage.call(
        "edit_message_atomic",
        conversation_id=group,
        actor_id=bo,
        message_id=old["id"],
        content="secret, too",
    )
    link.heal()
    wait_until_attached(stage)
    stage.send(group, bo, "hello")
    frames = socket.so_far()
    assert contents(frames) == ["member_added", "skip", "hello"]
    assert "secret" not in str(frames)


def test_who_was_deactivated_while_nobody_looked_is_closed(own_stage: Stages, link: Link) -> None:
    stage = own_stage(listen_url=link.dsn)
    ada, bo = stage.people(2)
    gone, stream, stays = stage.socket(ada), stage.stream(ada), stage.socket(bo)
    link.cut()
    wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
    stage.call("deactivate_user_atomic", user_id=ada)
    link.heal()
    frames, code = gone.end()
    assert (contents(frames), code) == (["error"], 4401)
    assert {frame["type"] for frame in stream.rest()} == {"error"}
    assert stays.so_far() == []


@pytest.mark.parametrize("after", [False, True], ids=["before_reading", "after_reading"])
@pytest.mark.parametrize("what", ["conversations", "log"])
def test_events_while_sockets_are_brought_up_to_date_come_once(
    own_stage: Stages, link: Link, what: str, after: bool
) -> None:
    stage = own_stage(listen_url=link.dsn)
    ada, bo = stage.people(2)
    group, other = new_group(stage.db, ada, bo), new_group(stage.db, bo)
    socket = stage.socket(ada)
    link.cut()
    wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
    stage.send(group, bo, "1")
    with reading_held(stage, what, after=after) as gate:
        link.heal()
        gate.wait()
        before = stage.metric("parley_push_events_total")
        stage.send(group, bo, "2")
        stage.add(other, bo, ada)
        stage.send(other, bo, "welcome")
        wait_for(lambda: stage.metric("parley_push_events_total") >= before + 3, "the events")
        gate.open()
        stage.send(group, bo, "3")
        wait_until_live(stage)
        frames = socket.so_far()
    assert numbers(frames, group) == [1, 2, 3]
    assert numbers(frames, other) == [1, 2]


def test_listener_lost_again_while_sockets_are_brought_up_to_date(
    own_stage: Stages, link: Link
) -> None:
    stage = own_stage(listen_url=link.dsn)
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    socket, stream = stage.socket(ada), stage.stream(ada)
    link.cut()
    wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
    stage.send(group, bo, "1")
    with reading_held(stage, "log", times=2) as gate:
        link.heal()
        gate.wait()
        link.cut()
        frames, code = socket.end()
        assert (frames, code) == ([], 1013)
        assert [frame["error"] for frame in stream.rest()] == ["unavailable"]
        link.heal()
        gate.open()
    stage.send(group, bo, "2")
    again = stage.socket(ada, {group: 0})
    stage.send(group, bo, "3")
    assert contents(again.so_far()) == ["1", "2", "3"]


def test_everything_away_and_back(own_stage: Stages, link: Link) -> None:
    stage = own_stage(database_url=link.dsn)
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    readers = [stage.socket(ada), stage.stream(bo)]
    for round_ in range(2):
        link.cut()
        wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
        stage.send_many(group, bo, *(f"{round_} {number}" for number in range(100)))
        stage.send_many(group, bo, *(f"{round_} {number}" for number in range(50)))
        link.heal()
        wait_until_attached(stage)
        stage.send(group, bo, "live")
        for reader in readers:
            first = round_ * 151 + 1
            assert numbers(reader.so_far(), group) == list(range(first, first + 151))


def test_hello_waits_for_the_hub(own_stage: Stages, link: Link) -> None:
    stage = own_stage(listen_url=link.dsn)
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    link.cut()
    wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
    socket = stage.connect()
    socket.hello(ada, {group: 0})
    stage.send(group, bo, "one")
    link.heal()
    assert socket.read_ready()
    assert contents(socket.so_far()) == ["one"]


def test_hello_does_not_wait_for_ever(
    own_stage: Stages, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thin_api.hub.ATTACH_TIMEOUT", 0.1)
    stage = own_stage(listen_url=link.dsn)
    ada = stage.person()
    wait_until_attached(stage)
    link.cut()
    wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
    socket = stage.connect()
    socket.hello(ada)
    assert socket.refusal() == ("unavailable", 1013)
    refused = stage.open_stream(ada).response
    refused.read()
    check_refusal(refused, 503, "unavailable")
    link.heal()
    wait_until_attached(stage)
    assert stage.socket(ada).so_far() == []


def test_more_events_than_fit_are_read_from_the_log(own_stage: Stages) -> None:
    stage = own_stage()
    stage.limit("listener_backlog", 20)
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    readers = [stage.socket(ada), stage.stream(bo)]
    for last in (51, 102, 153):
        stage.send_many(group, bo, *(f"{number}" for number in range(50)))
        stage.send(group, bo, "next")
        for reader in readers:
            found = numbers(reader.until_seq(group, last), group)
            assert found == list(range(last - 50, last + 1))
        wait_until_live(stage)  # who is in the middle of catching up would be closed
    assert stage.metric('parley_push_resyncs_total{reason="backlog"}') > 0
    stage.send(group, bo, "live")
    for reader in readers:
        assert contents(reader.until_seq(group, 154)) == ["live"]


def test_listener_the_database_has_forgotten_attaches_again(own_stage: Stages) -> None:
    stage = own_stage()
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    readers = [stage.socket(ada), stage.stream(bo)]
    for round_ in range(3):
        before = stage.metric('parley_push_resyncs_total{reason="dropped"}')
        stage.operator.execute("delete from chat.listeners")
        stage.send(group, bo, f"unheard {round_}")
        stage.operator.execute("delete from chat.outbox")
        stage.operator.execute("notify parley")
        wait_until_dropped(stage, before)
        for reader in readers:
            assert contents(reader.until_seq(group, round_ + 1)) == [f"unheard {round_}"]


def wait_until_dropped(stage: Stage, before: float) -> None:
    """Wait until the hub learns once more that it was forgotten."""
    wait_for(
        lambda: stage.metric('parley_push_resyncs_total{reason="dropped"}') > before,
        "the hub to notice",
    )


def test_bell_that_tells_nonsense_harms_nothing(own_stage: Stages) -> None:
    stage = own_stage()
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    socket = stage.socket(ada)
    for number, nonsense in enumerate(("", "x", "null", "[]", "{}", "1", '"x"', "{" * 1000), 1):
        stage.operator.execute("select pg_notify('parley', %s)", [nonsense])
        stage.send(group, bo, f"{number}")
        assert contents(socket.until_seq(group, number)) == [f"{number}"]


def test_sends_do_not_need_the_hub(own_stage: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thin_api.hub.ATTACH_TIMEOUT", 0.1)
    for listen_url in (
        "postgresql://127.0.0.1:1/nowhere",
        "postgresql://nobody:wrong@127.0.0.1:1/nowhere?connect_timeout=1",
        "postgresql://a..b/nowhere",
        "postgresql:///nowhere?host=/nowhere",
    ):
        stage = own_stage(listen_url=listen_url)
        ada, bo = stage.people(2)
        group = new_group(stage.db, ada, bo)
        with stage.site.user(ada) as client:
            for number in range(1, 4):
                path = f"/v1/conversations/{group}/messages"
                sent = client.post(path, json={"content": f"{number}"})
                assert (sent.status_code, sent.json()["message"]["seq"]) == (201, number)
            assert client.post(f"/v1/conversations/{group}/typing").status_code == 200
        socket = stage.connect()
        socket.hello(ada)
        assert socket.refusal() == ("unavailable", 1013)


def test_hub_that_cannot_attach_says_so_and_goes_on_trying(
    own_stage: Stages, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("thin_api.hub.log.warning", lambda event, **_: said.append(event))
    for listen_url in (
        "postgresql://127.0.0.1:1/nowhere",
        "postgresql://a..b/nowhere",
        "postgresql:///nowhere?host=/nowhere",
    ):
        said.clear()
        stage = own_stage(listen_url=listen_url)
        wait_for(lambda: "push_not_attached" in said, f"word about {listen_url}")
        stage.stop()


def test_hub_outlives_a_bug_of_its_own(own_stage: Stages, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = own_stage()
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    socket = stage.socket(ada)
    dispatch = stage.hub._dispatch
    failures = [1]

    def failing(event: Event) -> int:
        if event.conversation_id == group and failures:
            raise ZeroDivisionError(failures.pop())
        return dispatch(event)

    monkeypatch.setattr(stage.hub, "_dispatch", failing)
    stage.send(group, bo, "one")
    assert contents(socket.until_seq(group, 1)) == ["one"]
    stage.send(group, bo, "two")
    assert contents(socket.so_far()) == ["two"]


def test_hub_not_allowed_to_listen_says_so(
    own_stage: Stages, fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("thin_api.hub.log.warning", lambda event, **_: said.append(event))
    with connect(fresh_database, None) as connection:
        connection.execute("revoke execute on function api.push_attach from parley_api")
        try:
            own_stage()
            wait_for(lambda: "push_not_attached" in said, "word about it")
        finally:
            connection.execute("grant execute on function api.push_attach to parley_api")


def test_listener_comes_by_the_address_set_for_it(own_stage: Stages, link: Link) -> None:
    stage = own_stage(listen_url=link.dsn)
    ada, bo = stage.people(2)
    group = new_group(stage.db, ada, bo)
    socket = stage.socket(ada)
    ended = stage.listeners()
    link.cut()
    wait_for(lambda: not stage.hub._attached.is_set(), "the hub to notice")
    with stage.site.user(bo) as client:
        sent = client.post(f"/v1/conversations/{group}/messages", json={"content": "x"})
    assert sent.status_code == 201
    link.heal()
    wait_until_attached(stage, ended)
    assert contents(socket.so_far()) == ["x"]


def test_two_servers_tell_of_each_others_events(own_stage: Stages) -> None:
    one, other = own_stage(), own_stage()
    ada, bo = one.people(2)
    other._bells.update(one._bells)
    other._ringer = one._ringer
    group = new_group(one.db, ada, bo)
    readers = [one.socket(ada), other.socket(ada), other.stream(bo)]
    for number in range(1, 11):
        site = (one.site, other.site)[number % 2]
        with site.user(bo) as client:
            client.post(f"/v1/conversations/{group}/messages", json={"content": f"{number}"})
    for reader in readers:
        assert contents(reader.so_far()) == [f"{number}" for number in range(1, 11)]
