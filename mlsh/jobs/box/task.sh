# shellcheck shell=sh disable=SC2154,SC2034
# One task of an array, and its files. Sourced, in the folder of the array.

tab=$(printf '\t')

# stage_task NUMBER ASSIGNMENTS ARGV FOLDER: what every task has, in a folder ($new) that is no task yet.
stage_task() {
	new=tasks/$4
	rm -rf "$new"
	mkdir -p "$new" || return 1
	for file in log alive log.whole log.lock; do
		: >"$new/$file" || return 1
	done
	{
		cat job.sh && printf "tasks_at_once='' after='' begin_in=''\n"
	} >"$new/job.sh" || return 1
	printf 'export %s MLSH_TASK_ID=%s MLSH_ARRAY_ID=%s MLSH_ARRAY_COUNT=%s\n' "$2" "$1" "$id" \
		"${array_count:-$tasks_total}" >"$new/task-env" && printf '%s\n' "$3" >"$new/argv" &&
		[ -s "$new/argv" ] && [ -s "$new/task-env" ]
} 2>/dev/null

# task_state ID STATE PHASE REASON: its first state.
task_state() {
	printf '%-511s\n' "{\"state\":\"$2\",\"id\":\"$1\",\"phase\":\"$3\",\"reason\":\"$4\",\"code\":null,\"node\":\"$node\",\"boot\":\"$boot\",\"runner\":null,\"started\":null,\"ended\":${ended:-null}}"
} 2>/dev/null

# params_of NUMBER: two blanks and the task's parameters; nothing where it has only its number.
params_of() {
	(
		# What the values may hold and a line of assignments may not.
		mlsh_tab=$tab
		mlsh_nl='
'
		# shellcheck source=/dev/null
		. "./tasks/$1/task-env" && [ "$MLSH_PARAMS" != "$1" ] && printf '  %s' "$MLSH_PARAMS"
	)
}

# the_task ID: go to the folder of a task's array, and have its number in $number. False where the box has no such
# array; ends where that has no such task.
the_task() {
	number=${1#*-}
	cd "$MLSH_HOME/jobs/${1%%-*}" 2>/dev/null && [ -s tasks.list ] || return 1
	[ -e "tasks/$number/state.json" ] || grep -q "^$number$tab" tasks.list && return 0
	# shellcheck disable=SC2046
	set -- $(cut -f 1 tasks.list | sed -n '1p;$p' && wc -l <tasks.list)
	[ "$#" -eq 3 ] || set -- "$1" "$1" 1
	[ "$3" -ne 1 ] || fail no-task "the array ${PWD##*/} has no task $number, only $1"
	fail no-task "the array ${PWD##*/} has no task $number: there are $3, from $1 to $2"
}

# ever_begins: whether the array in the current folder may still start a task.
ever_begins() {
	sh "$LIB/settle.sh" "${PWD##*/}" </dev/null >/dev/null 2>&1
	get_state
	! is_final
}
