"""`wam power`."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import WamError
from .console import print_json


@dataclass(frozen=True)
class Command:
    """How many starts a claim needs; or, with counts, whether the starts at hand carry it.

    Exact: Clopper-Pearson for "above a threshold", McNemar for "better than". Exit status 1 if the data do not carry the claim.

    examples:
      wam power --rate 0.8 --threshold 0.6
      wam power --rate 0.8 --other 0.7 --agreement 0.5
      wam power --solved 33 --starts 40 --threshold 0.6
      wam power --only-first 9 --only-second 2 --starts 40
    """

    rate: float | None = None
    """success rate that you expect"""
    threshold: float | None = None
    """rate that it is claimed to exceed"""
    other: float | None = None
    """success rate of the policy that it is claimed to beat, on the same starts"""
    agreement: float = 0.0
    """how alike the two policies' outcomes on a start are, 0 to 1"""
    power: float = 0.8
    """probability with which the claim shall be shown if it is true"""
    solved: int | None = None
    """starts that were solved"""
    only_first: int | None = None
    """starts that only the first policy solved"""
    only_second: int | None = None
    """starts that only the second policy solved"""
    starts: int | None = None
    """starts that were run"""
    json: bool = False
    """print a JSON document"""

    def __call__(self) -> int:
        from ..evaluate.power import claim_above, claim_better, starts_for_difference, starts_for_rate

        match self:
            case Command(solved=int(solved), starts=int(starts), threshold=float(threshold)):
                answer = claim_above(solved, starts, threshold)
            case Command(only_first=int(first), only_second=int(second), starts=int(starts)):
                answer = claim_better(first, second, starts)
            case Command(rate=float(rate), other=float(other)):
                return self.tell(starts_for_difference(rate, other, agreement=self.agreement, power=self.power),
                                 f"paired starts show {rate:.0%} against {other:.0%} with probability {self.power:.0%}")
            case Command(rate=float(rate), threshold=float(threshold)):
                return self.tell(starts_for_rate(rate, threshold, power=self.power),
                                 f"starts show that {rate:.0%} is above {threshold:.0%} with probability {self.power:.0%}")
            case _:
                raise WamError("that is no claim", where="wam power",
                               expected="--rate with --threshold or --other; --solved, --starts and --threshold; or "
                                        "--only-first, --only-second and --starts", fix="wam power --help shows examples")
        if self.json:
            print_json({"holds": answer.holds, "why": answer.why})
        else:
            print(f"{'carried' if answer.holds else 'not carried'}: {answer.why}")
        return 0 if answer.holds else 1

    def tell(self, starts: int, what: str) -> int:
        print_json({"starts": starts, "what": what}) if self.json else print(f"{starts} {what}")
        return 0
