"""Who takes part in a race, and where."""

from collections.abc import Callable

import pytest

from tests.race.steps import Cast
from tests.support import Racer


@pytest.fixture(scope="session")
def race_database(template: str, empty_database: Callable[..., str]) -> str:
    """Make one database for all races: each has its own people, who meet nobody else's."""
    return empty_database(template)


@pytest.fixture
def fresh_database(race_database: str) -> str:
    """Let races share it: cloning one for each takes longer than the race."""
    return race_database


@pytest.fixture
def cast(race: Callable[..., Racer]) -> Cast:
    """Gather a cast; what must hold is checked when the race is over."""
    return Cast(race)
