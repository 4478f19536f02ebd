"""Webhooks over a real server: believed, kept, taken in once, whatever goes wrong."""

import base64
import hashlib
import hmac
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import psycopg
import pytest

from tests.http.support import Link, Site, check_refusal, serving, settings_for
from tests.http.test_app import program
from tests.providers.payloads import KNOWN_BY, METADATA, Json, conversation, message, value, webhook
from tests.providers.test_whatsapp import SAYS
from tests.support import PATIENCE, at_once, connect, violations, wait_for
from thin_api.providers import Request
from thin_api.providers.twilio import SIGNATURE
from thin_api.settings import Settings

APP_SECRET, VERIFY_TOKEN, AUTH_TOKEN = "the app's secret", "the word", "the auth token"
PUBLIC_URL = "https://chat.example.org"
PATH = "/webhooks/whatsapp"
TWILIO = "/webhooks/twilio"


def webhook_settings(dsn: str, **changes: Any) -> Settings:
    """Make the settings of a server that believes our signatures."""
    return settings_for(
        dsn,
        whatsapp_app_secret=APP_SECRET,
        whatsapp_verify_token=VERIFY_TOKEN,
        twilio_auth_token=AUTH_TOKEN,
        public_url=PUBLIC_URL,
        **changes,
    )


@pytest.fixture(scope="module")
def inbox(template: str, empty_database: Callable[..., str]) -> Iterator[Site]:
    """Yield a server that takes webhooks."""
    with serving(webhook_settings(empty_database(template))) as site:
        yield site


@pytest.fixture
def fresh(fresh_database: str) -> Iterator[Site]:
    """Yield such a server with a database of the test's own."""
    with serving(webhook_settings(fresh_database)) as site:
        yield site
    with connect(fresh_database) as connection:
        assert violations(connection) == []


def post(site: Site, payload: Any, **headers: str) -> httpx.Response:
    """Bring a webhook of WhatsApp's, signed."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    signed = {"X-Hub-Signature-256": f"sha256={signature}", **headers}
    return httpx.post(site.url + PATH, content=body, headers=signed, timeout=30)


def take(site: Site, payload: Any) -> Json:
    """Bring one that must be taken in."""
    response = post(site, payload)
    assert response.status_code == 200, response.text
    result: Json = response.json()
    assert result["success"] is True
    assert "refused" not in result, result
    return result


def post_form(site: Site, fields: dict[str, str], query: str = "") -> httpx.Response:
    """Bring a webhook of Twilio's, signed."""
    path = f"{TWILIO}?{query}" if query else TWILIO
    body = urlencode(fields).encode()
    signature = twilio_signature(Request(body, {}, path))
    headers = {"Content-Type": "application/x-www-form-urlencoded", SIGNATURE.decode(): signature}
    return httpx.post(site.url + path, content=body, headers=headers, timeout=30)


def twilio_signature(request: Request) -> str:
    """Sign as Twilio does; that our reading is Twilio's is checked in tests/providers."""
    pairs = sorted(parse_qsl(request.body.decode(), keep_blank_values=True))
    signed = PUBLIC_URL + request.path + "".join(name + value for name, value in pairs)
    digest = hmac.digest(AUTH_TOKEN.encode(), signed.encode(), hashlib.sha1)
    return base64.b64encode(digest).decode()


def said(text: str, provider_id: str, **parts: Any) -> Json:
    """Make the webhook of one text."""
    return webhook(value(messages=[message(id=provider_id, text={"body": text}, **parts)]))


