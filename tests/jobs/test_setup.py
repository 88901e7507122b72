"""`--setup`: once for the same lock files, and never another job's code."""

from pathlib import Path

import pytest

from tests.bed import Box, Laptop, wait_for
from tests.jobs.life import folder, log, start, state, until

PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["build"]

[project]
name = "model"
version = "1"
scripts = { train = "model.cli:main" }
"""

# As `uv sync` and `pip install -e .` leave it: a venv, a .pth that names the folder, and a script whose first
# line names the interpreter. Written by hand, for the boxes have no network.
INSTALL = """\
set -e
echo ran >>~/setups
python3 -m venv --without-pip .venv
site=$(echo .venv/lib/python3*/site-packages)
echo "$PWD/src" >"$site/_editable_impl_model.pth"
mkdir "$site/numpy" && echo "version = 2" >"$site/numpy/__init__.py"
printf '#!%s/.venv/bin/python\\nfrom model.cli import main\\nmain()\\n' "$PWD" >.venv/bin/train
chmod +x .venv/bin/train
ln -s "$PWD/src" current
echo 1 >counter
"""


# What setuptools or hatchling does, without a network.
BACKEND = """\
import zipfile

META = "Metadata-Version: 2.1\\nName: model\\nVersion: 1\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"


def _build(where, files):
    name = "model-1-py3-none-any.whl"
    info = {"METADATA": META, "WHEEL": WHEEL, "entry_points.txt": "[console_scripts]\\ntrain = model.cli:main\\n"}
    files = {**files, **{f"model-1.dist-info/{key}": text for key, text in info.items()}}
    files["model-1.dist-info/RECORD"] = "".join(f"{path},,\\n" for path in files)
    with zipfile.ZipFile(f"{where}/{name}", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name


def build_editable(where, config_settings=None, metadata_directory=None):
    import os
    return _build(where, {"__editable__.model-1.pth": os.getcwd() + "/src\\n"})


def build_wheel(where, config_settings=None, metadata_directory=None):
    return _build(where, {f"model/{n}": open(f"src/model/{n}").read() for n in ("__init__.py", "cli.py")})
"""


@pytest.fixture
def project(laptop: Laptop, fresh_box: Box) -> Path:
    laptop.add(fresh_box)
    files = {
        "pyproject.toml": PYPROJECT,
        "uv.lock": "version = 1\n",
        "src/model/__init__.py": "",
        "src/model/cli.py": "def main():\n    print('first')\n",
        ".gitignore": ".venv\n",
        "setup.sh": INSTALL,
        "build/backend.py": BACKEND,
    }
    return laptop.project(files)


def run(laptop: Laptop, project: Path, command: str, setup: str = "sh setup.sh") -> str:
    ran = laptop.run("run", "--on", "fresh", "--setup", setup, "--", "sh", "-c", command, cwd=project)
    return ran.stdout.replace("\r\n", "\n")


def setups(box: Box) -> int:
    return box.path("~/setups").read_text().count("ran")


def jobs(box: Box) -> list[str]:
    return sorted(path.name for path in box.path("~/.mlsh/jobs").glob("[a-z]*"))


def test_a_second_job_takes_over_the_venv_and_imports_its_own_code(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    look = (
        "train; .venv/bin/python -c 'import model.cli, numpy, sys; print(model.cli.__file__, sys.prefix)'; "
        "readlink current; cat counter; echo more >>counter; echo broken >>.venv/pyvenv.cfg.mine"
    )
    script = f". .venv/bin/activate; {look}"
    assert "first\n" in run(laptop, project, script)
    [first] = jobs(fresh_box)
    (project / "src/model/cli.py").write_text("def main():\n    print('second')\n")
    laptop.run("rm", "-y", first)
    said = run(laptop, project, script)
    assert "mlsh: the lock files are as before" in said
    assert "second\n" in said
    assert first not in said
    [second] = jobs(fresh_box)
    tree = f"{fresh_box.home}/.mlsh/trees/{second}"
    assert f"{tree}/src/model/cli.py {tree}/.venv\n{tree}/src\n1\n" in said
    third = run(laptop, project, script)
    assert "\n1\n" in third  # what the second job wrote into its own files stayed there
    assert setups(fresh_box) == 1


@pytest.mark.slow
def test_pip_install_of_ones_own_project_never_runs_another_jobs_code(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    """With a real venv and a real pip."""
    install = "python3 -m venv .venv && .venv/bin/pip -q --disable-pip-version-check install --no-index"
    editable, copied = (f"{install} --no-build-isolation {what} && echo ran >>~/setups" for what in ("-e .", "."))
    for version in ("first", "second"):
        (project / "src/model/cli.py").write_text(f"def main():\n    print('{version}')\n")
        assert run(laptop, project, "rm -rf build; .venv/bin/train", setup=editable).endswith(f"{version}\n")
        laptop.run("rm", "-y", jobs(fresh_box)[0])
    assert setups(fresh_box) == 1
    said = run(laptop, project, ".venv/bin/train", setup=copied)
    assert "the setup built or copied your code" in said


def test_a_changed_lock_file_or_command_runs_the_setup_again(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    run(laptop, project, "true")
    (project / "uv.lock").write_text("version = 2\n")
    run(laptop, project, "true")
    assert setups(fresh_box) == 2
    run(laptop, project, "true", setup="sh ./setup.sh")
    assert setups(fresh_box) == 3


def test_a_setup_that_fails_fails_the_job_with_its_code_and_is_not_kept(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    for times in (1, 2):
        ran = laptop.run(
            "run", "--on", "fresh", "--setup", "echo ran >>~/setups; echo no network >&2; exit 9", "--", "touch", "~/x",
            cwd=project, check=False,
        )  # fmt: skip
        assert ran.returncode == 9
        assert "FAILED: the setup command failed with exit code 9" in ran.stderr
        assert "no network" in ran.stdout
        assert setups(fresh_box) == times


def test_two_jobs_at_once_set_up_once(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    setup = "while [ ! -e ~/go ]; do sleep 0.05; done; sh setup.sh"
    both = [start(laptop, "fresh", ".venv/bin/train", options=("--setup", setup), cwd=project) for _ in range(2)]
    for job in both:
        until(fresh_box, job, "setup")
    wait_for(lambda: any("waiting for it" in log(fresh_box, job) for job in both), 10, "one to wait for the other")
    fresh_box.write("~/go", "")
    for job in both:
        until(fresh_box, job, "SUCCEEDED")
        assert "first\n" in log(fresh_box, job)
    assert setups(fresh_box) == 1


def test_a_setup_that_changes_the_code_is_not_kept_and_says_so(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    for times in (1, 2):
        said = run(laptop, project, "cat uv.lock", setup="echo ran >>~/setups; echo changed >uv.lock")
        assert "the setup changed files of the snapshot" in said
        assert said.endswith("changed\n")
        assert setups(fresh_box) == times


@pytest.mark.parametrize("made", ["a copy of the code", "a compiled module"])
def test_what_was_built_from_the_code_is_not_taken_over_by_other_code(
    laptop: Laptop, fresh_box: Box, project: Path, made: str
) -> None:
    setup = "echo ran >>~/setups; touch src/model/fast.so"
    if made == "a copy of the code":
        site = ".venv/lib/site-packages"
        told = '{\\"dir_info\\": {}, \\"url\\": \\"file://$PWD\\"}'
        setup = (
            f"echo ran >>~/setups; mkdir -p {site}/model-1.dist-info; touch .venv/pyvenv.cfg; cp -r src/model {site}; "
        )
        setup += f'echo "{told}" >{site}/model-1.dist-info/direct_url.json'
    for times in (1, 2):
        assert "the setup built or copied your code" in run(laptop, project, "true", setup=setup)
        assert setups(fresh_box) == times


def test_a_cancel_during_the_setup_ends_it_and_keeps_nothing_of_it(
    laptop: Laptop, fresh_box: Box, project: Path
) -> None:
    setup = "touch half; trap '' TERM; setsid sleep 98771 & sleep 98772"
    job = start(laptop, "fresh", "touch ~/ran", options=("--setup", setup), cwd=project)
    wait_for(lambda: len(fresh_box.processes("^sleep 9877")) == 2, 15, "the setup")
    laptop.run("cancel", "--grace", "0", job)
    assert state(fresh_box, job)["state"] == "CANCELLED"
    assert fresh_box.processes("^sleep 9877") == []
    assert not fresh_box.path("~/ran").exists()
    assert [path for path in fresh_box.path("~/.mlsh/setups").iterdir() if path.is_dir()] == []


def test_a_job_after_a_spoilt_setup_gets_a_whole_one(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    run(laptop, project, "true")
    fresh_box.sh("rm -rf .mlsh/setups/*/files/.venv")
    said = run(laptop, project, ".venv/bin/train")
    assert "that did not work; running the setup again" in said
    assert said.endswith("first\n")


def test_names_that_git_must_quote_are_no_reason_to_fail(laptop: Laptop, fresh_box: Box, project: Path) -> None:
    for _ in range(2):
        said = run(laptop, project, "ls", setup="echo ran >>~/setups; touch 'caf\u00e9 \"1\"' 'a b'")
        assert "a b" in said
    assert folder(fresh_box, jobs(fresh_box)[0]).exists()
