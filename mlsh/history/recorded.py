r"""What the recording hook of `record.bash`, `record.zsh` and `record.fish` appends.

A record is `BEGIN END EXIT␟FOLDER␟COMMAND␞\n`; ␟ and ␞ are the bytes 0x1f and 0x1e, which the hook takes out of a
command. The times are seconds since 1970, with `,` for the point where the shell's language has that. EXIT may have
` h` behind it: then COMMAND is what bash's `history 1` prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlsh.history.entry import Entry

END = b"\x1e\n"
_RECORD = re.compile(
    rb"([0-9]{1,12})([.,][0-9]{1,12})? ([0-9]{1,12})([.,][0-9]{1,12})? ([0-9]{1,3})( h)?"
    rb"\x1f([^\x1e\x1f]*)\x1f([^\x1e\x1f]+)"
)
_NUMBER = re.compile(rb"^ *[0-9]+[ *] ")


def parse_recorded(data: bytes) -> Iterator[Entry]:
    """The entries of a file that the hook wrote; one that was torn apart (a full disk, two writers) is left out."""
    for _, _, entry in records(data):
        if entry is not None:
            yield entry


def records(data: bytes) -> Iterator[tuple[int, int, Entry | None]]:
    """Where each record begins and ends, without its mark of the end, and its entry; None for one that is torn."""
    start = 0
    for record in data.split(END)[:-1]:
        yield start, start + len(record), _entry(record)
        start += len(record) + len(END)


def _entry(record: bytes) -> Entry | None:
    match = _RECORD.fullmatch(record)
    if match is None:
        return None
    command = match[8]
    if match[6]:
        # As bash's `history 1` prints it: a number, a mark where the line was edited, a space.
        command = _NUMBER.sub(b"", command, count=1).removesuffix(b"\n")
    if not command.strip() or command[:1].isspace():
        return None
    begin, end = _seconds(match[1], match[2]), _seconds(match[3], match[4])
    return Entry(
        command.decode(errors="replace"),
        begin,
        int(match[5]),
        round(max(0.0, end - begin), 3),
        match[7].decode(errors="replace"),
        source="mlsh",
    )


def _seconds(whole: bytes, rest: bytes | None) -> float:
    return float(whole + (rest or b"").replace(b",", b"."))