def rows(site: Site, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """Look into the tables."""
    with psycopg.connect(site.dsn, autocommit=True) as owner:
        return owner.execute(query, values).fetchall()


def stored(site: Site, provider_id: str) -> list[tuple[Any, ...]]:
    """Look up the messages a provider knows by this id."""
    return rows(
        site,
        """select m.source, m.type, m.content, m.conversation_id
             from chat.provider_messages p
             join chat.messages m on m.conversation_id = p.conversation_id and m.id = p.message_id
            where p.provider_message_id = %s""",
        provider_id,
    )


# Verification


def test_whatsapp_is_shown_that_we_know_the_word(inbox: Site) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "115<8>"}
    response = httpx.get(inbox.url + PATH, params=query)
    assert (response.status_code, response.text) == (200, "115<8>")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "change",
    [
        {"hub.verify_token": "another word"},
        {"hub.verify_token": ""},
        {"hub.verify_token": None},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": None},
        {"hub.challenge": None},
    ],
)
def test_whoever_does_not_know_the_word_is_refused(inbox: Site, change: dict[str, Any]) -> None:
    query = {
        "hub.mode": "subscribe",
        "hub.verify_token": VERIFY_TOKEN,
        "hub.challenge": "1158",
        **change,
    }
    given = {name: text for name, text in query.items() if text is not None}
    check_refusal(httpx.get(inbox.url + PATH, params=given), 403, "permission_denied")


def test_other_methods_are_refused(inbox: Site) -> None:
    check_refusal(httpx.put(inbox.url + PATH, json={}), 405, "unsupported")
    check_refusal(httpx.get(inbox.url + TWILIO), 405, "unsupported")
    assert httpx.options(inbox.url + PATH).headers["allow"] == "GET, OPTIONS, POST"


# Whom we believe


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"X-Hub-Signature-256": ""},
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": "sha1=" + "0" * 40},
    ],
)
def test_what_is_not_signed_is_refused_and_not_kept(inbox: Site, header: dict[str, str]) -> None:
    payload = said("forged", "wamid.forged")
    response = httpx.post(inbox.url + PATH, json=payload, headers=header)
    check_refusal(response, 403, "permission_denied")
    assert rows(inbox, "select from chat.webhooks where payload like '%%wamid.forged%%'") == []


def test_the_signature_is_of_the_bytes_as_they_came(inbox: Site) -> None:
    body = json.dumps(said("spaced", "wamid.spaced"), indent=3).encode()
    assert post(inbox, body).status_code == 200
    signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {"X-Hub-Signature-256": f"sha256={signature}"}
    changed = httpx.post(inbox.url + PATH, content=body + b" ", headers=headers)
    check_refusal(changed, 403, "permission_denied")


def test_a_server_without_secrets_believes_nobody(fresh_database: str) -> None:
    with serving(settings_for(fresh_database)) as site:
        check_refusal(post(site, said("x", "wamid.x")), 403, "permission_denied")
        check_refusal(post_form(site, {"MessageSid": "SM1"}), 403, "permission_denied")
        query = {"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"}
        response = httpx.get(site.url + PATH, params=query)
        check_refusal(response, 403, "permission_denied")


def test_what_is_too_large_is_refused(inbox: Site) -> None:
    body = b'{"entry": "' + b"x" * (3 * 1_048_576) + b'"}'
    check_refusal(post(inbox, body), 413, "too_large")


@pytest.mark.parametrize("body", [b"", b"{", b"entry=1", b'{"a": "\xff"}', b"[" * 5000])
def test_what_is_signed_but_no_json_is_refused(inbox: Site, body: bytes) -> None:
    assert check_refusal(post(inbox, body), 400, "validation_error") == {"field": "body"}


# What becomes of it


@pytest.fixture(scope="module")
def in_order(template: str, empty_database: Callable[..., str]) -> Iterator[Site]:
    """Yield a server that has been brought every fixture once, one after the other."""
    with serving(webhook_settings(empty_database(template))) as site:
        for payload in conversation().values():
            take(site, payload)
        yield site


@pytest.mark.parametrize("name", [name for name, says in SAYS.items() if says[0] != "status"])
def test_every_fixture_ends_in_the_right_thread(in_order: Site, name: str) -> None:
    kind, detail, content = SAYS[name]
    (thread,) = rows(
        in_order,
        """select t.conversation_id
             from chat.contact_identities i
             join chat.threads t on t.tenant_id = i.tenant_id and t.contact_id = i.contact_id
            where i.kind = 'bsuid' and i.value = %s""",
        KNOWN_BY["bsuid"],
    )
    if kind in ("message", "echo", "system"):
        source = {"message": "contact", "echo": "person", "system": "system"}[kind]
        ((found_source, found_type, found_content, found_thread),) = stored(in_order, name)
        assert (found_source, found_thread) == (source, *thread)
        assert found_type == ("system" if kind == "system" else detail)
        if name not in (
            "message/text",
            "message/image",
            "message/forwarded",
            "outgoing_message/text",
        ):
            assert found_content == content
    else:
        assert stored(in_order, name) == []


