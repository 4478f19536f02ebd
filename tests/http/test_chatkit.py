"""What a server without the extra says about it; with it: tests/chatkit."""

import importlib.util

import pytest

from tests.http.support import check_refusal, serving, settings_for


def test_without_the_extra_the_path_of_chatkit_says_what_to_install(
    shared_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with serving(settings_for(shared_database)) as site, site.caller() as anybody:
        response = anybody.post("/chatkit", json={"type": "threads.list", "params": {}})
        check_refusal(response, 404, "not_found")
        assert "parley[chatkit]" in response.json()["hint"]
