"""How many parameters weight files hold: torch's definition, with no place to hide any.

- Every number of a learned tensor counts once, whatever its type; complex ones twice. Tensors that share memory count
  once.
- Statistics of batch normalisations do not count, as torch does it, while they are no more than `FREE_STATISTICS`, or
  one for every 20 parameters. Beyond that all of them count.
- Constants (buffers that a TorchScript file declares, integers of more than 8 bits) do not count while all of them
  together take no more than `FREE_CONSTANT_BYTES`. Beyond that all of them count, integers one for each byte, because
  narrower numbers can be packed into wide ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podium.formats.weights.tensors import Role, Tensor, WeightFile

FREE_STATISTICS = 100_000
FREE_STATISTICS_SHARE = 0.05
FREE_CONSTANT_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The counts of some weight files.

    Attributes:
        parameters: All that counts.
        statistics: Numbers of batch statistics, whether they count or not.
        constants: Numbers of constants, whether they count or not.
        counted_statistics: Of the parameters, those that come from too many statistics.
        counted_constants: Of the parameters, those that come from too large constants.
    """

    parameters: int
    statistics: int
    constants: int
    counted_statistics: int = 0
    counted_constants: int = 0

    @property
    def with_statistics(self) -> int:
        """Parameters as Keras' `count_params` counts them: batch statistics too."""
        return self.parameters - self.counted_statistics + self.statistics


def tally(files: Iterable[WeightFile]) -> Tally:
    """The counts of all files together.

    >>> tally([])
    Tally(parameters=0, statistics=0, constants=0, counted_statistics=0, counted_constants=0)
    """
    tensors = [tensor for file in files for tensor in file.tensors]
    learned = _of(tensors, Role.PARAMETER)
    statistics, constants = _of(tensors, Role.STATISTIC), _of(tensors, Role.CONSTANT)
    parameters = sum(each.weight for each in learned)
    free = max(FREE_STATISTICS, int(FREE_STATISTICS_SHARE * parameters))
    held = sum(each.elements for each in statistics)
    counted_statistics = sum(each.weight for each in statistics) if held > free else 0
    large = sum(each.size_bytes for each in constants) > FREE_CONSTANT_BYTES
    counted_constants = sum(each.weight for each in constants) if large else 0
    return Tally(
        parameters=parameters + counted_statistics + counted_constants,
        statistics=held,
        constants=sum(each.elements for each in constants),
        counted_statistics=counted_statistics,
        counted_constants=counted_constants,
    )


def _of(tensors: list[Tensor], role: Role) -> list[Tensor]:
    return [each for each in tensors if each.role is role]
