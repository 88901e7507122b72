# shellcheck shell=sh
# The engine `tmux`: a job's runner is the one pane of a session named after the job, on a server of ours.
# An engine has three functions: start the runner, tell whether it lives, signal it.

# Its server needs two open files for each job, and a login is often given 1,024.
MOST_FILES=65536

mlsh_tmux() {
	# The server keeps the environment of whoever starts it, for all jobs to come: give it next to nothing.
	tmux=$(command -v tmux)
	# shellcheck disable=SC2154
	env -i HOME="$HOME" PATH="$plain_path" SHELL=/bin/sh TERM=screen-256color ${LANG:+LANG="$LANG"} \
		${USER:+USER="$USER"} ${LOGNAME:+LOGNAME="$LOGNAME"} ${TMUX_TMPDIR:+TMUX_TMPDIR="$TMUX_TMPDIR"} \
		"${tmux:-tmux}" -u -L mlsh -f "$LIB/tmux.conf" "$@"
}

# more_files: let what is started from here open as many files as it may. What it was before is in $files, for the job.
more_files() {
	files=
	while read -r word what _ soft hard _; do
		[ "$word $what" = 'Max open' ] && files=$soft && break
	done </proc/self/limits
	case $files in '' | *[!0-9]*) files= && return 0 ;; esac
	case $hard in *[!0-9]* | ??????*) hard=$MOST_FILES ;; esac
	# shellcheck disable=SC3045
	[ "$files" -ge "$hard" ] || ulimit -Sn "$hard"
} 2>/dev/null

# engine_start ID WIDTH HEIGHT: start the runner; starting it twice does no harm. The reason for a failure is in $why.
engine_start() {
	# It may have gone since this box was checked. `forget` is launch.sh's: the job must not start later.
	if ! command -v tmux >/dev/null; then
		forget && fail no-tmux 'there is no tmux on this box'
		return 0 # its runner has started after all
	fi
	# The log's writer is started by tmux through sh, from a string in which # begins a format and % a time.
	case $LIB in
	*[\'#%]*) writer="exec sh '$(printf '%s' "$LIB/logger.sh" | sed "s/'/'\\\\''/g; s/#/##/g; s/%/%%/g")' $1" ;;
	*) writer="exec sh '$LIB/logger.sh' $1" ;;
	esac
	for _ in 1 2 3 4 5; do
		why=$(more_files
			mlsh_tmux new-session -d -s "$1" -x "$2" -y "$3" sh "$LIB/runner.sh" "$1" "$files" \
				\; pipe-pane -t "=$1:" "$writer" 2>&1) && return 0
		case $why in
		*'duplicate session'*) return 0 ;;
		# A job so short that its session is gone before the pipe is asked for can't be: the runner waits for it.
		*'server exited'* | *'lost server'* | *'no server'* | *'error connecting'*) ;; # the last session just ended
		*) return 1 ;;
		esac
		job_folder "$1"
		# shellcheck disable=SC2154
		[ -e "$job/started" ] && return 0
	done
	return 1
}

# engine_lives: whether the runner of the job in the current folder holds its lock.
engine_lives() {
	[ -e started ] && ! flock -n alive true
}

# engine_signal SIGNAL PID...: signal processes of the job.
engine_signal() {
	sign=$1
	shift
	[ "$#" -gt 0 ] && kill -s "$sign" "$@" 2>/dev/null
	return 0
}
