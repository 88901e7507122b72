"""Fixtures of the test bed; see tests/bed."""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.bed import Bed, Box, ChaosProxy, Laptop, Sit, Terminal
from tests.bed.requirements import not_possible_here


@pytest.fixture(scope="session")
def bed() -> Bed:
    """What makes boxes and laptops; made when the first test wants one."""
    return Bed()


@pytest.fixture(autouse=True)
def _root_where_marked(request: pytest.FixtureRequest) -> None:
    """Tests marked `root` need namespace boxes: as an ordinary user they are skipped, and in CI they fail."""
    if request.node.get_closest_marker("root"):
        bed: Bed = request.getfixturevalue("bed")
        if not bed.is_root:
            not_possible_here("This test", bed.why_not_root)


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of this test's own, with a git identity; nothing of the person who runs the tests is seen."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    config = "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n"
    (home / ".gitconfig").write_text(config + '[protocol "file"]\n\tallow = always\n')
    return home


@pytest.fixture(scope="module")
def gpu1(bed: Bed) -> Iterator[Box]:
    """A healthy box at 10.77.0.11, new for each module and shared in it. To break one, take `fresh_box`."""
    box = bed.box("gpu1")
    yield box
    bed.rm(box)


@pytest.fixture(scope="module")
def gpu2(bed: Bed) -> Iterator[Box]:
    """A second healthy box, at 10.77.0.12."""
    box = bed.box("gpu2")
    yield box
    bed.rm(box)


@pytest.fixture
def fresh_box(bed: Bed) -> Iterator[Box]:
    """A box named "fresh" that this test alone has, and may break."""
    box = bed.box("fresh")
    yield box
    bed.rm(box)


@pytest.fixture
def many_boxes(bed: Bed) -> Iterator[Callable[[int], list[Box]]]:
    """`many_boxes(5)` makes five boxes, box1 to box5, that this test alone has."""
    made: list[Box] = []
    numbers = itertools.count(1)

    def make(count: int) -> list[Box]:
        boxes = bed.boxes([f"box{next(numbers)}" for _ in range(count)])
        made.extend(boxes)
        return boxes

    yield make
    for box in made:
        bed.rm(box)


@pytest.fixture
def laptop(bed: Bed) -> Iterator[Laptop]:
    """A client with a home of its own, which knows no box yet; what it started ends with the test."""
    with bed.laptop() as laptop:
        yield laptop


@pytest.fixture
def proxy_to(bed: Bed) -> Iterator[Callable[[Box], ChaosProxy]]:
    """`proxy_to(box)` makes a proxy that misbehaves on request, for `laptop.add(box, via=proxy)`."""
    made: list[ChaosProxy] = []

    def make(box: Box) -> ChaosProxy:
        made.append(ChaosProxy(box.host, box.port))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture
def sit_down(laptop: Laptop) -> Iterator[Sit]:
    """`sit_down("attach", job)` puts mlsh on a terminal, where a test can type and read."""
    made: list[Terminal] = []

    def make(*words: str, env: Mapping[str, str | None] | None = None) -> Terminal:
        made.append(Terminal(laptop, *words, env=env))
        return made[-1]

    yield make
    for terminal in made:
        terminal.close()
