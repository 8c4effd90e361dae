"""The core of a machine."""

from lastbranch import _core
from lastbranch._lbr import HartLbr
from lastbranch._pmu import HartPmu
from lastbranch._registers import Msrs


class Hart:
    """The one core of a machine, as software that monitors it sees it."""

    def __init__(self, core: _core.Machine) -> None:
        self.msr = Msrs(core)
        """The model-specific registers."""
        self.lbr = HartLbr(core)
        """The last-branch records; off until they are enabled."""
        self.pmu = HartPmu(core)
        """The performance counters."""

    def __repr__(self) -> str:
        return f"<Hart: {self.lbr!r}, {self.pmu!r}>"
