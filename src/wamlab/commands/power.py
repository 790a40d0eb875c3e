"""`wam power`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import WamError
from .console import print_json, say
from .options import Count, Rows, Share

if TYPE_CHECKING:
    from ..evaluate.power.analysis import Answer

CLAIMS = ({"rate", "threshold"}, {"rate", "other"}, {"solved", "starts", "threshold"}, {"only_first", "only_second", "starts"})


@dataclass(frozen=True)
class Command:
    """How many starts a claim needs; or, with counts, whether the starts at hand carry it.

    Exact: Clopper-Pearson for "above a threshold", McNemar for "better than". The power of exact tests is a saw-tooth: the
    number told is the least from which on it stays at --power. Exit status 1 if the data do not carry the claim.

    examples:
      wam power --rate 0.8 --threshold 0.6
      wam power --rate 0.8 --other 0.7 --agreement 0.5
      wam power --solved 33 --starts 40 --threshold 0.6
      wam power --only-first 9 --only-second 2 --starts 40
    """

    rate: Share | None = None
    """success rate that you expect"""
    threshold: Share | None = None
    """rate that it is claimed to exceed"""
    other: Share | None = None
    """success rate of the policy that it is claimed to beat, on the same starts"""
    agreement: Share = 0.0
    """how alike the two policies' outcomes on a start are, 0 to 1"""
    power: Share = 0.8
    """probability with which the claim shall be shown if it is true"""
    solved: Rows | None = None
    """starts that were solved"""
    only_first: Rows | None = None
    """starts that only the first policy solved"""
    only_second: Rows | None = None
    """starts that only the second policy solved"""
    starts: Count | None = None
    """starts that were run"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..evaluate.power.analysis import claim_above, claim_better, starts_for_difference, starts_for_rate

        self.check()
        match self:
            case Command(solved=int(solved), starts=int(starts), threshold=float(threshold)):
                return self.answer(claim_above(solved, starts, threshold), starts)
            case Command(only_first=int(first), only_second=int(second), starts=int(starts)):
                return self.answer(claim_better(first, second, starts), starts)
            case Command(rate=float(rate), other=float(other)):
                return self.tell(starts_for_difference(rate, other, agreement=self.agreement, power=self.power),
                                 f"paired starts or more show {rate:.4g} against {other:.4g}", other=other)
            case Command(rate=float(rate), threshold=float(threshold)):
                return self.tell(starts_for_rate(rate, threshold, power=self.power),
                                 f"starts or more show that {rate:.4g} is above {threshold:.4g}", threshold=threshold)
        raise AssertionError("check lets no other claim through")

    def check(self) -> None:
        """Raises WamError for options that make no claim together: none that is given is left unused."""
        said = {"rate": self.rate, "threshold": self.threshold, "other": self.other, "solved": self.solved,
                "only_first": self.only_first, "only_second": self.only_second, "starts": self.starts}
        given = {name for name, value in said.items() if value is not None}
        if given not in CLAIMS:
            raise WamError("that is no claim", where="wam power", expected="--rate with either --threshold or --other; "
                           "--solved, --starts and --threshold; or --only-first, --only-second and --starts",
                           got=" ".join(f"--{name.replace('_', '-')}" for name in said if name in given),
                           fix="wam power --help shows examples")

    def answer(self, found: Answer, starts: int) -> int:
        if self.json:
            print_json({"holds": found.holds, "why": found.why, "starts": starts, "value": found.value,
                        "interval": list(found.interval), "p": found.p, "needed": found.needed})
        else:
            say(f"{'carried' if found.holds else 'not carried'}: {found.why}")
        return 0 if found.holds else 1

    def tell(self, starts: int, what: str, **against: float) -> int:
        what = f"{what} with a probability of {self.power:.4g} at least"
        if self.json:
            print_json({"starts": starts, "rate": self.rate, **against, "power": self.power, "what": what})
        else:
            say(f"{starts} {what}")
        return 0
