"""Runs: who asks, workers beside each other, and who ends what somebody is answering."""

import random
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import pytest

from tests.race.steps import Cast, Step, both_orders, meet, pass_by, said
from tests.support import PATIENCE, Json, at_once, call, succeed

ROUNDS = 150
ENDED = {"completed", "failed", "cancelled", "expired"}


class Talk:
    """Ann, her thread with the assistant, and workers; what other races left is out of the way."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        (self.ann,) = cast.people("ann")
        while self.claims(lease="1 day").succeed()["data"]:
            pass
        self.thread = self.begins()

    def begins(self, **more: Any) -> str:
        """Begin a thread; its id."""
        begun = self.ann.step("create_thread_atomic", **more).succeed()
        thread_id: str = begun["thread_id"]
        return thread_id

    def asks(self, content: str = "why?", thread: str | None = None, **more: Any) -> Step:
        """Name a question, from a device of its own."""
        return self.ann.device().step(
            "create_run_atomic",
            conversation_id=thread or self.thread,
            **({} if "message_id" in more else {"content": content}),
            **more,
        )

    def asked(self) -> Json:
        """Ask, and let a worker take it; the run."""
        self.asks().succeed()
        return self.claimed()

    def claims(self, **more: Any) -> Step:
        return self.cast.operation("claim_run", worker="one", **more)

    def claimed(self) -> Json:
        """Let a worker take what is owed."""
        run: Json = self.claims().succeed()["data"]
        assert run is not None
        return run

    def adds(self, run: Json, content: str | None = "I would") -> Step:
        return self._holding("append_run_delta", run, content=content)

    def completes(self, run: Json, content: str | None = "because") -> Step:
        return self._holding("complete_run_atomic", run, content=content)

    def fails(self, run: Json) -> Step:
        error = {"code": "broken", "message": "it is broken"}
        return self._holding("fail_run_atomic", run, error=error)

    def releases(self, run: Json) -> Step:
        return self._holding("release_run_atomic", run)

    def cancels(self, run: Json) -> Step:
        return self.ann.device().step(
            "cancel_run_atomic", conversation_id=run["conversation_id"], run_id=run["id"]
        )

    def deletes_thread(self) -> Step:
        return self.ann.device().step("delete_thread_atomic", conversation_id=self.thread)

    def purges(self) -> Step:
        return self.cast.purges(self.thread)

    def lose_worker(self) -> None:
        """Let the time of the lease pass."""
        self.cast.rows(
            "update chat.runs set due_at = clock_timestamp()"
            " where conversation_id = %s and status = 'in_progress' returning 1",
            self.thread,
        )

    def outdate(self) -> None:
        """Let nobody want the answer any more."""
        self.cast.rows(
            "update chat.runs set expires_at = clock_timestamp(), due_at = clock_timestamp()"
            " where conversation_id = %s and finished_at is null returning 1",
            self.thread,
        )

    def runs(self) -> list[str]:
        """Return what has become of everything that was asked."""
        return self.cast.rows(
            "select status from chat.runs where conversation_id = %s order by created_at",
            self.thread,
        )

    def says(self) -> list[str]:
        """Return what was said in the thread."""
        return [message["content"] for message in self.ann.sees(self.thread)]

    def _holding(self, function: str, run: Json, **more: Any) -> Step:
        return self.cast.operation(
            function,
            conversation_id=run["conversation_id"],
            run_id=run["id"],
            lease=run["lease"],
            **more,
        )


@pytest.fixture
def talk(cast: Cast) -> Talk:
    return Talk(cast)


# Who asks.


def test_the_same_question_at_once_is_one_run(talk: Talk) -> None:
    steps = [talk.asks(client_message_id="k") for _ in range(6)]
    answers = at_once([step.run for step in steps])
    assert sorted(said(answer) for answer in answers) == ["done", *["duplicate"] * 5]
    assert len({answer["run_id"] for answer in answers}) == 1
    assert talk.says() == ["why?"]


@both_orders
def test_of_two_questions_at_once_one_has_to_wait(talk: Talk, swapped: bool) -> None:
    first, second = meet(talk.asks("why?"), talk.asks("how?"), swapped=swapped)
    assert {said(first), said(second)} == {"done", "run_in_progress"}
    assert talk.says() == (["how?"] if swapped else ["why?"])


def test_a_question_that_is_rolled_back_leaves_room_for_another(talk: Talk) -> None:
    first, second = meet(talk.asks("why?"), talk.asks("how?"), ending="rollback")
    assert (said(first), said(second)) == ("done", "done")
    assert talk.says() == ["how?"]


def test_a_message_is_asked_about_once(talk: Talk) -> None:
    message = talk.ann.sends(talk.thread, "why?").succeed()["message"]
    first, second = meet(talk.asks(message_id=message["id"]), talk.asks(message_id=message["id"]))
    assert (said(first), said(second)) == ("done", "duplicate")
    assert first["run_id"] == second["run_id"]


def test_a_session_begins_so_many_runs_a_minute_in_however_many_threads(talk: Talk) -> None:
    session = talk.ann.step(
        "create_session_atomic", rate_limits={"max_requests_per_1_minute": 1}
    ).succeed()
    threads = [talk.begins(session_id=session["session_id"]) for _ in range(2)]
    answers = meet(*(talk.asks(thread=thread) for thread in threads))
    assert [said(answer) for answer in answers] == ["done", "rate_limited"]


@both_orders
def test_a_question_comes_before_the_end_of_its_session_or_is_refused(
    talk: Talk, swapped: bool
) -> None:
    session = talk.ann.step("create_session_atomic").succeed()["session_id"]
    asking, ending = meet(
        talk.asks(session_id=session),
        talk.ann.device().step("cancel_session_atomic", session_id=session),
        swapped=swapped,
    )
    assert said(asking) == ("permission_denied" if swapped else "done")
    assert said(ending) == "done"


@both_orders
def test_a_question_comes_before_the_closing_or_is_refused(talk: Talk, swapped: bool) -> None:
    asking, closing = meet(talk.asks(), talk.ann.device().closes(talk.thread), swapped=swapped)
    assert said(asking) == ("conversation_closed" if swapped else "done")
    assert said(closing) == "done"


@both_orders
def test_messages_and_questions_come_one_after_the_other(talk: Talk, swapped: bool) -> None:
    meet(talk.asks("why?"), talk.ann.device().sends(talk.thread, "hm"), swapped=swapped)
    assert talk.says() == (["hm", "why?"] if swapped else ["why?", "hm"])


def test_who_asks_while_the_answer_comes_is_next(talk: Talk) -> None:
    run = talk.asked()
    completed, asked = meet(talk.completes(run), talk.asks("how?"))
    assert (said(completed), said(asked)) == ("done", "done")
    assert talk.says() == ["why?", "because", "how?"]


# Workers.


def test_a_claim_passes_over_what_another_is_claiming(talk: Talk) -> None:
    talk.asks().succeed()
    first, second = pass_by(talk.claims(), talk.claims())
    assert first["data"] is not None
    assert second["data"] is None


def test_a_claim_that_is_rolled_back_leaves_it_to_others(talk: Talk) -> None:
    talk.asks().succeed()
    claim = talk.claims()
    claim.racer.begin()
    assert claim.run()["data"]["attempt"] == 1
    claim.racer.rollback()
    assert talk.claimed()["attempt"] == 1


def test_workers_at_once_share_without_overlap(talk: Talk) -> None:
    asked = {talk.asks(thread=talk.begins()).succeed()["run_id"] for _ in range(12)}
    claims = [talk.claims() for _ in range(6)]
    taken: list[str] = []
    while len(taken) < 12:
        answers = at_once([claim.run for claim in claims])
        taken += [answer["data"]["id"] for answer in answers if answer["data"]]
    assert (len(taken), set(taken)) == (12, asked)


def test_a_claim_does_not_wait_for_who_writes_in_the_thread(talk: Talk) -> None:
    talk.asks().succeed()
    sent, claim = pass_by(talk.ann.device().sends(talk.thread, "hm"), talk.claims())
    assert said(sent) == "done"
    assert claim["data"]["status"] == "in_progress"


@pytest.mark.parametrize("ending", ["completes", "fails", "releases", "adds"])
def test_who_lost_the_run_meanwhile_has_nothing_to_say(talk: Talk, ending: str) -> None:
    lost = talk.asked()
    talk.adds(lost).succeed()
    talk.lose_worker()
    claim, late = meet(talk.claims(), getattr(talk, ending)(lost))
    assert claim["data"]["attempt"] == 2
    assert late.get("changed", late.get("active")) is False
    talk.completes(claim["data"], "it depends").succeed()
    assert talk.says() == ["why?", "it depends"]


@pytest.mark.parametrize("ending", ["completes", "fails", "releases", "adds"])
def test_a_run_whose_worker_is_at_it_is_not_given_away(talk: Talk, ending: str) -> None:
    run = talk.asked()
    talk.lose_worker()
    late, claim = pass_by(getattr(talk, ending)(run), talk.claims())
    assert late.get("changed", late.get("active")) is True
    assert claim["data"] is None


# What ends while somebody answers it.


@both_orders
def test_an_answer_comes_before_the_cancellation_or_not_at_all(talk: Talk, swapped: bool) -> None:
    run = talk.asked()
    completed, cancelled = meet(talk.completes(run), talk.cancels(run), swapped=swapped)
    assert (completed["changed"], cancelled["changed"]) == (not swapped, swapped)
    assert talk.runs() == ["cancelled" if swapped else "completed"]
    assert talk.says() == (["why?"] if swapped else ["why?", "because"])


@both_orders
def test_a_piece_comes_before_the_cancellation_and_is_kept_or_not_at_all(
    talk: Talk, swapped: bool
) -> None:
    run = talk.asked()
    added, cancelled = meet(talk.adds(run), talk.cancels(run), swapped=swapped)
    assert (added["active"], cancelled["changed"]) == (not swapped, True)
    assert talk.says() == (["why?"] if swapped else ["why?", "I would"])


@both_orders
def test_a_run_is_claimed_before_its_cancellation_or_not_at_all(talk: Talk, swapped: bool) -> None:
    asked = talk.asks().succeed()["data"]
    cancels = talk.cancels(asked)
    if swapped:
        cancelled, claim = pass_by(cancels, talk.claims())
        assert claim["data"] is None
    else:
        claim, cancelled = meet(talk.claims(), cancels)
        assert talk.adds(claim["data"]).succeed()["active"] is False
    assert (cancelled["changed"], talk.runs()) == (True, ["cancelled"])


@both_orders
def test_two_who_cancel_cancel_once(talk: Talk, swapped: bool) -> None:
    run = talk.asked()
    answers = meet(talk.cancels(run), talk.cancels(run), swapped=swapped)
    assert sorted(said(answer) for answer in answers) == ["done", "duplicate"]


def test_an_answer_given_twice_at_once_is_there_once(talk: Talk) -> None:
    run = talk.asked()
    answers = meet(talk.completes(run), talk.completes(run))
    assert [said(answer) for answer in answers] == ["done", "duplicate"]
    assert talk.says() == ["why?", "because"]


def test_a_piece_said_twice_at_once_is_there_once(talk: Talk) -> None:
    run = talk.asked()
    first, second = (talk.adds(run) for _ in range(2))
    for step in (first, second):
        step.arguments["offset"] = 0
    answers = meet(first, second)
    assert [said(answer) for answer in answers] == ["done", "duplicate"]
    talk.completes(run, None).succeed()
    assert talk.says() == ["why?", "I would"]


@both_orders
def test_a_late_answer_comes_before_the_run_expires_or_not_at_all(
    talk: Talk, swapped: bool
) -> None:
    run = talk.asked()
    talk.adds(run).succeed()
    talk.outdate()
    if swapped:
        claim, completed = meet(talk.claims(), talk.completes(run))
        assert (claim["ended"], completed["changed"]) == (1, False)
    else:
        completed, claim = pass_by(talk.completes(run), talk.claims())
        assert (claim["ended"], completed["changed"]) == (0, True)
    assert talk.runs() == ["expired" if swapped else "completed"]
    assert talk.says() == ["why?", "I would" if swapped else "because"]


def test_two_who_find_a_run_overdue_end_it_once(talk: Talk) -> None:
    talk.asked()
    talk.outdate()
    claim, upkeep = pass_by(talk.claims(), talk.cast.operation("maintain"))
    assert (claim["ended"], upkeep["runs_ended"]) == (1, 0)


def test_a_run_does_not_expire_under_the_hands_of_who_writes_in_its_thread(talk: Talk) -> None:
    talk.asked()
    talk.outdate()
    sent, claim = pass_by(talk.ann.device().sends(talk.thread, "hm"), talk.claims())
    assert (said(sent), claim["ended"]) == ("done", 0)
    assert talk.claims().succeed()["ended"] == 1


def test_who_asks_next_and_who_finds_a_run_overdue_end_it_once(talk: Talk) -> None:
    talk.asked()
    talk.outdate()
    asked, claim = pass_by(talk.asks("how?"), talk.claims())
    assert (said(asked), claim["ended"]) == ("done", 0)
    assert talk.runs() == ["expired", "queued"]


# The thread goes, or the messages.


@pytest.mark.parametrize("ending", ["completes", "adds", "fails", "releases"])
@both_orders
def test_what_a_worker_says_comes_before_the_end_of_the_thread_or_not_at_all(
    talk: Talk, swapped: bool, ending: str
) -> None:
    run = talk.asked()
    late, deleted = meet(getattr(talk, ending)(run), talk.deletes_thread(), swapped=swapped)
    assert (said(late), said(deleted)) == ("not_found" if swapped else "done", "done")
    assert talk.runs() == []


@both_orders
def test_a_run_is_claimed_before_its_thread_goes_or_not_at_all(talk: Talk, swapped: bool) -> None:
    talk.asks().succeed()
    if swapped:
        deleted, claim = pass_by(talk.deletes_thread(), talk.claims())
        assert claim["data"] is None
    else:
        claim, deleted = meet(talk.claims(), talk.deletes_thread())
        talk.adds(claim["data"]).refuse("not_found")
    assert said(deleted) == "done"


@both_orders
def test_nothing_is_asked_in_a_thread_that_is_going(talk: Talk, swapped: bool) -> None:
    asked, deleted = meet(talk.asks(), talk.deletes_thread(), swapped=swapped)
    assert (said(asked), said(deleted)) == ("not_found" if swapped else "done", "done")


@both_orders
def test_an_overdue_run_and_its_thread_end_in_either_order(talk: Talk, swapped: bool) -> None:
    talk.asked()
    talk.outdate()
    if swapped:
        deleted, claim = pass_by(talk.deletes_thread(), talk.claims())
    else:
        claim, deleted = meet(talk.claims(), talk.deletes_thread())
    assert (claim["ended"], said(deleted)) == (0 if swapped else 1, "done")


@pytest.mark.parametrize("ending", ["completes", "adds", "cancels"])
@both_orders
def test_what_is_purged_is_not_answered(talk: Talk, swapped: bool, ending: str) -> None:
    run = talk.asked()
    late, purged = meet(getattr(talk, ending)(run), talk.purges(), swapped=swapped)
    assert (said(late), said(purged)) == ("not_found" if swapped else "done", "done")
    assert talk.runs() == []


def test_a_question_beside_a_purge_is_one_that_can_be_answered(talk: Talk) -> None:
    talk.ann.sends(talk.thread, "before").succeed()
    purged, asked = meet(talk.purges(), talk.asks())
    assert (said(purged), said(asked)) == ("done", "done")
    talk.completes(talk.claimed()).succeed()
    assert talk.says() == ["why?", "because"]


@both_orders
def test_an_answer_beside_an_erasure_leaves_nothing_half(talk: Talk, swapped: bool) -> None:
    run = talk.asked()
    meet(talk.completes(run), talk.cast.erases(talk.ann), swapped=swapped)


def test_a_question_in_a_session_and_the_erasure_of_who_asks_do_not_wait_for_each_other(
    talk: Talk,
) -> None:
    session = talk.ann.step("create_session_atomic").succeed()["session_id"]
    first, last = sorted(talk.begins(session_id=session) for _ in range(2))
    holder = talk.cast.enter("holder", None).begin()
    holder.connection.execute(
        "select from chat.members where conversation_id = %s for update", [last]
    )
    erased = talk.cast.erases(talk.ann).start_blocked()  # has the first thread, wants the last
    asked = talk.asks(thread=first).start_blocked()
    holder.rollback()
    assert said(erased.result(PATIENCE)) == "done"
    assert said(asked.result(PATIENCE)) == "permission_denied"


# All at once.


@pytest.mark.parametrize("seed", range(3))
def test_whatever_everybody_does_each_question_comes_to_one_end(cast: Cast, seed: int) -> None:
    talk = Talk(cast)
    threads = [talk.thread, *(talk.begins() for _ in range(4))]
    numbers = count()

    def owner(chance: random.Random) -> None:
        """Ask, ask again, cancel, write, look, in any of the threads."""
        device = talk.ann.device()
        for _ in range(ROUNDS):
            about = {"conversation_id": chance.choice(threads), "actor_id": device.id}
            act: Callable[..., Any] = partial(call, device.racer.connection, **about)
            key = f"{seed} {next(numbers) // 2}"
            match chance.randrange(6):
                case 0 | 1:
                    act("create_run_atomic", content=key, client_message_id=key)
                case 2:
                    act("send_message_atomic", content="hm")
                case 3:
                    act("mark_read_atomic")
                case _:
                    for run in act("list_runs", limit=1)["runs"]:
                        if chance.random() < 0.5:
                            act("cancel_run_atomic", run_id=run["id"])
                        else:
                            act("create_run_atomic", message_id=run["message_id"])

    def worker(chance: random.Random) -> None:
        """Answer, wholly, in part or not at all; lose some."""
        connection = cast.enter(f"worker {chance.random()}").connection
        for _ in range(ROUNDS):
            lease = chance.choice(["1 microsecond", "1 hour"])
            run = succeed(connection, "claim_run", worker="one", lease=lease)["data"]
            if run is None:
                continue
            held = {
                "conversation_id": run["conversation_id"],
                "run_id": run["id"],
                "lease": run["lease"],
            }
            for piece in ("I ", "would ", "say")[: chance.randrange(4)]:
                succeed(connection, "append_run_delta", **held, content=piece)
            match chance.randrange(5):
                case 0:
                    pass
                case 1:
                    error = {"code": "broken", "message": "it is broken"}
                    succeed(connection, "fail_run_atomic", **held, error=error)
                case 2:
                    succeed(connection, "release_run_atomic", **held)
                case _:
                    succeed(connection, "complete_run_atomic", **held, content="because")

    def upkeep() -> None:
        connection = cast.enter("upkeep").connection
        for _ in range(ROUNDS // 4):
            succeed(connection, "maintain")

    at_once(
        [
            *(partial(owner, random.Random(f"{seed} owner {n}")) for n in range(3)),
            *(partial(worker, random.Random(f"{seed} worker {n}")) for n in range(3)),
            upkeep,
        ]
    )

    # Who is left is answered; then every question has one end, and none two answers.
    cast.rows(
        "update chat.runs set due_at = clock_timestamp()"
        " where conversation_id = any (%s) and finished_at is null returning 1",
        threads,
    )
    while run := talk.claims().succeed()["data"]:
        talk.completes(run).succeed()
    found = cast.rows("select status from chat.runs where conversation_id = any (%s)", threads)
    assert {"completed", "cancelled", "failed"} <= set(found) <= ENDED
    assert (
        cast.rows(
            "select r.message_id from chat.runs r"
            " where r.conversation_id = any (%s) and r.status = 'completed'"
            " group by 1 having count(*) > 1",
            threads,
        )
        == []
    )
