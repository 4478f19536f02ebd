"""Figures into tables: on the terminal, into JSON, into the README."""

import dataclasses
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.harness import Answer, Ratio, Sample

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
README = FOLDER / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"

ARMS = ("", "calls/s", "p50 ms", "p99 ms", "CPU µs/call: HTTP", "database", "load", "elsewhere")
RATIOS = ("ratio, round by round", "median", "min-max", "goal")

Row = Sequence[str]


def save(name: str, answer: Answer, about: Mapping[str, Any]) -> None:
    """Keep what was measured."""
    RESULTS.mkdir(exist_ok=True)
    told = {"question": name, **about, **dataclasses.asdict(answer)}
    (RESULTS / f"{name}.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def load(name: str) -> tuple[Answer, Mapping[str, Any]] | None:
    """Read what was measured last."""
    file = RESULTS / f"{name}.json"
    if not file.exists():
        return None
    told = json.loads(file.read_text())
    answer = Answer(
        samples={
            arm: [Sample(**one) for one in samples] for arm, samples in told["samples"].items()
        },
        ratios=[Ratio(**one) for one in told["ratios"]],
        notes=told["notes"],
        tables=told.get("tables", ()),
    )
    return answer, told


def text(answer: Answer) -> str:
    """Lay the tables out for a terminal."""
    return "\n\n".join(
        [*(_aligned(table) for table in _tables(answer)), *answer.notes],
    )


def markdown(answer: Answer) -> str:
    """Write the tables for the README."""
    return "\n\n".join(
        [*(_piped(table) for table in _tables(answer)), *answer.notes],
    )


def write(sections: Mapping[str, str]) -> None:
    """Put the sections between the README's markers."""
    figures = "\n\n".join(f"### {title}\n\n{body}" for title, body in sections.items())
    before, rest = README.read_text().split(BEGIN)
    _, after = rest.split(END)
    README.write_text(f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}")


def _tables(answer: Answer) -> Iterator[list[Row]]:
    if answer.samples:
        yield [ARMS, *(_arm(name, samples) for name, samples in answer.samples.items())]
    if answer.ratios:
        yield [RATIOS, *(_ratio(ratio, answer.samples) for ratio in answer.ratios)]
    yield from (list(table) for table in answer.tables)


def _arm(name: str, samples: Sequence[Sample]) -> Row:
    def median(figure: str) -> float:
        return float(statistics.median(getattr(sample, figure) for sample in samples))

    rates = [sample.rate for sample in samples]
    return (
        name,
        f"{median('rate'):,.0f} ({min(rates):,.0f}-{max(rates):,.0f})",
        f"{median('p50_ms'):.2f}",
        f"{median('p99_ms'):.2f}",
        f"{median('cpu_server'):.0f}" if median("cpu_server") else "-",
        f"{median('cpu_database'):.0f}",
        f"{median('cpu_client'):.0f}",
        f"{median('elsewhere'):.0%}",
    )


def _ratio(ratio: Ratio, samples: Mapping[str, Sequence[Sample]]) -> Row:
    pairs = zip(samples[ratio.arm], samples[ratio.base], strict=True)
    values = [getattr(one, ratio.figure) / getattr(base, ratio.figure) for one, base in pairs]
    spread = f"{min(values):.2f}-{max(values):.2f}"
    return (ratio.name, f"{statistics.median(values):.2f}", spread, ratio.goal)


def _aligned(table: Sequence[Row]) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    )


def _piped(table: Sequence[Row]) -> str:
    rule = ["---", *("---:" for _ in table[0][1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (table[0], rule, *table[1:]))