def test_what_is_said_about_messages_is_applied_to_them(in_order: Site) -> None:
    def content(name: str) -> Any:
        ((_, _, text, _),) = stored(in_order, name)
        return text

    assert content("message/image") == "Updated image caption"
    assert content("message/text") == "Edited"
    assert content("message/forwarded") is None
    assert content("outgoing_message/text") == "Text was edited"
    assert content("written/echo") is None
    reactions = rows(
        in_order,
        """select p.provider_message_id, r.emoji
             from chat.reactions r
             join chat.provider_messages p
               on p.conversation_id = r.conversation_id and p.message_id = r.message_id""",
    )
    assert reactions == [("message/text", "😮")]
    ((status,),) = rows(
        in_order,
        """select d.status
             from chat.deliveries d
             join chat.provider_messages p
               on p.conversation_id = d.conversation_id and p.message_id = d.message_id
            where p.provider_message_id = 'outgoing_message/text'""",
    )
    assert status == "played"


def test_every_payload_is_kept_word_for_word(in_order: Site) -> None:
    kept = {text for (text,) in rows(in_order, "select payload from chat.webhooks")}
    assert kept == {json.dumps(payload) for payload in conversation().values()}
    assert rows(in_order, "select from chat.webhooks where processed_at is null") == []


def test_somebody_without_a_number_has_a_thread(in_order: Site) -> None:
    (one,), (other,) = (stored(in_order, f"written/hidden/{n}") for n in (1, 2))
    assert one[3] == other[3]
    identities = rows(
        in_order,
        """select i.kind, i.value from chat.threads t
             join chat.contact_identities i on i.contact_id = t.contact_id
            where t.conversation_id = %s""",
        one[3],
    )
    assert identities == [("bsuid", "US.777")]


@pytest.mark.parametrize("seed", range(3))
def test_thrice_and_in_any_order_gives_the_same_database(
    in_order: Site, fresh: Site, seed: int
) -> None:
    payloads = list(conversation().values()) * 3
    random.Random(seed).shuffle(payloads)
    with ThreadPoolExecutor(1 if seed == 0 else 8) as threads:
        list(threads.map(lambda payload: take(fresh, payload), payloads))
    assert snapshot(fresh) == snapshot(in_order)


def snapshot(site: Site) -> dict[str, list[Any]]:
    """Describe what a database knows, but for ids of ours, numbers and times of receipt."""
    queries = {
        "messages": """
            select p.provider_message_id, c.canonical_key, m.source, m.type, m.content,
                   m.metadata::text, r.provider_message_id as reply_to, m.deleted_at is not null,
                   m.edited_at is not null, p.is_awaited, p.sent_at
              from chat.provider_messages p
              join chat.messages m on m.conversation_id = p.conversation_id and m.id = p.message_id
              join chat.conversations c on c.conversation_id = m.conversation_id
              left join chat.provider_messages r
                on r.conversation_id = m.conversation_id and r.message_id = m.reply_to_id""",
        "reactions": """
            select p.provider_message_id, r.emoji
              from chat.reactions r
              join chat.provider_messages p
                on p.conversation_id = r.conversation_id and p.message_id = r.message_id""",
        "deliveries": """
            select p.provider_message_id, d.status, d.sent_at, d.delivered_at, d.read_at,
                   d.failed_at, d.error::text
              from chat.deliveries d
              join chat.provider_messages p
                on p.conversation_id = d.conversation_id and p.message_id = d.message_id""",
        "identities": """
            select i.kind, i.value, i.retired_at, c.canonical_key
              from chat.contact_identities i
              join chat.threads t on t.tenant_id = i.tenant_id and t.contact_id = i.contact_id
              join chat.conversations c on c.conversation_id = t.conversation_id""",
        "threads": """
            select c.canonical_key, c.message_count, c.closed_at, t.last_inbound_at, t.read_seq
              from chat.threads t
              join chat.conversations c on c.conversation_id = t.conversation_id""",
        "channels": "select provider, address, display_name from chat.channels",
        "parked": "select provider_message_id, event ->> 'kind' from chat.parked_events",
        "webhooks": "select provider, payload from chat.webhooks where processed_at is not null",
    }
    return {name: sorted(rows(site, query), key=str) for name, query in queries.items()}


