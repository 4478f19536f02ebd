"""`python -m bench [QUESTION ...]` measures and prints; `--write` renders the README's figures."""

import argparse
import importlib
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from bench import report
from bench.harness import Bench, bench
from bench.machine import describe

QUESTIONS = (
    *("floor", "http_send", "history", "members", "unread", "hot", "search"),
    *("push", "push_latency", "fanout", "sockets", "webhooks", "runs"),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument("--rounds", type=int, default=5, help="turns each arm gets (5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn (2)")
    parser.add_argument("--write", action="store_true", help="only render results into the README")
    args = parser.parse_args(argv)
    unknown = set(args.questions) - set(QUESTIONS)
    if unknown:
        parser.error(f"no such question: {', '.join(sorted(unknown))}")
    if args.write:
        report.write(dict(_sections()))
        return
    with bench(rounds=args.rounds, seconds=args.seconds) as one:
        machine = describe(one.connection)
        print("\n".join(f"{name}: {value}" for name, value in machine.items()))
        for name in args.questions or QUESTIONS:
            _answer(name, one, machine)


def _answer(name: str, one: Bench, machine: dict[str, str]) -> None:
    module = importlib.import_module(f"bench.{name}")
    title = (module.__doc__ or "").splitlines()[0]
    print(f"\n{name}: {title}", flush=True)
    began, load = time.monotonic(), os.getloadavg()
    answer = module.measure(one)
    about = {
        "title": title,
        "machine": machine,
        "at": datetime.now(UTC).isoformat(timespec="minutes"),
        "rounds": one.rounds,
        "seconds": one.seconds,
        "load_average_before": load[0],
        "took": round(time.monotonic() - began),
    }
    report.save(name, answer, about)
    print(f"{report.text(answer)}\n({about['took']} s)", flush=True)


def _sections() -> list[tuple[str, str]]:
    sections: list[tuple[str, str]] = []
    for name in QUESTIONS:
        found = report.load(name)
        if found is None:
            continue
        answer, about = found
        if not sections:
            rows = "\n".join(f"| {key} | {value} |" for key, value in about["machine"].items())
            sections.append(("Machine", f"| | |\n|---|---|\n{rows}"))
        taken = (
            f"Taken {about['at'][:16].replace('T', ' ')} UTC, {about['rounds']} rounds of "
            f"{about['seconds']:g} s; load average before: {about['load_average_before']:.1f}."
        )
        sections.append((f"`{name}`: {about['title']}", f"{report.markdown(answer)}\n\n{taken}"))
    return sections


if __name__ == "__main__":
    main()
