#!/bin/sh
# Hold jobs that have not begun, let them go, or end them where what they were held for came to nothing.
# hold.sh on|off|drop WHY ID...
# Of an array no further task begins; those that run go on.
# Answers `held`, `released`, `unheld` (it was not held), `dropped`, `late` (it runs, or has ended) or `absent`, with
# the id; then `end`.
. "${0%/*}/lib.sh"
how=$1 why=$2
shift 2
reply

# has_begun: whether it is too late to hold the job in the current folder, into which `hold` was just written.
has_begun() {
	[ ! -e begun ] || return 0
	# Its runner may have looked just before. One that looks now says so at once; one that is busy looks later.
	tries=0
	while [ "$tries" -lt 20 ]; do
		get_state || return 1
		[ "$state" = PENDING ] || return 0
		[ "$phase" != hold ] || return 1
		tries=$((tries + 1))
		sleep 0.05
		# It may just have been about to wait.
		[ $((tries % 5)) -ne 0 ] || wake
	done
	return 1
}

# wake_held: wake the job that was released, or dropped, until it has heard it: it may just have been about to wait.
wake_held() {
	tries=0
	while :; do
		wake
		tries=$((tries + 1))
		sleep 0.05
		get_state && [ "$state" = PENDING ] && [ "$runner" != null ] && [ ! -e unstarted ] || return 0
		case $phase in
		# A busy box takes its time between looking and waiting.
		hold) [ "$tries" -lt 100 ] || return 0 ;;
		# It looks whether it is held, and had not said so yet.
		prepare | launch) [ "$tries" -lt 20 ] || return 0 ;;
		*) return 0 ;;
		esac
	done
}

# put TEXT FILE: write it, or say why not.
put() {
	if ! printf '%s\n' "$1" >"$2" || [ ! -s "$2" ]; then why_no_write "$MLSH_HOME"; fi
}

# each_task: hold or release the tasks of the array $id that were started and have not begun.
each_task() {
	waiting=
	for folder in tasks/*/; do
		line_of "$folder/state.json" 2>/dev/null || continue
		number=${folder#tasks/}
		case $value in *'"state":"PENDING"'*) waiting="$waiting $id-${number%/}" ;; esac
	done
	# shellcheck disable=SC2086
	[ -z "$waiting" ] || sh "$LIB/hold.sh" "$how" "$why" $waiting >/dev/null
	[ ! -p bell ] || echo 1<>bell
}

for id; do
	case $id in *[!a-z0-9-]* | '') continue ;; esac
	job_folder "$id"
	cd "$job" 2>/dev/null || {
		printf 'absent %s\n' "$id"
		continue
	}
	settle
	get_state || continue
	if is_final || { [ "$state" = RUNNING ] && [ ! -d tasks ]; } || [ -e begun ]; then
		printf 'late %s\n' "$id"
	elif [ "$how" = on ]; then
		put "$why" hold
		if [ "$state" = RUNNING ]; then
			each_task
			printf 'held %s\n' "$id"
			continue
		fi
		wake
		if has_begun; then
			rm -f hold
			printf 'late %s\n' "$id"
		else
			printf 'held %s\n' "$id"
		fi
	elif [ ! -e hold ]; then
		printf 'unheld %s\n' "$id"
	elif [ "$how" = drop ]; then
		put "$why" dropped
		wake_held
		printf 'dropped %s\n' "$id"
	else
		rm -f hold
		if [ "$state" = RUNNING ]; then each_task; else wake_held; fi
		printf 'released %s\n' "$id"
	fi
done
echo end
