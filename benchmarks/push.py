"""How long Lbr.push takes for 10 million branches out of a NumPy array, by filter and kind of array.

usage: push.py [BRANCHES]
"""

import sys
import time

import lastbranch
import numpy as np

N = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
REPEAT = 5

rng = np.random.default_rng(1)
branches = np.zeros(N, lastbranch.BRANCH)
branches["from"] = rng.integers(1, 1 << 46, N)
branches["to"] = rng.integers(1, 1 << 46, N)
branches["cycles"] = 5
branches["kind"] = rng.integers(0, lastbranch.BranchKind.FAR, N)
branches["cpl"] = 3
addresses = branches[["from", "to"]]

for what, filtered, array in (
    ("all fields, recorded", "any,u", branches),
    ("all fields, calls recorded", "any_call,u", branches),
    ("all fields, call stack", "stack,u", branches),
    ("from and to only, recorded", "any,u", addresses),
):
    best = float("inf")
    for _ in range(REPEAT):
        lbr = lastbranch.Lbr("skylake")
        lbr.enable(filtered)
        start = time.perf_counter()
        lbr.push(array)
        best = min(best, time.perf_counter() - start)
    print(f"{what:28} {best:6.3f} s, {best / N * 1e9:5.1f} ns a branch")
