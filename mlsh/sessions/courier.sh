#!/bin/sh
# What libtmux starts instead of tmux, on this machine: it hands its words to the mlsh that made the folder it lies in,
# and passes on what came back.
# tmux WORD...
here=${0%/*}
exec 3<"$here/reply"
printf '%s\0' "$@" >"$here/words.$$"
echo $$ >"$here/ask"
# An answer may be for one that Ctrl-C has ended.
while read -r who code <&3; do
	[ "$who" = $$ ] || continue
	cat "$here/out.$$"
	cat "$here/err.$$" >&2
	exit "$code"
done
exit 70
