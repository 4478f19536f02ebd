"""What does an answer of the assistant cost, and how long does one wait for it?

Method      A job asks once in each of 1,000 threads over HTTP, with `stream: true`, and reads each
            answer to its end: over one connection, which shows how long one waits, and over 16,
            which shows how many there can be. One worker process; the `rules` responder, which has
            its answer at once, so that what is left is ours: question, claim, words, answer, two
            messages in the log. Beside it, a send over HTTP as often; and with pgbench, a piece of
            an answer under way (append_run_delta, 25 characters) against a send.
Objections  A real responder takes seconds, in small pieces: then the pieces are the cost. Nobody
            else reads along. The rate of the sends is that of a job of 1,000, not of a long run.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

import orjson

from bench import data
from bench.harness import GROUPS, Answer, Arm, Bench, Ratio, Server, from_sql, send_requests, token
from bench.loads import Job
from bench.scripts import SEND, in_groups

THREADS = 1_000
AT_ONCE = 16
UNDER_WAY = 64
RUNS, SENDS = f"run, c{AT_ONCE}", f"send, c{AT_ONCE}"
ASKED = orjson.dumps({"content": "What can you do?", "stream": True})

# One thread of each of the first people, in the people's order.
ADD_THREADS = """
select api.must(api.create_thread_atomic(p_actor_id => u.user_id)) ->> 'thread_id'
  from chat.users u
 where u.user_id = any (%s::uuid[])
 order by u.user_id
"""
# Answers that stay under way, with all that a worker knows of them, numbered.
BEGIN_ANSWERS = (
    "update chat.limits set run_lease = '1 day', run_expiry = '1 day', answer_characters = 10 ^ 9",
    """
    select api.must(api.create_run_atomic(
               p_conversation_id => t.conversation_id, p_actor_id => t.user_id,
               p_content => 'Tell me a story.'))
      from chat.assistant_threads t
    """,
    """
    create table public.under_way as
    select row_number() over () as number, (c.data ->> 'conversation_id')::uuid as conversation_id,
           (c.data ->> 'id')::uuid as run_id, (c.data ->> 'lease')::uuid as lease
      from (select api.claim_run('bench') -> 'data' as data
              from chat.assistant_threads) c
    """,
    "alter table public.under_way add primary key (number)",
    "grant select on public.under_way to parley_api",
)
PIECE = f"""
\\set number random(1, {UNDER_WAY})
select api.append_run_delta(u.conversation_id, u.run_id, u.lease, 'a few more words of it, ')
  from public.under_way u
 where u.number = :number;
"""


def measure(bench: Bench) -> Answer:
    """Time answers over HTTP, then their pieces in the database."""
    threads: list[str] = []
    with (
        bench.database("runs", partial(_add_threads, threads, THREADS)) as database,
        bench.serving(database) as server,
    ):
        questions, sends = _questions(server, threads), _sends(server)
        samples = bench.compare_jobs(
            [
                Arm("run, c1", Job(server.address, questions, 1), database, server),
                Arm(RUNS, Job(server.address, questions, AT_ONCE), database, server),
                Arm(SENDS, Job(server.address, sends, AT_ONCE), database, server),
            ]
        )
    with bench.database("pieces", _begin_answers) as database:
        samples |= bench.compare(
            [
                from_sql("piece, pgbench c8", PIECE, 8, database, sends=False),
                from_sql("send, pgbench c8", in_groups(SEND), 8, database),
            ]
        )
    return Answer(
        samples,
        [
            Ratio("run / send, HTTP c16", RUNS, SENDS),
            Ratio("piece / send, pgbench c8", "piece, pgbench c8", "send, pgbench c8"),
        ],
        ["A run's time is from the request's first byte to the last of its answer."],
    )


def _add_threads(threads: list[str], number: int, connection: data.Connection) -> None:
    people = [data.person(one) for one in range(1, number + 1)]
    threads += [thread for (thread,) in connection.execute(ADD_THREADS, [people])]


def _begin_answers(connection: data.Connection) -> None:
    _add_threads([], UNDER_WAY, connection)
    for statement in BEGIN_ANSWERS:
        connection.execute(statement)


def _questions(server: Server, threads: Sequence[str]) -> Callable[[], Sequence[bytes]]:
    """Make a maker of jobs that ask once in each thread."""
    requests = [
        (
            f"POST /api/v1/chatkit/threads/{thread}/runs HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {token(number)}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(ASKED)}\r\n\r\n"
        ).encode()
        + ASKED
        for number, thread in enumerate(threads, 1)
    ]

    def make() -> Sequence[bytes]:
        server.database.acked += 2 * len(requests)
        return requests

    return make


def _sends(server: Server) -> Callable[[], Sequence[bytes]]:
    """Make a maker of jobs that send as often, into groups."""
    requests = send_requests(range(1, GROUPS + 1))
    keys = count()

    def make() -> Sequence[bytes]:
        server.database.acked += THREADS
        return [
            request + b'%016x"}' % next(keys) for request in requests[:: len(requests) // THREADS]
        ]

    return make
