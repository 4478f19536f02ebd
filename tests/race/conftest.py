"""Who takes part in a race, and where."""

from collections import defaultdict
from collections.abc import Callable, Iterator

import pytest
from psycopg.pq import TransactionStatus

from tests.race.steps import Cast
from tests.support import Racer, connect, violations

Waiting = dict[str | None, list[Racer]]


@pytest.fixture(scope="session")
def race_database(template: str, empty_database: Callable[..., str]) -> str:
    """Make one database for all races: each has its own people, who meet nobody else's."""
    return empty_database(template)


@pytest.fixture(scope="session")
def waiting() -> Iterator[Waiting]:
    """Keep connections, by role, from race to race: making them takes longer than a race."""
    racers: Waiting = defaultdict(list)
    yield racers
    for racer in [racer for of_role in racers.values() for racer in of_role]:
        racer.close()


@pytest.fixture(scope="session")
def blamed() -> set[str]:
    """Keep what races have broken, so that each is blamed for its own."""
    return set()


@pytest.fixture
def race(race_database: str, waiting: Waiting, blamed: set[str]) -> Iterator[Callable[..., Racer]]:
    """Make named connections; what must hold is checked when they are done."""
    entered: list[tuple[str | None, Racer]] = []

    def enter(name: str, role: str | None = "parley_api") -> Racer:
        racer = waiting[role].pop() if waiting[role] else Racer(race_database, name, role)
        racer.name = name
        entered.append((role, racer))
        return racer

    yield enter
    for role, racer in entered:
        if racer.connection.info.transaction_status == TransactionStatus.IDLE:
            waiting[role].append(racer)
        else:
            racer.close()
    with connect(race_database) as connection:
        broken = {str(violation) for violation in violations(connection)} - blamed
    blamed |= broken
    assert not broken


@pytest.fixture
def cast(race: Callable[..., Racer]) -> Cast:
    """Gather a cast; what must hold is checked when the race is over."""
    return Cast(race)
