"""Steps two machines in turn and looks at their rings: what other tools can only do after the fact."""

import lastbranch

machines = [lastbranch.Machine(["busybox", "true"], lbr_depth=depth) for depth in (8, 32)]
for machine in machines:
    machine.lbr.enable()

running = machines
while running:
    running = [machine for machine in running if not machine.run(10_000).ended]
    for machine in running:
        newest = machine.lbr.entries()[0]
        branch = f"{newest['from']:#x} -> {newest['to']:#x}"
        print(f"{machine.instructions:6} instructions, {machine.lbr}, newest {branch}")
