"""Two captures side by side."""

import os
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from lastbranch import _core
from lastbranch._machine import StrPath


class Side(TypedDict):
    """One of the captures."""

    path: str
    samples: int
    """Those with branch stacks."""
    branches: int
    edges: int
    """Different ones."""
    halves: float | None
    """The overlap of one half of the samples with the other: what sampling alone scatters."""


class Comparison(TypedDict):
    """What `compare` returns."""

    sides: tuple[Side, Side]
    overlap: tuple[float, float, float]
    """Weighted Jaccard index of the edges' shares, 0 to 1, and the ends of its 95 % interval."""
    files: list[str]
    """Paths of the mapped files, which the arrays number."""
    edges: npt.NDArray[np.void]
    """One row an edge, those whose shares differ most first, shape (n,).

    Fields: ``from`` and ``to`` (u8, offsets in the files, or addresses), ``from_file`` and ``to_file`` (i4,
    indices into ``files``, -1 for an address), ``taken`` (u8, shape (2,)), ``share``, ``missed`` (0 to 1) and
    ``cycles`` (core clocks since the branch before): f8, shape (2, 3), for A and B the value and the ends of
    its 95 % interval; NaN where nothing was recorded.
    """
    branches: npt.NDArray[np.void]
    """One row a branch instruction, likewise, shape (m,).

    Fields: ``at`` (u8), ``file`` (i4), ``targets`` (u8, shape (2,), different ones), ``taken``, ``share``,
    ``missed``.
    """
    notes: list[str]


def compare(a: StrPath, b: StrPath, *, keep_going: bool = False) -> Comparison:
    """Compares the branches of two captures, as ``lastbranch compare`` does.

    a, b: perf.data, in file or pipe mode, or text of perf script, compressed or not; simulated or not.
        Branches are the same where they lie at the same offset in a file of the same name.
    keep_going: of a damaged file, compare what comes before the damage.

    Intervals are by the scatter of the samples. Samples taken by time weigh slow code more than fast code, so
    that such a capture agrees with one taken by branches only where both are alike.

    Raises `Error`: a file that cannot be read or is damaged, a capture without branches.
    """
    result: Comparison = _core.compare(os.fsencode(a), os.fsencode(b), keep_going)
    return result
