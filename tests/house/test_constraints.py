"""What no statement can store, whoever writes it: checks of tables, and domains of columns."""

from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from tests.rpc.assistant.chatkit import add_item, save_thread, user_message
from tests.rpc.assistant.runs import ask, claim, new_session, new_thread, say
from tests.support import (
    Connection,
    connect,
    new_channel,
    new_group,
    new_tenant,
    new_user,
    receive,
    send,
    succeed,
)

ENDED: LiteralString = "lease = null, lease_for = null, finished_at = now()"
REFUSED: list[tuple[LiteralString, LiteralString, str]] = [
    ("conversations", "kind = 'chat'", "conversation_kind_check"),
    ("conversations", "history = 'none'", "history_scope_check"),
    ("conversations", "metadata = '[]'", "json_object_check"),
    ("conversations", "member_count = -1", "amount_check"),
    ("conversations", "purged_seq = -1", "log_number_check"),
    ("conversations", "purged_seq = last_seq + 1", "conversations_log_check"),
    ("conversations", "purged_count = -1", "log_number_check"),
    ("conversations", "purged_count = message_count + 1", "conversations_log_check"),
    ("conversations", "message_count = last_seq + 1", "conversations_log_check"),
    ("conversations", "kind = 'inbox', canonical_key = null", "conversations_key_check"),
    ("conversations", "kind = 'help', canonical_key = 'help:1:2'", "conversations_help_check"),
    ("conversations", "client_key = 'k', request_digest = null", "conversations_client_key_check"),
    ("members", "role = 'guest'", "member_role_check"),
    ("members", "notify = 'some'", "notify_choice_check"),
    ("members", "joined_seq = -1", "log_number_check"),
    ("members", "read_seq = joined_seq - 1", "members_watermarks_check"),
    ("members", "delivered_seq = read_seq - 1", "members_watermarks_check"),
    ("members", "left_seq = joined_seq", "members_left_check"),
    ("members", "sent_count_at_read = -1", "log_number_check"),
    ("members", "sent_count_at_read = sent_count + 1", "members_sent_check"),
    ("messages", "source = 'robot'", "message_source_check"),
    ("messages", "type = 'Text'", "message_type_check"),
    ("messages", "metadata = '1'", "json_object_check"),
    ("messages", "reaction_count = -1", "amount_check"),
    ("messages", "ordinal = -1", "log_number_check"),
    ("messages", "ordinal = seq + 1", "messages_number_check"),
    ("messages", "seq = 0, ordinal = 0", "messages_number_check"),
    ("messages", "source = 'system'", "messages_system_check"),
    ("messages", "type = 'system'", "messages_system_check"),
    ("messages", "sender_id = null", "messages_system_check"),
    ("messages", "source = 'system', type = 'system'", "messages_system_check"),
    ("messages", "source = 'system', sender_id = null", "messages_system_check"),
    ("messages", "type = 'system', sender_id = null", "messages_system_check"),
    ("messages", "content = null", "messages_content_check"),
    ("messages", "deleted_at = now()", "messages_deleted_check"),
    (
        "messages",
        "deleted_at = now(), content = null, metadata = '{\"a\": 1}'",
        "messages_deleted_check",
    ),
    (
        "messages",
        "deleted_at = now(), content = null, reaction_count = 1",
        "messages_deleted_check",
    ),
    ("changes", "kind = 'message_read'", "change_kind_check"),
    ("changes", "seq = 0", "changes_seq_check"),
    ("changes", "kind = 'conversation_closed'", "changes_message_check"),
    ("threads", "read_seq = -1", "log_number_check"),
    ("threads", "last_inbound_seq = -1", "log_number_check"),
    ("deliveries", "status = 'lost'", "delivery_status_check"),
    ("deliveries", "attempts = -1", "amount_check"),
    ("deliveries", "error = '\"lost\"'", "json_object_check"),
    ("runs", "status = 'lost'", "run_status_check"),
    ("runs", "configuration = '[]'", "json_object_check"),
    ("runs", "attempts = -1", "amount_check"),
    ("runs", "releases = -1", "amount_check"),
    ("runs", "releases = attempts + 1", "runs_releases_check"),
    ("runs", "input_seq = -1", "log_number_check"),
    ("runs", "lease = null", "runs_lease_check"),
    ("runs", "lease_for = null", "runs_lease_check"),
    ("runs", "status = 'queued'", "runs_lease_check"),
    ("runs", "status = 'queued', lease = null", "runs_lease_check"),
    ("runs", "finished_at = now()", "runs_finished_check"),
    ("runs", "status = 'expired', lease = null, lease_for = null", "runs_finished_check"),
    ("runs", "answer_id = message_id", "runs_answer_check"),
    ("runs", f"{ENDED}, status = 'completed'", "runs_answer_check"),
    (
        "runs",
        f"{ENDED}, status = 'completed', answer_id = message_id, error = '{{}}'",
        "runs_answer_check",
    ),
    ("runs", f"{ENDED}, status = 'failed'", "runs_answer_check"),
    ("run_deltas", "start = -1", "amount_check"),
    ("run_deltas", "content = ''", "run_deltas_content_check"),
    ("sessions", "requests_per_minute = 0", "sessions_requests_check"),
    ("sessions", "expires_at = created_at", "sessions_expiry_check"),
    ("sessions", "client_key = 'k'", "sessions_client_key_check"),
    ("sessions", "request_digest = ''", "sessions_client_key_check"),
    ("sessions", "configuration = '[]'", "json_object_check"),
    ("assistant_threads", "payload = '[]'", "json_object_check"),
    ("thread_items", "item_id = ''", "thread_items_item_id_check"),
    ("thread_items", "payload = '\"hello\"'", "json_object_check"),
    ("attachments", "attachment_id = ''", "attachments_attachment_id_check"),
    ("attachments", "payload = '1'", "json_object_check"),
]

