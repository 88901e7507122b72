#!/bin/sh
# Look after a job while its command runs: what it prints and whether it prints, its memory, its disk, its GPUs.
# guard.sh ID [last]
#
# Started by the runner where something of that was asked for, as its child: it holds none of the job's locks, and
# ends with the runner. `last`: the command has ended; look at the lines that nobody has looked at yet.
. "${0%/*}/lib.sh"
. "$LIB/guard_log.sh"
. "$LIB/guard_machine.sh"
. "$LIB/gpus.sh"
id=$1
this_node
job_folder "$id"
cd "$job" || exit 1
need='' idle_timeout='' memory_limit='' idle_gpu='' grace=10
# shellcheck source=/dev/null
. ./job.sh

# What the log grows by is read every 2 s; where only the memory or the end is watched, 5 s do.
LOOK_S=5
if [ -e guards ] || [ -n "$idle_timeout" ]; then LOOK_S=2; fi
MEMORY_S=5
MACHINE_S=30

# parent: who waits for us, in $parent. Without a process.
parent() {
	read -r _ _ _ parent _ <"/proc/$$/stat"
}

# with_runner: go on only while the runner lives. Where it was killed, nobody else may be there to say so.
with_runner() {
	parent
	[ "$parent" = "$at_first" ] && return 0
	exec sh "$LIB/settle.sh" "$id"
}

# say TEXT: a line in the job's log.
say() {
	note=$(printf '\nmlsh: %s\n.' "$1")
	note=${note%.}
	printf '%s' "$note" >>log
	seen=$((seen + ${#note}))
} 2>/dev/null

# tell EVENT TEXT: to those who asked for that event.
tell() {
	ways=notify
	# Of an array, its end is told, and what is odd about a task; not that each of a thousand began.
	case $id in
	*-*)
		[ "$1" != start ] || return 0
		ways=../../notify
		;;
	esac
	[ -r "$ways" ] || return 0
	get_state
	MLSH_STATE=RUNNING MLSH_REASON='' MLSH_EXIT_CODE='' MLSH_ATTEMPT=$attempt MLSH_TEXT=$2 \
		setsid sh "$LIB/notify.sh" "$id" "$1" <"$ways" >/dev/null 2>&1 &
}

# end_job WHY REASON [GRACE]: end the job; WHY is what its state will say. In the place of this process.
end_job() {
	# A state holds no quote, backslash or brace, and nothing that moves a cursor.
	if [ ! -s stop ]; then
		printf '%s\n' "$1" | tr '"\\{}\t' "'/() " | tr -cd '\040-\176\n' | head -n 1 | cut -b 1-200 >stop-reason
	fi
	if [ "${last:-}" ]; then
		ask_stop "$2" 0
		exit 0
	fi
	exec sh "$LIB/stop.sh" "$id" "$2" "${3:-$grace}" 0
}

at=0
[ ! -s guard-from ] || { line_of guard-from && at=$value; }
if [ "${2:-}" = last ]; then
	last=1 seen=0
	[ -e guards ] || exit 0
	# The last lines are on their way through the terminal.
	sleep 0.2
	log_size
	# What is older than this was looked at while it was new.
	[ $((size - at)) -le "$PIECE" ] || at=$((size - PIECE))
	[ ! -s guard-told ] || IFS= read -r told_rules <guard-told
	read_on all
	exit 0
fi

parent
at_first=$parent
if [ -n "$need" ]; then
	until [ -e begun ]; do
		with_runner
		path=
		line_of ticket && path=$MLSH_HOME/line/$node/$need/$value
		# Whoever leaves the line lets go of its ticket. Not flock by name: it would make the file anew.
		if [ -n "$path" ] && [ -e "$path" ]; then
			flock -s 5 5<"$path"
			[ -e begun ] || sleep 1
		else
			sleep 5
		fi
	done 2>/dev/null
	[ ! -s guard-from ] || { line_of guard-from && at=$value; }
fi

rm -f guard-told
tell start 'it runs'
# What was printed before this looked counts as new.
seen=$at
read -r up _ </proc/uptime
up=${up%.*}
quiet_since=$up memory_at=$up machine_at=$up disk_told=
gpus_begin
while :; do
	sleep "$LOOK_S"
	with_runner
	read -r up _ </proc/uptime
	up=${up%.*}
	if [ -e guards ] || [ -n "$idle_timeout" ]; then
		log_size
		if [ "$size" -ne "$seen" ]; then
			seen=$size quiet_since=$up
			[ ! -e guards ] || read_on lines
		elif [ -n "$idle_timeout" ] && [ $((up - quiet_since)) -ge "$idle_timeout" ]; then
			end_job "no output for $(as_time "$idle_timeout")" idle
		fi
	fi
	if [ -n "$memory_limit" ] && [ "$up" -ge "$memory_at" ]; then
		memory_at=$((up + MEMORY_S))
		memory_used
		# Waiting long for it to end could cost the box what the limit is to keep.
		[ "$grace" -le 10 ] || grace=10
		[ "$used" -le "$memory_limit" ] ||
			end_job "used more than its $(as_size "$memory_limit") of memory" guard "$grace"
	fi
	if [ "$up" -ge "$machine_at" ]; then
		machine_at=$((up + MACHINE_S))
		[ -n "$disk_told" ] || look_at_disk
		[ -z "$idle_gpu" ] || look_at_gpus
	fi
done
