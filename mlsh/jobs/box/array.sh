# shellcheck shell=sh disable=SC2154,SC2034
# The runner of an array: it starts the tasks, so many at a time, and ends when they have. Sourced by runner.sh.
#
# A task is a job in a folder tasks/<number> of the array's, with a runner, a log and a worktree of its own. The
# folders tell how far the array is: where this runner is killed, the next one goes on. Of those that wait for
# GPUs only one task stands in line, right before the array's own ticket: the place in line is the array's.
. "$LIB/task.sh"

# forget is launch.sh's, for the engine.
forget() {
	return 1
}

# start_task NUMBER ASSIGNMENTS ARGV: make its folder, and start its runner. Where it can't be, $why may say so.
start_task() {
	why=
	stage_task "$1" "$2" "$3" ".$1" || return 1
	for file in log.wait unprepared unstarted revive ${need:+ready}; do
		: >"$new/$file" || return 1
	done
	# That of the end, and that of cancel.
	printf '%511s\n' '' >"$new/spare.1" && printf '%511s\n' '' >"$new/spare.4" || return 1
	task_state "$id-$1" PENDING launch '' >"$new/state.json" && [ -s "$new/state.json" ] || return 1
	[ ! -e guards ] || cp guards "$new/guards" || return 1
	if [ -n "$need" ]; then
		padded=00000$1
		task_ticket=${ticket%-z}-${padded#"${padded%??????}"}
		printf '%s\n' "$task_ticket" >"$new/ticket" && [ -s "$new/ticket" ] || return 1
	fi
	# Whoever cancels a task that has not begun makes this folder too: one of us does.
	mv -T "$new" "tasks/$1" 2>/dev/null || [ -e "tasks/$1/before" ] || return 1
	if [ -e "tasks/$1/before" ]; then
		rm -rf "$new"
		return 0
	fi
	[ -z "$need" ] || : >"$MLSH_HOME/line/$node/$need/$task_ticket"
	engine_start "$id-$1" "$width" "$height" 5>&- 8>&- 9>&- && return 0
	# It must not start later, unless it has started after all.
	mv "tasks/$1/unstarted" "tasks/$1/started" 2>/dev/null || return 0
	[ -z "$need" ] || rm -f "$MLSH_HOME/line/$node/$need/$task_ticket"
	rm -rf "tasks/$1"
	return 1
}

# look_at NUMBER: the task's state, in $state and $code.
look_at() {
	IFS= read -r json 2>/dev/null <"tasks/$1/state.json" || return 1
	field state && state=$value
	field code && code=$value
}

# tally NUMBER: count a task that has ended, and say so in the array's log.
tally() {
	case $state in
	SUCCEEDED) succeeded=$((succeeded + 1)) ;;
	CANCELLED) cancelled=$((cancelled + 1)) ;;
	*)
		failed=$((failed + 1))
		[ -n "$first_code" ] || first_code=$code
		;;
	esac
	[ -e "tasks/$1/told" ] && return
	case $code in null | 0) ended='' ;; *) ended=" $code" ;; esac
	printf 'task %s  %s%s%s\n' "$1" "$state" "$ended" "$(params_of "$1")"
	ended=
	# In this order: whoever kills us in between must not take the line away. See conduct.
	: >"tasks/$1/told"
}

# look_around: which of the tasks in $open have ended; how many wait in line is in $waiting.
look_around() {
	still='' waiting=0 count_open=0
	for number in $open; do
		if look_at "$number"; then
			if is_final; then
				tally "$number"
				continue
			fi
			# A ticket: not begun.
			[ ! -e "tasks/$number/ticket" ] || waiting=$((waiting + 1))
		fi
		still="$still $number" count_open=$((count_open + 1))
	done
	open=$still
}

# tell_array: the counts, where they changed.
tell_array() {
	now="$((tasks_total - succeeded - failed - cancelled - count_open + waiting)) $((count_open - waiting)) $succeeded $failed $cancelled"
	why=
	[ ! -e hold ] || read -r why <hold
	[ "$now $why" = "$told_array" ] && return
	told_array="$now $why"
	tasks=$now
	put_state RUNNING '' "$why" null
}

# keep_place: stand in line, or step aside for as long as the array is held. Its number keeps its place.
keep_place() {
	if [ -e hold ]; then
		leave_line
	elif [ -n "$more" ] && [ ! -e "$MLSH_HOME/line/$node/$need/$ticket" ]; then
		exec 8>>"$MLSH_HOME/line/$node/$need/$ticket"
		flock 8
	fi
}