# What must be one of its kind, or belong to something: the table, how it is broken, the constraint.
UNRELATED: list[tuple[LiteralString, LiteralString, str]] = [
    ("sessions", "secret_digest = ''", "sessions_secret_key"),
    ("sessions", "client_key = 'k', request_digest = ''", "sessions_user_client_key"),
    ("sessions", "user_id = gen_random_uuid()", "sessions_user_fkey"),
    ("assistant_threads", "user_id = gen_random_uuid()", "assistant_threads_user_fkey"),
    ("assistant_threads", "session_id = gen_random_uuid()", "assistant_threads_session_fkey"),
    ("assistant_threads", "tenant_id = gen_random_uuid()", "assistant_threads_conversation_fkey"),
    ("thread_items", "item_id = 'msg_1'", "thread_items_pkey"),
    ("thread_items", "message_id = gen_random_uuid()", "thread_items_message_fkey"),
    ("attachments", "attachment_id = 'file_1'", "attachments_pkey"),
    ("attachments", "user_id = gen_random_uuid()", "attachments_user_fkey"),
]


@pytest.fixture(scope="module")
def rows(shared_database: str) -> Iterator[Connection]:
    """Yield a connection that may write to every table, with a row or more in each."""
    with connect(shared_database, None, autocommit=False) as connection:
        tenant = new_tenant(connection)
        ann = new_user(connection, "Ann", tenant_id=tenant)
        group = new_group(connection, ann, new_user(connection, "Bob", tenant_id=tenant))
        message = send(connection, group, ann, "hello")
        succeed(
            connection,
            "edit_message_atomic",
            conversation_id=group,
            message_id=message["id"],
            actor_id=ann,
            content="Hello",
        )
        received = receive(connection, new_channel(connection, tenant))
        send(connection, received["conversation_id"], ann, "Hello")
        ask(connection, new_thread(connection, ann), ann)
        say(connection, claim(connection), "I would")
        for number in ("1", "2"):
            new_session(connection, ann)
            save_thread(connection, ann)
            add_item(connection, ann, user_message(f"msg_{number}", "Hello"))
            succeed(
                connection,
                "save_attachment_atomic",
                attachment_id=f"file_{number}",
                actor_id=ann,
                attachment={"id": f"file_{number}"},
            )
        yield connection
        connection.rollback()


@pytest.mark.parametrize(("table", "change", "constraint"), REFUSED)
def test_it_is_refused(
    rows: Connection, table: LiteralString, change: LiteralString, constraint: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refused, rows.transaction():
        rows.execute(sql.SQL(f"update chat.{table} set {change}"))
    assert refused.value.diag.constraint_name == constraint


@pytest.mark.parametrize(("table", "change", "constraint"), UNRELATED)
def test_what_stands_alone_or_twice_is_refused(
    rows: Connection, table: LiteralString, change: LiteralString, constraint: str
) -> None:
    with pytest.raises(psycopg.errors.IntegrityError) as refused, rows.transaction():
        rows.execute(sql.SQL(f"update chat.{table} set {change}"))
    assert refused.value.diag.constraint_name == constraint


def test_no_table_or_domain_has_a_check_that_is_not_tried(rows: Connection) -> None:
    names = rows.execute(
        """select c.conname
             from pg_constraint c
            where c.contype = 'c'
              and (c.contypid <> 0 and c.connamespace = 'chat'::regnamespace
                   or c.conrelid in ('chat.conversations'::regclass, 'chat.members'::regclass,
                                     'chat.messages'::regclass, 'chat.changes'::regclass,
                                     'chat.threads'::regclass, 'chat.deliveries'::regclass,
                                     'chat.runs'::regclass, 'chat.run_deltas'::regclass,
                                     'chat.sessions'::regclass, 'chat.attachments'::regclass,
                                     'chat.assistant_threads'::regclass,
                                     'chat.thread_items'::regclass))"""
    ).fetchall()
    assert {name for (name,) in names} == {constraint for _, _, constraint in REFUSED}


def test_domains_let_null_pass_and_are_explained(rows: Connection) -> None:
    domains = rows.execute(
        """select format_type(t.oid, null), t.typnotnull, obj_description(t.oid, 'pg_type')
             from pg_type t
            where t.typtype = 'd' and t.typnamespace = 'chat'::regnamespace"""
    ).fetchall()
    for name, needs_value, comment in domains:
        assert not needs_value, name
        assert comment, name
        assert rows.execute(f"select null::{name}".encode()).fetchone() == (None,)
