"""Does the list of conversations cost more when more is unread?

Method      100 conversations of 100,000 messages each, 10 million in all. One member of all of them
            has read nothing, another all but the last 10 of each, a third everything.
            api.list_conversations(p_limit => 100) for each, pgbench with one client.
Objections  Few messages are deleted in life, none here; a deleted or hidden one after the read mark
            is counted one by one. The index of message search is left out of this database, because
            nothing here reads it and it takes longer to build than all the rest. The counts
            returned are compared with what was loaded; the invariants of 10 million rows take
            longer to check than the question.
"""

from bench import data
from bench.harness import PEOPLE, Answer, Bench, Connection, Ratio, from_sql
from bench.scripts import LIST

GROUPS, EACH, FEW = 100, 100_000, 10
SENDERS = 1
READERS = {1001: 0, 1002: EACH - FEW, 1003: EACH}  # person: read up to
JOIN = """
insert into chat.members (conversation_id, user_id, tenant_id, joined_seq, delivered_seq, read_seq)
select c.conversation_id, %(person)s, c.tenant_id, 0, %(read)s, %(read)s
  from chat.conversations c
"""
UNREAD = """
select (c ->> 'unread_count')::int, count(*)
  from jsonb_array_elements(api.list_conversations(p_actor_id => %(person)s::uuid, p_limit => 100)
                            -> 'conversations') c
 group by 1
"""
COUNT_MEMBERS = """
update chat.conversations c
   set member_count = (select count(*) from chat.members m
                        where m.conversation_id = c.conversation_id)
"""


def measure(bench: Bench) -> Answer:
    """Compare the readers."""
    with bench.database("unread", _fill, checked=False) as database:
        samples = bench.compare(
            [
                from_sql(
                    f"100 x {EACH - read:,} unread",
                    LIST.replace(":person", f"'{data.person(person)}'"),
                    1,
                    database,
                    sends=False,
                )
                for person, read in READERS.items()
            ]
        )
    many, few, none = samples
    return Answer(
        samples,
        [
            Ratio(f"{many} / {few}, p50", many, few, "p50_ms", "≤ 1.3"),
            Ratio(f"{many} / {none}, p50", many, none, "p50_ms"),
        ],
        ["Goal: under 10 ms with 100 x 100,000 unread."],
    )


def _fill(connection: Connection) -> None:
    connection.execute("truncate chat.conversations cascade")
    data.add_groups(connection, 1, GROUPS, size=SENDERS, people=PEOPLE)
    data.add_messages(
        connection,
        GROUPS,
        each=EACH,
        size=SENDERS,
        people=PEOPLE,
        without="chat.messages_content_idx",
    )
    for person, read in READERS.items():
        connection.execute(JOIN, {"person": data.person(person), "read": read})
    connection.execute(COUNT_MEMBERS)
    for person, read in READERS.items():
        connection.execute("select set_config('role', 'parley_api', false)")
        found = connection.execute(UNREAD, {"person": data.person(person)}).fetchall()
        connection.execute("reset role")
        if found != [(EACH - read, GROUPS)]:
            raise RuntimeError(f"unread counts are {found}, not {GROUPS} times {EACH - read}")