def test_a_repetition_says_so_and_changes_nothing(fresh: Site) -> None:
    payload = said("once", "wamid.once")
    assert take(fresh, payload) == {"success": True, "events": 1, "duplicates": 0}
    assert take(fresh, payload)["duplicate"] is True
    again = webhook(*[value(messages=[message(id="wamid.once", text={"body": "once"})])] * 2)
    assert take(fresh, again) == {"success": True, "events": 2, "duplicates": 2}
    assert len(stored(fresh, "wamid.once")) == 1


def test_fifty_at_once_from_somebody_unknown_make_one_contact_and_one_thread(fresh: Site) -> None:
    tasks = [lambda n=n: take(fresh, said(str(n), f"wamid.{n}")) for n in range(50)]
    at_once(tasks)
    assert rows(fresh, "select count(*), count(distinct contact_id) from chat.threads") == [(1, 1)]
    assert rows(fresh, "select count(*) from chat.messages") == [(50,)]


def test_a_payload_that_makes_no_event_is_kept(inbox: Site) -> None:
    payloads: list[Any] = [{}, [], 7, {"entry": [{"changes": [{"value": {"odd": True}}]}]}]
    for payload in payloads:
        assert take(inbox, payload) == {"success": True, "events": 0, "duplicates": 0}


def test_what_postgresql_cannot_store_is_taken_in_all_the_same(inbox: Site) -> None:
    body = json.dumps(said("HERE", "wamid.nul")).replace("HERE", r"a\u0000b\ud83d").encode()
    assert post(inbox, body).status_code == 200
    ((*_, text, _),) = stored(inbox, "wamid.nul")
    assert text == "a\ufffdb\ufffd"


def test_what_is_nested_too_deeply_is_kept(inbox: Site) -> None:
    deep: Any = "x"
    for _ in range(500):
        deep = [deep]
    payload = said("deep", "wamid.deep")
    payload["entry"][0]["changes"][0]["value"]["messages"][0].update(type="poll", poll=deep)
    assert post(inbox, payload).status_code == 200
    kept = rows(
        inbox,
        "select processed_at, problem from chat.webhooks where payload like '%%wamid.deep%%'",
    )
    assert len(kept) == 1


# Twilio


def sms(**fields: str) -> dict[str, str]:
    """Make a message as Twilio tells it."""
    return {
        "MessageSid": "SM1",
        "From": "whatsapp:+972987654321",
        "To": "whatsapp:+14155238886",
        "Body": "By Twilio",
        "WaId": "972987654321",
        "ProfileName": "Test Name",
        **fields,
    }


def test_messages_through_twilio_join_the_contacts_thread(fresh: Site) -> None:
    take(fresh, said("By WhatsApp", "wamid.1"))
    response = post_form(fresh, sms())
    assert (response.status_code, response.json()["events"]) == (200, 1)
    assert post_form(fresh, sms()).json()["duplicate"] is True
    (one,), (other,) = stored(fresh, "wamid.1"), stored(fresh, "SM1")
    assert (other[:3], other[3]) == (("contact", "text", "By Twilio"), one[3])
    assert rows(fresh, "select count(*) from chat.threads") == [(1,)]


def test_a_form_that_is_not_signed_is_refused(inbox: Site) -> None:
    headers = {"X-Twilio-Signature": "bm8="}
    response = httpx.post(inbox.url + TWILIO, data=sms(), headers=headers)
    check_refusal(response, 403, "permission_denied")


