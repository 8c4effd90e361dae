"""What the tests of real programs share: the simulator, the reference material, a folder of inputs."""

from __future__ import annotations

import os
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def lastbranch() -> str:
    """Path of the command line under test."""
    path = pathlib.Path(os.environ.get("LASTBRANCH_BIN", ROOT / "build" / "lastbranch"))
    assert path.exists(), f"{path}: build it first (./dev build)"
    return str(path)


@pytest.fixture(scope="session")
def shared() -> pathlib.Path:
    """The reference material beside the checkout; tests that need it skip where it is not."""
    path = pathlib.Path(os.environ.get("LASTBRANCH_SHARED", ROOT.parent / "shared"))
    if not path.is_dir():
        pytest.skip(f"{path} is not there (LASTBRANCH_SHARED names it)")
    return path


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the input files that the programs read."""
    folder = tmp_path_factory.mktemp("programs")
    words = ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "seven", "wizards", "mud"]
    lines: list[str] = []
    state = 12345
    while sum(map(len, lines)) < 50_000:
        line = []
        for _ in range(8):
            state = (state * 1103515245 + 12345) % 2**31
            line.append(words[(state >> 16) % len(words)] + str((state >> 8) % 97))
        lines.append(" ".join(line) + "\n")
    (folder / "text").write_text("".join(lines))
    (folder / "t.c").write_text(
        "#include <stdio.h>\n"
        "static int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }\n"
        'int main(void) { for (int i = 0; i < 12; i++) printf("%d\\n", f(i)); return 0; }\n'
    )
    (folder / "t.asm").write_text(
        "bits 64\nsection .text\nglobal _start\n_start:\n"
        + "".join(f"  mov rax, {n}\n  add rbx, [rax+{n}]\n  jnz l{n}\n  nop\nl{n}:\n" for n in range(300))
        + "  ret\n"
    )
    (folder / "fib.lua").write_text(
        "local function f(n) if n < 2 then return n end return f(n-1) + f(n-2) end print(f(18))\n"
    )
    (folder / "fib.js").write_text("function f(n) { return n < 2 ? n : f(n-1) + f(n-2) } print(f(14));\n")
    return folder
