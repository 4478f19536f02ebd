"""The logs of these tests, and a server to replay them to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.http.support import serving, settings_for
from tests.support import Connection, connect, violations
from thin_api.settings import Settings

EXCERPTS = sorted(Path(__file__).with_name("data").glob("*.raw.txt"))
CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus" / "ubuntu-irc"
WHOLE_LOGS = sorted(CORPUS.glob("*.raw.txt"))
ABSENT = pytest.param(
    None,
    marks=pytest.mark.skip("the whole logs are not in ../shared/corpus beside the project"),
    id="whole",
)


def _named(kind: str, paths: list[Path]) -> list[Any]:
    return [pytest.param(path, id=f"{kind}-{path.name.split('.')[0]}") for path in paths]


@pytest.fixture(params=[*_named("excerpt", EXCERPTS), *(_named("whole", WHOLE_LOGS) or [ABSENT])])
def log(request: pytest.FixtureRequest) -> Path:
    """Return each log in turn, excerpts and whole ones."""
    path: Path = request.param
    return path


@pytest.fixture(params=_named("excerpt", EXCERPTS))
def excerpt(request: pytest.FixtureRequest) -> Path:
    """Return each excerpt in turn."""
    path: Path = request.param
    return path


@pytest.fixture(params=[pytest.param(WHOLE_LOGS, id="corpus") if WHOLE_LOGS else ABSENT])
def whole_logs(request: pytest.FixtureRequest) -> list[Path]:
    """Return the whole logs, all at once."""
    paths: list[Path] = request.param
    return paths


@dataclass
class Served:
    """A server with a database of its own."""

    url: str
    settings: Settings
    connection: Connection


@pytest.fixture
def parley(fresh_database: str) -> Iterator[Served]:
    """Serve a fresh database; nothing may break an invariant."""
    settings = settings_for(fresh_database)
    with serving(settings) as site, connect(fresh_database, None) as connection:
        port = int(site.url.rpartition(":")[2])
        yield Served(site.url, replace(settings, port=port), connection)
        assert violations(connection) == []


@pytest.fixture
def write_log(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a log of the given lines."""

    def write(*lines: str, name: str = "made") -> Path:
        path = tmp_path / f"{name}.raw.txt"
        path.write_bytes("".join(f"{line}\n" for line in lines).encode(errors="surrogateescape"))
        return path

    return write
