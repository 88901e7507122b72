#!/bin/sh
# Let nothing begin on this box any more, or let it again. What runs goes on.
# drain.sh on|off|look WHY
# Answers `drained WHY` or `open`; then `end`.
. "${0%/*}/lib.sh"
reply
this_node
drained=$MLSH_HOME/nodes/$node.drained
mkdir -p "$MLSH_HOME/nodes" 2>/dev/null || why_no_write "$MLSH_HOME"
case $1 in
on) printf '%s\n' "$2" >"$drained" || why_no_write "$MLSH_HOME" ;;
off)
	rm -f "$drained"
	for bell in "$MLSH_HOME/line/$node"/*/.bell-*; do
		# Whoever is at the head of a line listens to it.
		# shellcheck disable=SC2016
		[ ! -p "$bell" ] || timeout 1 sh -c 'echo >"$1"' sh "$bell"
	done
	;;
esac
if [ -e "$drained" ]; then
	read -r why <"$drained"
	printf 'drained %s\n' "$why"
else
	echo open
fi
echo end
