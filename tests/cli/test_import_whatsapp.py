"""parley import-whatsapp: conversations of an older inbox, from files or from its database."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import Connection, Json, connect, succeed, violations, wait_for

TENANT = "00000000-0000-0000-0000-000000000000"
ADDRESS = "106540352242922"
CONVERSATION: Json = {
    "id": "1",
    "business_id": "7",
    "phone": "+972501234567",
    "lead_id": "",
    "name": "Dana",
    "started_at": "2024-05-01 10:00:00",
    "last_message_at": "",
    "last_read_at": "",
    "status": "open",
}
MESSAGE: Json = {
    "id": "1",
    "conversation_id": "1",
    "provider_message_id": "",
    "direction": "in",
    "source": "customer",
    "type": "text",
    "body": "hello",
    "status": "received",
    "created_at": "2024-05-01 10:00:00",
    "media": "",
    "metadata": "",
}


@dataclass
class Import:
    """A database, and two files beside it."""

    dsn: str
    db: Connection
    folder: Path

    @property
    def files(self) -> list[str]:
        return [str(self.folder / name) for name in ("conversations.csv", "messages.csv")]

    def write(self, conversations: list[Json], messages: list[Json]) -> None:
        """Write the files: what is not told is as in a good row."""
        for path, heading, rows in zip(
            self.files, (CONVERSATION, MESSAGE), (conversations, messages), strict=True
        ):
            with Path(path).open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(heading))
                writer.writeheader()
                writer.writerows(heading | row for row in rows)

    def command(self, *arguments: str) -> list[str]:
        return [
            *(sys.executable, "-m", "thin_api", "import-whatsapp"),
            *("--channel", ADDRESS, "--tenant", TENANT, *arguments),
        ]

    @property
    def environment(self) -> dict[str, str]:
        ours = ("PARLEY_", "DATABASE_URL")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return kept | {"DATABASE_URL": self.dsn}

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the command, on the files if nothing else is said."""
        return subprocess.run(
            self.command(*(arguments if "--dsn" in arguments else (*self.files, *arguments))),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def report(self, *arguments: str) -> Json:
        """Run it; what it reported."""
        path = self.folder / "report.json"
        done = self.run(*arguments, "--report", str(path))
        assert done.returncode in (0, 1), done.stderr
        report: Json = json.loads(path.read_text(encoding="utf-8"))
        assert done.returncode == bool(report["skipped"])
        return report

    def threads(self) -> dict[str, list[str]]:
        """Return what each contact's log says, by canonical key without the tenant."""
        found = self.rows(
            "select replace(c.canonical_key, c.tenant_id || ':', ''),"
            "       array(select coalesce(m.content, m.type) from chat.messages m"
            "              where m.conversation_id = c.conversation_id order by m.seq)"
            "  from chat.conversations c order by 1"
        )
        return dict(found)

    def unread(self) -> dict[str, int]:
        """Return how much is unread, by canonical key without the tenant."""
        found = self.rows(
            "select replace(c.canonical_key, c.tenant_id || ':', ''), u"
            "  from chat.conversations c join chat.threads t using (conversation_id)"
            " cross join chat.thread_unread(c, t) u order by 1"
        )
        return dict(found)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the tables."""
        with connect(self.dsn, None) as owner:
            return owner.execute(query.encode()).fetchall()


@pytest.fixture
def importing(fresh_database: str, tmp_path: Path) -> Iterator[Import]:
    with connect(fresh_database) as db:
        yield Import(fresh_database, db, tmp_path)
        assert violations(db) == []


def minute(number: int) -> str:
    return f"2024-05-01 10:{number:02}:00+00"


def said(number: int, body: str, **more: Any) -> Json:
    """Write a row of a customer's message, so many minutes past ten."""
    wamid = f"wamid.{body}"
    return {"provider_message_id": wamid, "body": body, "created_at": minute(number)} | more


def answered(number: int, body: str, **more: Any) -> Json:
    """Write a row of a bot's message."""
    sent = {"direction": "out", "source": "bot", "status": "delivered"}
    return said(number, body, **(sent | more))


def test_duplicates_of_a_conversation_become_one_log(importing: Import) -> None:
    importing.write(
        [
            {"id": "1", "status": "closed"},
            {"id": "2", "phone": "972-50-1234567", "last_read_at": minute(4)},
            {"id": "3", "phone": "+15551234567", "name": "Someone else"},
        ],
        [
            said(1, "hello", conversation_id="1"),
            answered(2, "hi", conversation_id="1"),
            answered(2, "hi", conversation_id="2", status="read"),
            said(3, "still there?", conversation_id="2"),
            said(5, "anybody?", conversation_id="2"),
            said(4, "other", conversation_id="3"),
        ],
    )
    report = importing.report()
    assert importing.threads() == {
        "phone:+15551234567": ["other"],
        "phone:+972501234567": ["hello", "hi", "still there?", "anybody?"],
    }
    assert importing.unread() == {"phone:+15551234567": 1, "phone:+972501234567": 1}
    assert importing.rows("select d.status from chat.deliveries d") == [("read",)]
    assert report["summary"] == {
        "conversations": 3,
        "messages": 6,
        "threads": 2,
        "merged": 1,
        "duplicates": 1,
        "imported": 5,
        "existing": 0,
        "threads_new": 2,
        "threads_joined": 0,
        "threads_there_already": 0,
        "skipped": 0,
    }
    told = {one["kept"]: one for one in report["threads"]}
    assert (told["2"]["merged"], told["2"]["outcome"]) == (["1"], "new")


def test_whoever_has_a_lead_is_the_lead_whatever_the_number(importing: Import) -> None:
    importing.write(
        [
            {"id": "1", "lead_id": "L1"},
            {"id": "2", "lead_id": "L1", "phone": "+15551234567", "last_message_at": minute(9)},
            {"id": "3"},
            {"id": "4", "lead_id": "L2", "phone": "+15551234567"},
        ],
        [said(number, str(number), conversation_id=str(number)) for number in range(1, 5)],
    )
    importing.report()
    assert importing.threads() == {"lead:L1": ["1", "2", "3"], "lead:L2": ["4"]}
    numbers = importing.rows(
        "select i.value, l.value from chat.contact_identities i"
        "  join chat.contact_identities l on l.contact_id = i.contact_id and l.kind = 'lead'"
        " where i.kind = 'phone' order by 1"
    )
    assert numbers == [("+15551234567", "L1"), ("+972501234567", "L1")]


def test_who_was_never_read_counts_from_the_start(importing: Import) -> None:
    importing.write(
        [{"started_at": minute(3)}],
        [said(number, str(number)) for number in (1, 2, 3, 4)],
    )
    importing.report()
    assert importing.unread() == {"phone:+972501234567": 2}


def test_what_is_unread_in_an_open_duplicate_stays_so_in_a_closed_one_not(
    importing: Import,
) -> None:
    importing.write(
        [
            {"id": "1", "status": "closed", "phone": "+15551234567"},
            {"id": "2", "last_read_at": minute(9), "phone": "+15551234567"},
            {"id": "3"},
            {"id": "4", "last_read_at": minute(9)},
        ],
        [
            said(1, "one", conversation_id="1"),
            said(2, "two", conversation_id="2"),
            said(1, "three", conversation_id="3"),
            said(2, "four", conversation_id="4"),
        ],
    )
    importing.report()
    assert importing.unread() == {"phone:+15551234567": 0, "phone:+972501234567": 2}


def test_messages_without_a_provider_id_are_told_apart_by_what_they_say(
    importing: Import,
) -> None:
    importing.write(
        [{"id": "1"}, {"id": "2"}],
        [
            answered(1, "hi", provider_message_id="", conversation_id="1"),
            answered(1, "hi", provider_message_id="", conversation_id="2"),
            answered(2, "hi", provider_message_id="", conversation_id="2"),
        ],
    )
    assert importing.report()["summary"]["duplicates"] == 1
    assert importing.threads() == {"phone:+972501234567": ["hi", "hi"]}


def test_bad_rows_are_told_with_their_line_and_the_rest_is_imported(importing: Import) -> None:
    importing.write(
        [
            {"id": "1"},
            {"id": "1"},
            {"id": "2", "phone": ""},
            {"id": "3", "phone": "a group", "name": "two\nlines"},
            {"id": "4", "started_at": "yesterday"},
        ],
        [
            said(1, "good"),
            said(2, "bad", direction="sideways"),
            said(2, "bad", source="bot"),
            said(2, "", provider_message_id="x"),
            answered(2, "bad", status="lost"),
            said(2, "bad", metadata="{"),
            said(2, "bad", media="[1]"),
            said(2, "bad", created_at=""),
            said(2, "bad", created_at="2924-01-01"),
            said(2, "bad", conversation_id="9\x1b[2J"),
            said(3, "good too"),
        ],
    )
    with Path(importing.files[1]).open("ab") as file:
        file.write(b'12,1,w,in,customer,text,"no end')
        file.write(b"\n13,1,w\n14,1,w,in,customer,text,\xff,,2024-05-01,,\n")
    report = importing.report()
    assert importing.threads() == {"phone:+972501234567": ["good", "good too"]}
    skipped = [(one["file"], one["line"]) for one in report["skipped"]]
    assert skipped == [
        *(("conversations.csv", line) for line in (3, 4, 5, 7)),
        *(("messages.csv", line) for line in (3, 4, 5, 6, 7, 8, 9, 10, 11, 13)),
    ]
    done = importing.run()
    assert done.returncode == 1
    assert "  conversations.csv:4: has neither lead_id nor phone\n" in done.stdout
    assert "  messages.csv:3: direction is 'sideways', neither in nor out\n" in done.stdout
    assert r"  messages.csv:11: conversation '9\x1b[2J' is unknown, or was skipped" in done.stdout


def test_a_message_the_database_refuses_is_told_with_its_line(importing: Import) -> None:
    importing.write(
        [{}], [said(1, "good"), said(2, "x" * 16_001, provider_message_id="x"), said(3, "good too")]
    )
    report = importing.report()
    assert [(one["line"], one["problem"]) for one in report["skipped"]] == [
        (3, "has a content that is too long")
    ]
    assert importing.threads() == {"phone:+972501234567": ["good", "good too"]}


def test_a_mended_row_is_all_that_a_second_time_adds(importing: Import) -> None:
    importing.write([{}], [said(1, "one"), said(2, "two", direction=""), said(3, "three")])
    importing.report()
    importing.write([{}], [said(1, "one"), said(2, "two"), said(3, "three")])
    summary = importing.report()["summary"]
    assert (summary["imported"], summary["existing"], summary["threads_joined"]) == (1, 2, 1)
    assert importing.threads() == {"phone:+972501234567": ["one", "two", "three"]}
    assert importing.report()["summary"]["threads_there_already"] == 1


def test_what_came_meanwhile_is_joined(importing: Import) -> None:
    succeed(
        importing.db,
        "receive_message_atomic",
        provider="whatsapp",
        address=ADDRESS,
        provider_message_id="wamid.now",
        contact={"phone": "+972501234567", "wa_id": "972501234567"},
        content="now",
        type="text",
    )
    importing.write([{}], [said(1, "hello"), said(2, "now")])
    summary = importing.report()["summary"]
    assert (summary["imported"], summary["existing"]) == (1, 1)
    assert importing.threads() == {"phone:+972501234567": ["hello", "now"]}


def test_a_dry_run_tells_and_writes_nothing(importing: Import) -> None:
    importing.write([{"id": "1"}, {"id": "2"}], [said(1, "hello")])
    path = importing.folder / "report.json"
    done = importing.run("--dry-run", "--report", str(path))
    assert done.returncode == 0
    assert "2 conversations of 1 people: 1 merged into a more recent one" in done.stdout
    assert "nothing was written" in done.stdout
    assert json.loads(path.read_text())["summary"]["threads"] == 1
    assert importing.rows("select from chat.channels") == []


def test_a_killed_import_goes_on_where_it_was(importing: Import) -> None:
    people = [f"+1555123456{number}" for number in range(6)]
    importing.write(
        [{"id": str(number), "phone": phone} for number, phone in enumerate(people)],
        [
            said(2 * number + half, f"{number} {half}", conversation_id=str(number))
            for number in range(6)
            for half in (0, 1)
        ],
    )
    with connect(importing.dsn, None, autocommit=False) as holder:
        holder.execute("select chat.lock_names(%s)", [[f"{TENANT}/phone/{people[3]}"]])
        process = subprocess.Popen(
            importing.command(*importing.files),
            env=importing.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with process:
            wait_for(lambda: _waiting(importing), "the import to meet the lock")
            process.send_signal(signal.SIGKILL)
        # The server would finish what it was asked for: that thread's turn ends here, too.
        importing.rows(
            "select pg_terminate_backend(a.pid) from pg_stat_activity a"
            " where a.datname = current_database() and a.wait_event = 'advisory'"
        )
        wait_for(lambda: not _waiting(importing), "its session to end")
    assert len(importing.threads()) == 3
    summary = importing.report()["summary"]
    assert (summary["threads_there_already"], summary["threads_new"]) == (3, 3)
    assert importing.threads() == {
        f"phone:{phone}": [f"{number} 0", f"{number} 1"] for number, phone in enumerate(people)
    }


def _waiting(importing: Import) -> bool:
    found = importing.rows(
        "select from pg_stat_activity a"
        " where a.datname = current_database() and a.wait_event = 'advisory'"
    )
    return bool(found)


def test_rows_come_from_a_database_too(importing: Import, empty_database: Any) -> None:
    older = empty_database()
    with psycopg.connect(older, autocommit=True) as connection:
        connection.execute(
            "create table whatsapp_conversation (id int, business_id int, customer_number text,"
            " lead_id int, name text, started_at timestamp, last_message_at timestamp,"
            " last_read_at timestamp, status text)"
        )
        connection.execute(
            "create table whatsapp_message (id int, conversation_id int, provider_message_id text,"
            " direction text, source text, message_type text, body text, status text,"
            " created_at timestamptz, media jsonb, metadata jsonb)"
        )
        connection.execute(
            "insert into whatsapp_conversation values"
            " (1, 7, '+972501234567', 12, E'Da\\nna', '2024-05-01 10:00', null, null, 'open')"
        )
        connection.execute(
            "insert into whatsapp_message values"
            " (1, 1, 'w1', 'in', 'customer', 'image', null, 'received', '2024-05-01 12:01+02',"
            '  \'{"id": "5"}\', \'{"a": 1}\'),'
            " (2, 1, 'w2', 'in', 'customer', 'text', E'a\\n\"b\"', null, '2024-05-01 10:02Z',"
            "  null, null),"
            " (3, 1, 'w3', 'up', 'customer', 'text', 'c', null, '2024-05-01 10:03Z', null, null)"
        )
    report = importing.report("--dsn", older)
    assert report["skipped"] == [
        {"file": "messages", "line": 4, "problem": "direction is 'up', neither in nor out"}
    ]
    assert importing.threads() == {"lead:12": ["image", 'a\n"b"']}
    found = importing.rows(
        "select m.metadata, m.created_at = '2024-05-01 10:01Z' from chat.messages m"
        " where m.type = 'image'"
    )
    assert found == [({"a": 1, "image": {"id": "5"}}, True)]


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ([], 2, "give two files"),
        (["one.csv"], 2, "give two files"),
        (["a.csv", "b.csv", "--dsn", "postgresql://"], 2, "give two files"),
        (["nowhere.csv", "b.csv"], 1, "nowhere.csv"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(
    importing: Import, arguments: list[str], status: int, told: str
) -> None:
    done = subprocess.run(
        importing.command(*arguments),
        env=importing.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_without_a_column_is_none(importing: Import) -> None:
    importing.write([{}], [said(1, "hello")])
    Path(importing.files[1]).write_text("id,body\n1,hello\n", encoding="utf-8")
    done = importing.run()
    assert done.returncode == 1
    assert "messages.csv has no column conversation_id, direction, created_at" in done.stderr


def test_a_business_without_a_tenant_is_asked_about(importing: Import) -> None:
    importing.write([{"business_id": "8"}], [])
    command = [one for one in importing.command(*importing.files) if one != TENANT]
    command[command.index("--tenant") + 1 : command.index("--tenant") + 1] = [f"7={TENANT}"]
    done = subprocess.run(
        command, env=importing.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "whose is business '8'? --tenant 8=ID" in done.stderr
