"""What is written for browsers: narrow, and never turning text into markup."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = sorted((ROOT / "thin_api" / "web").glob("*.js"))
TESTS = sorted((ROOT / "tests" / "web").glob("*.mjs"))
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|setHTML|document\.write|DOMParser"
    r"|createContextualFragment|\beval\(|new Function\("
)


def name_of(path: Path) -> str:
    """Name a test after its file."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [*WEB, *TESTS], ids=name_of)
def test_javascript_is_narrow(path: Path) -> None:
    text = path.read_text()
    assert [line for line in text.splitlines() if len(line) > 120] == []
    assert "\t" not in text
    assert text.endswith("\n")
    assert not re.search(r"[ \t]+$", text, re.MULTILINE)


@pytest.mark.parametrize("path", WEB, ids=name_of)
def test_text_is_never_turned_into_markup(path: Path) -> None:
    assert MARKUP.findall(path.read_text()) == []


def test_the_client_needs_nothing_else() -> None:
    text = (ROOT / "thin_api" / "web" / "parley.js").read_text()
    code = re.sub(r"/\*\*.*?\*/", "", text, flags=re.DOTALL)
    assert re.findall(r"^import\b|\bimport\(|\brequire\(", code, re.MULTILINE) == []
    assert set(re.findall(r"^export (?:class|function|const) (\w+)", code, re.MULTILINE)) == {
        "Client",
        "ParleyError",
        "Store",
    }
