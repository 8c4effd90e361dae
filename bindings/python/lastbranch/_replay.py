"""Captures held against the models."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from lastbranch import _core
from lastbranch._machine import Command, StrPath, environment_entries, program_arguments

MOST_RECORDS = 32

_EXAMPLE = np.dtype(
    [
        ("check", object),
        ("cause", object),
        ("sample", "u8"),
        ("entry", "u4"),
        ("from", "u8"),
        ("to", "u8"),
        ("words", object),
    ]
)
_EDGE = np.dtype([("from", "u8"), ("to", "u8"), ("count", "u8"), ("check", object), ("cause", object)])


class Check(TypedDict):
    """How one check went."""

    check: str
    held: int
    causes: dict[str, int]
    """What did not hold or was set aside, by its cause; "unexplained" is disagreement."""


class Report(TypedDict):
    """What `replay` returns: the report that ``lastbranch replay --json`` writes, with arrays."""

    schema: str
    version: int
    capture: str
    processor: str
    """The record it was replayed on."""
    chosen_by: str
    recorded: str
    foreign: bool
    """Not an Intel processor's: nothing was replayed."""
    agrees: bool
    verdict: str
    samples: dict[str, int]
    checks: list[Check]
    worst_edges: npt.NDArray[np.void]
    """Fields: ``from``, ``to`` (u8, addresses), ``count`` (u8), ``check``, ``cause`` (str)."""
    examples: npt.NDArray[np.void]
    """The first of each kind. Fields: ``check``, ``cause`` (str), ``sample`` (u8, number in the capture),
    ``entry`` (u4, 0 the newest), ``from``, ``to`` (u8), ``words`` (str)."""
    edited: list[str]
    notes: list[str]


def _paths(paths: StrPath | Sequence[StrPath]) -> list[bytes]:
    if isinstance(paths, str | bytes | os.PathLike):
        return [os.fsencode(paths)]
    return [os.fsencode(path) for path in paths]


def _rows(objects: list[dict[str, Any]], dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """Objects as rows; addresses come as text, since JSON's numbers do not hold 64 bits everywhere."""
    rows = np.empty(len(objects), dtype)
    for row, values in zip(rows, objects, strict=True):
        for name in dtype.names or ():
            row[name] = int(values[name], 16) if name in {"from", "to"} else values[name]
    rows.setflags(write=False)
    return rows


def replay(
    capture: StrPath,
    *,
    binary: StrPath | Sequence[StrPath] = (),
    cfg: StrPath | Sequence[StrPath] = (),
    object: str = "",  # as the option of the command is called
    uarch: str = "",
    depth: int | None = None,
    filter: str = "",  # likewise
    keep_going: bool = False,
    command: Command | None = None,
    env: Mapping[str, str] | None = None,
    root: StrPath | None = None,
    read_only: bool = False,
    seed: int = 1,
    max_instructions: int | None = None,
) -> Report:
    """Holds the last-branch records of a capture against the models, as ``lastbranch replay`` does.

    capture: perf.data, in file or pipe mode, or text of perf script, compressed or not.
    binary: ELF files that the capture ran, for the check of the control flow.
    cfg: tables of control flow in their place; object: the mapped file that the tables are of, "" to find it.
    uarch: replay on this part; "": what the capture says.
    depth: drive into so many records, 1 to 32, and expect the newest entries; None: the part's.
    filter: drive through this filter, as ``perf record -j`` has it; "": the capture's.
    keep_going: of a damaged file, replay what comes before the damage.
    command: the program and its arguments, to be run as well, in the simulator: every window must be a piece
        of what it does. Its input and output are this process's own.
    env: the program's environment; None: this process's. root, read_only, seed: as `Machine` has them. All
        must be those of the recording: the length of an environment variable alone changes loops.
    max_instructions: where to stop the program.

    Raises `Error`: an option or a file that is bad.
    """
    if depth is not None and not 1 <= depth <= MOST_RECORDS:
        raise _core.Error(f"depth: expected 1 to {MOST_RECORDS}, found {depth}")
    if command is None:
        # They are the program's: without one they would count for nothing.
        given = {
            "env": env is not None,
            "root": root is not None,
            "read_only": read_only,
            "seed": seed != 1,
            "max_instructions": max_instructions is not None,
        }
        for name in (name for name, is_given in given.items() if is_given):
            raise _core.Error(f"{name}: expected a command to run with it, found none")
    text = _core.replay(
        os.fsencode(capture),
        binaries=_paths(binary),
        tables=_paths(cfg),
        object=object,
        uarch=uarch,
        depth=depth or 0,
        filter=filter,
        keep_going=keep_going,
        command=[] if command is None else program_arguments(command),
        environment=environment_entries(os.environ if env is None else env),
        root=b"" if root is None else os.fsencode(root),
        read_only=read_only,
        seed=seed,
        max_instructions=max_instructions,
    )
    values = json.loads(text)
    values["worst_edges"] = _rows(values["worst_edges"], _EDGE)
    values["examples"] = _rows(values["examples"], _EXAMPLE)
    report: Report = values
    return report
