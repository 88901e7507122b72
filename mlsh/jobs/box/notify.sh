#!/bin/sh
# Tell of something that happened to a job, in the ways that were asked for.
# notify.sh ID EVENT <ways
#
# Its input is the job's file `notify`, which may be deleted already. What is told is in the environment (MLSH_STATE,
# MLSH_REASON, MLSH_EXIT_CODE, MLSH_ATTEMPT, MLSH_TEXT), which other users can't read, as they can arguments. Nobody
# waits for this, and nothing that goes wrong here reaches the job.
. "${0%/*}/lib.sh"
id=$1 event=$2
trap '' HUP
this_node
job_folder "$id"
cd "$job" 2>/dev/null || cd / || exit 1
IFS= read -r fragment
# harmless TEXT: without what ends or continues a string in JSON, in sh, or on a terminal.
harmless() {
	printf '%s' "$1" | tr '"\\\n\t' "'/  " | tr -cd '\040-\176' | cut -b 1-300
}
IFS= read -r name
IFS= read -r box
name=$(harmless "$name") box=$(harmless "$box")
reason=$(harmless "$MLSH_REASON")
state=$MLSH_STATE code=$MLSH_EXIT_CODE attempt=$MLSH_ATTEMPT
who="${name:+$name }($id) on $box"
if [ "$event" = end ]; then
	text="$who: $state${reason:+: $reason}"
	[ -n "$reason" ] || [ "$state" != FAILED ] || text="$text with exit code $code"
	case $state in
	FAILED | TIMEOUT) happened='end fail' ;;
	LOST) happened='end fail lost' ;;
	*) happened=end ;;
	esac
else
	text="$who: $(harmless "$MLSH_TEXT")"
	happened=$event
fi

# One way, one message: the most special of what happened that it was asked for.
asked_for() { # EVENTS
	said=
	for one in $happened; do
		case ",$1," in *",$one,"*) said=$one ;; esac
	done
	[ -n "$said" ]
}

body() {
	printf '{"event":"%s","job":"%s",%s,"state":"%s","reason":"%s","exit_code":%s,"attempt":%s,"node":"%s","text":"%s","content":"%s"}' \
		"${said%%:*}" "$id" "$fragment" "$state" "$reason" "${code:-null}" "${attempt:-1}" "$node" "$text" "$text"
}

# failed WHY: say in the job's log, once, that somebody was not told.
failed() {
	(set -C && : >notify-failed) 2>/dev/null || return 0
	printf '\nmlsh: a notification (%s) could not be sent: %s\n' "${said%%:*}" "$(harmless "$1")" >>log
} 2>/dev/null

# by_web URL: one POST. The URL is a secret: no argument, no file, no word of it in the log.
by_web() {
	json=$(body)
	if command -v curl >/dev/null; then
		why=$({
			printf 'url = "%s"\nheader = "Content-Type: application/json"\n' "$1"
			printf 'data = "%s"\n' "$(printf '%s' "$json" | sed 's/[\\"]/\\&/g')"
		} | timeout -k 2 20 curl -q -gsSf --proto '=http,https' --max-redirs 0 --connect-timeout 10 --max-time 18 \
			-o /dev/null -K - 2>&1) && return 0
	elif wget --help 2>&1 | grep -q -e '--input-file'; then
		# It posts a file only, and a regular one; a line of the log is not for the eyes of who lists processes.
		printf '%s' "$json" >".notify.$$"
		why=$(printf '%s\n' "$1" | timeout -k 2 20 wget --no-config -q -O /dev/null --tries=1 --timeout=10 \
			--max-redirect=0 --header='Content-Type: application/json' --post-file=".notify.$$" -i - 2>&1)
		code_then=$?
		rm -f ".notify.$$"
		[ "$code_then" -ne 0 ] || return 0
		why="wget: exit code $code_then"
	else
		why='there is no curl and no wget on this box'
	fi
	# Such as a word on a URL that can't be read.
	case $why in '') why='no answer in 20 s' ;; *"$1"*) why='the address was not taken' ;; esac
	failed "$why"
}

# by_command COMMAND: with what happened in its environment, never in its text.
by_command() {
	(
		unset LC_ALL
		PATH=$plain_path MLSH_COMMAND=$1 MLSH_EVENT=${said%%:*} MLSH_JOB=$id MLSH_NAME=$name MLSH_BOX=$box
		MLSH_STATE=$state MLSH_REASON=$reason MLSH_EXIT_CODE=$code MLSH_ATTEMPT=$attempt MLSH_TEXT=$text
		export PATH MLSH_COMMAND MLSH_EVENT MLSH_JOB MLSH_NAME MLSH_BOX MLSH_STATE MLSH_REASON MLSH_EXIT_CODE \
			MLSH_ATTEMPT MLSH_TEXT
		# shellcheck disable=SC2031
		cd "$HOME" || cd /
		# shellcheck disable=SC2016
		timeout -k 2 20 sh -c 'eval "$MLSH_COMMAND"' </dev/null >/dev/null 2>&1
	)
	code_then=$?
	case $code_then in
	0) ;;
	124 | 137) failed 'the command took longer than 20 s' ;;
	*) failed "the command ended with exit code $code_then" ;;
	esac
}

while read -r events way what; do
	asked_for "$events" || continue
	case $way in
	web) by_web "$what" </dev/null ;;
	cmd) by_command "$what" ;;
	esac
done
