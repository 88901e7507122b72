#!/bin/sh
# Run one job to its end and say how it ended. The pane's first process; it outlives the command.
# runner.sh ID [FILES]   (how many files the job may open: what its login was given)
. "${0%/*}/lib.sh"
. "$LIB/oom.sh"
id=$1
# shellcheck disable=SC3045
case ${2:-} in '' | *[!0-9]*) ;; *) ulimit -Sn "$2" ;; esac 2>/dev/null
job_folder "$id"
cd "$job" || exit 1
exec 9>>alive
# Somebody may hold it for a moment, to see whether we live. Another runner has renamed the file by then.
patience=200
until flock -n 9; do
	[ -e unstarted ] && [ "$patience" -gt 0 ] || exit 0
	patience=$((patience - 1))
	sleep 0.05
done
# Whoever renames this first is the only one to run the job, ever.
mv unstarted started 2>/dev/null || exit 0

# Keys typed at an attached terminal are for the command. (`:`, not '': an ignored signal would stay ignored in it.)
trap : INT QUIT TERM
hung_up=
trap 'hung_up=1' HUP

runner=$$ started='' ended='' attempt=1
oom_note >oom-before
waited=0
while [ ! -e log.open ] && [ "$waited" -lt 1000 ]; do
	sleep 0.01
	waited=$((waited + 1))
done

# job.sh is written by the laptop: quoted assignments, nothing else.
shell=interactive width=120 height=40 tasks_at_once='' tasks_total=0
tab=$(printf '\t')
time_limit='' grace=10 need='' priority=50 after='' max_retries=0 retry_delay=10 restart='' guarded=''
# shellcheck source=/dev/null
. ./job.sh
# Of one that was started again: how often before.
[ ! -s attempt ] || { line_of attempt && attempt=$value; }

leave_line() {
	[ -n "$need" ] && [ -s ticket ] || return 0
	line_of ticket && ticket=$value
	rm -f "$MLSH_HOME/line/$node/$need/$ticket"
	flock -u 8
	exec 8>&-
} 2>/dev/null

end_watchers() {
	for watcher in $watchers; do
		# By its own number too: it may not have come as far as having a group.
		kill -s KILL -- "-$watcher" "$watcher" 2>/dev/null
	done
	watchers=
}

finish() { # STATE REASON CODE
	ended=$(date +%s)
	end_watchers
	leave_line
	rm -f secret login-env ticket
	# Half of the code is good for nothing.
	[ ! -e unprepared ] || rm -rf "$tree"
	# Then the log's writer may just be saying so.
	[ -z "$hung_up" ] || timeout 5 flock -s log.lock true 9>&-
	# Its writer holds the lock for as long as it lives; nobody else would end the log.
	if [ -e log.open ] && flock -s -n log.lock true; then
		printf '\nmlsh: what wrote this log was killed, and the rest is missing\n' >>log
		mv -f log.open log.end
	fi
	put_state "$1" '' "$2" "$3"
	ring_array
	exit 0
}

stop_asked() {
	[ -s stop ] || return 1
	read -r stop_reason _ <stop
}

give_up_if_stopped() {
	if stop_asked; then
		case $stop_reason in timeout) finish TIMEOUT 'it ran out of time' null ;; *) finish CANCELLED '' null ;; esac
	fi
	if [ ! -t 0 ] || [ -e log.end ]; then come_back; fi
}

# come_back: end, for another runner with a terminal; this one's was closed.
come_back() {
	[ -e revive ] || finish LOST 'its terminal was closed (tmux session or server killed)' null
	end_watchers
	# Of the end of this session.
	trap '' HUP
	exec 8>&- 9>&-
	exec setsid sh "$LIB/settle.sh" "$id" log.lock </dev/null >/dev/null 2>&1
}

# watch SCRIPT ARGS: something that looks after the job beside it, until it ends.
watchers=
watch() {
	script=$1
	shift
	setsid sh "$LIB/$script.sh" "$id" "$@" </dev/null >/dev/null 2>&1 8>&- 9>&- &
	watchers="$watchers $!"
}

# nap SECONDS: in a child, so that whoever cancels, holds or releases the job ends it (wake, in lib.sh).
nap() {
	[ -s stop ] || sleep "$1" 8>&- 9>&-
}

