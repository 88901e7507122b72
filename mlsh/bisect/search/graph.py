"""The commits that may be the culprit, and sums over their ancestors.

Every question of the search is a sum over the ancestors of a commit ("how likely is it that the culprit is in c's
history?"), asked for all commits at once. A full ancestor matrix of 10,000 commits is 12.5 MB packed, and a product
with it takes 0.2 s. Histories are nearly trees, so the relation is kept as one: each commit hangs below one of its
parents, and holds only what it reaches and that parent does not (itself, and what a merge brought in). Then

    sum over ancestors(c) = sum of what each commit holds, along the path from the root to c

and all those paths are one cumulative sum over the tree's Euler tour: add on the way in, subtract on the way out. It
costs O(n + held), where held is n for a line, little more for a usual history, and n^2 / 2 at worst.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Graph:
    """A DAG of n commits, each after its parents; those outside of the range are not there.

    `parents` are positions, each smaller than its child's.
    """

    def __init__(self, parents: Sequence[Sequence[int]]) -> None:
        self.parents = tuple(tuple(of) for of in parents)
        self.n = len(self.parents)
        above, held = _tree(self.parents)
        self._enter, self._leave = _tour(above)
        self._held = np.array([x for of in held for x in of], dtype=np.intp)
        self._counts = np.array([len(of) for of in held], dtype=np.intp)
        self._starts = np.concatenate(([0], np.cumsum(self._counts)[:-1])).astype(np.intp)

    @property
    def held(self) -> int:
        """How many entries the relation has: n for a line, more where merges meet."""
        return len(self._held)

    def ancestors(self, commit: int) -> Bools:
        """Which commits are `commit` or its ancestors: n booleans."""
        on_path = (self._enter <= self._enter[commit]) & (self._enter[commit] < self._leave)
        found = np.zeros(self.n, dtype=np.bool_)
        found[self._held[np.repeat(on_path, self._counts)]] = True
        return found

    def over_ancestors(self, values: Floats) -> Floats:
        """For each commit the sum of `values` over itself and its ancestors. Shape (..., n) in and out."""
        own = np.add.reduceat(values[..., self._held], self._starts, axis=-1)
        steps = np.zeros((*values.shape[:-1], 2 * self.n + 1))
        steps[..., self._enter] = own
        steps[..., self._leave] = -own
        return np.asarray(np.cumsum(steps, axis=-1)[..., self._enter])


def _tree(parents: Sequence[tuple[int, ...]]) -> tuple[list[int], list[list[int]]]:
    """For each commit the parent that it hangs below (-1 for none), and what it reaches beyond that one.

    The parent with the longest history is the one, so that little is left over.
    """
    reach: list[int] = []  # bitsets
    waiting = [0] * len(parents)
    for of in parents:
        for parent in of:
            waiting[parent] += 1
    above: list[int] = []
    held: list[list[int]] = []
    for commit, of in enumerate(parents):
        if len(of) == 0:
            above.append(-1)
            reach.append(1 << commit)
            held.append([commit])
        elif len(of) == 1:
            above.append(of[0])
            reach.append(reach[of[0]] | 1 << commit)
            held.append([commit])
        else:
            union = 1 << commit
            for parent in of:
                union |= reach[parent]
            best = max(of, key=lambda parent: (reach[parent].bit_count(), -parent))
            above.append(best)
            reach.append(union)
            held.append(_positions(union & ~reach[best]))
        for parent in of:
            waiting[parent] -= 1
            if waiting[parent] == 0:
                reach[parent] = 0  # nobody asks for it again: 10,000 commits in a line would hold 6 MB
    return above, held


def _positions(bits: int) -> list[int]:
    low = (bits & -bits).bit_length() - 1
    low -= low % 8
    raw = (bits >> low).to_bytes((bits.bit_length() - low + 7) // 8, "little")
    return (np.flatnonzero(np.unpackbits(np.frombuffer(raw, dtype=np.uint8), bitorder="little")) + low).tolist()


def _tour(above: Sequence[int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """When a walk around the tree enters each commit, and when it leaves it, in 2 n steps."""
    below: list[list[int]] = [[] for _ in above]
    roots: list[int] = []
    for commit, parent in enumerate(above):
        (below[parent] if parent >= 0 else roots).append(commit)
    enter = np.zeros(len(above), dtype=np.intp)
    leave = np.zeros(len(above), dtype=np.intp)
    clock = 0
    todo = [(root, True) for root in reversed(roots)]
    while todo:
        commit, entering = todo.pop()
        if entering:
            enter[commit] = clock
            todo.append((commit, False))
            todo.extend((child, True) for child in reversed(below[commit]))
        else:
            leave[commit] = clock
        clock += 1
    return enter, leave
