"""How many webhooks a second are taken in, and what does a repetition cost?

Method      A job is 10,000 of WhatsApp's webhooks, each with one text message, from 500 contacts,
            3,000 of them repetitions word for word of an earlier one at any distance; signed, over
            32 connections, to `parley serve` with one worker and with two. Timed from the first
            request to the last answer, which comes when everything is committed. In the first round
            every contact is new, later ones bring other messages of the same. Also 10,000
            repetitions only.
Objections  Load, server and PostgreSQL share the machine. Meta sends over connections of its own
            making, we over 32 that stay open. Real batches sometimes hold several messages, which
            costs less for each.
"""

import hashlib
import hmac
import random
from collections.abc import Mapping, Sequence

import orjson

from bench.harness import Answer, Arm, Bench, Ratio, Sample, Server
from bench.loads import Job

JOB, CONTACTS, REPEATED = 10_000, 500, 3_000
CONNECTIONS = 32
REPEATS = "1 worker, repetitions only"
SECRET = "the app's secret"
SERVING = {"PARLEY_WHATSAPP_APP_SECRET": SECRET}
CHANNEL = {"display_phone_number": "15550783881", "phone_number_id": "106540352242922"}
TEXT = "Good morning! Is the blue one still there, and could I fetch it on Saturday?"


class Jobs:
    """Makes jobs, each with messages nobody has seen, for one database."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._chance = random.Random(4)
        self._made = 0

    def fresh(self) -> Sequence[bytes]:
        """Make 7,000 webhooks and mix 3,000 repetitions in, each somewhere after its original."""
        places: list[tuple[float, bytes]] = []
        for number in range(JOB - REPEATED):
            request = self._request()
            places.append((float(number), request))
        for number in self._chance.sample(range(JOB - REPEATED), REPEATED):
            later = self._chance.uniform(number, JOB - REPEATED)
            places.append((later, places[number][1]))
        self._server.database.acked += JOB - REPEATED
        return [request for _, request in sorted(places)]

    def repeated(self) -> Sequence[bytes]:
        """Make one of the same webhook again and again."""
        self._server.database.acked += 1
        return [self._request()] * JOB

    def _request(self) -> bytes:
        self._made += 1
        return request(self._chance.randrange(CONTACTS), self._made)


def measure(bench: Bench) -> Answer:
    """Let one worker and two take turns, each on a database of its own."""
    with (
        bench.database("webhooks_1") as first,
        bench.database("webhooks_2") as second,
        bench.serving(first, more=SERVING) as one,
        bench.serving(second, workers=2, more=SERVING) as two,
    ):
        jobs, others = Jobs(one), Jobs(two)
        arms = [
            Arm("1 worker", Job(one.address, jobs.fresh, CONNECTIONS), first, one),
            Arm("2 workers", Job(two.address, others.fresh, CONNECTIONS), second, two),
            Arm(
                REPEATS,
                Job(one.address, jobs.repeated, CONNECTIONS),
                first,
                one,
            ),
        ]
        samples = bench.compare_jobs(arms)
    return Answer(
        samples,
        [
            Ratio("2 workers / 1 worker", "2 workers", "1 worker"),
            Ratio("repetitions only / 1 worker", REPEATS, "1 worker"),
        ],
        [
            "Goal: at least 1,500 webhooks a second. A round is one job, however long it takes.",
            "The sum of the CPU figures is what two cores without other work would share.",
        ],
        [_by_job(samples)],
    )


def _by_job(samples: Mapping[str, Sequence[Sample]]) -> list[list[str]]:
    """Tell jobs into an empty database apart from those that come later."""
    rows = [
        ["", "1st job: calls/s", "database µs", "CPU µs", "2nd: calls/s", "database µs", "CPU µs"]
    ]
    for name, taken in samples.items():
        row = [name]
        for one in taken[:2]:
            cpu = one.cpu_server + one.cpu_database + one.cpu_client
            row += [f"{one.rate:,.0f}", f"{one.cpu_database:.0f}", f"{cpu:.0f}"]
        rows.append(row + [""] * (len(rows[0]) - len(row)))
    return rows


def request(contact: int, number: int) -> bytes:
    """Write the signed request that brings a contact's message."""
    wa_id, bsuid = f"97254{contact:07}", f"IL.{10**17 + contact}"
    message = {
        "from": wa_id,
        "from_user_id": bsuid,
        "id": f"wamid.HBgMOTcyNTQwMDAwMDAwFQIAEhggQUM{number:016X}",
        "timestamp": str(1_760_000_000 + number),
        "text": {"body": f"{TEXT} ({number})"},
        "type": "text",
    }
    person = {"profile": {"name": f"Contact {contact}"}, "wa_id": wa_id, "user_id": bsuid}
    value = {
        "messaging_product": "whatsapp",
        "metadata": CHANNEL,
        "contacts": [person],
        "messages": [message],
    }
    change = {"value": value, "field": "messages"}
    body = orjson.dumps(
        {
            "object": "whatsapp_business_account",
            "entry": [{"id": "102290129340398", "changes": [change]}],
        }
    )
    signature = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    head = (
        "POST /webhooks/whatsapp HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
