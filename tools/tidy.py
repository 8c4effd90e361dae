"""Runs clang-tidy on the project's sources, in parallel, leaving out what has already passed.

A source has passed when clang-tidy found nothing in the same text of the source, of every project header
it reaches, of its compile command and of .clang-tidy. The stamps live in BUILD/tidy-passed.
"""

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIDY = "clang-tidy-14"
# Tests are left out: GoogleTest's headers would double the time, and the compiler's warnings cover them.
FOLDERS = ("sim", "models", "apps", "bindings", "benchmarks")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


@cache
def text(path: Path) -> str:
    return path.read_text()


def reached(source: Path, seen: set[Path]) -> set[Path]:
    """The source and all project headers that it includes, directly or not."""
    if source in seen or not source.is_file():
        return seen
    seen.add(source)
    for name in INCLUDE.findall(text(source)):
        reached(ROOT / name, seen)
    return seen


def fingerprint(source: Path, command: str, version: str) -> str:
    digest = hashlib.sha256()
    for part in (version, command, text(ROOT / ".clang-tidy")):
        digest.update(part.encode())
    for path in sorted(reached(source, set())):
        digest.update(f"{path.relative_to(ROOT)}\n{text(path)}".encode())
    return digest.hexdigest()


def tidy(source: Path, build: Path) -> tuple[bool, str]:
    """Whether clang-tidy is content with the source, and what it said otherwise."""
    done = subprocess.run(
        [TIDY, "--quiet", "-p", str(build), "--extra-arg=-Wno-unknown-warning-option", str(source)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return done.returncode == 0, done.stdout + ("" if done.returncode == 0 else done.stderr)


def main(build: Path) -> int:
    commands: dict[Path, str] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = Path(entry["file"])
        if source.suffix == ".cpp" and any(source.is_relative_to(ROOT / folder) for folder in FOLDERS):
            commands[source] = shlex.join(shlex.split(entry["command"]))
    version = subprocess.run([TIDY, "--version"], capture_output=True, text=True, check=True).stdout
    stamps = build / "tidy-passed"
    stamps.mkdir(exist_ok=True)

    # A stamp's name is the content's hash: a change makes another name, going back finds the old one.
    stale = {
        source: stamps / fingerprint(source, command, version) for source, command in sorted(commands.items())
    }
    stale = {source: stamp for source, stamp in stale.items() if not stamp.exists()}
    bad = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for source, (content, said) in zip(
            stale, pool.map(lambda source: tidy(source, build), stale), strict=True
        ):
            if content:
                stale[source].touch()
            else:
                bad += 1
                print(f"{source.relative_to(ROOT)}:\n{said}", flush=True)
    print(f"clang-tidy: {len(commands)} sources, {len(stale)} looked at, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
