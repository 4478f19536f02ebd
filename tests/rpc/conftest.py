"""The people and conversations most tests begin with."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pytest
from psycopg.pq import TransactionStatus

from tests.rpc.behind import as_service, rows
from tests.support import (
    Connection,
    Json,
    connect,
    new_channel,
    new_direct,
    new_group,
    new_tenant,
    new_user,
    receive,
    send,
    succeed,
    violations,
)


@pytest.fixture(scope="session")
def session(shared_database: str) -> Iterator[Connection]:
    """Keep one connection for all: a new one would plan every statement of every function again."""
    with connect(shared_database, None, autocommit=False) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def db(session: Connection) -> Iterator[Connection]:
    """Yield it as parley_api; what a test does is rolled back."""
    session.execute("set local role parley_api")
    yield session
    session.rollback()


@dataclass(frozen=True)
class World:
    """A group of Ann (owner), Bob and Cid; Dee is not in it; Zoe belongs to another tenant.

    The tenant has a channel, by which Ann has made the contact Con an offer; Con wrote back once,
    and nobody has answered yet.
    """

    ann: str
    bob: str
    cid: str
    dee: str
    zoe: str
    tenant_id: str
    other_tenant_id: str
    group: str
    direct: str
    help_request: str  # Bob's
    own_request: str  # Ann's
    hello: Json  # Ann's message in the group, its first
    reply: Json  # Bob's, its second
    channel: Json
    contact: str
    thread: str  # the inbox conversation with the contact
    offer: Json  # Ann's template in it, its first
    question: Json  # the contact's message, its second
    listener: Json  # the test's own session, and what it has seen: all of the above
    db: Connection

    # Of the assistant nobody has heard before a test speaks of it.

    @cached_property
    def talk(self) -> str:
        """Ann's thread with the assistant."""
        with as_service(self.db):
            made = succeed(self.db, "create_thread_atomic", actor_id=self.ann)
        thread_id: str = made["thread_id"]
        return thread_id

    @cached_property
    def session(self) -> Json:
        """Ann's session, as its creation told it."""
        with as_service(self.db):
            return succeed(self.db, "create_session_atomic", actor_id=self.ann)

    @cached_property
    def remark(self) -> Json:
        """What Ann said in her thread with the assistant."""
        with as_service(self.db):
            return send(self.db, self.talk, self.ann, "good morning")

    @cached_property
    def attachment(self) -> str:
        """A file of Ann's, for a ChatKit Store."""
        about = {"attachment_id": "file_1", "attachment": {"id": "file_1", "name": "a.txt"}}
        with as_service(self.db):
            saved = succeed(self.db, "save_attachment_atomic", **about, actor_id=self.ann)
        attachment_id: str = saved["attachment_id"]
        return attachment_id

    @cached_property
    def run(self) -> Json:
        """What Ann asked there, and cancelled."""
        about = {"conversation_id": self.talk, "actor_id": self.ann}
        with as_service(self.db):
            asked = succeed(self.db, "create_run_atomic", **about, content="why?")
            ended = succeed(self.db, "cancel_run_atomic", **about, run_id=asked["run_id"])
        run: Json = ended["data"]
        return run


@pytest.fixture
def world(db: Connection) -> World:
    """Make the people, two conversations, two messages and Bob's request for help."""
    tenant_id, other_tenant_id = new_tenant(db, "Ours"), new_tenant(db, "Theirs")
    ann, bob, cid, dee = (
        new_user(db, name, tenant_id=tenant_id) for name in ("Ann", "Bob", "Cid", "Dee")
    )
    group = new_group(db, ann, bob, cid)
    hello = send(db, group, ann, "hello")
    channel = new_channel(db, tenant_id)
    opened = succeed(
        db,
        "open_thread_atomic",
        actor_id=ann,
        contact={"phone": "+491701234567"},
        channel_id=channel["channel_id"],
    )
    offer = send(
        db,
        opened["thread"]["conversation_id"],
        ann,
        "20 % off",
        type="template",
        metadata={"template": {"name": "offer"}},
    )
    received = receive(db, channel, "are you open?")
    return World(
        ann=ann,
        bob=bob,
        cid=cid,
        dee=dee,
        zoe=new_user(db, "Zoe", tenant_id=other_tenant_id),
        tenant_id=tenant_id,
        other_tenant_id=other_tenant_id,
        group=group,
        direct=new_direct(db, ann, bob),
        help_request=new_help_request(db, bob),
        own_request=new_help_request(db, ann),
        hello=hello,
        reply=send(db, group, bob, "hello Ann", reply_to_id=hello["id"]),
        channel=channel,
        contact=received["contact"]["id"],
        thread=received["conversation_id"],
        offer=offer,
        question=received["message"],
        listener=new_listener(db),
        db=db,
    )


def new_help_request(db: Connection, owner: str) -> str:
    """Ask for help; the request's id."""
    result = succeed(db, "create_help_request_atomic", actor_id=owner, title="My bike squeaks")
    request_id: str = result["help_request_id"]
    return request_id


def new_listener(db: Connection) -> Json:
    """Be a listener as if since an earlier transaction; what it says when it looks again."""
    listener_id, snapshot = rows(
        db,
        "insert into chat.listeners (backend_pid, awake_from)"
        " values (pg_backend_pid(), pg_snapshot_xmin(pg_current_snapshot()))"
        " returning lock_key, pg_current_snapshot()::text",
    )[0]
    return {"listener_id": listener_id, "snapshot": snapshot}


@pytest.fixture(autouse=True)
def healthy(db: Connection) -> Iterator[None]:
    """Whatever a test does through the surface, nothing that must hold is broken afterwards."""
    yield
    if db.info.transaction_status is TransactionStatus.INTRANS:
        db.execute("set local role parley_api")
        assert violations(db) == []
