"""Both servers in front of one database."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.http.support import serving, settings_for
from tests.postgrest.support import Server, installed, postgrest


@pytest.fixture(scope="session")
def shared_by_both(template: str, empty_database: Callable[..., str]) -> str:
    """Return the address of the database both serve."""
    return empty_database(template)


@pytest.fixture(scope="session")
def theirs(shared_by_both: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield PostgREST; where it is not installed its tests are skipped, but not in CI."""
    program = installed()
    if program is None:
        problem = "PostgREST is not installed: run tests/postgrest/install.sh"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(problem)
        pytest.skip(problem)
    log = tmp_path_factory.mktemp("postgrest") / "log"
    with postgrest(program, shared_by_both, log) as url:
        yield Server("PostgREST", f"{url}/rpc", shared_by_both)


@pytest.fixture(scope="session")
def ours(shared_by_both: str) -> Iterator[Server]:
    """Yield the thin layer."""
    with serving(settings_for(shared_by_both)) as site:
        yield Server("Parley", f"{site.url}/rest/v1/rpc", shared_by_both)
