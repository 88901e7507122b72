# shellcheck shell=sh
# What every script here begins with. Sourced, never run.
#
# The scripts lie in $MLSH_HOME/lib/<hash>/ on the box and need POSIX sh, coreutils, flock, git and tmux.
# The protocol with the laptop is in docs/box-layout.md.

# Called from within a job: lay down what tells a job's processes, or `members` finds us among them.
if [ -n "${MLSH_JOB_ID:-}" ]; then
	unset MLSH_JOB_ID MLSH_JOB_DIR
	exec sh "$0" "$@"
fi

LIB=${0%/*}
MLSH_HOME=${LIB%/lib/*}
LC_ALL=C
export LC_ALL
unset CDPATH ENV BASH_ENV
# A login that runs one command often has a shorter PATH than one that a person sees. Jobs get it as it was.
# shellcheck disable=SC2034
plain_path=${PATH:-/usr/bin:/bin}
PATH=${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:$HOME/.local/bin
umask 077

# For grep -E, in list.sh and prune.sh.
# shellcheck disable=SC2034
FINAL='"state":"(SUCCEEDED|FAILED|CANCELLED|TIMEOUT|LOST)"'

# What a login shell's start-up files print comes before this line, and the laptop drops it.
reply() {
	printf 'mlsh-reply 1\n'
}

# fail KIND TEXT: end with an error that the laptop can explain.
fail() {
	printf 'mlsh-error %s %s\n' "$1" "$2"
	exit 96
}

# Start-up files may have read some of our input: padding comes first, and is looked for here.
await_input() {
	while IFS= read -r line; do
		[ "$line" = mlsh-begin ] && return 0
	done
	fail input-eaten 'the start-up files of the login shell read what was meant for mlsh'
}

# read_files DIRECTORY: unpack the input's `file NAME LINES` sections; true if the last line arrived.
read_files() {
	while IFS=' ' read -r word name lines; do
		case $word in
		file)
			while [ "$lines" -gt 0 ]; do
				IFS= read -r line || return 1
				printf '%s\n' "$line" || return 2
				lines=$((lines - 1))
			done >"$1/$name" || return 2
			;;
		end) return 0 ;;
		*) return 1 ;;
		esac
	done
	return 1
}

this_node() {
	read -r node </proc/sys/kernel/hostname || node=unknown
	case $node in *[!A-Za-z0-9._-]*) node=unknown ;; esac
	read -r boot </proc/sys/kernel/random/boot_id || boot=unknown
}

# why_no_write PATH: end with the reason why nothing can be written there.
why_no_write() {
	if why=$( (: >"$1/.mlsh-try" && rm -f "$1/.mlsh-try") 2>&1); then
		# An empty file fits where a block does not.
		fail disk-full "the disk of $1 is full"
	fi
	case $why in
	*[Nn]o\ space* | *quota*) fail disk-full "the disk of $1 is full" ;;
	*[Rr]ead-only*) fail read-only "$1 is on a read-only file system" ;;
	*) fail no-write "$1 can't be written to: ${why##*: }" ;;
	esac
}

# line_of FILE: its first line, in $value.
line_of() {
	value=
	IFS= read -r value <"$1"
}

# job_folder ID: where a job's files lie, in $job, and its worktree, in $tree. A task of an array is ID-NUMBER.
job_folder() {
	job=$MLSH_HOME/jobs/$1 tree=$MLSH_HOME/trees/$1
	case $1 in
	*-*)
		job=$MLSH_HOME/jobs/${1%%-*}/tasks/${1#*-}
		# Of one length for all tasks, as setup.sh needs it.
		padded=00000${1#*-}
		# shellcheck disable=SC2034
		tree=$MLSH_HOME/trees/${1%%-*}-${padded#"${padded%??????}"}
		;;
	esac
}

# changed: tell whoever watches this box (watch.sh) that something is new about the job $id.
changed() {
	printf '%s\n' "$id" >>"$MLSH_HOME/nodes/$node.changes"
} 2>/dev/null

# tell_anew FILE: begin such a file anew when it has become large. Whoever watches takes a new look at everything.
tell_anew() {
	[ "$(wc -c <"$1")" -lt 1048576 ] || echo anew >"$1"
} 2>/dev/null

# put_state STATE PHASE REASON CODE: replace ./state.json (the current folder is the job's), and tell of it.
put_state() {
	this_node
	write_state "$@"
	told=$?
	changed
	case $1 in PENDING | RUNNING) ;; *) [ ! -r notify ] || tell_end "$1" "$3" "$4" ;; esac
	return "$told"
}

# tell_end STATE REASON CODE: tell whoever asked for it that the job has ended, once: the addresses are gone then.
tell_end() {
	(
		# Its terminal may be gone before it has a session of its own.
		trap '' HUP
		exec 5<notify && rm -f notify
		[ "$3" != null ] || set -- "$1" "$2" ''
		MLSH_STATE=$1 MLSH_REASON=$2 MLSH_EXIT_CODE=$3 MLSH_ATTEMPT=${attempt:-1} MLSH_TEXT='' \
			setsid sh "$LIB/notify.sh" "$id" end <&5 >/dev/null 2>&1 5<&- 8>&- 9>&- &
	) 2>/dev/null
}

# note_log: where the log stands as the command begins, for what looks at its lines (guard.sh).
note_log() {
	[ -z "$guarded" ] || stat -c %s log >guard-from
} 2>/dev/null

# write_state: the file itself.
# The spares were made at launch, blocks and all: a full disk must not stop a job from saying how it stands.
# spare.1 is for the end, which must be told; spare.4 is for ask_stop.
write_state() {
	json=$(printf '{"state":"%s","id":"%s","phase":"%s","reason":"%.200s","code":%s,"node":"%s","boot":"%s","runner":%s,"started":%s,"ended":%s,"attempt":%s,"gpus":"%s","tasks":"%s"}' \
		"$1" "$id" "$2" "$3" "$4" "$node" "$boot" "${runner:-null}" "${started:-null}" "${ended:-null}" \
		"${attempt:-1}" "${gpus_held:-}" "${tasks:-}")
	case $1 in
	PENDING | RUNNING)
		{ printf '%-511s\n' "$json" >".state.$$"; } 2>/dev/null && [ -s ".state.$$" ] &&
			mv -f ".state.$$" state.json && return 0
		rm -f ".state.$$"
		spares='spare.2 spare.3'
		;;
	*) spares='spare.1 spare.2 spare.3 spare.4' ;;
	esac
	for spare in $spares; do
		[ -e "$spare" ] || continue
		printf '%-511s\n' "$json" 1<>"$spare" && mv -f "$spare" state.json && return 0
	done
	printf '%-511s\n' "$json" >".state.$$" && mv -f ".state.$$" state.json
}

# get_state: read ./state.json into $state, $phase, $code, $node_then, $boot_then, $runner, $started, $ended.
# shellcheck disable=SC2034
get_state() {
	IFS= read -r json <state.json || return 1
	field state && state=$value
	field phase && phase=$value
	field code && code=$value
	field node && node_then=$value
	field boot && boot_then=$value
	field runner && runner=$value
	field started && started=$value
	field ended && ended=$value
	attempt=1 gpus_held='' tasks=''
	case $json in
	*'"attempt":'*)
		field attempt && attempt=$value
		field gpus && gpus_held=$value
		field tasks && tasks=$value
		;;
	esac
}

# field NAME: one plain value of $json, in the form in which put_state wrote it, in $value.
field() {
	value=${json#*\""$1"\":}
	value=${value%%[,\}]*}
	value=${value#\"}
	value=${value%\"}
}

# ask_stop REASON GRACE: note in ./stop that the job is to end, and why; the first reason stands. Only, what a guard
# ends may run again, and what is cancelled never does. In place: the file is a lock too (stop.sh).
ask_stop() {
	while [ -s stop ]; do
		[ "$1" = cancel ] && read -r asked _ <stop || return 0
		case $asked in guard | idle) printf '%s %s\n' "$1" "$2" 1<>stop ;; *) return 0 ;; esac
	done 2>/dev/null
	{ printf '%s %s\n' "$1" "$2" >stop; } 2>/dev/null
	[ -s stop ] && return 0
	printf '%-511s\n' "$1 $2" 1<>spare.4 && mv -f spare.4 stop
}

is_final() {
	case $state in SUCCEEDED | FAILED | CANCELLED | TIMEOUT | LOST) return 0 ;; *) return 1 ;; esac
}

# members ID [RUNNER]: the pids of a job's processes, one a line, without the runner.
# They carry MLSH_JOB_ID; one that dropped its environment is still in the session of the runner's terminal.
# Not to be called from within that session: it would find itself.
members() {
	{
		{
			grep -lszxF "MLSH_JOB_ID=$1" /proc/[0-9]*/environ
			# 2 is also the answer when a process ended meanwhile; a grep without -z has not looked at all.
			[ "$?" -lt 2 ] || grep -zxF x /dev/null 2>/dev/null || [ "$?" -lt 2 ] ||
				grep -lsF "MLSH_JOB_ID=$1" /proc/[0-9]*/environ
		} 2>/dev/null
		[ -z "${2:-}" ] || cat /proc/[0-9]*/stat 2>/dev/null |
			sed -n "s|^\([0-9][0-9]*\) (.*) [A-Za-z] [0-9]* [0-9]* $2 .*|/proc/\1/|p"
	} | while IFS=/ read -r _ _ pid _; do
		case " $$ ${2:-} " in *" $pid "*) continue ;; esac
		# A zombie has ended; it waits for its parent to look.
		{ read -r stat <"/proc/$pid/stat"; } 2>/dev/null || continue
		case ${stat##*) } in Z* | X*) continue ;; esac
		printf '%s\n' "$pid"
	done | sort -u
}