def test_a_status_of_twilios_is_kept_until_its_message_is_known(fresh: Site) -> None:
    fields = {"MessageSid": "SM9", "MessageStatus": "read", "From": "whatsapp:+14155238886"}
    response = post_form(fresh, {**fields, "To": "whatsapp:+972987654321"}, "callback=x%2Fy")
    assert response.json() == {"success": True, "events": 1, "duplicates": 0}
    ((kind, callback),) = rows(
        fresh, "select event ->> 'kind', event ->> 'callback' from chat.parked_events"
    )
    assert (kind, callback) == ("status", "x/y")


# When something goes wrong

BREAK = "alter table chat.messages add constraint broken check (content not like 'break%')"
MEND = "alter table chat.messages drop constraint broken"


def test_a_failed_statement_leaves_the_next_request_on_the_connection_untouched(
    fresh_database: str,
) -> None:
    with serving(webhook_settings(fresh_database, pool_size=1)) as site:
        backends = "select pid from pg_stat_activity where application_name = 'parley'"
        take(site, said("before", "wamid.1"))
        before = rows(site, backends)
        _execute(site, BREAK)
        assert post(site, said("break this", "wamid.2")).status_code == 200
        take(site, said("after", "wamid.3"))
        assert set(rows(site, backends)) == set(before)
        assert [bool(stored(site, f"wamid.{n}")) for n in (1, 2, 3)] == [True, False, True]
        _execute(site, MEND)
    with connect(fresh_database) as connection:
        assert violations(connection) == []


def test_one_that_cannot_be_taken_in_is_kept_and_stops_no_other(fresh: Site) -> None:
    take(fresh, said("first", "wamid.first"))
    _execute(fresh, BREAK)
    texts = {n: "break this" if n % 10 == 3 else f"number {n}" for n in range(40)}
    tasks = [
        lambda n=n, text=text: post(fresh, said(text, f"wamid.{n}")).status_code
        for n, text in texts.items()
    ]
    assert at_once(tasks) == [200] * 40
    kept = rows(fresh, "select problem from chat.webhooks where processed_at is null")
    assert len(kept) == 4
    assert all(problem for (problem,) in kept)
    assert [n for n in texts if stored(fresh, f"wamid.{n}")] == [n for n in texts if n % 10 != 3]
    _execute(fresh, MEND)


def _execute(site: Site, statement: str) -> None:
    with psycopg.connect(site.dsn, autocommit=True) as owner:
        owner.execute("set lock_timeout = '10s'")
        owner.execute(statement)


