"""The fields that docs/reference/json.md promises are those that mlsh prints, on real jobs and a real machine."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mlsh.records import Code, Spec
from tests.bed import Laptop
from tests.docs.pages import DOCS, first_cells, section

PAGE = (DOCS / "reference/json.md").read_text()


def promised(title: str) -> set[str]:
    """The fields in the first column of a section's tables, or in its first sentence."""
    return {name for cell in first_cells(section(PAGE, title)) for name in re.findall(r"`(\w+)`", cell)}


def sentence(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


@pytest.fixture
def job(laptop: Laptop) -> str:
    folder = laptop.project()
    ran = laptop.run("run", "--json", "-n", "one", "--tag", "t", "python3", "train.py", cwd=folder)
    launched = json.loads(ran.stdout)
    intro = section(PAGE, "run").split("job is launched:")[1].split(".")[0]
    assert set(launched) == sentence(intro)
    return str(launched["id"])


def first_line(laptop: Laptop, *words: str) -> dict[str, Any]:
    value = json.loads(laptop.run(*words, check=False).stdout.splitlines()[0])
    assert isinstance(value, dict)
    return value


def test_jobs(laptop: Laptop, job: str) -> None:
    listed = first_line(laptop, "ps", "--json", "--on", "local")
    assert set(listed) == promised("ps")
    shown = first_line(laptop, "show", "--json", job)
    assert set(shown) == promised("ps") | {"spec"}
    tables = section(PAGE, "show").split("| field of `code`")
    spec = {cell.strip("`") for cell in first_cells(tables[0]) if "field" not in cell}
    assert spec == set(Spec.__struct_fields__) >= set(shown["spec"])
    code = {cell.strip("`") for cell in first_cells(tables[1])}
    assert code == set(Code.__struct_fields__) >= set(shown["spec"]["code"])


def test_boxes(laptop: Laptop) -> None:
    listing = section(PAGE, "box list")
    plain, resolved = listing.split("With")
    names = sentence(plain.partition(":")[2])
    assert set(first_line(laptop, "box", "list", "--json")) == names
    more = names | sentence(resolved.partition("also")[2])
    assert set(first_line(laptop, "box", "list", "--json", "--resolve")) == more

    shown = first_line(laptop, "box", "show", "--json", "local")
    assert set(shown) == sentence(section(PAGE, "box show").split("| field")[0].partition(":")[2])
    facts = promised("box show") - {"facts"}
    assert facts == set(shown["facts"])
    assert {name for disk in shown["facts"]["disks"].values() for name in disk} <= sentence(section(PAGE, "box show"))

    checked = first_line(laptop, "box", "doctor", "--json", "local")
    intro, finding = section(PAGE, "box doctor").split("A finding has")
    assert set(checked) == sentence(intro.partition(":")[2])
    assert set(checked["findings"][0]) == sentence(re.sub(r"\(.*?\)", "", finding, flags=re.DOTALL))


def test_forwards(laptop: Laptop) -> None:
    from mlsh.jobs.forward_records import Forward, Port

    intro, port = section(PAGE, "forward").split("A port has")
    assert sentence(intro.partition("--json`:")[2]) == set(Forward.__struct_fields__)
    assert sentence(port) == set(Port.__struct_fields__)


def test_gpus(laptop: Laptop, tmp_path: Path) -> None:
    from mlsh.box.gpus import Gpu, GpuProcess

    intro, gpu, one = re.split(r"A GPU has|A process has", section(PAGE, "box gpus"))
    assert set(first_line(laptop, "box", "gpus", "--json", "local")) == sentence(intro.partition(":")[2])
    assert sentence(gpu) == set(Gpu.__struct_fields__)
    assert sentence(one) == set(GpuProcess.__struct_fields__)


def test_sessions(laptop: Laptop) -> None:
    laptop.run("session", "up", "-d", "-n", "one")
    assert set(first_line(laptop, "session", "list", "--json", "--on", "local")) == promised("session list")


def test_bootstrap(laptop: Laptop) -> None:
    intro, removed = section(PAGE, "bootstrap").split("With `--remove`:")
    top = sentence(intro.partition("a box:")[2].partition(".")[0])
    planned = first_line(laptop, "bootstrap", "local", "--json", "--dry-run", "--only", "env")
    assert set(planned) == top - {"null"}
    step, change = re.sub(r"\(.*?\)", "", intro.partition("to do) a step has")[2], flags=re.DOTALL).split(
        "a change has"
    )
    assert set(planned["steps"][0]) == sentence(step)
    assert set(planned["steps"][0]["changes"][0]) == sentence(change)
    done = first_line(laptop, "bootstrap", "local", "--json", "-y", "--only", "env")
    assert set(done) == top - {"null"}
    assert set(done["steps"][0]) == sentence(re.sub(r"\(.*?\)", "", intro.partition("A step has")[2].partition(".")[0]))
    status = first_line(laptop, "bootstrap", "status", "local", "--json")
    told = section(PAGE, "bootstrap status").split("An entry has")
    assert set(status) == sentence(told[0].partition("a box:")[2])
    assert set(status["entries"][0]) == sentence(told[1].partition(":")[0])
    gone = first_line(laptop, "bootstrap", "local", "--json", "-y", "--remove")
    assert set(gone) == sentence(re.sub(r"\(.*?\)", "", removed.partition(", each")[0], flags=re.DOTALL))


def test_dotfiles(laptop: Laptop) -> None:
    said = first_line(laptop, "dotfiles", "push", "--json", "local")
    text = section(PAGE, "dotfiles")
    change = sentence(text.partition("A change has")[2].partition(". What")[0]) - {"file", "line", "create", "change"}
    assert set(said["changes"][0]) == change - {"remove", "mode"}
    assert set(said) == sentence(text.partition("one line a box:")[2].partition(".")[0])
    (laptop.home / ".config/mlsh/bashrc").write_text("mine\n")
    said = first_line(laptop, "dotfiles", "push", "--json", "local")
    assert set(said["refused"][0]) == sentence(text.partition("left alone has")[2])
    text = section(PAGE, "dotfiles list")
    assert set(first_line(laptop, "dotfiles", "list", "--json")) == sentence(
        text.partition("a file:")[2].partition(".")[0]
    )
    stands = first_line(laptop, "dotfiles", "list", "--json", "local")
    assert set(stands) == sentence(text.partition("one line each:")[2].partition(".")[0])
    assert set(stands["files"][0]) == {"path", "state"}


def test_aliases(laptop: Laptop) -> None:
    (laptop.home / ".bash_history").write_text("git status\n" * 9)
    laptop.run("alias", "add", "qq", "git log --oneline")
    listing = sentence(section(PAGE, "alias list").partition("one line an alias:")[2])
    found = first_line(laptop, "alias", "list", "--json")
    assert set(found) == listing - {"alias", "function"}
    assert set(first_line(laptop, "alias", "suggest", "--json")) == sentence(
        section(PAGE, "alias suggest").partition(":")[2]
    )
    assert set(first_line(laptop, "alias", "stats", "--json")) == sentence(
        section(PAGE, "alias stats").partition(":")[2]
    )