# wait_for_leave: while the job is held, before its time, or behind another job.
# It has said so at the end, if it waited: whoever wakes it ends what runs while the state says that it waits.
waited=
wait_for_leave() {
	give_up_if_stopped
	while [ -e hold ]; do
		why=
		read -r why <hold
		waited=1
		put_state PENDING hold "${why:-held}" null
		[ -s dropped ] || nap 3600
		give_up_if_stopped
		[ ! -s dropped ] || { read -r why <dropped && finish CANCELLED "$why" null; }
	done
	while [ -s begin ]; do
		give_up_if_stopped
		line_of begin && begin=$value
		left=$((begin - $(date +%s)))
		[ "$left" -gt 0 ] || break
		waited=1
		put_state PENDING begin '' null
		[ "$left" -lt 3600 ] || left=3600
		nap "$left"
		[ ! -e hold ] || return 1
	done
	# Once: what it ran after may be forgotten when it runs again.
	[ ! -e after-done ] || after=
	for first in $after; do
		waited=1
		put_state PENDING after "$first" null
		until verdict=$(sh "$LIB/after.sh" "$id" "$first" 8>&- 9>&-) && [ -n "$verdict" ]; do
			give_up_if_stopped
			[ ! -e hold ] || return 1
			nap 1
		done
		[ "$verdict" = go ] || finish CANCELLED "$verdict" null
	done
	[ -z "$after" ] || : >after-done
	# Those that stand in line wait there; see wait_turn.sh.
	while [ -z "$need" ] && [ -e "$MLSH_HOME/nodes/$node.drained" ]; do
		waited=1
		put_state PENDING queue 'this box is drained: mlsh drain --off' null
		nap 5
		give_up_if_stopped
		[ ! -e hold ] || return 1
	done
	[ -z "$waited" ] || put_state PENDING prepare '' null
	waited=
}

prepare() {
	[ -e unprepared ] || return 0
	PATH=$plain_path sh "$LIB/prepare.sh" "$id" 8>&- 9>&-
	give_up_if_stopped
	failed_early
	# Never without its code.
	[ ! -e unprepared ] || finish FAILED 'what was to get its code ready was killed' 1
}

# failed_early: the end, if it could not be prepared.
failed_early() {
	[ -e failed ] || return 0
	# On a full disk nothing is in it.
	code=1 why='it could not be got ready: is the disk full?'
	[ ! -s failed ] || read -r code why <failed
	finish FAILED "$why" "$code"
}

# stand: have a ticket, and its lock as descriptor 8. A full disk is no reason to give up.
stand() {
	until draw_ticket && line_of ticket && ticket=$value && mkdir -p "$MLSH_HOME/line/$node/$need" &&
		true >>"$MLSH_HOME/line/$node/$need/$ticket"; do
		put_state PENDING queue 'it can not stand in line: is the disk full?' null
		nap 5
		give_up_if_stopped
	done 2>/dev/null
	exec 8>>"$MLSH_HOME/line/$node/$need/$ticket"
	flock 8
}

# stand_in_line: until the command has run, $code.
stand_in_line() {
	. "$LIB/line.sh"
	quick=0
	while [ ! -e begun ]; do
		until wait_for_leave; do :; done
		give_up_if_stopped
		stand
		# With few before it, the code is got ready now; with many, their trees would fill the disk.
		(cd "$MLSH_HOME/line/$node/$need" && nearest_before "$ticket" && [ "$ahead" -gt 8 ]) || prepare
		put_state PENDING queue '' null
		waited=1
		PATH=$plain_path sh "$LIB/wait_turn.sh" "$id" 9>&-
		code=$?
		[ -e begun ] && break
		give_up_if_stopped
		failed_early
		if [ -e hold ]; then
			leave_line
			continue
		fi
		# Somebody took from under our hands what we had chosen: look again.
		quick=$((quick + 1))
		[ "$quick" -lt 5 ] || nap 1
	done
	exec 8>&-
	told=$code
	get_state
	code=$told
}

