"""The partitions of a batch, under the name by which the moment equations know them (`theory.partitions`)."""

from theory.partitions import (
    bernoulli_weight,
    coarsenings,
    falling,
    fresh_weight,
    pair_rule,
    set_partitions,
    subset_weight,
)

__all__ = [
    "bernoulli_weight",
    "coarsenings",
    "falling",
    "fresh_weight",
    "pair_rule",
    "set_partitions",
    "subset_weight",
]