# drop_ticket: leave the line for the job in the current folder, if it stands there.
drop_ticket() {
	[ -s ticket ] && line_of ticket || return 0
	rm -f "$MLSH_HOME/line/$node/gpu/$value" "$MLSH_HOME/line/$node/cpu/$value" ticket
} 2>/dev/null

# ring_array: tell the runner of the array that this task (the current folder is its) began or ended.
ring_array() {
	# Opened both ways: that never waits, also where nobody listens any more.
	[ ! -p ../../bell ] || echo 1<>../../bell
} 2>/dev/null

# wake: have the job in the current folder look again at what it waits for.
wake() {
	waits || return 0
	pids=$(members "$id" "$runner")
	# It takes a while to find them. Meanwhile what waited may have become the command.
	# shellcheck disable=SC2086
	! waits || [ -e begun ] || [ -z "$pids" ] || kill -s TERM $pids
} 2>/dev/null

waits() {
	get_state || return 1
	case $phase in queue | after | begin | hold | retry) [ "$runner" != null ] ;; *) return 1 ;; esac
}

# settle: give the job in the current folder ($id) a final state if nothing will do so any more.
# A job that has not started is never touched at its lock: its runner may be about to take it.
settle() {
	[ -e state.json ] || return 0
	get_state || return 0
	is_final && return 0
	this_node
	[ "$node_then" = "$node" ] || return 0
	if [ -e unstarted ]; then
		[ "$boot_then" = "$boot" ] && [ -z "$(find unstarted -mmin +1 2>/dev/null)" ] && return 0
		mv -f unstarted started 2>/dev/null || return 0
	fi
	# A job that has not begun, or may begin again, is started again and not lost.
	# What that says is nobody's answer.
	[ -e revive ] && sh "$LIB/revive.sh" "$id" </dev/null >/dev/null && return 0
	(
		exec 9>>alive
		flock -n 9 || exit 0
		get_state
		is_final && exit 0
		ended=$(date +%s)
		[ "$started" = null ] && started=
		if [ "$boot_then" != "$boot" ]; then
			why='the box rebooted'
		elif [ -z "$started" ] && [ "$phase" = launch ]; then
			why='it was never started'
		else
			left=$(members "$id" | wc -l)
			why='its runner was killed'
			[ "$left" -gt 0 ] && why="its runner was killed; $((left)) of its processes still run"
			oom=
			# shellcheck source=/dev/null
			. "$LIB/oom.sh"
			oom_why && why="its runner was killed; $oom"
		fi
		rm -f secret login-env
		drop_ticket
		# The log's writer may still have some to write.
		[ -e log.open ] && timeout 5 flock -s log.lock true
		reason=
		[ ! -s stop ] || read -r reason _ <stop
		if [ "$reason-$state" = cancel-PENDING ] && [ ! -e begun ]; then
			put_state CANCELLED '' "before it began: $why" null
		else
			put_state LOST '' "$why" null
		fi
		[ -e log.open ] && mv -f log.open log.end
	)
	return 0
}

