#!/bin/sh
# Run the probes of a bisection one after another, in a worktree that is kept between them. The command of a job.
# worker.sh TREE SUBDIR TIMEOUT SETUP METRICS CLEAN OVERLAY SILENCE -- WORDS
#
# TIMEOUT and SILENCE are seconds; what is not asked for is empty. The files in probes/ are in docs/box-layout.md.
# A probe costs few processes: git twice, the command, and two beside it. So what could be a file of its own is a
# variable here, and `read` and `[` do the work. Our names begin with mlsh_, for the command gets the environment.
mlsh_lib=${0%/*}
# Without a terminal: a probe that asks for a password, or reads a key, is told at once that nobody is there.
if [ -z "${MLSH_WORKER:-}" ]; then
	MLSH_WORKER=$MLSH_JOB_ID
	export MLSH_WORKER
	exec setsid sh "$0" "$@"
fi
unset MLSH_WORKER GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
# Python takes bytecode for that of a file of the same size and second, and two commits are often checked out in one.
: "${PYTHONDONTWRITEBYTECODE=1}"
export PYTHONDONTWRITEBYTECODE
mlsh_tree=$1 mlsh_subdir=$2 mlsh_timeout=$3 mlsh_setup=$4 mlsh_metrics=$5 mlsh_clean=$6 mlsh_overlay=$7
mlsh_silence=$8
[ -z "$mlsh_overlay" ] || mlsh_overlay=${mlsh_lib%/lib/*}/overlays/$mlsh_overlay.tar
shift 9
mlsh_cwd=$mlsh_tree${mlsh_subdir:+/$mlsh_subdir}
. "$mlsh_lib/worker_left.sh"
. "$mlsh_lib/worker_tree.sh"
mkdir -p "$MLSH_JOB_DIR/probes" && cd "$MLSH_JOB_DIR/probes" && mkfifo -m 600 asks told out || exit 1
: >events
# Opened both ways: that neither waits for a reader nor ends with a writer.
exec 3<>asks 4<>told
read -r _ mlsh_admin <"$mlsh_tree/.git" || exit 1

# mlsh_tell LINE: note an event for good, and ring. The blank line keeps it apart from one that a full disk cut short.
mlsh_tell() {
	until printf '\n%s\n' "$1" >>events; do sleep 1; done 2>/dev/null
	echo >&4
}

# mlsh_clock: hundredths of a second since the box booted, in $mlsh_now.
mlsh_clock() {
	read -r mlsh_now _ </proc/uptime
	mlsh_now=${mlsh_now%.*}${mlsh_now#*.}
}

# mlsh_ooms: how many processes the kernel has killed for want of memory, in $mlsh_oom.
mlsh_ooms() {
	while read -r mlsh_word mlsh_oom; do
		[ "$mlsh_word" != oom_kill ] || return 0
	done </proc/vmstat
	mlsh_oom=0
}

# mlsh_keep_log: take what a probe prints: all of the first 4096 reads, then the last mebibyte. In the background.
mlsh_keep_log() {
	if dd bs=1024 count=4096 of="$mlsh_number.log" 2>counted; then
		mlsh_reads=0
		while read -r mlsh_word _; do
			case $mlsh_word in
			*[!0-9+]* | '' | +* | *+ | *+*+*) ;;
			*+*)
				mlsh_reads=$((${mlsh_word%+*} + ${mlsh_word#*+}))
				break
				;;
			esac
		done <counted
		[ "$mlsh_reads" -ge 4096 ] || return 0
		tail -c 1048576 >"$mlsh_number.tail" && return 0
	fi
	# On a full disk: whoever prints must not be ended by it.
	cat >/dev/null
}

# mlsh_run LIMIT WORDS: run a command in the worktree, to the log; $mlsh_ending and $mlsh_code tell how it ended.
mlsh_run() {
	mlsh_limit=$1
	shift
	mlsh_clock
	mlsh_began=$mlsh_now mlsh_due=
	# The guard counts whole seconds: rounded up, so that nothing is ended before its time.
	[ -z "$mlsh_limit" ] || mlsh_due=$(((mlsh_now + 99) / 100 + mlsh_limit))
	printf '%s run %s %s\n' "$mlsh_number" "${mlsh_due:--}" "$mlsh_logger" >current
	# Told after this, worker_end.sh finds the command; before, we find what it wrote.
	if [ -e "$mlsh_number.why" ]; then
		mlsh_ending=cancelled
		return 1
	fi
	# In the foreground: what sh starts in the background does not hear of SIGINT.
	(
		cd "$mlsh_cwd" || exit 126
		MLSH_PROBE=$MLSH_JOB_ID.$mlsh_number MLSH_COMMIT=$mlsh_commit
		export MLSH_PROBE MLSH_COMMIT
		read -r mlsh_first _ </proc/self/stat
		printf '%s\n' "$mlsh_first" >"$MLSH_JOB_DIR/probes/first"
		exec "$@"
	) </dev/null >&5 2>&1 3<&- 4<&- 5<&-
	mlsh_code=$?
	mlsh_clock
	mlsh_ms=$(((mlsh_now - mlsh_began) * 10))
	# Before anything else: what it left must not disturb the next, nor keep its log open.
	mlsh_spared="$$ $mlsh_guard $mlsh_logger"
	# On a full disk it is empty.
	mlsh_first=''
	read -r mlsh_first <first
	read -r _ _ _ _ mlsh_last </proc/loadavg
	# Numbers begin again after some thirty thousand processes. Not within a second, if we see few new ones.
	if [ "$mlsh_ms" -lt 1000 ] && [ -n "$mlsh_first" ] && [ $((mlsh_last - mlsh_first)) -ge 0 ] && [ $((mlsh_last - mlsh_first)) -lt 200 ]; then
		mlsh_end 2 "$MLSH_JOB_ID.$mlsh_number" "$mlsh_first" "$mlsh_last"
	else
		mlsh_end 2 "$MLSH_JOB_ID.$mlsh_number"
	fi
	mlsh_ending=exited mlsh_signal=- mlsh_why=
	if [ -e "$mlsh_number.why" ]; then
		mlsh_ending=
		read -r mlsh_ending <"$mlsh_number.why"
		case $mlsh_ending in
		timeout) mlsh_why="took longer than $mlsh_limit s" ;;
		*) mlsh_ending=cancelled ;;
		esac
		return 1
	fi
	[ "$mlsh_code" -ne 0 ] || return 0
	mlsh_before=$mlsh_oom
	mlsh_ooms
	# sh tells an exit code above 128 and a signal by the same number.
	if [ "$mlsh_code" -gt 128 ] && [ "$mlsh_code" -le 192 ]; then
		mlsh_ending=signal mlsh_signal=$((mlsh_code - 128)) mlsh_why="killed by signal $((mlsh_code - 128))"
	fi
	if [ "$mlsh_oom" -gt "$mlsh_before" ]; then
		mlsh_ending=out-of-memory mlsh_why='the box ran out of memory, and the kernel killed a process'
	fi
	return 1
}

# mlsh_probe WORDS: one probe, from checkout to what it said.
mlsh_probe() {
	mlsh_ending=cancelled mlsh_code=- mlsh_signal=- mlsh_ms=0 mlsh_why=
	[ ! -e "$mlsh_number.why" ] || return
	mlsh_ending=checkout-failed
	mlsh_checkout || return
	if [ ! -d "$mlsh_cwd" ]; then
		mlsh_why="there is no folder $mlsh_subdir at this commit"
		return
	fi
	if [ -n "$mlsh_setup" ] && [ "$mlsh_key" != "$mlsh_key_done" ]; then
		mlsh_key_done=
		if ! mlsh_run 3600 sh -c "$mlsh_setup"; then
			case $mlsh_ending in
			cancelled) ;;
			exited) mlsh_ending=setup-failed mlsh_why="the setup ended with exit code $mlsh_code" ;;
			*) mlsh_ending=setup-failed mlsh_why="the setup: $mlsh_why" ;;
			esac
			mlsh_ms=0
			return
		fi
		mlsh_key_done=$mlsh_key
	fi
	[ -z "$mlsh_metrics" ] || [ ! -e "$mlsh_cwd/$mlsh_metrics" ] || rm -rf "${mlsh_cwd:?}/$mlsh_metrics"
	mlsh_run "$mlsh_timeout" "$@"
	[ -z "$mlsh_metrics" ] || [ ! -f "$mlsh_cwd/$mlsh_metrics" ] ||
		head -c 1048576 "$mlsh_cwd/$mlsh_metrics" >"$mlsh_number.metrics"
}

read -r mlsh_now _ </proc/uptime
printf '%s\n' "${mlsh_now%.*}" >beat
sh "$mlsh_lib/worker_guard.sh" "$mlsh_silence" </dev/null 3<&- 4<&- &
mlsh_guard=$!
printf '%s %s\n' "$$" "$mlsh_guard" >own
mlsh_seen=' ' mlsh_key_done='' mlsh_session='' mlsh_own=$$
mlsh_ooms
mlsh_tell ready
while [ ! -e over ] && read -r mlsh_word mlsh_number mlsh_commit mlsh_key mlsh_asker <&3; do
	case $mlsh_word in
	end) break ;;
	ask) ;;
	*) continue ;;
	esac
	# Of a laptop that is gone; another one has taken over. What was begun is never begun again.
	read -r mlsh_session <session
	[ "$mlsh_asker" = "$mlsh_session" ] || continue
	case $mlsh_seen in *" $mlsh_number "*) continue ;; esac
	mlsh_seen="$mlsh_seen$mlsh_number "
	mlsh_tell "begun $mlsh_number $mlsh_commit"
	mlsh_keep_log <out 3<&- 4<&- &
	mlsh_logger=$!
	exec 5>out
	mlsh_probe "$@"
	exec 5>&-
	# What escaped us may keep the log open: the guard ends its writer then.
	mlsh_clock
	printf '%s drain %s %s\n' "$mlsh_number" "$((mlsh_now / 100 + 2))" "$mlsh_logger" >current
	wait "$mlsh_logger"
	: >current
	mlsh_tell "ended $mlsh_number $mlsh_commit $mlsh_ending $mlsh_code $mlsh_signal $mlsh_ms $mlsh_why"
	echo "probe $mlsh_number: $mlsh_commit $mlsh_ending $mlsh_code${mlsh_why:+ ($mlsh_why)}"
done
kill "$mlsh_guard"
wait "$mlsh_guard"
mlsh_tell over
