"""The desk over HTTP: what a front end of the inbox does, from the first message on."""

import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.http.support import Site, check_refusal
from tests.support import connect, new_channel, new_tenant, new_user, receive

PHONE, OTHER = "+491701234567", "+4915112345678"


class Inbox:
    """A tenant with two agents, a contact who has written twice, and their clients."""

    def __init__(self, site: Site) -> None:
        self._dsn = site.dsn
        with connect(site.dsn) as db:
            self.tenant_id = new_tenant(db)
            self.ada, self.bo = (
                new_user(db, name, tenant_id=self.tenant_id) for name in ("Ada", "Bo")
            )
            self.zoe = new_user(db, "Zoe", tenant_id=new_tenant(db))
            self.channel = new_channel(db, self.tenant_id, address=uuid.uuid4().hex)
        received = self.writes("are you open?")
        self.contact, self.thread = received["contact"]["id"], received["conversation_id"]
        self.writes("hello?")
        self.as_ada, self.as_bo, self.as_zoe = map(site.user, (self.ada, self.bo, self.zoe))

    @property
    def path(self) -> str:
        return f"/api/crm/threads/{self.thread}"

    def writes(self, text: str, number: str = PHONE) -> Any:
        """Let a contact write."""
        with connect(self._dsn) as db:
            return receive(db, self.channel, text, contact=number)

    def unread(self) -> dict[str, int]:
        """Return what Bo is shown as unread, by thread."""
        threads = self.as_bo.get("/api/crm/threads").json()["threads"]
        return {one["conversation_id"]: one["unread_count"] for one in threads}

    def close(self) -> None:
        for client in (self.as_ada, self.as_bo, self.as_zoe):
            client.close()


@pytest.fixture
def inbox(site: Site) -> Iterator[Inbox]:
    inbox = Inbox(site)
    yield inbox
    inbox.close()


@pytest.mark.parametrize("by", ["id", "phone", "encoded phone", "digits"])
@pytest.mark.parametrize("body", [{"content": b""}, {"json": {}}, {"json": {"seq": None}}])
def test_opening_a_thread_makes_its_unread_count_zero_at_once(
    inbox: Inbox, by: str, body: dict[str, Any]
) -> None:
    assert inbox.unread() == {inbox.thread: 2}
    named = {
        "id": inbox.thread,
        "phone": PHONE,
        "encoded phone": PHONE.replace("+", "%2B"),
        "digits": PHONE[1:],
    }[by]
    marked = inbox.as_ada.post(f"/api/whatsapp/conversations/{named}/mark_read", **body)
    assert (marked.status_code, marked.json()["unread_count"]) == (200, 0)
    assert marked.json()["conversation_id"] == inbox.thread
    assert inbox.unread() == {inbox.thread: 0}
    inbox.writes("one more")
    assert inbox.unread() == {inbox.thread: 1}


def test_a_thread_is_marked_up_to_a_number(inbox: Inbox) -> None:
    path = f"/api/whatsapp/conversations/{inbox.thread}/mark_read"
    assert inbox.as_ada.post(path, json={"seq": 1}).json()["unread_count"] == 1
    details = check_refusal(inbox.as_ada.post(path, json={"seq": 9}), 400, "validation_error")
    assert details == {"field": "seq"}
    details = check_refusal(inbox.as_ada.post(path, json={"sequence": 1}), 400, "validation_error")
    assert details == {"field": "sequence"}


def test_threads_are_listed_found_and_filtered(inbox: Inbox) -> None:
    other = inbox.writes("hi", OTHER)["conversation_id"]
    inbox.as_ada.post(f"/api/whatsapp/conversations/{inbox.thread}/mark_read")

    def found(**query: Any) -> list[str]:
        response = inbox.as_ada.get("/api/crm/threads", params=query)
        assert response.status_code == 200, response.json()
        return [one["conversation_id"] for one in response.json()["threads"]]

    assert found() == [other, inbox.thread]
    assert found(unread="true") == [other]
    assert found(q=PHONE[3:]) == [inbox.thread]
    assert found(closed="true") == []
    assert found(assignee_id=inbox.bo) == []
    page = inbox.as_ada.get("/api/crm/threads", params={"limit": 1}).json()
    assert page["has_more"] is True
    assert found(before=page["next_before"]) == [inbox.thread]
    wrong = inbox.as_ada.get("/api/crm/threads", params={"unread": "maybe"})
    assert check_refusal(wrong, 400, "validation_error") == {"field": "unread"}


