#!/bin/sh
# Start a job, once, however often this is asked: the laptop asks again when it got no answer.
# launch.sh ID ENGINE WIDTH HEIGHT REPO COMMIT BASE OBJECTS <files   (REPO and COMMIT are - without code)
# A small change of the code may come along: then a pack of OBJECTS objects, built on the commit BASE, follows the
# files. Else BASE is - and OBJECTS is 0.
# Answers `launched ID`, `need COMMIT` with a `have COMMIT` line for each that is here, or `taken ID` where
# another job has that id. `damaged` after `need`: what was here can't be read any more, and lies aside.
# The answer ends with `end`: one that was cut off is known to be.
. "${0%/*}/lib.sh"
id=$1 engine=$2 width=$3 height=$4 repo=$5 commit=$6 base=$7 objects=$8
reply
case $engine in tmux) . "$LIB/engine_tmux.sh" ;; *) fail no-engine "there is no engine $engine" ;; esac
this_node
job=$MLSH_HOME/jobs/$id

# Once a boot: is everything here that a job needs?
checked=
[ -e "$MLSH_HOME/nodes/$node" ] && read -r checked <"$MLSH_HOME/nodes/$node"
if [ "$checked" != "$boot" ]; then
	for tool in flock tmux git; do
		[ "$tool-$repo" = git-- ] && continue
		command -v "$tool" >/dev/null || fail "no-$tool" "there is no $tool on this box"
	done
	version=$(tmux -V 2>&1)
	case ${version#tmux } in
	[012].* | 3.[01] | 3.[01][a-z]*) fail old-tmux "$version is too old: mlsh needs 3.2" ;;
	esac
	mkdir -p "$MLSH_HOME/nodes" "$MLSH_HOME/jobs" "$MLSH_HOME/trees" "$MLSH_HOME/repos" 2>/dev/null ||
		why_no_write "$MLSH_HOME"
	[ "$repo" = - ] || printf '%s\n' "$boot" >"$MLSH_HOME/nodes/$node" || why_no_write "$MLSH_HOME"
fi

# Once a boot, what waited and what is to be started again: also where nobody has looked yet.
resumed=
[ -e "$MLSH_HOME/nodes/$node.resumed" ] && read -r resumed <"$MLSH_HOME/nodes/$node.resumed"
if [ "$resumed" != "$boot" ]; then
	printf '%s\n' "$boot" >"$MLSH_HOME/nodes/$node.resumed" || why_no_write "$MLSH_HOME"
	# What watches tell each other of changes; see watch.sh.
	: >"$MLSH_HOME/nodes/$node.changes"
	setsid sh "$LIB/resume.sh" </dev/null >/dev/null 2>&1 &
fi

# read_plan: what the job wants, from the current folder; - stays - where there is no code.
read_plan() {
	asked_repo=$repo asked_commit=$commit
	need='' after='' begin_in='' restart='' max_retries=0 tasks_at_once='' priority=50 count=1 gpu_ids='' gpu_memory=0
	# shellcheck source=/dev/null
	. ./job.sh
	repo=$asked_repo commit=$asked_commit
}

# may_ever_run: end with the reason if this box could never give the job what it wants.
may_ever_run() {
	[ "$need" = gpu ] || return 0
	. "$LIB/gpus.sh"
	gpus_known || fail no-gpus 'nvidia-smi or rocm-smi does not answer here'
	count_wanted
	[ "$fitting" -lt "$count" ] || return 0
	such=
	[ "$gpu_memory" = 0 ] || such=" with $((gpu_memory / 1024)) GiB or more"
	[ -z "$gpu_ids" ] || fail never-runs "it wants the GPUs $gpu_ids$such, and this box has $there, of which $fitting are meant by that"
	fail never-runs "it wants $count GPUs$such, and this box has $fitting"
}

has_commit() { # COMMIT
	[ "$1" = - ] || [ -e "$MLSH_HOME/repos/$repo.git/refs/mlsh/$1" ]
}

packed=
if [ ! -e "$job/spec.json" ] && ! has_commit "$commit" && [ "$objects" -gt 0 ] && has_commit "$base"; then
	packed=1
elif [ ! -e "$job/spec.json" ] && ! has_commit "$commit"; then
	printf 'need %s\n' "$commit"
	if [ -d "$MLSH_HOME/repos/$repo.git" ]; then
		clean_git --git-dir="$MLSH_HOME/repos/$repo.git" for-each-ref --count=64 --format='have %(objectname)' refs/mlsh
	elif [ -d "$MLSH_HOME/repos/$repo.git.damaged.1" ]; then
		echo damaged
	fi
	echo end
	exit 0
fi

# What was asked the first time must be what is asked now. The spec is the first file, and one line.
await_input
if [ -e "$job/spec.json" ]; then
	if ! read -r word name lines || ! IFS= read -r asked; then fail cut 'the launch arrived only in part'; fi
	[ "$word $name $lines" = 'file spec.json 1' ] || fail internal 'the spec does not come first'
