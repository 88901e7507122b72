"""What the observations say about each commit: the posterior over culprits.

A hypothesis is a culprit x, one of n commits, or that there is none in this range ("none", the last of n + 1). Under
culprit x an observation at commit c is of the bad kind where x is c or an ancestor of c, else of the good kind; under
"none" all observations are of one kind. A belief keeps, for each culprit, sufficient statistics of the two kinds, so an
observation is one addition to two arrays, and the rates or distributions of the two kinds are integrated out in closed
form: nobody has to know them. Observations at the ends count too: they are of a kind that is known.

Three beliefs, by what an oracle says:

- `Sure`: it never lies. What contradicts an observation is impossible.
- `Rates`: pass or fail, each kind with an unknown chance to fail. Beta-Bernoulli: with a prior (a, b) the marginal
  likelihood of f fails and s passes is B(a + f, b + s) / B(a, b). A bad commit is expected to fail mostly, (3/2, 1/2),
  a good one to pass mostly, (1/2, 3/2); where there is no culprit, Jeffreys' (1/2, 1/2) expects nothing. That is what
  lets "none" win when both ends pass alike: with Jeffreys' prior for all, "a bad commit passes 99 times in 100" would
  stay possible for hundreds of runs.
- `Values`: a number, each kind with an unknown mean and variance. Normal-inverse-gamma, whose marginal likelihood is in
  K. Murphy, "Conjugate Bayesian analysis of the Gaussian distribution" (2007), section 3. What is no finite number is
  a pass or a fail as above.
"""

from __future__ import annotations

import functools
import math
from typing import Protocol

import numpy as np

from mlsh.bisect.search.graph import Bools, Floats

# Priors of the chance to fail: fails and passes beforehand.
_GOOD, _BAD, _NONE = (0.5, 1.5), (1.5, 0.5), (0.5, 0.5)


class Channel:
    """How an answer depends on its kind, for the choice of the next test: the chance to look bad.

    `good` and `bad` are of the two kinds, `none` where there is no culprit.
    """

    __slots__ = ("bad", "good", "none")

    def __init__(self, good: float, bad: float, none: float) -> None:
        self.good, self.bad, self.none = good, bad, none


class Belief(Protocol):
    """A posterior that observations are added to."""

    def add(self, is_bad_kind: Bools, *, is_fail: bool, value: float | None) -> None:
        """Take an observation; `is_bad_kind` says for each culprit (n) whether the commit has it in its history."""

    def weights(self) -> Floats:
        """The posterior: n + 1 numbers that sum to 1; all zero where the observations contradict each other."""

    def channel(self, weights: Floats) -> Channel:
        """The chances that the next answer looks bad."""


class Sure:
    """The oracle never lies."""

    def __init__(self, prior: Floats) -> None:
        self._weights = prior.copy()

    def add(self, is_bad_kind: Bools, *, is_fail: bool, value: float | None = None) -> None:
        """Rule out what contradicts the answer. An end that answers as it should says nothing."""
        del value
        kind = np.append(is_bad_kind, not is_fail)
        self._weights[kind != is_fail] = 0.0

    def weights(self) -> Floats:
        """The prior over what is still possible."""
        total = float(self._weights.sum())
        return self._weights / total if total else self._weights

    def channel(self, weights: Floats) -> Channel:
        """A bad commit fails, a good one passes."""
        del weights
        return Channel(0.0, 1.0, 0.5)


class Rates:
    """Pass or fail, with unknown chances of a false answer either way."""

    def __init__(self, prior: Floats) -> None:
        n = len(prior) - 1
        with np.errstate(divide="ignore"):
            self.log_prior = np.log(prior)
        self._bad_fails = np.zeros(n, dtype=np.intp)
        self._bad_passes = np.zeros(n, dtype=np.intp)
        self._fails = self._passes = 0

    def add(self, is_bad_kind: Bools, *, is_fail: bool, value: float | None = None) -> None:
        """Count the answer for its kind, under each culprit."""
        del value
        if is_fail:
            self._bad_fails += is_bad_kind
            self._fails += 1
        else:
            self._bad_passes += is_bad_kind
            self._passes += 1

    def log_likelihood(self) -> Floats:
        """The log marginal likelihood of all answers under each hypothesis: n + 1."""
        bad = _log_beta_table(self._fails, self._passes, *_BAD)
        good = _log_beta_table(self._fails, self._passes, *_GOOD)
        culprits = (
            bad[self._bad_fails, self._bad_passes]
            + good[self._fails - self._bad_fails, self._passes - self._bad_passes]
        )
        none = _log_beta_table(self._fails, self._passes, *_NONE)[-1, -1]
        return np.append(culprits, none)

    def weights(self) -> Floats:
        """The posterior."""
        return normalized(self.log_prior + self.log_likelihood())

    def channel(self, weights: Floats) -> Channel:
        """The posterior means of the chances to fail."""
        culprits, total = weights[:-1], max(float(weights[:-1].sum()), 1e-300)
        bad_n = self._bad_fails + self._bad_passes
        good_n = self._fails + self._passes - bad_n
        bad = (self._bad_fails + _BAD[0]) / (bad_n + sum(_BAD))
        good = (self._fails - self._bad_fails + _GOOD[0]) / (good_n + sum(_GOOD))
        none = (self._fails + _NONE[0]) / (self._fails + self._passes + sum(_NONE))
        return Channel(float(culprits @ good) / total, float(culprits @ bad) / total, none)