# clean_git ARGS: git that reads no settings of the person or the machine, and runs no hook, filter or daemon.
clean_git() {
	(
		unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
		GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0
		HOME=$MLSH_HOME/lib XDG_CONFIG_HOME=$MLSH_HOME/lib
		export GIT_CONFIG_NOSYSTEM GIT_CONFIG_GLOBAL GIT_ATTR_NOSYSTEM GIT_TERMINAL_PROMPT HOME XDG_CONFIG_HOME
		exec git -c core.hooksPath=/dev/null -c core.attributesFile=/dev/null -c core.fsmonitor=false -c core.protectNTFS=false -c core.protectHFS=false \
			-c gc.auto=0 -c maintenance.auto=false -c advice.detachedHead=false "$@" 9>&-
	)
}

# enter_job ID: go to the job's folder.
enter_job() {
	id=$1
	case $id in *[!a-z0-9-]* | '' | -* | *-) fail no-job "there is no job $id" ;; esac
	job_folder "$id"
	cd "$job" 2>/dev/null && return
	case $id in
	*-*)
		# shellcheck source=/dev/null
		. "$LIB/task.sh"
		if the_task "$id"; then
			ever_begins && fail not-begun "the task ${id#*-} of ${id%-*} has not begun"
			fail not-begun "the task ${id#*-} of ${id%-*} never began: the array has ended"
		fi
		;;
	esac
	fail no-job "there is no job $id on this box"
}
