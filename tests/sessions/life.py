"""What tests of sessions ask of a box, and the file that they make sessions from."""

import time

from tests.bed import Box, Terminal, wait_for

FILE = """\
session_name: nlp
start_directory: ~/code
environment:
  TOKEN: "s3cr3t 'quoted' $HOME-is-not-here"
windows:
  - window_name: edit
    layout: main-vertical
    panes:
      - shell_command: [echo one, echo two]
      - shell_command: pwd
        start_directory: sub
        focus: true
      - blank
  - window_name: logs
    focus: true
    panes:
      - shell: sleep 4321
"""


def tmux(box: Box, command: str) -> list[str]:
    """What the person's own tmux on the box answers."""
    return box.sh(f"tmux -u {command}", check=False).stdout.splitlines()


def sessions(box: Box) -> list[str]:
    return tmux(box, "list-sessions -F '#{session_name}'")


def windows(box: Box, session: str) -> list[str]:
    """Name, number of panes, and whether it is the current one, of each window."""
    form = "#{window_name} #{window_panes} #{window_active}"
    return tmux(box, f"list-windows -t '={session}' -F '{form}'")


def screen(box: Box, pane: str) -> str:
    return "\n".join(tmux(box, f"capture-pane -p -t '{pane}'"))


def shows(box: Box, pane: str, text: str) -> None:
    """Wait until a pane's screen shows a text."""
    wait_for(lambda: text in screen(box, pane), 10, f"{text!r} in {pane}")


def clear(box: Box) -> None:
    """End every session on the box."""
    box.sh("tmux kill-server", check=False)
    wait_for(lambda: not box.processes("tmux (-u )?new-session"), 10, "the end of tmux")


def press(here: Terminal, keys: str) -> None:
    """Type the prefix and then these keys, not so quickly that tmux takes them for a paste."""
    here.type("\x02")
    time.sleep(0.1)
    here.type(keys)
