"""Two services keep the directory, or people come and go at once."""

import uuid
from typing import Any

import pytest

from tests.race.steps import Cast, Step, both_orders, meet, pass_by, said


def _upserts(cast: Cast, **fields: Any) -> Step:
    return cast.operation("upsert_user_atomic", display_name="Somebody", **fields)


@pytest.mark.parametrize("key", ["user_id", "external_id"])
@pytest.mark.parametrize("ending", ["commit", "rollback"])
def test_user_upserted_twice_at_once_is_one(cast: Cast, key: str, ending: str) -> None:
    who = {key: str(uuid.uuid4())}
    one, other = meet(_upserts(cast, **who), _upserts(cast, **who), ending=ending)
    assert (one["created"], other["created"]) == (True, ending == "rollback")
    if ending == "commit":
        assert one["user_id"] == other["user_id"]


@both_orders
def test_external_id_goes_to_one_of_two_users_at_once(cast: Cast, swapped: bool) -> None:
    external_id = str(uuid.uuid4())
    answers = meet(
        _upserts(cast, user_id=str(uuid.uuid4()), external_id=external_id),
        _upserts(cast, user_id=str(uuid.uuid4()), external_id=external_id),
        swapped=swapped,
    )
    assert sorted(said(one) for one in answers) == ["done", "validation_error"]


@both_orders
def test_external_id_is_one_users_whether_or_not_the_tenant_is_named(
    cast: Cast, swapped: bool
) -> None:
    tenant = str(uuid.uuid4())
    known = _upserts(cast, tenant_id=tenant).succeed()["user_id"]
    external_id = str(uuid.uuid4())
    naming, making = meet(
        _upserts(cast, user_id=known, external_id=external_id),
        _upserts(cast, tenant_id=tenant, external_id=external_id),
        swapped=swapped,
    )
    assert said(making) == "done"
    assert said(naming) == ("validation_error" if swapped else "done")
    assert (making["user_id"] == known) == (not swapped)


def test_two_users_of_a_new_tenant_are_made_at_once(cast: Cast) -> None:
    tenant = str(uuid.uuid4())
    answers = meet(_upserts(cast, tenant_id=tenant), _upserts(cast, tenant_id=tenant))
    assert [one["created"] for one in answers] == [True, True]


@both_orders
def test_deactivated_person_is_back_when_the_upsert_comes_last(cast: Cast, swapped: bool) -> None:
    (ann,) = cast.people("ann")
    retiring, upserting = meet(
        cast.deactivates(ann), _upserts(cast, user_id=ann.id), swapped=swapped
    )
    assert (said(retiring), said(upserting)) == ("done", "done")
    active = cast.rows("select deactivated_at is null from chat.users where user_id = %s", ann.id)
    assert active == [not swapped]


@both_orders
def test_erased_person_stays_erased(cast: Cast, swapped: bool) -> None:
    (ann,) = cast.people("ann")
    fields = {"user_id": ann.id, "external_id": str(uuid.uuid4()), "email": "ann@example.org"}
    erasing, upserting = meet(cast.erases(ann), _upserts(cast, **fields), swapped=swapped)
    assert (said(erasing), said(upserting)) == ("done", "done" if swapped else "not_found")
    name = cast.rows("select display_name from chat.users where user_id = %s", ann.id)
    assert name == ["Erased user"]


@both_orders
def test_help_request_is_erased_with_its_owner_or_refused(cast: Cast, swapped: bool) -> None:
    (ann,) = cast.people("ann")
    asking, erasing = meet(ann.asks_for_help("k"), cast.erases(ann), swapped=swapped)
    assert (said(asking), said(erasing)) == ("permission_denied" if swapped else "done", "done")
    titles = cast.rows("select title from chat.help_requests where owner_id = %s", ann.id)
    assert titles == ([] if swapped else ["Erased"])


@both_orders
def test_help_is_not_opened_for_an_erased_owner(cast: Cast, swapped: bool) -> None:
    ann, bob = cast.people("ann", "bob")
    request = ann.asks_for_help().succeed()["help_request_id"]
    opening, erasing = meet(bob.helps(request), cast.erases(ann), swapped=swapped)
    assert (said(opening), said(erasing)) == ("not_found" if swapped else "done", "done")


@both_orders
def test_two_who_share_conversations_are_erased_at_once(cast: Cast, swapped: bool) -> None:
    ann, bob, cleo = cast.people("ann", "bob", "cleo")
    ann.opens_direct(bob, "hi").succeed()
    ann.opens_group(bob, cleo).succeed()
    bob.opens_group(ann, cleo).succeed()
    answers = meet(cast.erases(ann), cast.erases(bob), swapped=swapped)
    assert [said(one) for one in answers] == ["done", "done"]


def test_flag_set_twice_at_once_keeps_the_last(cast: Cast) -> None:
    flag = f"flag-{uuid.uuid4().hex[:8]}"
    meet(
        cast.operation("set_feature_flag_atomic", flag=flag, enabled=True),
        cast.operation("set_feature_flag_atomic", flag=flag, enabled=False),
    )
    (ann,) = cast.people("ann")
    asked = cast.operation("is_feature_enabled", flag=flag, user_id=ann.id).succeed()
    assert asked["enabled"] is False


def test_upkeep_leaves_events_that_an_erasure_rewrites_to_the_next(cast: Cast) -> None:
    ann, bob = cast.people("ann", "bob")
    chat = ann.opens_direct(bob, "hi").succeed()["conversation_id"]
    old = "update chat.outbox set created_at = '2020-01-01' where conversation_id = %s returning 1"
    assert cast.rows(old, chat) == [1, 1]
    erasing, upkeep = pass_by(cast.erases(ann), cast.operation("maintain"))
    assert (said(erasing), said(upkeep)) == ("done", "done")
    cast.operation("maintain").succeed()
    left = "select 1 from chat.outbox where conversation_id = %s and created_at < '2021-01-01'"
    assert cast.rows(left, chat) == []


def test_upkeep_at_once_is_done_by_one(cast: Cast) -> None:
    first = cast.operation("maintain")
    first.racer.begin()
    assert "skipped" not in first.succeed()
    assert cast.operation("maintain").succeed()["skipped"] is True
    first.racer.commit()
