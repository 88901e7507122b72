"""git's own choice of the next test, for an oracle that never lies.

Two commits that halve the range equally well may differ by one test for a given culprit. Where nothing else speaks for
either, the one that `git bisect` takes is taken, so a search never needs more tests than git's. Its rule, as
`git rev-list --bisect` (git 2.39) acts: take the commits oldest first; a merge, and after the merges any other commit,
that splits the range in halves is taken as soon as it is met; else the first one whose smaller side is largest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlsh.bisect.search.graph import Bools, Graph


def halving(graph: Graph, possible: Bools, oldest_first: Sequence[int]) -> int:
    """The commit that git would test next among `possible` culprits, in git's order of commits."""
    reach = np.rint(graph.over_ancestors(possible.astype(np.float64))).astype(np.intp)
    total = int(possible.sum())
    order = [commit for commit in oldest_first if possible[commit]]
    parents = {commit: [parent for parent in graph.parents[commit] if possible[parent]] for commit in order}

    def halves(commit: int) -> bool:
        off = abs(2 * int(reach[commit]) - total)
        return off <= 1 or off < total // 1024

    for commit in order:
        if len(parents[commit]) > 1 and halves(commit):
            return commit
    counted = {commit for commit in order if len(parents[commit]) != 1}
    left = [commit for commit in order if len(parents[commit]) == 1]
    while left:
        later = []
        for commit in left:
            if parents[commit][0] not in counted:
                later.append(commit)
                continue
            counted.add(commit)
            if halves(commit):
                return commit
        left = later
    return max(order, key=lambda commit: min(int(reach[commit]), total - int(reach[commit])))
