#!/bin/sh
# Become the job's command, or run WORDS in its place, in the job's folder and environment.
# command.sh ID [WORDS]
#
# The names of our own variables begin with mlsh_, for the job's variables are set while we need ours.
mlsh_lib=${0%/*}
mlsh_home=${mlsh_lib%/lib/*}
mlsh_id=$1
shift
mlsh_job=$mlsh_home/jobs/$mlsh_id mlsh_base=$mlsh_home/jobs/${mlsh_id%%-*}
mlsh_tree=$mlsh_home/trees/$mlsh_id
case $mlsh_id in
*-*)
	mlsh_job=$mlsh_base/tasks/${mlsh_id#*-}
	mlsh_number=00000${mlsh_id#*-}
	mlsh_tree=$mlsh_home/trees/${mlsh_id%%-*}-${mlsh_number#"${mlsh_number%??????}"}
	;;
esac
# For the lists of tasks, in which a line is a task.
# shellcheck disable=SC2034
mlsh_tab=$(printf '\t')
# shellcheck disable=SC2034
mlsh_nl='
'
# It came after somebody looked what is to be ended: it must not begin.
[ -s "$mlsh_job/stop" ] && exit 130
[ -s "$mlsh_base/stop" ] && exit 130
unset LC_ALL
commit='' subdir='' workdir=''
# shellcheck source=/dev/null
. "$mlsh_job/job.sh"
mlsh_commit=$commit mlsh_subdir=$subdir mlsh_workdir=$workdir
mlsh_keep=${max_retries:-0}${restart:-}
# Others of the array need it too.
[ "$mlsh_job" = "$mlsh_base" ] || mlsh_keep=array
unset repo commit subdir workdir shell time_limit grace setup setup_key need count share gpu_ids gpu_memory slots \
	priority after begin_in tasks_at_once tasks_total array_count max_retries retry_delay restart outputs guarded idle_timeout memory_limit idle_gpu width height
# argv is one line written by the laptop: exec and the quoted words.
[ "$#" -gt 0 ] || mlsh_argv=$(cat "$mlsh_job/argv")
mlsh_term=$TERM mlsh_tmux=${TMUX:-} mlsh_pane=${TMUX_PANE:-}
# In this order: what the login gives, what was asked for, what is secret; the later wins.
for mlsh_file in "$mlsh_base/login-env" "$mlsh_base/env" "$mlsh_base/secret" "$mlsh_job/task-env" "$mlsh_job/gpu-env"; do
	# shellcheck source=/dev/null
	[ -e "$mlsh_file" ] && . "$mlsh_file"
	# A pager would wait for a key at a terminal where nobody sits.
	[ "$mlsh_file" = "$mlsh_base/login-env" ] && PAGER=cat GIT_PAGER=cat && export PAGER GIT_PAGER
done
TERM=$mlsh_term TMUX=$mlsh_tmux TMUX_PANE=$mlsh_pane MLSH_JOB_ID=$mlsh_id MLSH_JOB_DIR=$mlsh_job
export TERM TMUX TMUX_PANE MLSH_JOB_ID MLSH_JOB_DIR
# From here on only the job has it: a box that loses its power now keeps no secret on its disk. One that may
# have to run again needs it again.
[ "$#" -gt 0 ] || [ "$mlsh_keep" != 0 ] || PATH=/usr/bin:/bin rm -f "$mlsh_job/secret"

[ -n "$mlsh_commit" ] || mlsh_tree=$HOME
case $mlsh_workdir in
'') [ -n "$mlsh_commit" ] && mlsh_tree=$mlsh_tree/$mlsh_subdir ;;
/*) mlsh_tree=$mlsh_workdir ;;
'~') mlsh_tree=$HOME ;;
[~]/*) mlsh_tree=$HOME/${mlsh_workdir#??} ;;
*) mlsh_tree=$mlsh_tree/$mlsh_workdir ;;
esac
cd "$mlsh_tree" 2>/dev/null || {
	echo "mlsh: there is no folder $mlsh_tree on this box" >&2
	exit 126
}
# Jobs were launched with the mask of whoever keeps secrets; their own files should look like anybody's.
umask 022
[ "$#" -gt 0 ] && exec "$@"
eval "set -- ${mlsh_argv#exec }"

# Look for the program as exec will: what sh says of a missing one names this script, and not where it looked.
mlsh_code=127
case $1 in
*/*)
	[ -e "$1" ] && mlsh_code=126
	[ -f "$1" ] && [ -x "$1" ] && mlsh_code=0
	;;
*)
	mlsh_path=${PATH:-}
	# The empty name at the end is the current folder too, and would be lost below.
	case $mlsh_path in *:) mlsh_path=$mlsh_path. ;; esac
	set -f
	IFS=:
	for mlsh_dir in $mlsh_path; do
		[ -f "${mlsh_dir:-.}/$1" ] || continue
		mlsh_code=126
		[ -x "${mlsh_dir:-.}/$1" ] && mlsh_code=0 && break
	done
	set +f
	unset IFS
	# Without a PATH sh has one of its own, and some busybox need no file for what they have inside.
	[ -n "$mlsh_path" ] || mlsh_code=0
	[ -n "${BB_ASH_VERSION:-}" ] && command -v "$1" >/dev/null && mlsh_code=0
	;;
esac
case $mlsh_code-$1 in
0-*) exec "$@" ;;
126-*) printf 'mlsh: %s may not be executed on this box\n' "$1" >&2 ;;
*/*) printf 'mlsh: there is no %s on this box (looked from %s)\n' "$1" "$mlsh_tree" >&2 ;;
*)
	printf 'mlsh: there is no %s on this box (PATH=%s)\n' "${1:-program without a name}" "$PATH" >&2
	[ "$1" = python ] && command -v python3 >/dev/null && echo 'mlsh: but there is python3' >&2
	;;
esac
exit "$mlsh_code"