# next_task: the next line of the list, in $next, $given and $words; false at its end. One that could not be
# started is the next again.
next_task() {
	[ -z "$again" ] || return 0
	# The shell may be interrupted while it reads, and then reads on.
	IFS=$tab read -r next given words <&4
}

# start_tasks: as many as may run now.
start_tasks() {
	# Of those that want GPUs not more than one stands in line, and none before the last one has begun.
	while [ -n "$more" ] && [ ! -e hold ] && [ "$count_open" -lt "$tasks_at_once" ] && { [ -z "$need" ] || [ "$waiting" -eq 0 ]; }; do
		next_task || {
			more=
			return
		}
		again=
		if [ -e "tasks/$next/state.json" ] && [ ! -e "tasks/$next/before" ]; then
			# An earlier runner of this array started it.
			continue
		fi
		! stop_asked || return
		if [ ! -e "tasks/$next/before" ] && ! start_task "$next" "$given" "$words"; then
			rm -rf "tasks/.$next"
			[ -n "$told_why" ] || printf 'mlsh: the task %s can not be started yet: %s\n' "$next" "${why:-is the disk full?}"
			told_why=1 again=1
			return
		fi
		told_why=
		open="$open $next" count_open=$((count_open + 1))
		[ -z "$need" ] || [ ! -e "tasks/$next/ticket" ] || waiting=$((waiting + 1))
	done
}

# settle_tasks: look for those whose runner was killed; it says nothing.
settle_tasks() {
	for number in $open; do
		flock -n "tasks/$number/alive" true 4<&- 5>&- 8>&- 9>&- || continue
		[ -e "tasks/$number/unstarted" ] && [ -z "$(find "tasks/$number/unstarted" -mmin +1)" ] && continue
		sh "$LIB/settle.sh" "$id-$number" 4<&- 5>&- 8>&- 9>&-
	done
}

# give_up_tasks: the array was cancelled, and whoever did that ends the tasks. None begins any more.
give_up_tasks() {
	stop_asked || return 0
	look_around
	tasks="0 0 $succeeded $failed $((tasks_total - succeeded - failed))"
	rm -f bell
	give_up_if_stopped
}

conduct() {
	started=$(date +%s)
	open='' more=1 again='' told_why='' told_array='' succeeded=0 failed=0 cancelled=0 first_code='' count_open=0 waiting=0 tasks=''
	case $tasks_at_once in
	auto)
		tasks_at_once=$(nproc 2>/dev/null || echo 2)
		[ -z "$need" ] || tasks_at_once=1000
		;;
	esac
	mkdir -p tasks
	rm -f bell
	mkfifo bell && exec 5<>bell
	exec 4<tasks.list
	# Those of an earlier runner of this array. One that was cancelled before it began comes with the list.
	for folder in tasks/*/; do
		number=${folder#tasks/}
		number=${number%/}
		case $number in *[!0-9]*) continue ;; esac
		[ ! -e "tasks/$number/before" ] || continue
		if ! look_at "$number" || ! is_final; then
			sh "$LIB/settle.sh" "$id-$number" 4<&- 5>&- 8>&- 9>&-
		fi
		# That runner was killed when it had said so and had not noted it.
		[ -e "tasks/$number/told" ] || ! grep -q "^task $number  " log || : >"tasks/$number/told"
		open="$open $number"
	done
	rounds=0
	while :; do
		give_up_tasks
		look_around
		[ -z "$need" ] || keep_place
		start_tasks
		tell_array
		if [ -z "$more" ]; then
			[ -n "$open" ] || break
			# The last one has begun: whoever comes next in the line is next.
			[ "$waiting" -gt 0 ] || leave_line
		fi
		if [ -n "$again" ]; then
			nap 2
			continue
		fi
		rounds=$((rounds + 1))
		# A word from each task that begins or ends.
		if [ ! -p bell ]; then
			nap 1
		elif timeout 10 dd bs=512 count=1 <&5 >/dev/null 2>&1 4<&- 8>&- 9>&-; then
			[ $((rounds % 50)) -eq 0 ] || continue
		fi
		settle_tasks
	done
	exec 4<&- 5>&-
	rm -f bell
	tasks="0 0 $succeeded $failed $cancelled"
	if [ "$failed" -eq 0 ] && [ "$cancelled" -eq 0 ]; then
		finish SUCCEEDED '' 0
	elif [ "$failed" -eq 0 ]; then
		finish FAILED "$cancelled of $tasks_total tasks were cancelled" 130
	fi
	case $first_code in '' | null | 0) first_code=1 ;; esac
	finish FAILED "$failed of $tasks_total tasks failed" "$first_code"
}
