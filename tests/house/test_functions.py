"""The rules of the house for functions, and everything about them that is said twice."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.behind import rows
from tests.support import Connection

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
RPC_TESTS = ROOT / "tests" / "rpc"
FIELDS = [
    "Takes",
    "Returns",
    "Rules",
    "Rule",
    "Cost",
    "Why",
    "Locks",
    "Writes",
    "Retry",
    "Fails",
    "Raises",
]
ORDER = ["Takes", "Returns", "Locks", "Writes", "Retry", "Fails"]
# Asked of all functions at once, in tests/rpc/test_actors.py.
OF_ACTORS = {
    "validation_error",
    "unauthenticated",
    "permission_denied",
    "not_found",
    "not_a_member",
}
# A listener's own calls: neither reads nor changes of what anybody stores.
LISTENING = {"push_attach", "push_fetch", "push_sleep", "push_wake"}
# Plans are kept: those made while tables are small must be good for large ones.
BUSY = {
    "append_run_delta",
    "claim_run",
    "claim_deliveries",
    "get_run",
    "import_thread_atomic",
    "receive_message_atomic",
    "receive_webhooks_atomic",
    "record_delivery_status_atomic",
    "settle_delivery_atomic",
}
# Short arrays look as if a plan of their own were cheaper: planning costs more than the call.
BATCHES = {"receive_message_atomic", "receive_webhooks_atomic"}
# What helpers refuse with and these functions do not: an erasure makes someone else the owner, a
# batch answers each message by itself.
NOT_ANSWERED = {
    "api.erase_user_atomic": {"last_owner"},
    "api.send_messages_atomic": {
        *OF_ACTORS - {"validation_error"},
        "blocked",
        "idempotency_conflict",
        "conversation_closed",
        "window_closed",
    },
}


def code_files() -> list[Path]:
    """Return the files that hold one function or view each."""
    return sorted(file for file in FUNCTIONS.rglob("*.sql") if file.parent != FUNCTIONS)


def api_files() -> list[Path]:
    """Return those of the surface that hold functions."""
    return [
        file
        for file in code_files()
        if file.relative_to(FUNCTIONS).parts[0] == "api"
        and "create or replace function" in file.read_text()
    ]


def qualified(file: Path) -> str:
    """Return what a file defines: schema.name."""
    return f"{file.relative_to(FUNCTIONS).parts[0]}.{file.stem}"


def name_of(file: Path) -> str:
    """Name a test after its file."""
    return str(file.relative_to(FUNCTIONS))


each_file = pytest.mark.parametrize("file", code_files(), ids=name_of)
each_api_function = pytest.mark.parametrize("file", api_files(), ids=name_of)


def header(file: Path) -> list[str]:
    """Return the comment a file begins with, without dashes."""
    lines: list[str] = []
    for line in file.read_text().splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").removeprefix(" "))
    return lines


def fields(file: Path) -> dict[str, str]:
    """Return the fields of a header, each with its text on one line."""
    found: dict[str, str] = {}
    name = ""
    for line in header(file):
        if match := re.match(r"([A-Z][a-z]+) {2,}(\S.*)", line):
            name = match[1]
            found[name] = match[2]
        elif name and line.startswith(" " * 9):
            found[name] += " " + line.strip()
        else:
            name = ""
    return found


@cache
def codes() -> frozenset[str]:
    """Return the codes of the catalogue."""
    text = (FUNCTIONS / "api" / "error_codes.sql").read_text()
    return frozenset(re.findall(r"^    \('(\w+)',", text, re.MULTILINE))


def told(file: Path) -> set[str]:
    """Return the codes in a function's Fails field."""
    return set(re.findall(r"\w+", fields(file).get("Fails", ""))) & codes()


@cache
def bodies() -> dict[str, str]:
    """Return each function's text, without comments."""
    return {
        qualified(file): re.sub(r"--.*", "", file.read_text())
        for file in code_files()
        if "create or replace function" in file.read_text()
    }


