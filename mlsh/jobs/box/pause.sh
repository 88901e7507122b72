# shellcheck shell=sh disable=SC2034
# How long a job waits before it is run again. Sourced by runner.sh.

# What ran for so long was well: the waits begin from the start again.
WELL_S=600
# No wait becomes longer than this by being doubled.
LONGEST_S=300

# next_pause DELAY LIVED [BEFORE]: the wait in $pause, in seconds. DELAY is what was asked for, LIVED how long the
# attempt ran, BEFORE the wait before that attempt; without it, it was the first one.
next_pause() {
	pause=$1
	[ -n "${3:-}" ] && [ "$2" -lt "$WELL_S" ] || return 0
	pause=$(($3 * 2))
	# Twice nothing is nothing: a command that ends at once would be all that the box does.
	[ "$pause" -gt 0 ] || pause=1
	# One that was asked for stays, however long it is.
	[ "$pause" -le "$LONGEST_S" ] || pause=$LONGEST_S
	[ "$pause" -ge "$1" ] || pause=$1
}