def test_an_answer_is_sent_seen_and_its_repetition_is_a_duplicate(inbox: Inbox) -> None:
    body = {"content": "till six", "client_message_id": "1"}
    sent = inbox.as_ada.post(f"{inbox.path}/messages", json=body)
    again = inbox.as_ada.post(f"{inbox.path}/messages", json=body)
    assert (sent.status_code, again.status_code) == (201, 200)
    page = inbox.as_bo.get(f"{inbox.path}/messages", params={"limit": 2}).json()
    assert [(one["source"], one["content"]) for one in page["messages"]] == [
        ("contact", "hello?"),
        ("person", "till six"),
    ]
    assert page["messages"][1]["delivery"]["status"] == "queued"
    assert page["has_more"] is True
    by_phone = inbox.as_bo.get(f"/api/crm/threads/{PHONE}/messages", params={"limit": 2})
    assert by_phone.json() == page


def test_only_a_service_says_that_an_automation_sent_it(inbox: Inbox, site: Site) -> None:
    body = {"content": "reminder", "source": "automation"}
    check_refusal(inbox.as_ada.post(f"{inbox.path}/messages", json=body), 403, "permission_denied")
    with site.service(inbox.ada) as service:
        sent = service.post(f"{inbox.path}/messages", json=body)
    assert (sent.status_code, sent.json()["message"]["source"]) == (201, "automation")


def test_a_thread_is_assigned_closed_and_reopened(inbox: Inbox) -> None:
    assigned = inbox.as_ada.post(f"{inbox.path}/assign", json={"assignee_id": inbox.bo})
    assert (assigned.status_code, assigned.json()["thread"]["assignee_id"]) == (200, inbox.bo)
    taken = inbox.as_ada.post(f"{inbox.path}/assign", json={"assignee_id": None})
    assert taken.json()["thread"]["assignee_id"] is None
    wrong = inbox.as_ada.post(f"{inbox.path}/assign", json={"assignee_id": inbox.zoe})
    assert check_refusal(wrong, 400, "validation_error") == {"field": "assignee_id"}

    closed = inbox.as_ada.post(f"{inbox.path}/close")
    assert closed.json()["conversation"]["closed_at"]
    late = inbox.as_ada.post(f"{inbox.path}/messages", json={"content": "late"})
    check_refusal(late, 409, "conversation_closed")
    assert inbox.as_ada.post(f"{inbox.path}/reopen").status_code == 200
    inbox.as_ada.post(f"{inbox.path}/close")
    inbox.writes("are you still there?")
    assert inbox.as_bo.get(inbox.path).json()["thread"]["closed_at"] is None


def test_somebody_new_is_written_to(inbox: Inbox) -> None:
    body = {"contact": {"phone": OTHER}, "display_name": "Lea"}
    opened = inbox.as_ada.post("/api/crm/threads", json=body)
    again = inbox.as_ada.post("/api/crm/threads", json=body)
    assert (opened.status_code, again.status_code) == (201, 200)
    thread = opened.json()["thread"]
    assert (thread["contact"]["display_name"], thread["window_open_until"]) == ("Lea", None)
    path = f"/api/crm/threads/{thread['conversation_id']}/messages"
    check_refusal(inbox.as_ada.post(path, json={"content": "hi"}), 409, "window_closed")
    assert inbox.as_ada.get(f"/api/crm/threads/{OTHER}").json()["thread"] == thread
    channels = inbox.as_ada.get("/api/crm/channels").json()["channels"]
    assert [one["channel_id"] for one in channels] == [thread["channel"]["channel_id"]]


