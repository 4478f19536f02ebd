"""What is said twice about errors says the same."""

import pytest

from tests.http.support import Site
from tests.support import connect
from thin_api import errors
from thin_api.errors import Cause, Failure


def test_own_statuses_are_those_of_the_catalogue(site: Site) -> None:
    with connect(site.dsn) as connection:
        rows = connection.execute("select code, http_status from api.error_codes").fetchall()
    known = dict(rows)
    assert {code: known[code] for code in errors.STATUSES} == dict(errors.STATUSES)


@pytest.mark.parametrize(
    ("sqlstate", "cause"),
    [
        ("40001", Cause.CONFLICT),
        ("40P01", Cause.CONFLICT),
        ("55P03", Cause.LOCKED),
        ("57014", Cause.BUSY),
        ("53300", Cause.BUSY),
        ("57P01", Cause.LOST),
        ("08006", Cause.LOST),
        ("22P02", Cause.ARGUMENT),
        ("22P05", Cause.ARGUMENT),
        ("42883", Cause.CHANGED),
        ("42501", Cause.FORBIDDEN),
        ("PT409", Cause.RAISED),
        ("P0001", Cause.BUG),
        ("23505", Cause.BUG),
        ("22012", Cause.BUG),
        ("XX000", Cause.BUG),
        ("", Cause.BUG),
    ],
)
def test_sqlstate_has_a_cause(sqlstate: str, cause: Cause) -> None:
    assert errors.cause(sqlstate) is cause


@pytest.mark.parametrize(
    ("body", "is_refusal"),
    [
        (b'{"code": "PT404", "error": "not_found", "success": false}', True),
        (b'{"message": {"a": {"success": false}}, "success": true}', False),
        (b'{"message": "\\"success\\": false", "success": true}', False),
        (b'[{"success": false}]', False),
        (b"null", False),
    ],
)
def test_refusal_is_told_from_success(body: bytes, is_refusal: bool) -> None:
    assert (errors.refused(body) is not None) is is_refusal


@pytest.mark.parametrize(
    ("body", "is_repeated"),
    [
        (b'{"success": true, "duplicate": true}', True),
        (b'{"created": false, "success": true}', True),
        (b'{"created": true, "success": true}', False),
        (b'{"message": {"metadata": {"duplicate": true, "created": false}}}', False),
    ],
)
def test_repetition_is_told_from_creation(body: bytes, is_repeated: bool) -> None:
    assert errors.repeated(body) is is_repeated


def test_only_what_may_help_later_says_when_to_try_again() -> None:
    assert errors.RETRY_AFTER in errors.unavailable("away").headers
    assert errors.RETRY_AFTER not in Failure("not_found", "no").headers
