"""Probes, metrics, landing page and the reference page's own rules."""

import re
from pathlib import Path

import httpx
import pytest

from tests.http.support import People, Site, check_refusal
from thin_api import pages
from thin_api.routes import Operation

WEB = Path(pages.__file__).parent / "web"


@pytest.mark.parametrize(
    "path", ["/", "/health", "/ready", "/metrics", "/openapi.json", "/docs", "/docs/reference.js"]
)
def test_page_is_read_by_anybody_and_only_read(anybody: httpx.Client, path: str) -> None:
    got = anybody.get(path)
    assert got.status_code == 200
    assert got.headers["x-request-id"]
    head = anybody.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert anybody.options(path).headers["allow"] == "GET, HEAD, OPTIONS"
    check_refusal(anybody.post(path), 405, "unsupported")


def test_ready_names_what_is_missing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "OPERATIONS", [Operation("GET", "/v1/x", "not_there")])
    with site.caller() as client:
        response = client.get("/ready")
    check_refusal(response, 503, "unavailable")
    assert "not_there" in response.json()["message"]


def test_reference_page_needs_nothing_from_elsewhere(anybody: httpx.Client) -> None:
    response = anybody.get("/docs")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy
    for file in WEB.iterdir():
        text = file.read_text()
        assert not re.search(r"(src|href|url|import)\s*[=(]?\s*['\"]?(https?:)?//", text), file


def test_reference_page_has_nothing_inline_that_its_policy_forbids() -> None:
    page = (WEB / "reference.html").read_text()
    assert not re.search(r"<style|\son\w+=|\sstyle=|<script(?![^>]*src=)|javascript:", page)


def test_reference_page_never_makes_markup_of_text() -> None:
    script = (WEB / "reference.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)


def test_requests_are_counted_by_template_and_status(site: Site, people: People) -> None:
    def count() -> dict[str, float]:
        lines = httpx.get(f"{site.url}/metrics").text.splitlines()
        rows = (line.rpartition(" ") for line in lines if "{" in line)
        return {name: float(value) for name, _, value in rows}

    before = count()
    people.as_ada.post(people.messages, json={"content": "x"})
    people.as_eve.get(people.messages)
    people.as_ada.get("/nothing/of/the/kind")
    after = count()

    def more(method: str, route: str, status: int) -> float:
        name = f'parley_http_requests_total{{method="{method}",route="{route}",status="{status}"}}'
        return after[name] - before.get(name, 0)

    route = "/v1/conversations/{conversation_id}/messages"
    assert more("POST", route, 201) == 1
    assert more("GET", route, 403) == 1
    assert more("GET", "unknown", 404) == 1
    assert people.group not in str(after)


def test_pool_and_requests_in_flight_are_measured(site: Site) -> None:
    text = httpx.get(f"{site.url}/metrics").text
    assert re.search(r"^parley_pool_size \d", text, re.MULTILINE)
    assert re.search(r"^parley_pool_open \d", text, re.MULTILINE)
    assert re.search(r"^parley_http_requests_in_flight [1-9]", text, re.MULTILINE)
