"""The JavaScript client: what it knows and what it does, and both against a real server."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.http.support import People, populated, serving, settings_for, token
from tests.web.node import Results, names, run

STORE, CLIENT, SERVER = "store.test.mjs", "client.test.mjs", "server.test.mjs"
run_once = cache(run)


def each(file: str) -> pytest.MarkDecorator:
    """Make a test of each test in a file."""
    return pytest.mark.parametrize("name", names(file))


@pytest.fixture(scope="module")
def people(template: str, empty_database: Callable[..., str]) -> Iterator[People]:
    """Yield people of a running server."""
    with serving(settings_for(empty_database(template))) as site, populated(site) as people:
        yield people


@pytest.fixture(scope="module")
def on_server(people: People) -> Results:
    """Return what the tests that talk to a server say."""
    return run(
        SERVER,
        PARLEY_TEST_URL=str(people.as_ada.base_url),
        PARLEY_TEST_ADA=token(people.ada),
        PARLEY_TEST_BO=token(people.bo),
        PARLEY_TEST_GROUP=people.group,
    )


def check(results: Results, name: str) -> None:
    """Check one result."""
    assert name in results, "it was not run"
    assert results[name] is None, results[name]


@each(STORE)
def test_store(name: str) -> None:
    check(run_once(STORE), name)


@each(CLIENT)
def test_client(name: str) -> None:
    check(run_once(CLIENT), name)


@each(SERVER)
def test_with_a_server(name: str, on_server: Results) -> None:
    check(on_server, name)


@pytest.mark.parametrize("file", [STORE, CLIENT])
def test_no_test_is_left_out(file: str) -> None:
    assert sorted(names(file)) == sorted(run_once(file))
