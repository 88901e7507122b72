#!/bin/sh
# Wait in line, take what the job needs as locks, and become its command with these locks held.
# wait_turn.sh ID
#
# Called by the runner, which holds the ticket's lock as descriptor 8, and calls again where this ends and nothing
# has begun. What the kernel gives back when the last process of the job ends, it gives back to the next.
. "${0%/*}/lib.sh"
. "$LIB/line.sh"
. "$LIB/gpus.sh"
. "$LIB/choose.sh"
id=$1
this_node
job_folder "$id"
cd "$job" || exit 1
count=1 share=0 gpu_ids='' gpu_memory=0 slots=1
# shellcheck source=/dev/null
. ./job.sh
line_of ticket && ticket=$value
get_state
line=$MLSH_HOME/line/$node/$need
locks=$MLSH_HOME/gpus/$node
# Directories, for anybody may lock those, whoever made them; and what sweeps /tmp leaves a locked one alone.
shared=/tmp/mlsh-gpus
mkdir -p "$locks" || exit 1
cd "$line" || exit 1

# How long the head looks away while nothing of ours tells it to look; then strangers may have gone.
POLL_S=5

# say_wait TEXT: what it waits for, for whoever looks.
said=
say_wait() {
	[ "$said" = "$1" ] && return
	said=$1
	(cd "$job" && put_state PENDING queue "$1" null)
}

# The head is woken by a word in here, from those of its children that wait for a lock.
bell=$line/.bell-$id
watching=
stop_watching() {
	for pid in $watching; do
		kill "$pid"
	done
	rm -f "$bell"
	watching=
} 2>/dev/null
trap stop_watching EXIT
trap 'exit 1' HUP INT TERM

# listen: until one of the locks in $held is free, or POLL_S have passed.
listen() {
	[ -p "$bell" ] || mkfifo "$bell" || {
		sleep "$POLL_S"
		return
	}
	exec 6<>"$bell"
	if [ -z "$watching" ]; then
		while read -r lock mode; do
			[ -n "$lock" ] || continue
			for path in "$locks/$lock" "$shared/$lock"; do
				[ -e "$path" ] || continue
				flock "$mode" "$path" echo 8>&- >&6 &
				watching="$watching $!"
			done
		done <<-END
			$held
		END
	fi
	# One byte: there may be a word from each.
	timeout "$POLL_S" dd bs=1 count=1 <&6 >/dev/null 2>&1 8>&-
	heard=$?
	exec 6>&-
	[ "$heard" -ne 0 ] || stop_watching
}

# missing: say it if what the job wants is gone since it was launched.
missing() {
	[ "$need" = gpu ] || return
	count_wanted
	[ "$fitting" -ge "$count" ] || printf ', and this box has %s such now' "$fitting"
}

no_fork=
case $(flock --help 2>&1) in *--no-fork*) no_fork=--no-fork ;; esac
sharing=
[ "$share" -eq 0 ] || sharing=-s
case $need-$share in
gpu-0) wish="$count $([ "$count" = 1 ] && echo GPU || echo GPUs)" ;;
gpu-*) wish="a share of a GPU" ;;
*) wish="one of $slots slots" ;;
esac
[ -z "$gpu_ids" ] || wish="the GPU $gpu_ids"
failures=0
while :; do
	[ ! -e "$job/hold" ] || exit 1
	# Somebody took it for one of a job that is gone.
	[ -e "$ticket" ] || exit 1
	if nearest_before "$ticket"; then
		stop_watching
		say_wait "$wish"
		await_place "$ticket" 6>&-
		continue
	fi
	if [ -e "$MLSH_HOME/nodes/$node.drained" ]; then
		say_wait 'this box is drained: mlsh drain --off'
		held=
		listen
		continue
	fi
	if [ -e "$job/unprepared" ]; then
		(cd "$job" && PATH=$plain_path sh "$LIB/prepare.sh" "$id" 8>&-) || exit 1
		said=
		continue
	fi
	if [ "$need" = cpu ]; then
		choose_slot
		chosen=$?
	elif gpu_look; then
		choose_gpus
		chosen=$?
	else
		say_wait "$wish: nvidia-smi or rocm-smi does not answer"
		held=
		listen
		continue
	fi
	if [ "$chosen" -ne 0 ]; then
		if [ "$need" = gpu ] && [ "$strangers" -gt 0 ]; then
			say_wait "$wish: $free free, $strangers used by somebody outside of mlsh"
		else
			say_wait "$wish$(missing)"
		fi
		listen
		continue
	fi
	stop_watching
	printf '%s' "$picked" >"$job/picked" || exit 1
	set -- env "PATH=$plain_path" sh "$LIB/begin.sh" "$id"
	while read -r lock mode; do
		[ -n "$lock" ] || continue
		[ ! -d "$shared/$lock" ] || set -- flock -n $no_fork "$mode" "$shared/$lock" "$@"
		set -- flock -n $no_fork "$mode" "$locks/$lock" "$@"
	done <<-END
		$taking
	END
	if [ -n "$no_fork" ]; then
		cd "$job" && exec "$@"
	fi
	# This flock waits for the command and holds the lock itself; nothing is left to do here. A key that is typed is
	# for the command.
	trap : HUP INT TERM
	(cd "$job" && exec "$@")
	code=$?
	trap 'exit 1' HUP INT TERM
	[ -e "$job/begun" ] && exit "$code"
	failures=$((failures + 1))
	[ "$failures" -lt 10 ] || exit 1
	sleep 0.1
done
