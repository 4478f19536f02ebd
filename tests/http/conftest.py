"""One server for the tests that leave it whole; people and a group to talk in."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.http.support import Link, People, Site, populated, serving, settings_for


@pytest.fixture(scope="session")
def site(template: str, empty_database: Callable[..., str]) -> Iterator[Site]:
    """Yield a running server with a database of its own."""
    with serving(settings_for(empty_database(template))) as running:
        yield running


@pytest.fixture
def people(site: Site) -> Iterator[People]:
    """Yield people who have a group."""
    with populated(site) as people:
        yield people


@pytest.fixture
def anybody(site: Site) -> Iterator[httpx.Client]:
    """Yield a client without a token."""
    with site.caller() as client:
        yield client


@pytest.fixture
def link(fresh_database: str) -> Iterator[Link]:
    """Yield a link to a database of the test's own."""
    link = Link(fresh_database)
    yield link
    link.close()
