"""Sessions and threads with the assistant, made, changed and deleted by several at once."""

import uuid
from collections import Counter
from functools import partial
from typing import Any

import pytest

from tests.race.steps import Cast, Step, both_orders, meet, pass_by, said
from tests.rpc.assistant.chatkit import assistant_message, thread, user_message
from tests.support import PATIENCE, Json, at_once


class Owner:
    """Somebody who talks to the assistant, and the Store that works for them."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        (self.ann,) = cast.people("ann")
        self.chatkit_id = f"thr_{uuid.uuid4().hex}"
        self.thread: str = self.saves().succeed()["conversation_id"]

    def begins(self, key: str, **more: Any) -> Step:
        return self.ann.device().step("create_thread_atomic", client_key=key, **more)

    def opens_session(self, key: str | None = None, **more: Any) -> Step:
        return self.ann.device().step("create_session_atomic", client_key=key, **more)

    def cancels(self, session_id: str) -> Step:
        return self.ann.device().step("cancel_session_atomic", session_id=session_id)

    def deletes(self) -> Step:
        return self.ann.device().step("delete_thread_atomic", conversation_id=self.thread)

    def saves(self, **more: Any) -> Step:
        return self._store("save_chatkit_thread_atomic", thread=thread(self.chatkit_id, **more))

    def adds(self, item: Json) -> Step:
        return self._store("add_chatkit_item_atomic", item=item)

    def saves_item(self, item: Json) -> Step:
        return self._store("save_chatkit_item_atomic", item=item)

    def takes_away(self, item_id: str) -> Step:
        return self._store("delete_chatkit_item_atomic", item_id=item_id)

    def uploads(self) -> Step:
        return self.ann.device().step(
            "save_attachment_atomic", attachment_id="file_1", attachment={"id": "file_1"}
        )

    def answers(self, text: str = "because") -> Step:
        """Name what the assistant says by itself."""
        assistant = self.cast.rows(
            "select user_id::text from chat.members where conversation_id = %s and role = 'member'",
            self.thread,
        )[0]
        return self.cast.operation(
            "send_message_atomic",
            conversation_id=self.thread,
            actor_id=assistant,
            content=text,
        )

    def items(self) -> list[Json]:
        """Return the items the Store has."""
        page = self._store("list_chatkit_items", order="asc", limit=100).succeed()
        found: list[Json] = page["data"]
        return found

    def is_gone(self) -> bool:
        """Tell whether nothing of the thread is left but the word that it is gone."""
        tables = ("conversations", "members", "messages", "thread_items", "assistant_threads")
        counts = self.cast.rows(
            " union all ".join(
                f"select count(*) from chat.{table} where conversation_id = '{self.thread}'"
                for table in tables
            )
        )
        return set(counts) == {0}

    def _store(self, function: str, **arguments: Any) -> Step:
        return self.ann.device().step(function, **{"thread_id": self.chatkit_id, **arguments})


@pytest.fixture
def owner(cast: Cast) -> Owner:
    return Owner(cast)


@pytest.fixture
def two_allowed(cast: Cast) -> Any:
    """Let a user have two sessions."""
    owner = cast.enter("owner of the tables", None).connection
    owner.execute("update chat.limits set sessions_per_user = 2")
    yield
    owner.execute("update chat.limits set sessions_per_user = default")


@pytest.mark.usefixtures("two_allowed")
def test_of_many_creations_at_once_only_so_many_get_through(owner: Owner) -> None:
    answers = at_once([owner.opens_session().run for _ in range(8)])
    assert Counter(map(said, answers)) == {"done": 2, "rate_limited": 6}


@pytest.mark.usefixtures("two_allowed")
def test_who_comes_last_waits_and_is_refused(owner: Owner) -> None:
    owner.opens_session().succeed()
    first, second = meet(owner.opens_session(), owner.opens_session())
    assert (said(first), said(second)) == ("done", "rate_limited")


@pytest.mark.usefixtures("two_allowed")
def test_a_creation_that_is_undone_leaves_its_place(owner: Owner) -> None:
    owner.opens_session().succeed()
    _, second = meet(owner.opens_session(), owner.opens_session(), ending="rollback")
    assert said(second) == "done"


def test_two_creations_with_one_key_make_one_session(owner: Owner, cast: Cast) -> None:
    first, second = meet(owner.opens_session("tab-1"), owner.opens_session("tab-1"))
    assert (said(first), said(second)) == ("done", "duplicate")
    assert first["session_id"] == second["session_id"]
    opened = {
        one["client_secret"]: said(
            cast.operation("authenticate_session", client_secret=one["client_secret"]).run()
        )
        for one in (first, second)
    }
    assert opened == {first["client_secret"]: "unauthenticated", second["client_secret"]: "done"}


def test_two_creations_for_somebody_unknown_make_one_person(cast: Cast) -> None:
    external_id = f"ext-{uuid.uuid4()}"
    first, second = meet(
        cast.operation("create_session_atomic", user=external_id),
        cast.operation("create_session_atomic", user=external_id),
    )
    assert first["data"]["user_id"] == second["data"]["user_id"]


@both_orders
def test_a_directory_that_comes_at_the_same_time_names_them(cast: Cast, swapped: bool) -> None:
    external_id = f"ext-{uuid.uuid4()}"
    created, synced = meet(
        cast.operation("create_session_atomic", user=external_id),
        cast.operation("upsert_user_atomic", external_id=external_id, display_name="Eve"),
        swapped=swapped,
    )
    assert created["data"]["user_id"] == synced["user_id"]
    names = cast.rows("select display_name from chat.users where external_id = %s", external_id)
    assert names == ["Eve"]


@both_orders
def test_who_is_deactivated_begins_nothing_after_it(
    owner: Owner, cast: Cast, swapped: bool
) -> None:
    created, _ = meet(owner.opens_session(), cast.deactivates(owner.ann), swapped=swapped)
    assert said(created) == ("permission_denied" if swapped else "done")


@both_orders
def test_nothing_begins_in_a_session_after_its_cancellation(
    owner: Owner, cast: Cast, swapped: bool
) -> None:
    session_id = owner.opens_session().succeed()["session_id"]
    begun, cancelled = meet(
        owner.begins("draft-1", session_id=session_id), owner.cancels(session_id), swapped=swapped
    )
    assert said(cancelled) == "done"
    assert said(begun) == ("permission_denied" if swapped else "done")


def test_two_cancellations_are_one(owner: Owner) -> None:
    session_id = owner.opens_session().succeed()["session_id"]
    first, second = meet(owner.cancels(session_id), owner.cancels(session_id))
    assert (said(first), said(second)) == ("done", "duplicate")
    assert first["data"] == second["data"]


def test_two_beginnings_with_one_key_make_one_thread(owner: Owner) -> None:
    first, second = meet(owner.begins("draft-1"), owner.begins("draft-1"))
    assert (said(first), said(second)) == ("done", "duplicate")
    assert first["data"] == second["data"]
    first, second = meet(owner.begins("draft-2"), owner.begins("draft-2", title="Other"))
    assert said(second) == "idempotency_conflict"


def test_a_beginning_that_is_undone_leaves_the_key(owner: Owner) -> None:
    _, second = meet(owner.begins("draft-1"), owner.begins("draft-1"), ending="rollback")
    assert said(second) == "done"


def test_the_first_threads_of_a_tenant_share_its_assistant(cast: Cast) -> None:
    tenant_id = str(uuid.uuid4())
    cast.operation("upsert_tenant_atomic", tenant_id=tenant_id, name="New").succeed()
    users = [
        cast.operation("upsert_user_atomic", display_name=name, tenant_id=tenant_id).succeed()
        for name in ("one", "two")
    ]
    first, second = meet(
        *(cast.operation("create_thread_atomic", actor_id=user["user_id"]) for user in users)
    )
    assistants = {
        cast.rows(
            "select user_id from chat.members where conversation_id = %s and role = 'member'",
            one["thread_id"],
        )[0]
        for one in (first, second)
    }
    assert len(assistants) == 1


def test_a_thread_saved_twice_at_once_is_one(owner: Owner) -> None:
    owner.chatkit_id = f"thr_{uuid.uuid4().hex}"
    first, second = meet(owner.saves(), owner.saves())
    assert (said(first), said(second)) == ("done", "duplicate")
    assert first["conversation_id"] == second["conversation_id"]


def test_the_last_one_who_saves_a_thread_names_it(owner: Owner) -> None:
    _, second = meet(owner.saves(title="First"), owner.saves(title="Second"))
    assert second["data"]["title"] == "Second"


def test_a_thread_is_deleted_once(owner: Owner) -> None:
    first, second = meet(owner.deletes(), owner.deletes())
    assert (said(first), said(second)) == ("done", "not_found")
    assert owner.is_gone()


def test_a_deletion_that_is_undone_leaves_it_to_the_other(owner: Owner) -> None:
    _, second = meet(owner.deletes(), owner.deletes(), ending="rollback")
    assert said(second) == "done"


@both_orders
@pytest.mark.parametrize("by_user", [False, True], ids=["by_the_assistant", "by_the_user"])
def test_an_item_added_while_its_thread_is_deleted_goes_with_it(
    owner: Owner, swapped: bool, by_user: bool
) -> None:
    item = user_message("msg_1", "Hello") if by_user else assistant_message("msg_1", "Hi")
    added, deleted = meet(owner.adds(item), owner.deletes(), swapped=swapped)
    assert said(deleted) == "done"
    assert said(added) == ("not_found" if swapped else "done")
    assert owner.is_gone()


@both_orders
def test_a_message_sent_while_the_thread_is_deleted_goes_with_it(
    owner: Owner, swapped: bool
) -> None:
    sent, deleted = meet(owner.answers(), owner.deletes(), swapped=swapped)
    assert said(deleted) == "done"
    assert said(sent) == ("not_found" if swapped else "done")
    assert owner.is_gone()


@both_orders
def test_a_mark_set_while_the_thread_is_deleted_goes_with_it(owner: Owner, swapped: bool) -> None:
    owner.answers().succeed()
    marked, deleted = meet(owner.ann.device().reads(owner.thread), owner.deletes(), swapped=swapped)
    assert said(deleted) == "done"
    assert said(marked) == ("not_found" if swapped else "done")
    assert owner.is_gone()


@both_orders
def test_a_thread_is_deleted_or_saved_again(owner: Owner, swapped: bool) -> None:
    saved, _ = meet(owner.saves(title="Other"), owner.deletes(), swapped=swapped)
    assert said(saved) == "done"
    assert owner.is_gone() is not swapped


def test_a_thread_begun_again_under_its_id_is_another(owner: Owner) -> None:
    deleting, adding = owner.deletes(), owner.adds(user_message("msg_1", "Hello"))
    deleting.racer.begin()
    deleting.succeed()
    deleting.racer.call(
        "save_chatkit_thread_atomic",
        thread_id=owner.chatkit_id,
        actor_id=owner.ann.id,
        thread=thread(owner.chatkit_id),
    )
    waiting = adding.start_blocked()
    deleting.racer.commit()
    assert said(waiting.result(PATIENCE)) == "not_found"
    assert owner.items() == []
    assert said(adding.run()) == "done"


def test_a_purge_of_a_thread_leaves_one_begun_again_under_its_id_alone(
    owner: Owner, cast: Cast
) -> None:
    for item_id in ("msg_1", "msg_2"):
        owner.adds(user_message(item_id, "Hello")).succeed()
    deleting, purging = owner.deletes(), cast.purges(owner.thread)
    again = user_message("msg_3", "Hello again")
    deleting.racer.begin()
    deleting.succeed()
    for step in (owner.saves(), owner.adds(again)):
        deleting.racer.call(step.function, **step.arguments)
    waiting = purging.start_blocked()
    deleting.racer.commit()
    assert waiting.result(PATIENCE)["affected_count"] == 0
    assert owner.items() == [again]


@both_orders
def test_a_user_erased_while_something_is_said_to_them_keeps_none_of_it(
    owner: Owner, cast: Cast, swapped: bool
) -> None:
    sent, erased = meet(owner.answers(), cast.erases(owner.ann), swapped=swapped)
    assert said(erased) == "done"
    assert said(sent) == ("not_found" if swapped else "done")
    assert owner.is_gone()


@both_orders
def test_who_is_erased_begins_nothing_after_it(owner: Owner, cast: Cast, swapped: bool) -> None:
    begun, erased = meet(owner.begins("draft-1"), cast.erases(owner.ann), swapped=swapped)
    assert said(erased) == "done"
    assert said(begun) == ("permission_denied" if swapped else "done")
    left = cast.rows("select count(*) from chat.assistant_threads where user_id = %s", owner.ann.id)
    assert left == [0]


@both_orders
def test_who_is_erased_leaves_no_file(owner: Owner, cast: Cast, swapped: bool) -> None:
    uploaded, erased = meet(owner.uploads(), cast.erases(owner.ann), swapped=swapped)
    assert said(erased) == "done"
    assert said(uploaded) == ("permission_denied" if swapped else "done")
    left = cast.rows("select count(*) from chat.attachments where user_id = %s", owner.ann.id)
    assert left == [0]


def test_one_item_added_twice_at_once_is_one(owner: Owner) -> None:
    item = assistant_message("msg_1", "Hi")
    first, second = meet(owner.adds(item), owner.adds(item))
    assert (said(first), said(second)) == ("done", "duplicate")
    assert owner.items() == [item]


def test_items_with_one_id_are_kept_each(owner: Owner) -> None:
    answers = [assistant_message("__fake_id__", text) for text in "abcdef"]
    added = at_once([owner.adds(item).run for item in answers])
    assert Counter(map(said, added)) == {"done": 6}
    assert len({one["item_id"] for one in added}) == 6
    assert sorted(one["content"][0]["text"] for one in owner.items()) == list("abcdef")


@both_orders
def test_an_item_saved_while_it_is_deleted_is_there_or_gone(owner: Owner, swapped: bool) -> None:
    owner.adds(user_message("msg_1", "Hello")).succeed()
    saved, deleted = meet(
        owner.saves_item(user_message("msg_1", "Bye")), owner.takes_away("msg_1"), swapped=swapped
    )
    assert (said(saved), said(deleted)) == ("done", "done")
    assert owner.items() == ([user_message("msg_1", "Bye")] if swapped else [])


def test_two_who_clean_up_take_each_item_away_once(owner: Owner) -> None:
    ids = [f"msg_{number}" for number in range(6)]
    for item_id in ids:
        owner.adds(user_message(item_id, "Hello")).succeed()
    answers = at_once([owner.takes_away(item_id).run for item_id in ids for _ in range(2)])
    assert Counter(map(said, answers)) == {"done": 6, "duplicate": 6}
    assert owner.items() == []


def test_threads_do_not_wait_for_each_other(owner: Owner, cast: Cast) -> None:
    other = Owner(cast)
    first, second = pass_by(
        owner.adds(user_message("msg_1", "Hello")), other.adds(user_message("msg_1", "Hello"))
    )
    assert (said(first), said(second)) == ("done", "done")


def test_everything_at_once_ends_well(owner: Owner, cast: Cast) -> None:
    steps = [
        *(owner.adds(user_message(f"msg_{number}", "Hello")) for number in range(4)),
        *(owner.adds(assistant_message("__fake_id__", str(number))) for number in range(4)),
        *(owner.saves(title=str(number)) for number in range(3)),
        owner.answers(),
        owner.takes_away("msg_1"),
        owner.deletes(),
        owner.begins("draft-1"),
        owner.begins("draft-1"),
        owner.opens_session("tab-1"),
        owner.opens_session("tab-1"),
        cast.erases(owner.ann),
    ]
    answers = at_once([partial(step.run) for step in steps])
    assert said(answers[-1]) == "done"
    assert {said(one) for one in answers} <= {
        "done",
        "duplicate",
        "not_found",
        "not_a_member",
        "permission_denied",
    }
    for table in ("assistant_threads", "sessions"):
        assert cast.rows(f"select count(*) from chat.{table} where user_id = %s", owner.ann.id) == [
            0
        ]
