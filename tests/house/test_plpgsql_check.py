"""plpgsql_check reads every function and finds nothing; it needs the extension, as CI has it."""

import os

import psycopg
import pytest
from psycopg import errors

# A row beside a refusal is how a helper gives either; it is only the extension's advice against it.
# What chat.publish returns is assigned because perform would make a query of the call.
CHOSEN = [
    'composite OUT variable "%" is not single argument',
    'never read variable "v_position"',
]


@pytest.fixture
def checked(fresh_database: str) -> psycopg.Connection[tuple[object, ...]]:
    connection = psycopg.connect(fresh_database, autocommit=True)
    try:
        connection.execute("create extension plpgsql_check")
    except (errors.UndefinedFile, errors.FeatureNotSupported, errors.InsufficientPrivilege):
        connection.close()
        if os.environ.get("TEST_PLPGSQL_CHECK") == "required":
            raise
        pytest.skip("this server has no plpgsql_check")
    return connection


def test_plpgsql_check_finds_nothing(checked: psycopg.Connection[tuple[object, ...]]) -> None:
    with checked:
        rows = checked.execute(
            """select p.oid::regprocedure::text, f.lineno, f.level, f.message
                 from pg_proc p
                 join pg_language l on l.oid = p.prolang
                cross join plpgsql_check_function_tb(
                    p.oid, fatal_errors => false, performance_warnings => true,
                    extra_warnings => true, security_warnings => true) f
                where l.lanname = 'plpgsql'
                  and p.pronamespace in ('api'::regnamespace, 'chat'::regnamespace)
                  and f.message not like all (%s)
                  -- A column of a domain, read into its base type.
                  and (f.level, f.message) <>
                      ('performance', 'target type is different type than source type')
                order by 1, 2""",
            [CHOSEN],
        ).fetchall()
    assert rows == []
