"""Code that chooses the samples of a batch from a fixed data set, one block of statements per sampling mode."""

from __future__ import annotations

from theory.algorithm import Bernoulli, Persistent, Sampling

WORD = "seed, stream, replica, step"


def batch_setup(mode: Sampling | Bernoulli | Persistent) -> list[str]:
    """Statements before the first step."""
    if mode in (Sampling.WITHOUT_REPLACEMENT, Sampling.RESHUFFLED, Sampling.CYCLIC):
        return ["    order = np.arange(count)"]
    if isinstance(mode, Persistent):
        return [
            "    selected = np.empty(count, np.bool_)",
            "    for row in range(count):",
            "        selected[row] = uniform1(seed, stream, replica, 0, row, START_PURPOSE) <= fraction",
        ]
    return []


def batch_choice(mode: Sampling | Bernoulli | Persistent) -> list[str]:
    """Statements at the beginning of a step; afterwards `members` rows are visited with weight `share` each."""
    if mode in (Sampling.ONLINE, Sampling.WITH_REPLACEMENT):
        return ["        members, share = batch, 1.0 / batch"]
    if mode == Sampling.FULL_BATCH:
        return ["        members, share = count, 1.0 / count"]
    if mode == Sampling.WITHOUT_REPLACEMENT:  # the first places of a Fisher-Yates shuffle, whatever the order before it
        return [
            "        members, share = batch, 1.0 / batch",
            "        for place in range(batch):",
            f"            other = place + integer1(count - place, {WORD}, place, BATCH_PURPOSE)",
            "            order[place], order[other] = order[other], order[place]",
        ]
    if mode == Sampling.RESHUFFLED:
        return [
            "        members, share = batch, 1.0 / batch",
            "        if step * batch % count == 0:",
            "            for place in range(count - 1):",
            f"                other = place + integer1(count - place, {WORD}, place, BATCH_PURPOSE)",
            "                order[place], order[other] = order[other], order[place]",
        ]
    if mode == Sampling.CYCLIC:
        return ["        members, share = batch, 1.0 / batch"]
    if isinstance(mode, Bernoulli):
        return ["        members, share = count, 1.0 / (fraction * count)"]
    return [
        "        members, share = count, 1.0 / (fraction * count)",
        "        if step > 0:",
        "            for row in range(count):",
        f"                u = uniform1({WORD}, row, BATCH_PURPOSE)",
        "                selected[row] = u > switch_off if selected[row] else u <= switch_on",
    ]


def member_row(mode: Sampling | Bernoulli | Persistent) -> list[str]:
    """Statements at the beginning of a member: the row of the data set, or a `continue` if it is not selected."""
    if mode == Sampling.WITH_REPLACEMENT:
        return [f"            row = integer1(count, {WORD}, member, BATCH_PURPOSE)"]
    if mode == Sampling.WITHOUT_REPLACEMENT:
        return ["            row = order[member]"]
    if mode in (Sampling.RESHUFFLED, Sampling.CYCLIC):
        return ["            row = order[(step * batch + member) % count]"]
    if mode == Sampling.FULL_BATCH:
        return ["            row = member"]
    if isinstance(mode, Bernoulli):
        return [
            "            row = member",
            f"            if uniform1({WORD}, member, BATCH_PURPOSE) > fraction:",
            "                continue",
        ]
    if isinstance(mode, Persistent):
        return ["            row = member", "            if not selected[row]:", "                continue"]
    return []
