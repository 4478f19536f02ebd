"""Write docs/reference.md and README's table and docs/settings.md, or check them.

python docs/generate.py           # write
python docs/generate.py --check   # exit 1 if either is stale
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from thin_api import settings

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference.md"
SETTINGS = ROOT / "docs" / "settings.md"
README = ROOT / "README.md"
GROUPS = {
    "people": "People",
    "conversations": "Conversations",
    "members": "Members",
    "messages": "Messages",
    "flags": "Feature flags",
    "push": "Push",
    "operations": "Operations",
}
FIELDS = ("Takes", "Returns", "Locks", "Writes", "Retry", "Rule", "Cost", "Raises", "Fails")


@dataclass(frozen=True)
class Function:
    """One api function, as its file tells it."""

    name: str
    group: str
    summary: str
    signature: str
    fields: dict[str, str]


def parse(path: Path) -> Function:
    """Read a function file: the header's fields, the signature, the comment."""
    text = path.read_text()
    name = path.stem
    header = [line[3:] for line in re.match(r"(?:--.*\n)+", text)[0].splitlines()]
    fields: dict[str, str] = {}
    current = ""
    for line in header:
        field = next((f for f in FIELDS if re.match(rf"{f}\s", line)), None)
        if field:
            current = field
            fields[field] = line[len(field) :].strip()
        elif current and line.startswith("  "):
            fields[current] += " " + line.strip()
    arguments = re.search(rf"function api\.{name}\((.*?)\)\s*returns (.*?)\nlanguage", text, re.S)
    assert arguments, f"{path} has no function api.{name}"
    listed = [re.sub(r"\s+", " ", a.strip()) for a in arguments[1].split(",") if a.strip()]
    returns = re.sub(r"\s+", " ", arguments[2])
    summary = re.search(rf"comment on function api\.{name} is\s+'((?:[^']|'')+)'", text)
    assert summary, f"{path} has no comment"
    return Function(
        name=name,
        group=path.parent.name,
        summary=summary[1].replace("''", "'"),
        signature=f"{name}({', '.join(listed)}) returns {returns}",
        fields=fields,
    )


def functions() -> list[Function]:
    """Every api function, by group and name."""
    found = [
        parse(path)
        for path in sorted((ROOT / "functions" / "api").glob("*/*.sql"))
        if "create or replace function" in path.read_text()
    ]
    return sorted(found, key=lambda f: (list(GROUPS).index(f.group), f.name))


def error_codes() -> list[tuple[str, str, str, str]]:
    """The catalogue: code, status, retryable, meaning."""
    text = (ROOT / "functions" / "api" / "error_codes.sql").read_text()
    return [
        (code, status, retryable, meaning.replace("''", "'"))
        for code, status, retryable, meaning in re.findall(
            r"\('(\w+)',\s+(\d+),\s+(true|false),\s+'((?:[^']|'')+)'\)", text
        )
    ]


def reference() -> str:
    """The text of docs/reference.md."""
    out = [
        "# Reference",
        "",
        "Generated from the SQL files by `make docs`; do not edit. How results and refusals look:",
        "[architecture.md](architecture.md#results). Every argument is named; `p_actor_id` null means whoever the",
        "token is for.",
        "",
    ]
    for group, title in GROUPS.items():
        out += [f"## {title}", ""]
        for function in functions():
            if function.group != group:
                continue
            out += [
                f"### {function.name}",
                "",
                function.summary,
                "",
                "```sql",
                f"api.{function.signature}",
                "```",
                "",
            ]
            out += [f"- **{field}**: {text}" for field, text in function.fields.items()]
            out += [""]
    out += [
        "## Error codes",
        "",
        "| code | HTTP status | retry may help | meaning |",
        "|---|---|---|---|",
    ]
    out += [
        f"| `{c}` | {s} | {'yes' if r == 'true' else 'no'} | {m} |" for c, s, r, m in error_codes()
    ]
    return "\n".join(out) + "\n"


def function_table() -> str:
    """README's table: one line a function."""
    out = ["| function | what it does |", "|---|---|"]
    out += [f"| `{f.name}` | {f.summary} |" for f in functions()]
    return "\n".join(out)


def settings_page() -> str:
    """The text of docs/settings.md."""
    out = [
        "# Settings",
        "",
        "Generated from `thin_api/settings.py` by `make docs`; do not edit. Environment variables; values are trimmed.",
        "",
        "| name | type | default | meaning |",
        "|---|---|---|---|",
    ]
    for name, kind, default, meaning in settings.describe():
        shown = f"`{default}`" if default else ""
        out.append(f"| `{name}` | {kind.replace('|', 'or')} | {shown} | {meaning} |")
    return "\n".join(out) + "\n"


def readme() -> str:
    """README.md with its function table brought up to date."""
    begin, end = "<!-- functions: generated by make docs -->", "<!-- /functions -->"
    before, rest = README.read_text().split(begin)
    return f"{before}{begin}\n{function_table()}\n{end}{rest.split(end)[1]}"


def main() -> int:
    """Write the files, or with --check compare them."""
    fresh = {REFERENCE: reference(), SETTINGS: settings_page(), README: readme()}
    stale = [path for path, text in fresh.items() if not path.exists() or path.read_text() != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is stale: run make docs", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.write_text(fresh[path])
    return 0


if __name__ == "__main__":
    sys.exit(main())
