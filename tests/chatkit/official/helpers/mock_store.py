"""The Store that OpenAI's tests are run on, under the name they know: ours.

Their sdist comes without this module. Its Store keeps each `db_path` apart from all others; here
each is a tenant.
"""

import json
import os
import uuid
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from thin_api.chatkit.store import ParleyStore

connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
connection.execute("set role parley_api")


async def call(name: str, given: Mapping[str, Any]) -> str:
    """Call an api function; nobody else wants this loop meanwhile."""
    arguments = sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(n)) for n in given)
    statement = sql.SQL("select api.{}({})::text").format(sql.Identifier(name), arguments)
    values = [one.decode() if isinstance(one, bytes) else one for one in given.values()]
    row = connection.execute(statement, values).fetchone()
    assert row is not None
    result: str = row[0]
    return result


class SQLiteStore(ParleyStore[Any]):
    """Our Store with the constructor, users and thread ids of OpenAI's tests."""

    def __init__(self, db_path: str) -> None:
        super().__init__(call)
        self.db_path = db_path
        self._tenant_id = str(uuid.uuid5(uuid.NAMESPACE_URL, db_path))

    async def actor_id(self, context: Any) -> str:
        """Return the user of this name, who is made on first use."""
        tenant = {"p_tenant_id": self._tenant_id, "p_name": self.db_path}
        await call("upsert_tenant_atomic", tenant)
        user = {"p_external_id": context.user_id, "p_tenant_id": self._tenant_id}
        made = await call("upsert_user_atomic", {**user, "p_display_name": "Somebody"})
        return str(json.loads(made)["user_id"])

    def generate_thread_id(self, context: Any) -> str:
        """Return an id like ChatKit's own: any text is one, and the tests ask for this prefix."""
        return f"thr_{uuid.uuid4().hex}"