run_once() {
	rm -f failed
	if [ -n "$need" ]; then
		mv -f begun ready 2>/dev/null
		[ -z "$time_limit" ] || watch limit "$grace" "$time_limit"
		[ -z "$guarded" ] || watch guard
		stand_in_line
	else
		until wait_for_leave; do :; done
		[ -z "$time_limit" ] || watch stop timeout "$grace" "$time_limit"
		prepare
		# It may have been held meanwhile.
		while [ -e hold ]; do
			end_watchers
			wait_for_leave
			[ -z "$time_limit" ] || watch stop timeout "$grace" "$time_limit"
		done
		give_up_if_stopped
		note_log
		[ -z "$guarded" ] || watch guard
		started=$(date +%s)
		put_state RUNNING '' '' null
		PATH=$plain_path MLSH_JOB_ID=$id sh "$LIB/command.sh" "$id" 9>&-
		code=$?
	fi
	# What it left running would hold a GPU that nobody sees in use.
	setsid sh "$LIB/stop.sh" "$id" leftover "$grace" 0 </dev/null 9>&- &
	# A key that is typed meanwhile ends the wait, and what ends leftovers must not see the next attempt.
	ender=$!
	while kill -0 "$ender"; do wait "$ender"; done 2>/dev/null
	# Its last lines count too. Not before the guard is gone that may just be looking at them.
	[ -e guards ] && [ ! -s stop ] || return 0
	end_watchers
	sh "$LIB/guard.sh" "$id" last </dev/null >/dev/null 2>&1 9>&-
}

put_state PENDING prepare '' null
give_up_if_stopped
if [ -n "$tasks_at_once" ]; then
	. "$LIB/engine_tmux.sh"
	. "$LIB/line.sh"
	. "$LIB/array.sh"
	until wait_for_leave; do :; done
	if [ "$shell" != none ] && [ ! -e login-env ]; then
		# Once for all tasks.
		PATH=$plain_path sh "$LIB/login_env.sh" "$id" "$shell" 9>&-
	fi
	if [ -n "$need" ]; then
		stand
	fi
	conduct
fi
while :; do
	run_once
	if stop_asked; then
		case $stop_reason in
		timeout) finish TIMEOUT "it ran longer than its limit of $time_limit s" "$code" ;;
		cancel) finish CANCELLED '' "$code" ;;
		esac
		# A guard ended it (guard.sh), and says why.
		read -r why <stop-reason || why=$stop_reason
		outcome=FAILED
		[ "$stop_reason" != idle ] || outcome=TIMEOUT
	else
		outcome=FAILED why=
	fi
	# A command may send SIGHUP to its own group; a terminal that is gone is no terminal any more.
	[ -t 0 ] && hung_up=
	if [ "$outcome" = TIMEOUT ] || [ -n "$why" ]; then
		:
	elif [ -n "$hung_up" ] && [ "$code" -ne 0 ]; then
		outcome=LOST why='its terminal was closed (tmux session or server killed)'
	elif [ "$code" -eq 0 ]; then
		outcome=SUCCEEDED why=${hung_up:+its terminal was closed: the log is not complete}
	elif [ "$code" -gt 128 ] && [ "$code" -le 192 ]; then
		why="ended by signal $((code - 128))"
		[ "$code" -eq 137 ] && oom_why && why="killed by signal 9: $oom"
	fi

	# Again?
	case $outcome-$restart in
	SUCCEEDED-always) ;;
	SUCCEEDED-*) finish "$outcome" "$why" "$code" ;;
	*-on-failure | *-always) ;;
	*) [ "$attempt" -le "$max_retries" ] || finish "$outcome" "$why" "$code" ;;
	esac
	if [ -n "$hung_up" ]; then
		[ ! -s stop ] || finish "$outcome" "$why" "$code"
		come_back
	fi
	attempt=$((attempt + 1))
	printf '%s\n' "$attempt" >attempt
	. "$LIB/pause.sh"
	next_pause "$retry_delay" $(($(date +%s) - ${started:-0})) "${pause:-}"
	end_watchers
	printf '\nmlsh: attempt %s ended with %s%s; the next one in %s s\n' $((attempt - 1)) "$code" "${why:+ ($why)}" "$pause"
	gpus_held=
	mv -f begun ready 2>/dev/null
	waited=1
	put_state PENDING retry "attempt $attempt, $pause s after exit code $code" null
	# Of a guard's, that is. Whoever cancels it just now writes into the same file.
	stop_reason=
	mv -f stop stop-before 2>/dev/null && read -r stop_reason _ <stop-before
	[ "$stop_reason" != cancel ] || finish CANCELLED '' "$code"
	rm -f stop-before stop-reason
	[ "$pause" -eq 0 ] || nap "$pause"
	give_up_if_stopped
	oom_note >oom-before
done
