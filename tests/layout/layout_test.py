"""Holds the layout: who may include whom, and what a model's header begins with.

sim/base <- models/* <- sim/{load,user,board,perfdata,replay} <- sim/machine <- apps, bindings, benchmarks,
tests, with the SystemC side (sim/kernel and *_module.*) known only to itself, sim/machine, benchmarks, tests
and examples, which show the modules without a machine.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("sim", "models", "apps", "bindings", "benchmarks", "examples", "tests")
SUFFIXES = {".h", ".cpp", ".inc"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"(?P<own>[^"]+)"|<(?P<system>[^>]+)>)')

TOP = ("apps", "bindings", "benchmarks", "examples", "tests")
SIM_MIDDLE = ("sim/load", "sim/user", "sim/board", "sim/perfdata", "sim/replay")

# Areas that an area may include besides itself. "models" stands for every model.
ALLOWED: dict[str, tuple[str, ...]] = {
    "sim/base": (),
    "models": ("sim/base",),
    "sim/kernel": ("sim/base",),
    **{area: ("sim/base", "models", *SIM_MIDDLE) for area in SIM_MIDDLE},
    "sim/machine": ("sim/base", "sim/kernel", "models", *SIM_MIDDLE),
    "apps": ("sim/base", "models", *SIM_MIDDLE, "sim/machine"),
    "bindings": ("sim/base", "models", *SIM_MIDDLE, "sim/machine"),
    "benchmarks": ("sim/base", "sim/kernel", "models", *SIM_MIDDLE, "sim/machine"),
    "examples": ("sim/base", "sim/kernel", "models"),
    "tests": ("sim/base", "sim/kernel", "models", *SIM_MIDDLE, "sim/machine", "apps", "bindings"),
}

# Third-party headers: what the include begins with, where it is welcome, and why not elsewhere.
THIRD_PARTY: tuple[tuple[re.Pattern[str], re.Pattern[str], str], ...] = (
    (
        re.compile(r"Zydis|Zycore"),
        re.compile(r"models/cpu/decode\w*\.cpp|tests/.*"),  # tests encode what they execute
        "only models/cpu/decode*.cpp include Zydis",
    ),
    (re.compile(r"pybind11"), re.compile(r"bindings/.*"), "only bindings/ includes pybind11"),
    (
        re.compile(r"(systemc|tlm)\b|sysc/|tlm_"),
        re.compile(r"sim/kernel/.*|.*_module\.\w+|(tests|benchmarks|examples)/.*"),
        "only sim/kernel and *_module.* include SystemC",
    ),
    (
        re.compile(r"(boost|spdlog|elfutils)/|libelf|gelf|zstd"),
        re.compile(r"(?!models/.*\.h$).*"),
        "third-party headers stay out of the models' headers",
    ),
)


def area_of(path: str) -> str:
    """The area of a path from the root: models/cpu/exec/x.h -> models/cpu, tests/cpu/x.cpp -> tests."""
    parts = path.split("/")
    return parts[0] if parts[0] in TOP else "/".join(parts[:2])


def is_systemc_side(path: str) -> bool:
    return area_of(path) == "sim/kernel" or re.search(r"_module\.\w+$", path) is not None


def include_violation(path: str, target: str) -> str | None:
    """What is wrong with `path` including the project's file `target`, if anything."""
    source, included = area_of(path), area_of(target)
    source_rule = "models" if source.startswith("models/") else source
    included_rule = "models" if included.startswith("models/") else included
    if source_rule not in ALLOWED:
        return f"{source} is not in the layout"
    if included_rule not in ALLOWED:
        return f"{target}: include paths start at the root of the repository"
    systemc_users = is_systemc_side(path) or source in {"sim/machine", "tests", "benchmarks", "examples"}
    if is_systemc_side(target) and not systemc_users:
        return f"{target}: only the SystemC side and sim/machine may include it"
    if source == included or (is_systemc_side(path) and included == "sim/kernel"):
        return None
    if source_rule == "models" and included_rule == "models":
        return f"{target}: models do not include each other"
    if included_rule not in ALLOWED[source_rule]:
        return f"{target}: {source} may not include {included}"
    return None


def begins_with_comment(text: str) -> bool:
    for line in text.splitlines():
        if line.strip() and line.strip() != "#pragma once":
            return line.lstrip().startswith(("//", "/*"))
    return False


def violations(path: str, text: str) -> Iterator[str]:
    """Every broken rule of one file, as file:line: what."""
    for number, line in enumerate(text.splitlines(), start=1):
        found = INCLUDE.match(line)
        if not found:
            continue
        if found["own"]:
            problem = include_violation(path, found["own"])
            if problem:
                yield f"{path}:{number}: {problem}"
        else:
            for pattern, welcome, rule in THIRD_PARTY:
                if pattern.match(found["system"]) and not welcome.fullmatch(path):
                    yield f"{path}:{number}: <{found['system']}>: {rule}"
    if path.endswith(".h"):
        if not re.search(r"^#pragma once$", text, re.MULTILINE):
            yield f"{path}:1: no #pragma once"
        if path.startswith("models/") and not begins_with_comment(text):
            yield f"{path}:1: a model's header begins with what is modelled, what is not, and the sources"


def sources() -> list[Path]:
    return sorted(
        path
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.suffix in SUFFIXES and path.is_file()
    )