class Values:
    """A number, normal around an unknown mean with an unknown variance for either kind.

    The prior is weak and comes from the ends: means around `center` with a variance of the mean `1 / STRENGTH` times
    that of a value, variances around `scale` squared.
    """

    STRENGTH = 0.02
    SHAPE = 1.5

    def __init__(self, prior: Floats, center: float, scale: float) -> None:
        n = len(prior) - 1
        self._center = center
        self._scale = scale
        self._odd = Rates(prior)
        self._bad = np.zeros((3, n))
        self._all = np.zeros(3)

    def add(self, is_bad_kind: Bools, *, is_fail: bool, value: float | None) -> None:
        """Count the value for its kind. Without a finite value `is_fail` says what it stands for."""
        del is_fail
        finite = value is not None and math.isfinite(value)
        self._odd.add(is_bad_kind, is_fail=not finite)
        if finite:
            assert value is not None  # noqa: S101
            z = (value - self._center) / self._scale
            moments = np.array([1.0, z, z * z])
            self._bad += np.outer(moments, is_bad_kind)
            self._all += moments

    def weights(self) -> Floats:
        """The posterior."""
        culprits = self._marginal(self._bad) + self._marginal(self._all[:, None] - self._bad)
        values = np.append(culprits, self._marginal(self._all[:, None]))
        odd = self._odd.log_likelihood()
        # As likely as not the culprit left the odd ones as they were: finite numbers at a bad end speak for nothing.
        odd = np.logaddexp(odd, odd[-1]) - math.log(2)
        return normalized(self._odd.log_prior + odd + values)

    def _posterior(self, moments: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Strength, mean, shape and rate after values with these moments (3, n), in units of `scale` from `center`."""
        count, total, squares = moments
        strength = self.STRENGTH + count
        mean = total / strength
        shape = self.SHAPE + count / 2
        rate = self.SHAPE + (squares - strength * mean * mean) / 2
        return strength, mean, shape, np.maximum(rate, 1e-9)

    def _marginal(self, moments: Floats) -> Floats:
        strength, _, shape, rate = self._posterior(moments)
        halves = np.rint(2 * shape).astype(np.intp)
        most = int(halves.max()) // 2 + 1
        gammas = np.stack((_log_gammas(0.5, most + 1), _log_gammas(1.0, most + 1)), axis=1).ravel()
        found = gammas[halves - 1] - shape * np.log(rate) - np.log(strength) / 2
        # A culprit has two kinds and "none" has one, so what the prior alone gives does not cancel.
        before = math.lgamma(self.SHAPE) - self.SHAPE * math.log(self.SHAPE) - math.log(self.STRENGTH) / 2
        return np.asarray(found - before)

    def kinds(self, weights: Floats) -> tuple[tuple[float, float], tuple[float, float]]:
        """Mean and standard deviation of the good and of the bad kind, under the likeliest culprit, as measured."""
        best = int(np.argmax(weights[:-1]))
        found = []
        for moments in (self._all - self._bad[:, best], self._bad[:, best]):
            _, mean, shape, rate = self._posterior(moments[:, None])
            spread = math.sqrt(float(rate[0]) / float(shape[0]))
            found.append((self._center + self._scale * float(mean[0]), self._scale * spread))
        return found[0], found[1]

    def channel(self, weights: Floats) -> Channel:
        """As if values were cut where both kinds are equally many standard deviations away.

        Where bad commits give nan there is no value to cut: whether there is one tells the two apart then.
        """
        (good, good_sd), (bad, bad_sd) = self.kinds(weights)
        apart = abs(bad - good) / (good_sd + bad_sd)
        wrong = max(math.erfc(apart / math.sqrt(2)) / 2, 1e-6)
        broken = self._odd.channel(weights)
        return broken if broken.bad - broken.good > 1 - 2 * wrong else Channel(wrong, 1 - wrong, 0.5)


def normalized(log_weights: Floats) -> Floats:
    """Weights that sum to 1, from unnormalised logarithms."""
    weights = np.exp(log_weights - log_weights.max())
    return np.asarray(weights / weights.sum())


def _log_beta_table(fails: int, passes: int, a: float, b: float) -> Floats:
    """log B(a + f, b + s) - log B(a, b) for f up to `fails` (rows) and s up to `passes` (columns)."""
    of_fails, of_passes = _log_gammas(a, fails + 1), _log_gammas(b, passes + 1)
    of_both = _log_gammas(a + b, fails + passes + 1)
    together = np.arange(fails + 1)[:, None] + np.arange(passes + 1)[None, :]
    table = of_fails[:, None] + of_passes[None, :] - of_both[together]
    return np.asarray(table - table[0, 0])


def _log_gammas(start: float, count: int) -> Floats:
    """log gamma of start, start + 1, ...: `count` numbers."""
    return _log_gammas_to(start, 1 << (count - 1).bit_length())[:count]


@functools.cache
def _log_gammas_to(start: float, count: int) -> Floats:
    return np.array([math.lgamma(start + k) for k in range(count)])
