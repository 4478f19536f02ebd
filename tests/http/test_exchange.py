"""Requests that are malformed, too large, too slow or cut short; ids and headers of answers."""

import re
import socket
import threading

import httpx
import pytest

from tests.http.support import JSON, People, Site, check_refusal, raw_exchange, token
from thin_api import exchange

LIMIT = 1_048_576
NUL_BODY = b'{"content":"a\\u0000b"}'


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"content":"x"',
        b'{"content":NaN}',
        b'{"content":1e999}',
        b'{"content":"\\ud800"}',
        b'{"content":"\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'{"content":' + b"9" * 5000 + b"}",
        b"[]",
        b'"content"',
        b"null",
    ],
    ids=repr,
)
def test_unreadable_body_is_refused(people: People, body: bytes) -> None:
    response = people.as_ada.post(people.messages, content=body, headers=JSON)
    assert check_refusal(response, 400, "validation_error") == {"field": "body"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", 1),
        ("content", ["x"]),
        ("content", "a\x00b"),
        ("client_message_id", {}),
        ("client_message_id", True),
        ("type", 5),
        ("metadata", {"a": ["b\x00"]}),
        ("metadata", {"b\x00": 1}),
        ("metadata", "text"),
        ("reply_to_id", "42"),
        ("reply_to_id", 42),
        ("reply_to_id", "{018f2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b}"),
        ("p_content", "x"),
        ("actor_id", "018f2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b"),
        ("", "x"),
    ],
)
def test_wrong_field_is_named(people: People, field: str, value: object) -> None:
    response = people.as_ada.post(people.messages, json={"content": "x", field: value})
    assert check_refusal(response, 400, "validation_error") == {"field": field}


def test_text_that_only_looks_like_nul_is_kept(people: People) -> None:
    body = {"content": "x", "metadata": {"path": "C:\\u0000"}}
    sent = people.as_ada.post(people.messages, json=body).json()
    assert sent["message"]["metadata"] == body["metadata"]


def test_wrong_member_of_an_array_is_named(people: People) -> None:
    body = {"kind": "group", "title": "x", "member_ids": [people.bo, "nobody"]}
    response = people.as_ada.post("/v1/conversations", json=body)
    assert check_refusal(response, 400, "validation_error") == {"field": "member_ids[1]"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=", "limit"),
        ("limit=1.5", "limit"),
        ("limit=1e3", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=99999999999", "limit"),
        ("limit=1&limit=2", "limit"),
        ("before_seq=99999999999999999999", "before_seq"),
        ("before_seq=9223372036854775808", "before_seq"),
        ("after_seq=x%00", "after_seq"),
        ("lmit=5", "lmit"),
        ("limit=%ff", "query"),
        ("&".join(f"x{n}=1" for n in range(200)), "query"),
    ],
)
def test_wrong_query_parameter_is_named(people: People, query: str, field: str) -> None:
    response = people.as_ada.get(f"{people.messages}?{query}")
    assert check_refusal(response, 400, "validation_error") == {"field": field}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/conversations/42", "conversation_id"),
        ("/v1/conversations/018f2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b%0a", "conversation_id"),
        ("/v1/conversations/018f2b3c4d5e7f608a9b0c1d2e3f4a5b", "conversation_id"),
        ("/v1/conversations/%ff", "conversation_id"),
        ("/v1/conversations/%00", "conversation_id"),
    ],
)
def test_wrong_path_parameter_is_named(people: People, path: str, field: str) -> None:
    assert check_refusal(people.as_ada.get(path), 400, "validation_error") == {"field": field}


def test_emoji_that_is_not_utf8_is_refused(people: People) -> None:
    sent = people.as_ada.post(people.messages, json={"content": "x"}).json()["message"]
    path = f"{people.messages}/{sent['id']}/reactions"
    for emoji in ("%ff", "%00"):
        response = people.as_ada.put(f"{path}/{emoji}")
        assert check_refusal(response, 400, "validation_error") == {"field": "emoji"}


def test_body_must_be_json(people: People) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
        response = people.as_ada.post(
            people.messages, content=b'{"content":"x"}', headers={"Content-Type": kind}
        )
        assert check_refusal(response, 400, "validation_error") == {"field": "Content-Type"}
    utf8 = {"Content-Type": "application/json; charset=utf-8"}
    response = people.as_ada.post(people.messages, content=b'{"content":"x"}', headers=utf8)
    assert response.status_code == 201


def test_body_at_the_limit_is_read_and_one_byte_more_is_not(people: People) -> None:
    body = b'{"content":"x"' + b" " * (LIMIT - 15) + b"}"
    assert len(body) == LIMIT
    assert people.as_ada.post(people.messages, content=body, headers=JSON).status_code == 201
    response = people.as_ada.post(people.messages, content=body + b" ", headers=JSON)
    assert check_refusal(response, 413, "too_large") == {"field": "body", "limit": LIMIT}


def test_chunked_body_is_counted(people: People) -> None:
    chunks = (b" " * 65536 for _ in range(20))
    response = people.as_ada.post(people.messages, content=chunks, headers=JSON)
    check_refusal(response, 413, "too_large")
    few = iter([b'{"cont', b'ent":"in pieces"}'])
    assert people.as_ada.post(people.messages, content=few, headers=JSON).status_code == 201


def test_body_announced_too_large_is_not_waited_for(people: People, site: Site) -> None:
    head = _head(people, "content-length: 99999999999\r\n")
    answer = raw_exchange(site.url, head, more=b"{}")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()
    assert b'"too_large"' in answer


def test_body_shorter_than_announced_is_given_up(
    people: People, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BODY_TIMEOUT", 0.2)
    answer = raw_exchange(site.url, _head(people, "content-length: 100\r\n"), more=b"{}")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'{"field":"body"}' in answer


def test_slow_body_is_read(people: People, site: Site) -> None:
    host, port = site.url.removeprefix("http://").split(":")
    pause = threading.Event()
    body = b'{"content":"slow"}'
    head = _head(people, f"content-length: {len(body)}\r\nconnection: close\r\n")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head)
        for byte in body:
            connection.sendall(bytes([byte]))
            pause.wait(0.002)
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")


def test_client_that_leaves_half_way_harms_nobody(people: People, site: Site) -> None:
    host, port = site.url.removeprefix("http://").split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(_head(people, "content-length: 100\r\n") + b"{")
    assert people.as_ada.post(people.messages, json={"content": "x"}).status_code == 201


def test_sane_request_id_comes_back(anybody: httpx.Client) -> None:
    for path in ("/health", "/nothing", "/v1/me"):
        response = anybody.get(path, headers={"X-Request-Id": "order-66.a:b_c"})
        assert response.headers["x-request-id"] == "order-66.a:b_c"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"b', "a;b", "-a", "\xe9"])
def test_other_request_id_is_replaced(anybody: httpx.Client, given: str) -> None:
    response = anybody.get("/health", headers={b"X-Request-Id": given.encode("latin-1")})
    assert re.fullmatch("[0-9a-f]{24}", response.headers["x-request-id"])


def _head(people: People, headers: str) -> bytes:
    return (
        f"POST {people.messages} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {token(people.ada)}\r\n{headers}\r\n"
    ).encode()
