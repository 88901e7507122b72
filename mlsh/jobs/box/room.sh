#!/bin/sh
# shellcheck disable=SC2030,SC2031
# Could a job begin here, and what is before it? Nothing is changed.
# room.sh NEED COUNT SHARE GPU_IDS GPU_MEMORY SLOTS PRIORITY CODE   (- where there is none; CODE: 1 or -)
# Answers `load HUNDREDTHS CORES`; `drained WHY` and `lacks TOOL` where it is so; `gpus FREE FITTING THERE`, with - for
# FREE where the driver does not answer, or `slots FREE`; for each job that holds such `running LEFT PARTS`, and for
# each that would go first `waiting LIMIT PARTS TASKS` (seconds, - where there is no limit; PARTS as SHARES in
# choose.sh, or slots); then `end`.
. "${0%/*}/lib.sh"
. "$LIB/gpus.sh"
. "$LIB/choose.sh"
. "$LIB/line.sh"
kind=$1 count=$2 share=$3 gpu_ids=$4 gpu_memory=$5 slots=$6 priority=$7 code=$8
[ "$gpu_ids" != - ] || gpu_ids=
reply
this_node
read -r load _ </proc/loadavg
printf 'load %s %s\n' "${load%.*}${load#*.}" "$(nproc 2>/dev/null || echo 1)"
if [ -e "$MLSH_HOME/nodes/$node.drained" ]; then
	line_of "$MLSH_HOME/nodes/$node.drained"
	printf 'drained %s\n' "$value"
fi
for tool in tmux flock git; do
	[ "$tool-$code" != git-- ] || continue
	command -v "$tool" >/dev/null || printf 'lacks %s\n' "$tool"
done
locks=$MLSH_HOME/gpus/$node
shared=/tmp/mlsh-gpus
# A look offers nothing to others.
offer() {
	:
}
now=$(date +%s)

# holds FOLDER: how long the job there may still run, and how much of what is asked for it holds; nothing if it does not.
holds() (
	cd "$1" && get_state && [ "$state" = RUNNING ] && [ "$node_then" = "$node" ] || exit 0
	need='' share=0 time_limit='' tasks_at_once='' count=1
	# shellcheck source=/dev/null
	. ./job.sh
	[ "$need" = "$kind" ] && [ -z "$tasks_at_once" ] || exit 0
	parts=1
	if [ "$need" = gpu ]; then
		parts=$share
		[ "$share" -gt 0 ] || parts=$((count * SHARES))
	fi
	left=-
	if [ -n "$time_limit" ] && [ "$started" != null ]; then
		left=$((time_limit - now + started))
		[ "$left" -ge 0 ] || left=0
	fi
	printf 'running %s %s\n' "$left" "$parts"
)

# wants FOLDER: the same of one that stands in line, and how many tasks of it there are.
wants() (
	cd "$1" && [ ! -e hold ] && get_state && ! is_final || exit 0
	share=0 time_limit='' tasks_at_once='' count=1 tasks_total=1
	# shellcheck source=/dev/null
	. ./job.sh
	if [ -z "$tasks_at_once" ]; then
		[ "$state" = PENDING ] || exit 0
		tasks_total=1
	else
		[ -z "$tasks" ] || tasks_total=${tasks%% *}
	fi
	parts=1
	if [ "$kind" = gpu ]; then
		parts=$share
		[ "$share" -gt 0 ] || parts=$((count * SHARES))
	fi
	printf 'waiting %s %s %s\n' "${time_limit:--}" "$parts" "$tasks_total"
)

if [ "$kind" != - ]; then
	mkdir -p "$locks" 2>/dev/null
	sharing=
	[ "$share" -eq 0 ] || sharing=-s
	if [ "$kind" = cpu ]; then
		free=0 slot=0
		while [ "$slot" -lt "$slots" ]; do
			slot=$((slot + 1))
			! try "slot.$slot" -x || free=$((free + 1))
		done
		printf 'slots %s\n' "$free"
	elif gpu_look; then
		count_wanted
		count=$fitting
		choose_gpus
		printf 'gpus %s %s %s\n' "$found" "$fitting" "$there"
	else
		echo 'gpus - 0 0'
	fi
	cd "$MLSH_HOME/jobs" 2>/dev/null &&
		grep -lsF '"state":"RUNNING"' -- */state.json */tasks/*/state.json | while read -r state_file; do
			holds "${state_file%/*}"
		done
	rank=$((99 - priority))
	cd "$MLSH_HOME/line/$node/$kind" 2>/dev/null && for ticket in [0-9]*; do
		[ -e "$ticket" ] || continue
		theirs=${ticket%%-*}
		[ "${theirs#0}" -le "$rank" ] || break
		holder_of "$ticket"
		# The tasks of an array are counted with it.
		case $holder in *-*) ;; *) wants "$theirs" ;; esac
	done
fi
echo end
