"""Pages that show Python with its output: every snippet runs, and prints what stands below it.

A snippet is a block of ``python``; a block of ``text`` between it and the next snippet is what it prints. All
snippets of a page are one program. ``python tests/docs/pages_test.py PAGE...`` writes the outputs into the
pages; read the difference before you keep it.
"""

import contextlib
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["docs/kvm-series.md"]
BLOCK = re.compile(r"^```(python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass
class Snippet:
    """A block of Python of a page."""

    line: int
    code: str
    end: int
    """Where the block ends in the page."""
    shown: str | None = None
    """What the page says it prints; None: nothing."""
    shown_span: tuple[int, int] = (0, 0)


def snippets(page: str) -> list[Snippet]:
    found: list[Snippet] = []
    for block in BLOCK.finditer(page):
        if block[1] == "python":
            found.append(Snippet(page.count("\n", 0, block.start()) + 2, block[2], block.end()))
        else:
            assert found and found[-1].shown is None, f"output without a snippet: {block[2]}"
            found[-1].shown = block[2]
            found[-1].shown_span = block.span(2)
    return found


def printed(name: str, all_snippets: list[Snippet]) -> list[str]:
    """What each prints, run in order in one namespace."""
    namespace: dict[str, Any] = {"__name__": "page"}
    outputs = []
    for snippet in all_snippets:
        # Lines of the page in tracebacks.
        code = compile("\n" * (snippet.line - 1) + snippet.code, name, "exec")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(code, namespace)
        outputs.append(out.getvalue())
    return outputs


@pytest.mark.parametrize("name", PAGES)
def test_snippets_print_what_the_page_shows(name: str) -> None:
    all_snippets = snippets((ROOT / name).read_text())
    assert len(all_snippets) > 5
    for snippet, output in zip(all_snippets, printed(name, all_snippets), strict=True):
        assert output == (snippet.shown or ""), f"{name}:{snippet.line}"


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = (ROOT / name).read_text()
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page):
        if "://" not in target:
            assert ((ROOT / name).parent / target).exists(), target


def test_wrong_output_is_seen() -> None:
    page = "```python\nprint(1 + 1)\n```\n\ntext between\n\n```text\n3\n```\n"
    (snippet,) = snippets(page)
    assert snippet.shown == "3\n"
    assert printed("page", [snippet]) == ["2\n"]


def rewrite(path: Path) -> None:
    """Writes into the page what its snippets print."""
    page = path.read_text()
    all_snippets = snippets(page)
    outputs = printed(str(path), all_snippets)
    for snippet, output in reversed(list(zip(all_snippets, outputs, strict=True))):
        if snippet.shown is not None:
            start, end = snippet.shown_span
            page = page[:start] + output + page[end:]
        elif output:
            page = f"{page[: snippet.end]}\n\n```text\n{output}```{page[snippet.end :]}"
    path.write_text(page)


if __name__ == "__main__":
    for page_path in sys.argv[1:]:
        rewrite(Path(page_path))
