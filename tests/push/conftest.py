"""A server for the tests that leave it whole, and servers of a test's own."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from tests.http.support import Link
from tests.push.support import Stage, staged
from tests.support import connect, violations


@pytest.fixture(scope="session")
def running(template: str, empty_database: Callable[..., str]) -> Iterator[Stage]:
    """Yield a running server with a database of its own."""
    with staged(empty_database(template)) as stage:
        yield stage


@pytest.fixture
def stage(running: Stage) -> Iterator[Stage]:
    """Yield the running server; the sockets a test opens are closed after it."""
    with contextlib.ExitStack() as stack:
        yield Stage(running.site, running.hub, running.site.dsn, stack)
    with connect(running.site.dsn) as connection:
        assert violations(connection) == []


@pytest.fixture
def own_stage(fresh_database: str) -> Iterator[Callable[..., Stage]]:
    """Start servers with settings of the test's own, on one database of the test's own."""
    with contextlib.ExitStack() as stack:
        yield lambda **changes: stack.enter_context(staged(fresh_database, **changes))
    with connect(fresh_database) as connection:
        assert violations(connection) == []


@pytest.fixture
def link(fresh_database: str) -> Iterator[Link]:
    """Yield a link to a database of the test's own."""
    link = Link(fresh_database)
    yield link
    link.close()
