"""Adds up JUnit files and prints why tests were skipped, which failed, and one line of totals.

With CI=true a test may be skipped only for what a machine may lack; one that misses the project's own parts
or the reference material counts as failed.
"""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

# What a machine of continuous integration may lack.
EXCUSES = re.compile(
    r"AddressSanitizer keeps|is not installed|is not allowed here|(host|process) has no vDSO"
    r"|follows perf 6\.1|perf may not record here"
)


def skip_reason(case: ElementTree.Element) -> str:
    """The reason that pytest gives in the element, or GoogleTest in the output after file:line."""
    output = case.findtext("system-out") or ""
    said = re.search(r"^.*?:\d+: Skipped\n(.+)$", output, re.MULTILINE)
    if said:
        return said.group(1).strip()
    skipped = case.find("skipped")
    return skipped.get("message", "no reason given") if skipped is not None else "no reason given"


def main(paths: list[Path]) -> int:
    passed = 0
    failed: list[str] = []
    skipped: Counter[str] = Counter()
    for path in paths:
        if not path.exists():
            continue
        for case in ElementTree.parse(path).getroot().iter("testcase"):
            name = f"{path.parent.name}: {case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                failed.append(name)
            elif case.find("skipped") is not None or case.get("status") in {"notrun", "disabled"}:
                reason = skip_reason(case)
                if os.environ.get("CI") == "true" and not EXCUSES.search(reason):
                    failed.append(f"{name}: skipped, which it may not be here: {reason}")
                else:
                    skipped[reason] += 1
            else:
                passed += 1
    for reason, count in sorted(skipped.items()):
        print(f"skipped {count}: {reason}")
    for name in failed:
        print(f"FAILED  {name}")
    print(f"{passed} passed, {len(failed)} failed, {skipped.total()} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
