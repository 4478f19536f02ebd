"""A server that answers nothing by itself, and somebody at its widget."""

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.chatkit.support import Widget, at_widget
from tests.http.streaming import without_worker
from tests.http.support import Site, settings_for
from tests.support import connect, violations
from thin_api.db import Database


@pytest.fixture(scope="session")
def site(template: str, empty_database: Callable[..., str]) -> Iterator[Site]:
    """Yield a running server; the test does the work of its responder."""
    with without_worker(empty_database(template)) as running:
        yield running


@pytest.fixture
def widget(site: Site) -> Iterator[Widget]:
    """Yield somebody at a widget; runs that a test leaves are nobody else's."""
    with at_widget(site) as widget:
        yield widget
        with connect(site.dsn, None) as operator:
            operator.execute("update chat.runs set due_at = 'infinity' where finished_at is null")
            assert violations(operator) == []


@pytest.fixture(scope="session")
def shared_dsn(template: str, empty_database: Callable[..., str]) -> str:
    """Return a database for the tests that commit and do not mind each other."""
    return empty_database(template)


@pytest.fixture
async def database(shared_dsn: str) -> AsyncIterator[Database]:
    """Yield the thin layer's way to call functions."""
    database = Database(settings_for(shared_dsn, pool_size=2))
    await database.open()
    yield database
    await database.close()