else
	stage=$MLSH_HOME/jobs/.$id.$$
	mkdir "$stage" 2>/dev/null || why_no_write "$MLSH_HOME/jobs"
	trap '[ ! -d "$stage" ] || rm -rf "$stage"' EXIT
	# A signal that ends sh would not run that trap: the laptop that is gone when we speak, above all.
	trap 'exit 1' HUP INT PIPE TERM
	read_files "$stage"
	case $? in
	0) ;;
	1) fail cut 'the launch arrived only in part' ;;
	*) why_no_write "$stage" ;;
	esac
	if [ -n "$packed" ]; then
		. "$LIB/pack.sh"
		take_pack "$MLSH_HOME/repos/$repo.git" "$commit" "$objects" "$base"
	fi
	cd "$stage" || why_no_write "$stage"
	IFS= read -r asked <spec.json
	if [ -e env-from ]; then
		# A job that is run again has the variables of the first.
		read -r first <env-from
		case $first in *[!a-z0-9]*) fail no-job "there is no job $first" ;; esac
		[ -e "../$first/env" ] || fail no-job "the job $first is gone, and its variables with it"
		cp "../$first/env" env 2>/dev/null || why_no_write "$stage"
	fi
	# What it waits for, as far as that is decided here.
	read_plan
	[ -z "$need$after$begin_in$restart$tasks_at_once" ] && [ "$max_retries" = 0 ] && [ ! -e hold ] || : >revive || why_no_write "$stage"
	[ -z "$tasks_at_once" ] || mkdir tasks || why_no_write "$stage"
	[ -z "$need" ] || : >ready || why_no_write "$stage"
	[ -z "$begin_in" ] || echo $(($(date +%s) + begin_in)) >begin || why_no_write "$stage"
	[ -z "$need" ] || may_ever_run
	if [ -e "$MLSH_HOME/nodes/$node.drained" ] && [ -z "$need" ]; then
		read -r why <"$MLSH_HOME/nodes/$node.drained"
		fail drained "this box is drained: $why"
	fi
	: >unprepared
	if ! : >log || ! : >alive || ! : >unstarted || ! : >log.wait || ! : >log.whole || ! : >log.lock; then
		why_no_write "$stage"
	fi
	printf '%s\n' "${SHELL:-/bin/sh}" >login-shell || why_no_write "$stage"
	for spare in spare.1 spare.2 spare.3 spare.4; do
		printf '%511s\n' '' >"$spare" || why_no_write "$stage"
	done
	printf '%-511s\n' "{\"state\":\"PENDING\",\"id\":\"$id\",\"phase\":\"launch\",\"reason\":\"\",\"code\":null,\"node\":\"$node\",\"boot\":\"$boot\",\"runner\":null,\"started\":null,\"ended\":null}" >state.json || why_no_write "$stage"
	# From here on the job exists. A second launch of it finds it, and this stage is thrown away.
	mv -T "$stage" "$job" 2>/dev/null || [ -e "$job/spec.json" ] || why_no_write "$MLSH_HOME/jobs"
fi
cd "$job" || fail no-job "the job $id went away"
IFS= read -r there <spec.json
if [ "$asked" != "$there" ]; then
	printf 'taken %s\nend\n' "$id"
	exit 0
fi

# Out of sight in one step: no half of a job is ever listed.
forget() {
	mv unstarted started 2>/dev/null || return 1
	cd .. && mv "$id" ".gone.$id.$$" && { changed; rm -rf ".gone.$id.$$"; }
}

# `mlsh prune` may not have seen this job when it chose what to drop. Wait for it, and look again.
if [ -e "$MLSH_HOME/repos/$repo.git/pruning" ]; then
	waited=0
	until flock -s -n "$MLSH_HOME/repos/$repo.git/mlsh.lock" true || [ "$waited" -ge 600 ]; do
		# A job that waits here is not one that nobody will start; see settle in lib.sh.
		[ ! -e unstarted ] || touch -c unstarted
		sleep 0.5
		waited=$((waited + 1))
	done
	[ ! -e unstarted ] || touch -c unstarted
fi
if ! has_commit "$commit" && forget; then
	printf 'need %s\nend\n' "$commit"
	exit 0
fi

# The order in which jobs are launched is the order in which they wait.
if [ -e ready ] && [ -e unstarted ] && [ ! -e begin ] && [ ! -e hold ]; then
	read_plan
	. "$LIB/line.sh"
	[ -n "$after" ] || draw_ticket 2>/dev/null || why_no_write "$MLSH_HOME"
fi

if [ -e unstarted ] && ! engine_start "$id" "$width" "$height"; then
	# It must not start later, after we said that it did not.
	forget && fail no-start "tmux could not start it: $why"
fi
printf 'launched %s\nend\n' "$id"