@cache
def reachable(function: str) -> frozenset[str]:
    """Return the codes a function or its helpers refuse with."""
    found: set[str] = set()
    todo, seen = [function], {"chat.fail", "chat.invalid", "chat.oversized"}
    while todo:
        text = bodies()[todo.pop()]
        found |= set(re.findall(r"chat\.fail\(\s*'(\w+)'", text))
        if "chat.invalid(" in text:
            found.add("validation_error")
        if "chat.oversized(" in text:
            found.add("too_large")
        callees = set(re.findall(r"\b((?:chat|api)\.\w+)\(", text)) & set(bodies()) - seen
        seen |= callees
        todo += callees
    return frozenset(found)


def defined(db: Connection) -> list[tuple[Any, ...]]:
    """Return schema.name of each function and view in the database."""
    return rows(
        db,
        "select p.pronamespace::regnamespace || '.' || p.proname from pg_proc p"
        "  where p.pronamespace in ('api'::regnamespace, 'chat'::regnamespace)"
        " union all select c.relnamespace::regnamespace || '.' || c.relname from pg_class c"
        "  where c.relkind = 'v'"
        "    and c.relnamespace in ('api'::regnamespace, 'chat'::regnamespace)",
    )


def test_the_files_are_what_is_in_the_database(db: Connection) -> None:
    assert sorted(name for (name,) in defined(db)) == sorted(map(qualified, code_files()))


def test_each_file_is_installed_exactly_once() -> None:
    installed = re.findall(r"^\\ir (.+)$", (FUNCTIONS / "install.sql").read_text(), re.MULTILINE)
    assert sorted(installed) == sorted([*map(name_of, code_files()), "../sql/grants.sql"])
    assert installed[-1] == "../sql/grants.sql"


@each_file
def test_a_file_defines_what_it_is_named_after(file: Path) -> None:
    made = re.findall(
        r"^ *create or replace (?:function|view) ([\w.]+)", file.read_text(), re.MULTILINE
    )
    assert set(made) == {qualified(file)}
    text = file.read_text()
    assert text.startswith(f"-- {qualified(file)}: ")
    assert f"comment on {'view' if ' view ' in text else 'function'} {qualified(file)} is" in text


@each_file
def test_sql_is_lower_case_and_narrow(file: Path) -> None:
    text = file.read_text()
    assert "\t" not in text
    assert text.endswith("\n")
    assert not re.search(r"[ \t]+$", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) <= 120
    code = re.sub(r"--.*|'(?:[^']|'')*'", "", text)
    assert not re.findall(r"\b[A-Z]{2,}\b", code)


@each_file
def test_nothing_is_caught_but_what_is_named(file: Path) -> None:
    code = re.sub(r"--.*", "", file.read_text())
    assert not re.search(r"when\s+others", code)
    assert "raise notice" not in code
    assert "grant " not in code


@each_file
def test_a_headers_fields_are_the_fixed_ones_in_order(file: Path) -> None:
    found = list(fields(file))
    assert set(found) <= set(FIELDS)
    assert [name for name in found if name in ORDER] == [name for name in ORDER if name in found]


@each_api_function
def test_a_function_of_the_surface_says_what_it_answers(file: Path) -> None:
    required = {"Returns"} if file.stem in ("must", "check_invariants") else {"Returns", "Fails"}
    assert required <= set(fields(file))
    if file.stem.endswith("_atomic"):
        assert "p_actor_id" not in file.read_text() or {"Writes", "Locks"} & set(fields(file))


@each_api_function
def test_the_codes_it_may_answer_are_those_it_says(file: Path) -> None:
    function = qualified(file)
    assert told(file) == reachable(function) - NOT_ANSWERED.get(function, set())


def test_every_code_told_is_in_the_catalogue() -> None:
    for file in code_files():
        fails = fields(file).get("Fails", "")
        words = set(re.findall(r"\b[a-z]+_[a-z_]+\b", re.sub(r"\([^)]*\)", "", fails)))
        names = {"send_message_atomic"}
        assert words - names <= codes(), file


def test_every_code_used_is_in_the_catalogue() -> None:
    for function, text in bodies().items():
        assert set(re.findall(r"chat\.fail\(\s*'(\w+)'", text)) <= codes(), function


