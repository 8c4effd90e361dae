"""Counts events of one program on several microarchitectures."""

import lastbranch

COMMAND = ["busybox", "sha256sum", "/bin/busybox"]

for name in ("nehalem", "haswell", "skylake"):
    result = lastbranch.run(
        COMMAND, uarch=name, events=["instructions:u", "branches:u"], stdout=lastbranch.DEVNULL
    )
    share = result.counts["branches:u"] / result.counts["instructions:u"]
    print(f"{name:10} {result.instructions:10} instructions, {share:.1%} of them branches")
