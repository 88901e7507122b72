#!/bin/sh
# End every process of a job: SIGINT, GRACE seconds, SIGTERM, 5 more, SIGKILL.
# stop.sh ID cancel|timeout|leftover GRACE DELAY   (DELAY: seconds to wait first)
#
# leftover: what still runs when the command has ended. Without SIGINT and without grace.
. "${0%/*}/lib.sh"
. "$LIB/engine_tmux.sh"
id=$1 reason=$2 grace=$3 delay=$4
trap '' HUP INT PIPE
job_folder "$id"
cd "$job" || exit 1
if [ "$delay" != 0 ]; then
	get_state
	attempt_then=$attempt
	sleep "$delay"
	# A runner that was killed left this behind; the next one has a limit of its own.
	get_state && [ "$attempt" = "$attempt_then" ] || exit 0
fi
[ "$reason" = leftover ] || ask_stop "$reason" "$grace"
runner=
if engine_lives; then
	get_state
	[ "$runner" = null ] && runner=
fi

# over: whether no process is left ($pids), and, where the job was told to end, none will come.
over() {
	pids=$(members "$id" "$runner")
	[ -z "$pids" ] || return 1
	[ "$reason" = leftover ] || ! engine_lives
}

# over_within TENTHS: wait for that.
over_within() {
	tenths=$1
	until over; do
		[ "$tenths" -gt 0 ] || return 1
		# A look costs ten processes: often at first, for most jobs end at once.
		if [ $(($1 - tenths)) -lt 20 ] || [ "$tenths" -lt 5 ]; then
			sleep 0.1
			tenths=$((tenths - 1))
		else
			sleep 0.5
			tenths=$((tenths - 5))
		fi
	done
}

# A stopped process hears nothing but SIGKILL until it goes on.
# tell SIGNAL: to all that `over` found.
tell() {
	# shellcheck disable=SC2086
	engine_signal "$1" $pids
	# shellcheck disable=SC2086
	engine_signal CONT $pids
}

over && exit 0
if [ "$reason" != leftover ]; then
	# Whoever asks a second time (a laptop that lost its connection) must not interrupt what the first
	# SIGINT began, such as writing a checkpoint.
	exec 8>>stop
	flock -n 8 && tell INT
	over_within $((grace * 10)) && exit 0
elif [ -s stop ]; then
	# Somebody is ending the job, and gives these their grace.
	read -r _ asked <stop
	case $asked in '' | *[!0-9]*) asked=$grace ;; esac
	over_within $(((asked + 8) * 10)) && exit 0
else
	# Such as a tee that writes the last lines.
	over_within 10 && exit 0
	# shellcheck disable=SC2086
	set -- $pids
	printf 'mlsh: %d of its processes still ran when the command ended; ending them\n' $#
fi
tell TERM
over_within 50 && exit 0
rounds=0
while [ "$rounds" -lt 100 ]; do
	# shellcheck disable=SC2086
	engine_signal KILL $pids
	over && exit 0
	rounds=$((rounds + 1))
	# What forks faster than we look is caught by looking again at once.
	[ "$rounds" -lt 20 ] || sleep 0.1
done
exit 1