def test_linking_makes_one_thread_of_two_and_old_ids_lead_to_it(inbox: Inbox) -> None:
    other = inbox.writes("my new number", OTHER)
    path = f"/api/crm/threads/{other['conversation_id']}"
    linked = inbox.as_ada.post(f"{path}/link", json={"kind": "lead", "value": "L-1"})
    assert (linked.status_code, linked.json()["merged"]) == (200, False)
    linked = inbox.as_ada.post(f"{inbox.path}/link", json={"kind": "lead", "value": "L-1"})
    assert (linked.json()["merged"], linked.json()["conversation_id"]) == (True, inbox.thread)
    assert inbox.unread() == {inbox.thread: 3}
    assert inbox.as_bo.get(path).json()["thread"]["conversation_id"] == inbox.thread
    messages = inbox.as_bo.get(f"{path}/messages").json()["messages"]
    assert [one["content"] for one in messages[:3]] == ["are you open?", "hello?", "my new number"]
    answered = inbox.as_bo.post(f"{path}/messages", json={"content": "hello"})
    assert answered.json()["message"]["conversation_id"] == inbox.thread
    marked = inbox.as_bo.post(
        f"/api/whatsapp/conversations/{other['conversation_id']}/mark_read", json={}
    )
    assert marked.json()["unread_count"] == 0


def test_a_delivery_that_did_not_fail_need_not_be_retried(inbox: Inbox) -> None:
    sent = inbox.as_ada.post(f"{inbox.path}/messages", json={"content": "till six"}).json()
    path = f"{inbox.path}/messages/{sent['message']['id']}/retry"
    assert inbox.as_ada.post(path).json()["duplicate"] is True


@pytest.mark.parametrize("thread", [str(uuid.uuid4()), "+4900000000", "nobody"])
def test_who_is_not_there_is_not_found(inbox: Inbox, thread: str) -> None:
    check_refusal(inbox.as_ada.get(f"/api/crm/threads/{thread}"), 404, "not_found")
    check_refusal(inbox.as_ada.get(f"/api/crm/threads/{thread}/messages"), 404, "not_found")
    path = f"/api/whatsapp/conversations/{thread}/mark_read"
    check_refusal(inbox.as_ada.post(path, json={}), 404, "not_found")


def test_another_tenants_desk_has_no_part_in_it(inbox: Inbox) -> None:
    assert inbox.as_zoe.get("/api/crm/threads").json()["threads"] == []
    for method, path in (
        ("GET", inbox.path),
        ("GET", f"{inbox.path}/messages"),
        ("POST", f"{inbox.path}/close"),
        ("POST", f"{inbox.path}/assign"),
        ("POST", f"/api/whatsapp/conversations/{inbox.thread}/mark_read"),
    ):
        check_refusal(inbox.as_zoe.request(method, path), 404, "not_found")


def test_who_does_not_work_at_the_desk_is_refused(inbox: Inbox, site: Site) -> None:
    with connect(site.dsn) as db:
        db.execute("select api.set_desk_atomic(%s, array[%s]::uuid[])", [inbox.tenant_id, inbox.bo])
    check_refusal(inbox.as_ada.get("/api/crm/threads"), 403, "permission_denied")
    check_refusal(inbox.as_ada.get(f"{inbox.path}/messages"), 403, "not_a_member")
    inbox.as_bo.get("/api/crm/threads").raise_for_status()


def test_an_inbox_conversation_is_a_conversation_to_its_agents(inbox: Inbox) -> None:
    path = f"/v1/conversations/{inbox.thread}"
    assert inbox.as_ada.get(path).json()["conversation"]["contact"]["id"] == inbox.contact
    changes = inbox.as_ada.get(f"{path}/changes").json()
    assert [one["seq"] for one in changes["changes"]] == [1, 2]
    assert inbox.as_ada.post(f"{path}/read").json()["unread_count"] == 0
    assert inbox.as_ada.post(f"{path}/typing").status_code == 200
    assert inbox.as_ada.get("/v1/conversations").json()["conversations"] == []


def test_a_message_posted_by_phone_names_what_is_wrong(inbox: Inbox) -> None:
    response: httpx.Response = inbox.as_ada.post(
        f"/api/crm/threads/{PHONE}/messages", json={"content": "x"}
    )
    assert check_refusal(response, 400, "validation_error") == {"field": "thread"}
