# shellcheck shell=sh disable=SC2154
# The line in which jobs wait for GPUs, and the one for slots. Sourced.
#
# A ticket is a file $MLSH_HOME/line/<node>/<gpu|cpu>/<99 - priority>-<number>-<id>; the first by name is the
# head. Whoever waits holds a lock on its own ticket and waits for the lock of the nearest one before it: when
# that one leaves or dies, it alone wakes, and looks again. Only the head looks at GPUs.

# draw_ticket: take the next number for the job $id, whose folder is the current one, unless it has one.
# Of an array this is the ticket of the whole; its tasks stand right before it (task_ticket).
draw_ticket() {
	[ -s ticket ] && return 0
	line=$MLSH_HOME/line/$node
	[ -d "$line/$need" ] || mkdir -p "$line/$need" || return 1
	(
		exec 7>>"$line/lock"
		flock 7
		last=
		[ -e "$line/last" ] && read -r last <"$line/last"
		case $last in '' | *[!0-9]*) last=$(last_drawn) ;; esac
		# No number that begins with 0 is meant to be octal.
		last=${last#"${last%%[!0]*}"}
		number=00000000$((${last:-0} + 1))
		number=${number#"${number%?????????}"}
		# Whole or not at all, also on a full disk: the number must never go back.
		printf '%s\n' "$number" >"$line/last.new" && [ -s "$line/last.new" ] && mv -f "$line/last.new" "$line/last" || exit 1
		rank=0$((99 - priority))
		ticket=${rank#"${rank%??}"}-$number-$id
		[ -z "${tasks_at_once:-}" ] || ticket=$ticket-z
		printf '%s\n' "$ticket" >ticket.new && [ -s ticket.new ] && mv -f ticket.new ticket && : >"$line/$need/$ticket"
	)
}

# last_drawn: where the count is lost, the highest number that anybody still holds.
last_drawn() {
	highest=0
	for ticket in "$MLSH_HOME/line/$node"/*/[0-9]*; do
		number=${ticket##*/}
		number=${number#*-}
		number=${number%%-*}
		number=${number#"${number%%[!0]*}"}
		case $number in '' | *[!0-9]*) continue ;; esac
		[ "$number" -le "$highest" ] || highest=$number
	done
	printf '%s\n' "$highest"
}

# holder_of TICKET: the job or task whose ticket it is, in $holder, and its folder, in $theirs.
holder_of() {
	holder=${1#*-}
	holder=${holder#*-}
	case $holder in
	*-z) holder=${holder%-z} ;;
	*-*)
		padded=${holder#*-}
		padded=${padded#"${padded%%[!0]*}"}
		holder=${holder%%-*}-${padded:-0}
		;;
	esac
	ours=$job our_tree=$tree
	job_folder "$holder"
	theirs=$job job=$ours tree=$our_tree
}

# nearest_before TICKET: the ticket just before it in the current folder, in $before; false where it is the head.
# Names are sorted as the shell lists them: bytewise, since LC_ALL is C.
nearest_before() {
	before=
	ahead=0
	for other in [0-9]*; do
		[ "$other" = "$1" ] && break
		before=$other
		ahead=$((ahead + 1))
	done
	[ -n "$before" ] && [ "$before" != '[0-9]*' ]
}

# still_stands TICKET: whether its job lives and is yet to begin. For tickets whose lock nobody holds.
still_stands() {
	holder_of "$1"
	# A lock that is waited for makes its file anew: whose ticket it is, the job says.
	[ -e "$1" ] && read -r drawn 2>/dev/null <"$theirs/ticket" && [ "$drawn" = "$1" ] || return 1
	# It comes back to its place when it is released.
	[ ! -e "$theirs/hold" ] || return 1
	flock -n "$theirs/alive" true || return 0
	# Its runner comes any moment, or is gone: then it is started again in its place, or given up.
	sh "$LIB/settle.sh" "$holder" 8>&-
	[ -e "$theirs/unstarted" ] || ! flock -n "$theirs/alive" true
}

# await_place TICKET: wait in the current folder until it is the head of the line.
await_place() {
	while [ -e "$1" ] && nearest_before "$1"; do
		flock -s "$before" true
		turns=0
		# Free, and still there: its runner is just about to take it, or it is one of a job that is gone.
		while still_stands "$before" && flock -n "$before" true; do
			# Before it is its first second.
			turns=$((turns + 1))
			if [ "$turns" -lt 20 ]; then sleep 0.05; else sleep 1; fi
		done
		flock -n "$before" true && ! still_stands "$before" && rm -f "$before"
	done
}