def parley(site: Site, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command on the site's database."""
    return subprocess.run(
        [sys.executable, "-m", "thin_api", *arguments],
        env={**os.environ, "DATABASE_URL": site.dsn},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_was_kept_is_taken_in_by_the_command_once_it_can_be(fresh: Site) -> None:
    _execute(fresh, BREAK)
    for n in range(3):
        post(fresh, said("break this", f"wamid.{n}"))
    post_form(fresh, sms(Body="break that"))
    listed = parley(fresh, "webhooks")
    assert (listed.returncode, len(listed.stdout.splitlines())) == (0, 4)
    assert "break" not in listed.stdout
    failed = parley(fresh, "webhooks", "--retry")
    assert failed.returncode == 1
    assert "SQLSTATE 23514" in failed.stdout
    assert "break" not in failed.stdout + failed.stderr
    _execute(fresh, MEND)
    assert parley(fresh, "webhooks", "--retry").returncode == 0
    assert all(stored(fresh, provider_id) for provider_id in ("wamid.0", "wamid.2", "SM1"))
    assert parley(fresh, "webhooks").stdout == ""


def test_what_was_kept_is_taken_in_when_the_provider_comes_again(fresh: Site) -> None:
    _execute(fresh, BREAK)
    payload = said("break this", "wamid.1")
    assert post(fresh, payload).status_code == 200
    _execute(fresh, MEND)
    assert take(fresh, payload) == {"success": True, "events": 1, "duplicates": 0}
    assert len(stored(fresh, "wamid.1")) == 1


def test_with_the_database_away_the_provider_is_asked_to_come_again(link: Link) -> None:
    with serving(webhook_settings(link.dsn)) as site:
        take(site, said("before", "wamid.1"))
        link.cut()
        payload = said("meanwhile", "wamid.2")
        check_refusal(post(site, payload), 503, "unavailable")
        link.heal()
        wait_for(lambda: post(site, payload).status_code == 200, "the database to be back")
        assert len(stored(site, "wamid.2")) == 1


def test_an_answer_that_is_lost_is_asked_for_again(link: Link) -> None:
    with serving(webhook_settings(link.dsn)) as site:
        take(site, said("before", "wamid.1"))
        link.lose_answer(b'"duplicates": 0')
        assert take(site, said("lost", "wamid.2"))["duplicate"] is True
        assert len(stored(site, "wamid.2")) == 1


def test_a_database_killed_in_the_middle_loses_and_doubles_nothing(fresh: Site) -> None:
    done = threading.Event()

    def kill() -> None:
        while not done.wait(0.05):
            rows(
                fresh,
                """select pg_terminate_backend(pid) from pg_stat_activity
                    where application_name = 'parley' and datname = current_database()""",
            )

    def bring(n: int) -> None:
        payload = said(f"number {n}", f"wamid.{n}")
        wait_for(lambda: post(fresh, payload).status_code == 200, "a webhook to be taken in")

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(bring, range(60), timeout=PATIENCE * 3))
    finally:
        done.set()
        killer.join()
    assert rows(fresh, "select count(*) from chat.messages") == [(60,)]


# What is told about it


def test_log_lines_hold_no_content_nobodys_number_and_no_secret(
    fresh_database: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    secrets = {
        "PARLEY_WHATSAPP_APP_SECRET": APP_SECRET,
        "PARLEY_WHATSAPP_VERIFY_TOKEN": VERIFY_TOKEN,
        "PARLEY_TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "PARLEY_PUBLIC_URL": PUBLIC_URL,
    }
    with program(fresh_database, log, **secrets) as (site, _):
        take(site, said("my diary", "wamid.1"))
        post_form(site, sms(Body="my other diary"), "callback=my-callback")
        _execute(site, BREAK)
        post(site, said("break my diary", "wamid.2"))
        post(site, b"my nonsense")
        httpx.post(site.url + PATH, json={"my": "forgery"}, headers={"X-Hub-Signature-256": "my"})
        query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "my"}
        assert httpx.get(site.url + PATH, params=query).text == "my"
        odd = said("x", "wamid.3")
        odd["entry"][0]["changes"][0]["value"]["messages"][0]["id"] = "my-id" * 300
        assert "refused" in post(site, odd).json()
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    told = [line["event"] for line in lines if line["event"] != "request"]
    assert {"bug", "webhook_events_refused"} <= set(told)
    text = log.read_text()
    for private in ("my", "97298", APP_SECRET, VERIFY_TOKEN, AUTH_TOKEN, KNOWN_BY["bsuid"]):
        assert private not in text, private


def test_figures_count_what_came(inbox: Site) -> None:
    take(inbox, said("counted", "wamid.counted"))
    post(inbox, b"{")
    httpx.post(inbox.url + PATH, json={})
    told = httpx.get(f"{inbox.url}/metrics").text
    for outcome in ("received", "unreadable", "forged"):
        assert f'parley_webhooks_total{{outcome="{outcome}",provider="whatsapp"}}' in told
    assert 'parley_webhook_events_total{kind="message",provider="whatsapp"}' in told
    assert "parley_webhook_batch_size_bucket" in told


def test_the_description_tells_of_webhooks(inbox: Site) -> None:
    paths = httpx.get(f"{inbox.url}/openapi.json").json()["paths"]
    assert paths[PATH].keys() == {"get", "post"}
    assert paths[TWILIO].keys() == {"post"}
    assert paths[PATH]["post"]["security"] == []
    assert METADATA["phone_number_id"] not in str(paths[PATH])
