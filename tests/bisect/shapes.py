"""Histories and oracles for tests of the pure search: no git, no processes."""

import random
from collections import Counter
from collections.abc import Callable, Sequence

from mlsh.bisect.search.range import Ask, Purpose, Range, Seen
from mlsh.bisect.search.search import Search
from mlsh.bisect.search.verdict import Verdict

GOOD = "good-end"


def line(n: int) -> list[tuple[int, ...]]:
    """Parents of n commits in a row."""
    return [(i - 1,) if i else () for i in range(n)]


def branches(n: int, seed: int, at_once: int = 4) -> list[tuple[int, ...]]:
    """Parents of n commits as a team makes them: up to `at_once` branches off a main line, merged both ways."""
    chance = random.Random(seed)
    parents: list[tuple[int, ...]] = [()]
    main, heads = 0, list[int]()

    def commit(*of: int) -> int:
        parents.append(tuple(sorted(set(of))))
        return len(parents) - 1

    while len(parents) + len(heads) < n:
        draw = chance.random()
        if draw < 0.3 or (draw >= 0.42 and not heads):
            main = commit(main)
        elif draw < 0.42:
            if len(heads) < at_once and len(parents) + len(heads) + 2 <= n:
                heads.append(commit(main))
            else:
                main = commit(main)
        else:
            at = chance.randrange(len(heads))
            if draw < 0.84:
                heads[at] = commit(heads[at])
            elif draw < 0.88:
                heads[at] = commit(heads[at], main)
            else:
                main = commit(main, heads.pop(at))
    while heads:
        main = commit(main, heads.pop())
    assert len(parents) == n
    return parents


def range_of(parents: Sequence[tuple[int, ...]]) -> Range:
    """The range of such a history: the last commit is bad, one good commit lies before the roots."""
    return Range(
        commits=tuple(f"c{i}" for i in range(len(parents))),
        parents=tuple(parents),
        outside=tuple(() if of else (GOOD,) for of in parents),
        bad=f"c{len(parents) - 1}",
        goods=(GOOD,),
    )


Oracle = Callable[[Ask, bool], Seen]


def lying(chance: random.Random, miss: float = 0.0, alarm: float = 0.0) -> Oracle:
    """An oracle that passes a bad commit with probability `miss`, and fails a good one with `alarm`."""

    def answer(ask: Ask, is_bad: bool) -> Seen:
        fails = chance.random() >= miss if is_bad else chance.random() < alarm
        return Seen(ask.commit, ask.purpose, "bad" if fails else "good")

    return answer


def measuring(chance: random.Random, effect: float) -> Oracle:
    """An oracle whose value is normal, and `effect` standard deviations higher where it is bad."""
    return lambda ask, is_bad: Seen(ask.commit, ask.purpose, None, 0.3 + 0.01 * chance.gauss(effect * is_bad, 1))


def searched(
    search: Search, culprit: int | None, oracle: Oracle, workers: int = 1
) -> tuple[Verdict, Counter[Purpose], int]:
    """Search to the end in rounds of `workers` tests: the verdict, the runs by their purpose, and the rounds."""
    runs: Counter[Purpose] = Counter()
    rounds = 0
    while (verdict := search.verdict()) is None:
        asks = search.ask(workers)
        assert asks, "neither a verdict nor a question"
        assert len(asks) <= workers
        rounds += 1
        for ask in asks:
            runs[ask.purpose] += 1
            is_bad = culprit is not None and ask.commit != GOOD and bool(search.in_history(ask.commit)[culprit])
            search.tell(oracle(ask, is_bad))
    return verdict, runs, rounds
