#!/bin/sh
# Talk with a worker for as long as somebody listens.
# worker_talk.sh ID NONCE HEARD   (NONCE: the laptop's, in front of all we say; HEARD: lines of `events` it has had)
#
# In comes a line each: `hello SESSION`, `ask NUMBER COMMIT KEY SESSION`, `cancel NUMBER`, `beat`, `end`. Out goes what
# docs/box-layout.md says. stdin stays open for as long as somebody listens.
. "${0%/*}/lib.sh"
enter_job "$1"
nonce=$2 heard=$3
. "$LIB/worker_said.sh"
reply

# Here first: a laptop that goes away while its worker waits in line is noticed too.
exec 6<&0 </dev/null
(
	while IFS= read -r line; do
		# shellcheck disable=SC2086
		set -f -- $line
		case ${1:-} in
		hello) printf '%s\n' "$2" >probes/session ;;
		ask | end) printf '%s\n' "$line" 1<>probes/asks ;;
		cancel) (cd probes && exec setsid sh "$LIB/worker_end.sh" "$2" cancelled) >/dev/null & ;;
		esac
		read -r up _ </proc/uptime
		[ ! -e probes/own ] || printf '%s\n' "${up%.*}" >probes/beat
	done
	kill -s TERM 0
) <&6 6<&- >/dev/null 2>&1 &
exec 6<&-

# gone: end where the job has ended.
gone() {
	settle
	get_state && is_final || return 0
	[ -z "$listening" ] || read_events
	say "gone $state $json"
	kill -s TERM 0
}

turns=0 listening=
until [ -e probes/own ]; do
	[ $((turns % 15)) -ne 0 ] || {
		get_state
		say "waits ${phase:--}"
		gone
	}
	turns=$((turns + 1))
	sleep 0.2
done
exec 4<>probes/told 5<probes/events
listening=1
# As after a reboot: what it noted is there, and it is not.
gone
printf '%s\n' "$nonce" >probes/talk
(
	trap '' PIPE
	while echo beat >&4; do
		sleep 3
	done
) >/dev/null 2>&1 5<&- &

say begins
while :; do
	read_events
	# Another connection has taken over: this one is dead, and does not know it.
	line_of probes/talk
	if [ "$value" != "$nonce" ]; then
		echo >&4
		kill -s TERM 0
	fi
	if [ "$last" = over ]; then
		# Its runner says how it ended, in a moment.
		timeout 5 flock -s alive true
		gone
	fi
	token=
	read -r token <&4
	[ -z "$token" ] || {
		say beat
		gone
	}
done