@each_api_function
def test_every_code_it_may_answer_is_asserted_in_tests(file: Path) -> None:
    mirror = RPC_TESTS / file.parent.relative_to(FUNCTIONS / "api") / f"test_{file.stem}.py"
    everywhere = "".join(test.read_text() for test in RPC_TESTS.rglob("test_*.py"))
    asserted = set(re.findall(rf'refuse\(\s*db,\s*"(\w+)",\s*"{file.stem}"', everywhere))
    asserted |= set(re.findall(r'"(\w+)"', mirror.read_text())) & codes()
    assert told(file) <= asserted | OF_ACTORS


def test_tests_mirror_the_files() -> None:
    mirrored = {
        str(test.relative_to(RPC_TESTS).with_name(test.stem.removeprefix("test_")))
        for test in RPC_TESTS.rglob("*/test_*.py")
    }
    assert mirrored == {
        str(file.relative_to(FUNCTIONS / "api").with_suffix("")) for file in api_files()
    }


@each_api_function
def test_arguments_are_named_alike(file: Path) -> None:
    signature = re.search(
        r"create or replace function [\w.]+\((.*?)\)\s*returns", file.read_text(), re.DOTALL
    )
    assert signature
    for argument in filter(None, map(str.strip, signature[1].split(","))):
        assert re.match(r"p_[a-z_]+ +[a-z]", argument), argument


def test_no_function_is_overloaded(db: Connection) -> None:
    names = [name for (name,) in defined(db)]
    assert len(names) == len(set(names))


def test_the_surface_is_security_definer_with_a_pinned_path(db: Connection) -> None:
    found = rows(
        db,
        "select p.proname, p.prosecdef, p.proconfig::text, p.proowner::regrole::text"
        "  from pg_proc p where p.pronamespace = 'api'::regnamespace",
    )
    # What is called a thousand times a second plans by index, however small a table still is.
    config = {
        name: '{"search_path=pg_catalog, pg_temp"'
        + (",enable_seqscan=off" if name in BUSY else "")
        + (",plan_cache_mode=force_generic_plan" if name in BATCHES else "")
        + "}"
        for name, *_ in found
    }
    assert {name: rest for name, *rest in found} == {
        name: [True, config[name], "parley_owner"] for name in config
    }


def test_no_private_helper_is_security_definer(db: Connection) -> None:
    found = rows(
        db,
        "select p.proname from pg_proc p"
        " where p.pronamespace = 'chat'::regnamespace and p.prosecdef",
    )
    assert found == []


def test_reads_are_stable_and_mutations_volatile(db: Connection) -> None:
    found = rows(
        db,
        "select p.proname, p.provolatile::text from pg_proc p"
        " where p.pronamespace = 'api'::regnamespace",
    )
    changing = {
        "announce_typing",
        "append_run_delta",
        "claim_deliveries",
        "claim_run",
        "maintain",
    } | LISTENING
    for name, volatility in found:
        mutates = name.endswith("_atomic") or name in changing
        assert volatility == ("v" if mutates else "s"), name


def test_everything_has_a_comment(db: Connection) -> None:
    found = rows(
        db,
        "select 'function ' || p.proname from pg_proc p"
        "  where p.pronamespace in ('api'::regnamespace, 'chat'::regnamespace)"
        "    and obj_description(p.oid, 'pg_proc') is null"
        " union all select 'relation ' || c.relname from pg_class c"
        "  where c.relnamespace in ('api'::regnamespace, 'chat'::regnamespace)"
        "    and c.relkind in ('r', 'v') and obj_description(c.oid, 'pg_class') is null"
        " union all select 'column ' || c.relname || '.' || a.attname"
        "  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
        "  where c.relnamespace in ('api'::regnamespace, 'chat'::regnamespace)"
        "    and c.relkind in ('r', 'v') and not a.attisdropped"
        "    and col_description(c.oid, a.attnum) is null"
        " union all select 'schema ' || n.nspname from pg_namespace n"
        "  where n.nspname in ('api', 'chat') and obj_description(n.oid, 'pg_namespace') is null",
    )
    assert found == []


def test_there_are_no_triggers(db: Connection) -> None:
    assert rows(db, "select tgname from pg_trigger where not tgisinternal") == []
