"""What a tmuxp file means, and that nothing in it is passed over in silence."""

import json

import pytest

from mlsh.errors import RefusedInput
from mlsh.sessions import build, names
from mlsh.sessions.save import command
from mlsh.sessions.workspace import Keys, Pane, Window, Workspace, parse, usual


def read(text: str, **variables: str) -> Workspace:
    return parse(text.encode(), "w.yaml", variables)


def test_values_go_down_from_session_to_window_to_pane() -> None:
    found = read("""
session_name: s
start_directory: $HOME/code
shell_command_before: source venv/bin/activate
suppress_history: false
windows:
- start_directory: sub
  shell_command_before: [ls]
  panes:
  - make
  - {shell_command: [{cmd: htop, enter: false}], start_directory: /tmp, suppress_history: true}
- window_name: 2
""")
    first, second = found.windows
    assert [pane.directory for pane in first.panes] == ["~/code/sub", "/tmp"]
    assert [keys.text for keys in first.panes[0].keys] == ["source venv/bin/activate", "ls", "make"]
    assert first.panes[1].keys[-1] == Keys(" htop", enter=False)
    assert (second.name, second.panes[0].directory) == ("2", "~/code")
    assert second.panes == (Pane((Keys("source venv/bin/activate"),), "~/code"),)


def test_short_forms_of_a_pane() -> None:
    panes = read("windows: [{panes: [vim, [a, b], blank, pane, null, '', {shell_command: top}, {focus: 'true'}]}]")
    texts = [[keys.text for keys in pane.keys] for pane in panes.windows[0].panes]
    assert texts == [[" vim"], [" a", " b"], [], [], [], [], [" top"], []]
    assert panes.windows[0].panes[-1].focus


def test_commands_are_left_to_the_shell_of_the_box() -> None:
    found = read("windows: [{panes: ['echo $HOME ~ ${X}']}]", HOME="/home/laptop")
    assert found.windows[0].panes[0].keys[0].text == " echo $HOME ~ ${X}"


def test_variables_of_this_machine_fill_values_and_a_missing_one_is_named() -> None:
    found = read("environment: {A: '${K}-$K', B: 1}\nwindows: [{}]", K="v")
    assert found.environment == {"A": "v-v", "B": "1"}
    with pytest.raises(RefusedInput, match="environment: A: the variable K is not set here"):
        read("environment: {A: $K}\nwindows: [{}]")


REFUSED = {
    "before_script: ./x\nwindows: [{}]": "`before_script` can't be used: it would run on this machine",
    "global_options: {}\nwindows: [{}]": "`global_options` can't be used",
    "plugins: [x]\nwindows: [{}]": "`plugins` can't be used: it would run Python code",
    "colour: red\nwindows: [{}]": "`colour` can't be used: mlsh does not know it",
    "windows: [{panes: [{shel: x}]}]": "window 1, pane 1: `shel` can't be used",
    "windows: [{panes: [[{cmd: x, sleep: 1}]]}]": "window 1, pane 1: `sleep` can't be used",
    "windows: []": "windows: there must be at least one",
    "windows: 3": "windows: it must be a list",
    "[]": "it must be a table",
    "windows: [{layout: 'tiled; kill-server'}]": "window 1: layout",
    "windows: [{options: {'x; kill-server': 1}}]": "is no option of tmux",
    "windows: [{window_index: -1}]": "window_index: it must be a number",
    "windows: [{focus: 3}]": "focus: it must be true or false",
    "windows: [{window_name: yes}]": "window_name: it must be text",
    'windows: [{window_name: "a\\nb"}]': "line break",
    "windows: [{start_directory: $CODE}]": "only \\$HOME is understood",
    "windows: [{start_directory: ~bob}]": "another person's home",
    "windows: [{panes: [{sleep_before: 1e9}]}]": "seconds, up to 60",
    "environment: {'A-B': 1}\nwindows: [{}]": "can't be the name of a variable",
    'environment: {A: "\\0"}\nwindows: [{}]': "can't be sent",
    "session_name: a.b\nwindows: [{}]": "can't be the name of a session",
    "a: [": "line 2: this is not YAML|line 1: this is not YAML",
    "!!python/object/apply:os.system [id]": "this is not YAML",
    "windows: [{panes: [" + "x" * 9000 + "]}]": "longer than 8000 bytes",
    "windows: [" + "{}," * 101 + "]": "more than 100",
    "[" * 5000: "nested too deeply|not YAML",
}


@pytest.mark.parametrize("text", REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_understood_is_refused_by_name(text: str) -> None:
    with pytest.raises(RefusedInput, match=REFUSED[text]):
        read(text)


def test_the_usual_layout_is_a_file_like_any_other() -> None:
    assert [window.name for window in usual().windows] == ["shell", "editor", "watch"]


# How it is made


def test_a_window_is_one_call_unless_panes_have_variables_of_their_own() -> None:
    plain = Window((Pane(), Pane(), Pane()), layout="main-vertical")
    (only,) = build.window_steps("$1", plain)
    assert [words[0] for words in only.commands] == [
        "new-window", "split-window", "select-layout", "split-window", "select-layout", "select-layout",
    ]  # fmt: skip
    secret = Window((Pane(), Pane(environment={"A": "1"}), Pane()))
    steps = build.window_steps("$1", secret)
    assert [step.variables for step in steps] == [{}, {"A": "1"}, {}]
    assert not any("A" in word or word == "1" for step in steps for words in step.commands for word in words)


def test_typing_stays_below_what_tmux_takes_and_pauses_where_it_is_asked_to() -> None:
    long = Pane(tuple(Keys("x" * 7000) for _ in range(3)))
    calls = build.typing([("%1", long), ("%2", Pane((Keys("y", before_s=1, after_s=2), Keys("z"))))])
    assert [len(json.dumps(commands)) < 16000 for commands, _ in calls] == [True] * len(calls)
    assert [pause for _, pause in calls if pause] == [1, 2]
    typed = [words[-1] for commands, _ in calls for words in commands if "-l" in words]
    assert typed == ["x" * 7000] * 3 + ["y", "z"]


# Names, and what is written down


@pytest.mark.parametrize("text", ["my.project", "a:b", "-x", "=$(id)", "#", "", "..", "模型 1", "x" * 300])
def test_a_suggested_name_can_be_used(text: str) -> None:
    assert names.check_name(names.suggest(text))


def test_a_target_is_exact_and_an_odd_name_is_meant_by_its_id() -> None:
    assert names.target("train", "$3") == "=train"
    assert [names.target(name, "$3") for name in ("$(id)", "=x", "-x", "%1", "{last}", "@1")] == ["$3"] * 6


@pytest.mark.parametrize(
    ("words", "is_first", "typed"),
    [
        ([b"-bash"], True, []),
        ([b"/usr/bin/fish", b"-l"], True, []),
        ([b"bash", b"train.sh"], True, ["bash", "train.sh"]),
        ([b"bash"], False, ["bash"]),
        ([b"vim", b"a b"], False, ["vim", "a b"]),
        ([], True, []),
    ],
)
def test_a_waiting_shell_is_no_command(words: list[bytes], is_first: bool, typed: list[str]) -> None:
    assert command(words, is_first) == typed
