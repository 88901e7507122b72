"""Train a small neural network to tell two spirals apart, with nothing but the standard library.

It learns for real: a 2-24-1 network, its gradients by hand, Adam. The same seed prints the same numbers.
Each tenth step is a line, `step=120 loss=0.4312 val_loss=0.4520`; on a terminal a progress bar moves below.
"""

import argparse
import math
import random
import sys
import time

LEARNING_RATE = 0.003
HIDDEN = 24
BATCH = 48
LINE_EVERY = 10

Point = tuple[float, float, float]  # x, y, label (0 or 1)


def two_spirals(count: int, rng: random.Random) -> list[Point]:
    """`count` points on two arms that wind around each other, with noise."""
    points = []
    for index in range(count):
        label = index % 2
        radius = 0.15 + 0.85 * rng.random()
        angle = 3.8 * radius + math.pi * label
        x = radius * math.cos(angle) + rng.gauss(0, 0.035)
        y = radius * math.sin(angle) + rng.gauss(0, 0.035)
        points.append((x, y, float(label)))
    return points


class Network:
    """One hidden layer of tanh, one logistic output.

    `weights` is flat: for each hidden unit its weights of x, y and 1, and its weight in the output; then
    the output's bias.
    """

    def __init__(self, rng: random.Random) -> None:
        """Draw the first weights."""
        self.weights = [rng.gauss(0, 1.5) for _ in range(4 * HIDDEN)] + [0.0]
        for unit in range(HIDDEN):
            self.weights[4 * unit + 3] *= 0.2
        self.mean = [0.0] * len(self.weights)
        self.square = [0.0] * len(self.weights)
        self.updates = 0

    def forward(self, x: float, y: float) -> tuple[list[float], float]:
        """The hidden activations, and the probability of label 1."""
        w = self.weights
        hidden = [math.tanh(w[i] * x + w[i + 1] * y + w[i + 2]) for i in range(0, 4 * HIDDEN, 4)]
        logit = w[-1] + sum(w[4 * unit + 3] * value for unit, value in enumerate(hidden))
        return hidden, 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))

    def loss(self, points: list[Point]) -> float:
        """Mean cross-entropy in nats."""
        total = 0.0
        for x, y, label in points:
            chance = self.forward(x, y)[1]
            total -= math.log(chance if label else 1 - chance)
        return total / len(points)

    def learn(self, batch: list[Point]) -> float:
        """One step of Adam (Kingma and Ba, 2015, algorithm 1) on a batch; returns the loss before it."""
        w, gradient, total = self.weights, [0.0] * len(self.weights), 0.0
        for x, y, label in batch:
            hidden, chance = self.forward(x, y)
            total -= math.log(chance if label else 1 - chance)
            error = (chance - label) / len(batch)
            for unit, value in enumerate(hidden):
                i = 4 * unit
                back = error * w[i + 3] * (1 - value * value)
                gradient[i] += back * x
                gradient[i + 1] += back * y
                gradient[i + 2] += back
                gradient[i + 3] += error * value
            gradient[-1] += error
        self.updates += 1
        warm1, warm2 = 1 - 0.9**self.updates, 1 - 0.999**self.updates
        for i, slope in enumerate(gradient):
            self.mean[i] = 0.9 * self.mean[i] + 0.1 * slope
            self.square[i] = 0.999 * self.square[i] + 0.001 * slope * slope
            w[i] -= LEARNING_RATE * (self.mean[i] / warm1) / (math.sqrt(self.square[i] / warm2) + 1e-8)
        return total / len(batch)


def bar(step: int, steps: int) -> str:
    """A progress bar of 40 columns."""
    done = 24 * step // steps
    return f"[{'#' * done}{'.' * (24 - done)}] {100 * step // steps:3d} % {step}/{steps}".ljust(46)


def main() -> None:
    """Train, and print as it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15, help="how long it takes at least (default: 15)")
    parser.add_argument("--steps", type=int, default=300, help="gradient steps (default: 300)")
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()

    rng = random.Random(asked.seed)  # noqa: S311 - data and weights, not secrets
    train, held_out = two_spirals(400, rng), two_spirals(100, rng)
    network = Network(rng)
    show_bar = sys.stdout.isatty()
    print(f"two spirals, {len(train)} points, seed={asked.seed} learning_rate={LEARNING_RATE}", flush=True)

    began, losses = time.monotonic(), []
    for step in range(1, asked.steps + 1):
        losses.append(network.learn(rng.sample(train, BATCH)))
        if step % LINE_EVERY == 0 or step == asked.steps:
            mean = sum(losses) / len(losses)
            line = f"step={step} loss={mean:.4f} val_loss={network.loss(held_out):.4f}"
            print(("\r" + line.ljust(46) if show_bar else line), flush=True)
            losses = []
        if show_bar:
            print("\r" + bar(step, asked.steps), end="", flush=True)
        # The work takes a second or two; the rest is waited, so that it takes as long on any machine.
        time.sleep(max(0.0, began + asked.seconds * step / asked.steps - time.monotonic()))
    print("\ntrained" if show_bar else "trained", flush=True)


if __name__ == "__main__":
    main()
