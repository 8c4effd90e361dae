"""Records the last branches of a program and prints the branches that were taken most."""

import lastbranch
import numpy as np

result = lastbranch.record(["busybox", "sha256sum", "/bin/busybox"], period=10_007, stdout=lastbranch.DEVNULL)
print(result)

branches, counts = np.unique(result.branches[["from", "to", "kind"]], return_counts=True)
for i in np.argsort(-counts)[:10]:
    source, target, kind = branches[i]
    share = counts[i] / len(result.branches)
    print(f"{share:6.1%}  {source:#x} -> {target:#x}  {lastbranch.BranchKind(kind).name.lower()}")
