"""Operations that choose the samples of a batch from a fixed data set, for each sampling mode."""

from __future__ import annotations

from numerics.targets.replica import Block, Each, Lines, Once, Operation
from theory.algorithm import Bernoulli, Persistent, Sampling

Mode = Sampling | Bernoulli | Persistent
_WHERE = "seed, stream, replica, step"


def integer_arrays(mode: Mode) -> tuple[str, ...]:
    """The arrays of one integer per sample that a replica keeps."""
    if mode in (Sampling.WITHOUT_REPLACEMENT, Sampling.RESHUFFLED, Sampling.CYCLIC):
        return ("order",)
    return ("selected",) if isinstance(mode, Persistent) else ()


def batch_setup(mode: Mode) -> list[Operation]:
    """Operations before the first step."""
    if mode in (Sampling.WITHOUT_REPLACEMENT, Sampling.RESHUFFLED, Sampling.CYCLIC):
        return [Each("row", "count", ("order[row] = row",))]
    if isinstance(mode, Persistent):
        draw = "uniform_draw(seed, stream, replica, 0, row, START_PURPOSE)"
        return [Each("row", "count", (f"selected[row] = 1 if {draw} <= fraction else 0",))]
    return []


def batch_choice(mode: Mode) -> list[Operation]:
    """Operations at the beginning of a step; afterwards `members` rows are visited with weight `share` each."""
    if mode in (Sampling.ONLINE, Sampling.WITH_REPLACEMENT, Sampling.CYCLIC):
        return [_members("batch", "batch")]
    if mode == Sampling.FULL_BATCH:
        return [_members("count", "count")]
    if mode == Sampling.WITHOUT_REPLACEMENT:  # the first places of a Fisher-Yates shuffle, whatever the order before it
        return [_members("batch", "batch"), Once(_shuffle("batch"))]
    if mode == Sampling.RESHUFFLED:
        shuffle = Block("if step * batch % count == 0:", (Once(_shuffle("count - 1")),))
        return [_members("batch", "batch"), shuffle]
    if isinstance(mode, Bernoulli):
        return [_members("count", "(fraction * count)")]
    change = (
        f"u = uniform_draw({_WHERE}, row, BATCH_PURPOSE)",
        "selected[row] = (1 if u > switch_off else 0) if selected[row] > 0 else (1 if u <= switch_on else 0)",
    )
    return [_members("count", "(fraction * count)"), Block("if step > 0:", (Each("row", "count", change),))]


def _members(members: str, weight: str) -> Lines:
    return Lines((f"members, share = {members}, real(1.0) / real({weight})",))


def _shuffle(places: str) -> tuple[str, ...]:
    return (
        f"for place in range({places}):",
        f"    other = place + integer_draw(count - place, {_WHERE}, place, BATCH_PURPOSE)",
        "    order[place], order[other] = order[other], order[place]",
    )


def member_row(mode: Mode) -> tuple[str, ...]:
    """Lines at the beginning of a member: the row of the data set, or a `continue` if it is not selected."""
    if mode == Sampling.WITH_REPLACEMENT:
        return (f"row = integer_draw(count, {_WHERE}, member, BATCH_PURPOSE)",)
    if mode == Sampling.WITHOUT_REPLACEMENT:
        return ("row = order[member]",)
    if mode in (Sampling.RESHUFFLED, Sampling.CYCLIC):
        return ("row = order[(step * batch + member) % count]",)
    if mode == Sampling.FULL_BATCH:
        return ("row = member",)
    if isinstance(mode, Bernoulli):
        chosen = f"uniform_draw({_WHERE}, member, BATCH_PURPOSE) <= fraction"
        return ("row = member", f"if not ({chosen}):", "    continue")
    if isinstance(mode, Persistent):
        return ("row = member", "if selected[row] == 0:", "    continue")
    return ()
