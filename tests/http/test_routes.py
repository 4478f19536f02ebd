"""Every row of the table does what the contract says, with the status it says."""

import re

import httpx
import pytest

from tests.http.support import People, Site, check_refusal, new_id
from thin_api.routes import OPERATIONS, Operation


def test_message_is_created_and_its_repetition_is_a_duplicate(people: People) -> None:
    body = {"content": "hello", "client_message_id": "1", "metadata": {"n": [1, 2.5, None]}}
    first = people.as_ada.post(people.messages, json=body)
    again = people.as_ada.post(people.messages, json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["duplicate"] is True
    assert first.json()["message"] == again.json()["message"]
    assert first.json()["message"]["metadata"] == {"n": [1, 2.5, None]}


def test_same_key_with_other_content_is_a_conflict(people: People) -> None:
    people.as_ada.post(people.messages, json={"content": "one", "client_message_id": "1"})
    other = people.as_ada.post(people.messages, json={"content": "two", "client_message_id": "1"})
    check_refusal(other, 409, "idempotency_conflict")


def test_people_say_of_themselves_only_what_they_are(people: People) -> None:
    body = {"content": "x", "metadata": {"n": 1}, "client_message_id": "s", "source": "person"}
    mine = people.as_ada.post(people.messages, json=body)
    again = people.as_ada.post(people.messages, json=body)
    assert (mine.status_code, again.status_code) == (201, 200)
    assert mine.json()["message"]["metadata"] == {"n": 1}
    for source, status, error in (
        ("automation", 403, "permission_denied"),
        ("bot", 403, "permission_denied"),
        ("system", 400, "validation_error"),
    ):
        other = people.as_ada.post(people.messages, json={"content": "x", "source": source})
        check_refusal(other, status, error)


def test_a_service_says_where_a_message_comes_from(site: Site, people: People) -> None:
    with site.service(people.ada) as service:
        sent = service.post(people.messages, json={"content": "x", "source": "automation"})
    assert (sent.status_code, sent.json()["message"]["source"]) == (201, "automation")


def test_numbers_in_metadata_keep_every_digit(people: People) -> None:
    raw = b'{"content":"n","metadata":{"big":123456789012345678901234567890,"id":9007199254740993}}'
    sent = people.as_ada.post(
        people.messages, content=raw, headers={"Content-Type": "application/json"}
    )
    assert sent.json()["message"]["metadata"] == {
        "big": 123456789012345678901234567890,
        "id": 9007199254740993,
    }


def test_outsider_is_refused(people: People) -> None:
    check_refusal(people.as_eve.get(people.messages), 403, "not_a_member")
    check_refusal(people.as_eve.post(people.messages, json={"content": "x"}), 403, "not_a_member")


def test_unknown_conversation_is_not_found(people: People) -> None:
    response = people.as_ada.get(f"/v1/conversations/{new_id()}/messages")
    check_refusal(response, 404, "not_found")


def test_message_without_content_names_the_field(people: People) -> None:
    response = people.as_ada.post(people.messages, json={})
    assert check_refusal(response, 400, "validation_error") == {"field": "content"}


def test_message_too_long_is_refused(people: People) -> None:
    response = people.as_ada.post(people.messages, json={"content": "x" * 16_001})
    check_refusal(response, 413, "too_large")


def test_history_comes_in_pages(people: People) -> None:
    for number in range(5):
        people.as_ada.post(people.messages, json={"content": str(number)})
    last = people.as_bo.get(people.messages, params={"limit": 2}).json()
    assert [message["content"] for message in last["messages"]] == ["3", "4"]
    assert last["has_more"] is True
    before = last["messages"][0]["seq"]
    page = people.as_bo.get(people.messages, params={"limit": 2, "before_seq": before}).json()
    assert [message["content"] for message in page["messages"]] == ["1", "2"]


def test_a_message_lives_through_edit_reaction_status_and_deletion(people: People) -> None:
    message = people.as_ada.post(people.messages, json={"content": "helo"}).json()["message"]
    path = f"{people.messages}/{message['id']}"
    edited = people.as_ada.patch(path, json={"content": "hello"})
    assert edited.status_code == 200
    assert edited.json()["message"]["content"] == "hello"
    stale = {"content": "x", "expected_edited_at": message["created_at"]}
    check_refusal(people.as_ada.patch(path, json=stale), 409, "edit_conflict")
    check_refusal(people.as_bo.patch(path, json={"content": "x"}), 403, "permission_denied")

    thumb = f"{path}/reactions/\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}"
    assert people.as_bo.put(thumb).status_code == 200
    changed = people.as_ada.get(people.messages).json()["messages"][-1]
    assert "\N{THUMBS UP SIGN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}" in str(changed["reactions"])
    assert people.as_bo.delete(thumb).status_code == 200

    seq = changed["seq"]
    read = people.as_bo.post(f"/v1/conversations/{people.group}/read", json={"seq": seq})
    assert (read.status_code, read.json()["read_seq"] >= seq) == (200, True)
    status = people.as_ada.get(f"{path}/status").json()
    assert [m["status"] for m in status["members"] if m["user_id"] == people.bo] == ["read"]

    assert people.as_ada.delete(path).status_code == 200
    last = people.as_ada.get(people.messages).json()["messages"][-1]
    assert (last["content"], last["deleted_at"] is not None) == (None, True)
    changes = people.as_bo.get(
        f"/v1/conversations/{people.group}/changes", params={"after_seq": seq}
    ).json()
    assert [change["type"] for change in changes["changes"]][-1] == "message_deleted"


def test_posts_without_a_body_need_none(people: People) -> None:
    base = f"/v1/conversations/{people.group}"
    for action in ("read", "delivered", "typing", "close", "reopen"):
        assert people.as_ada.post(f"{base}/{action}").status_code == 200, action


def test_closed_conversation_takes_no_message(people: People) -> None:
    people.as_ada.post(f"/v1/conversations/{people.group}/close")
    response = people.as_ada.post(people.messages, json={"content": "x"})
    check_refusal(response, 409, "conversation_closed")


def test_conversation_is_created_listed_read_and_changed(people: People) -> None:
    body = {"kind": "group", "member_ids": [people.eve], "title": "Plans", "client_key": "k"}
    created = people.as_bo.post("/v1/conversations", json=body)
    assert created.status_code == 201
    path = f"/v1/conversations/{created.json()['conversation_id']}"
    assert people.as_bo.post("/v1/conversations", json=body).status_code == 200
    assert people.as_eve.get(path).json()["conversation"]["title"] == "Plans"
    listed = people.as_eve.get("/v1/conversations", params={"limit": 1}).json()
    assert [one["title"] for one in listed["conversations"]] == ["Plans"]
    changed = people.as_bo.patch(path, json={"title": "Better plans"})
    assert changed.json()["conversation"]["title"] == "Better plans"


def test_second_direct_conversation_conflicts_and_names_the_first(people: People) -> None:
    one = people.as_ada.post(
        "/v1/conversations", json={"kind": "direct", "member_ids": [people.bo]}
    )
    other = people.as_bo.post(
        "/v1/conversations", json={"kind": "direct", "member_ids": [people.ada]}
    )
    details = check_refusal(other, 409, "conversation_exists")
    assert details["conversation_id"] == one.json()["conversation_id"]


def test_members_are_added_listed_changed_and_removed(people: People) -> None:
    path = f"/v1/conversations/{people.group}/members"
    assert people.as_ada.post(path, json={"member_ids": [people.eve]}).status_code == 201
    again = people.as_ada.post(path, json={"member_ids": [people.eve]})
    assert (again.status_code, again.json()["affected_count"]) == (200, 0)
    listed = people.as_eve.get(path, params={"limit": 100}).json()["members"]
    assert {member["user_id"] for member in listed} == {people.ada, people.bo, people.eve}
    assert people.as_ada.patch(f"{path}/{people.eve}", json={"role": "admin"}).status_code == 200
    check_refusal(people.as_ada.delete(f"{path}/{people.ada}"), 409, "last_owner")
    assert people.as_ada.delete(f"{path}/{people.eve}").status_code == 200


def test_blocked_person_cannot_open_a_conversation(people: People) -> None:
    assert people.as_eve.put(f"/v1/blocks/{people.ada}").status_code == 200
    body = {"kind": "direct", "member_ids": [people.eve]}
    check_refusal(people.as_ada.post("/v1/conversations", json=body), 403, "blocked")
    assert people.as_eve.delete(f"/v1/blocks/{people.ada}").status_code == 200
    assert people.as_ada.post("/v1/conversations", json=body).status_code == 201


def test_search_finds_the_readers_messages(people: People) -> None:
    people.as_ada.post(people.messages, json={"content": "an extraordinary zebra"})
    found = people.as_bo.get("/v1/search", params={"q": "zebra", "conversation_id": people.group})
    assert [message["content"] for message in found.json()["messages"]] == [
        "an extraordinary zebra"
    ]


def test_me_is_the_caller(people: People) -> None:
    assert people.as_ada.get("/v1/me").json()["user"]["user_id"] == people.ada


def test_users_are_upserted_by_services_only(people: People) -> None:
    body = {"user_id": new_id(), "display_name": "Fay", "kind": "person"}
    check_refusal(people.as_ada.post("/v1/users", json=body), 403, "permission_denied")
    assert people.as_service.post("/v1/users", json=body).status_code == 201
    assert people.as_service.post("/v1/users", json=body).status_code == 200


def test_help_request_leads_to_one_conversation(people: People) -> None:
    asked = people.as_ada.post("/api/messaging/help-requests", json={"title": "My roof leaks"})
    assert asked.status_code == 201
    path = f"/api/messaging/help-requests/{asked.json()['help_request_id']}/start-conversation"
    started = people.as_bo.post(path, json={"initial_message": "I have a ladder"})
    assert started.status_code == 201
    assert started.json()["message"]["sender_id"] == people.bo
    again = people.as_bo.post(path, json={"initial_message": "I have a ladder"})
    details = check_refusal(again, 409, "conversation_exists")
    assert details["conversation_id"] == started.json()["conversation_id"]
    own = people.as_ada.post(path, json={"initial_message": "me"})
    assert own.status_code in (400, 403)


def test_service_acts_for_whom_it_names(site: Site, people: People) -> None:
    with site.service(people.bo) as client:
        assert client.get("/v1/me").json()["user"]["user_id"] == people.bo
        sent = client.post(people.messages, json={"content": "for Bo"})
        assert sent.json()["message"]["sender_id"] == people.bo
    details = check_refusal(people.as_service.get("/v1/me"), 400, "validation_error")
    assert details == {"field": "X-Actor-Id"}


def test_user_acts_for_nobody_else(people: People) -> None:
    response = people.as_ada.get("/v1/me", headers={"X-Actor-Id": people.bo})
    check_refusal(response, 403, "permission_denied")
    assert people.as_ada.get("/v1/me", headers={"X-Actor-Id": people.ada}).status_code == 200


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: f"{one.method} {one.path}")
def test_every_operation_needs_a_token(anybody: httpx.Client, operation: Operation) -> None:
    path = re.sub(r"\{\w+\}", new_id(), operation.path)
    response = anybody.request(operation.method, path)
    check_refusal(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS}))
def test_other_methods_are_405_and_told(anybody: httpx.Client, path: str) -> None:
    here = re.sub(r"\{\w+\}", new_id(), path)
    known = {operation.method for operation in OPERATIONS if operation.path == path}
    expected = known | {"OPTIONS"} | ({"HEAD"} if "GET" in known else set())
    options = anybody.options(here)
    assert (options.status_code, options.content) == (204, b"")
    assert set(options.headers["allow"].split(", ")) == expected
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - known:
        response = anybody.request(method, here)
        check_refusal(response, 405, "unsupported")
        assert set(response.headers["allow"].split(", ")) == expected


def test_head_answers_like_get_without_a_body(people: People) -> None:
    head, get = people.as_ada.head("/v1/me"), people.as_ada.get("/v1/me")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/v1/me/", "//v1/me", "/rpc", "/v1/%2e%2e/me"])
def test_unknown_path_is_404(anybody: httpx.Client, path: str) -> None:
    check_refusal(anybody.get(path), 404, "not_found")