def test_tree_keeps_the_layout() -> None:
    files = sources()
    assert len(files) > 10, "the walk finds the sources"

    broken = [
        violation
        for path in files
        for violation in violations(path.relative_to(ROOT).as_posix(), path.read_text())
    ]

    assert not broken, "\n" + "\n".join(broken)


def test_included_project_files_exist() -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{number}: {found['own']} is not in the repository"
        for path in sources()
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if (found := INCLUDE.match(line)) and found["own"] and not (ROOT / found["own"]).is_file()
    ]

    assert not missing, "\n" + "\n".join(missing)


def test_package_and_library_have_one_version() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    library = re.search(r"^project\(lastbranch VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text(), re.M)

    assert library
    assert library[1] == package


@pytest.mark.parametrize(
    ("path", "line", "rule"),
    [
        ("models/lbr/lbr.cpp", '#include "models/cpu/core.h"', "models do not include each other"),
        ("models/cpu/core_module.h", '#include "models/pmu/pmu.h"', "models do not include each other"),
        ("models/cpu/core.cpp", '#include "sim/user/process.h"', "models/cpu may not include sim/user"),
        ("models/cpu/core.cpp", '#include "sim/kernel/clock.h"', "only the SystemC side"),
        ("models/cpu/core.cpp", '#include "models/cpu/core_module.h"', "only the SystemC side"),
        ("sim/base/msr.h", '#include "models/lbr/lbr.h"', "sim/base may not include models/lbr"),
        ("sim/kernel/clock.h", '#include "sim/machine/machine.h"', "sim/kernel may not include sim/machine"),
        ("sim/user/files.cpp", '#include "sim/machine/machine.h"', "sim/user may not include sim/machine"),
        ("sim/perfdata/writer.cpp", '#include "sim/kernel/clock.h"', "only the SystemC side"),
        ("apps/lastbranch/main.cpp", '#include "sim/kernel/clock.h"', "only the SystemC side"),
        ("apps/lastbranch/main.cpp", '#include "tests/support/probe.h"', "apps may not include tests"),
        ("sim/base/msr.cpp", '#include "msr.h"', "include paths start at the root"),
        ("sim/base/msr.cpp", '#  include   "../base/msr.h"', "include paths start at the root"),
        ("sim/other/x.cpp", '#include "sim/base/msr.h"', "sim/other is not in the layout"),
        ("models/cpu/core.cpp", "#include <Zydis/Zydis.h>", "include Zydis"),
        ("models/cpu/decode.h", "#include <Zydis/Zydis.h>", "include Zydis"),
        ("sim/machine/machine.cpp", "#include <systemc>", "include SystemC"),
        ("models/cpu/core.h", "#include <tlm.h>", "include SystemC"),
        ("models/cpu/core.h", "#include <sysc/kernel/sc_time.h>", "include SystemC"),
        ("apps/lastbranch/main.cpp", "#include <pybind11/pybind11.h>", "includes pybind11"),
        ("models/lbr/lbr_module.h", '#include "models/pmu/pmu_module.h"', "models do not include each other"),
        ("models/lbr/lbr.cpp", '#include "models/lbr/lbr_module.h"', "only the SystemC side"),
        ("examples/x.cpp", '#include "sim/machine/machine.h"', "examples may not include sim/machine"),
        ("models/cpu/uarch.h", "#include <boost/json.hpp>", "third-party headers"),
    ],
)
def test_include_that_breaks_a_rule_is_found(path: str, line: str, rule: str) -> None:
    header = "// What is modelled.\n#pragma once\n"

    found = list(violations(path, f"{header}{line}\n"))

    assert len(found) == 1
    assert found[0].startswith(f"{path}:3: ")
    assert rule in found[0]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("models/cpu/core.h", '#include "sim/base/msr.h"'),
        ("models/cpu/exec/alu.cpp", '#include "models/cpu/core.h"'),
        ("models/cpu/decode_forms.cpp", "#include <Zydis/Zydis.h>"),
        ("models/cpu/core_module.h", "#include <systemc>"),
        ("models/lbr/lbr_module.h", '#include "sim/kernel/monitoring.h"'),
        ("examples/x.cpp", '#include "models/pmu/pmu_module.h"'),
        ("models/cpu/core_module.h", '#include "sim/kernel/clock.h"'),
        ("models/cpu/uarch.cpp", "#include <boost/json.hpp>"),
        ("sim/user/files.cpp", '#include "sim/load/elf.h"'),
        ("sim/machine/machine.cpp", '#include "models/cpu/core_module.h"'),
        ("sim/machine/machine.h", '#include "sim/kernel/sim_context.h"'),
        ("bindings/python/src/module.cpp", "#include <pybind11/pybind11.h>"),
        ("tests/kernel/clock_test.cpp", "#include <systemc>"),
        ("apps/lastbranch/main.cpp", '// #include "sim/kernel/clock.h"'),
    ],
)
def test_include_that_keeps_the_rules_passes(path: str, line: str) -> None:
    header = "// What is modelled.\n#pragma once\n"

    assert list(violations(path, f"{header}{line}\n")) == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("#pragma once\n\n/// The ring.\nclass Ring;\n", 0),
        ("/* The ring. */\n#pragma once\n", 0),
        ("#pragma once\n\n#include <vector>\n/// The ring.\n", 1),
        ("/// The ring.\nclass Ring;\n", 1),
        ("", 2),
    ],
)
def test_model_header_begins_with_comment_and_pragma_once(text: str, count: int) -> None:
    assert len(list(violations("models/lbr/lbr.h", text))) == count
    assert not list(violations("models/lbr/lbr.cpp", text))
