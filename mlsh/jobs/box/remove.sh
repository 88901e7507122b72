#!/bin/sh
# Forget jobs that have ended: log, state, worktree.
# remove.sh ID...
. "${0%/*}/lib.sh"
. "$LIB/ended.sh"
reply
# remove_tree: the worktree $tree of the repository $repo.
remove_tree() {
	# It may hold folders that its job made read-only.
	[ -d "$tree" ] && [ ! -L "$tree" ] && chmod -R u+rwX "$tree" 2>/dev/null
	if [ -e "$tree/.git" ] && [ -d "$repo" ]; then
		exec 6>>"$repo/mlsh.lock"
		flock 6
		clean_git --git-dir="$repo" worktree remove --force --force "$tree" >/dev/null 2>&1 6>&-
		exec 6>&-
	fi
	rm -rf "$tree"
}

this_node
ended_drop "$@"
for id; do
	case $id in *[!a-z0-9]* | '') continue ;; esac
	cd "$MLSH_HOME/jobs/$id" 2>/dev/null || {
		printf 'absent %s\n' "$id"
		continue
	}
	settle
	if ! get_state || ! is_final; then
		printf 'kept %s\n' "$id"
		continue
	fi
	# Of a lost job something may still run.
	if [ "$state" = LOST ] && [ -n "$(members "$id")" ]; then
		printf 'kept %s\n' "$id"
		continue
	fi
	living=
	for alive in tasks/*/alive; do
		[ ! -e "$alive" ] || flock -n "$alive" true || living=1
	done
	if [ -n "$living" ]; then
		printf 'kept %s\n' "$id"
		continue
	fi
	repo=
	# shellcheck source=/dev/null
	. ./job.sh
	repo=$MLSH_HOME/repos/$repo.git
	cd "$MLSH_HOME" || exit 1
	left=
	for tree in "$MLSH_HOME/trees/$id" "$MLSH_HOME/trees/$id"-*; do
		[ -e "$tree" ] || [ -L "$tree" ] || continue
		remove_tree
		[ ! -e "$tree" ] || left=1
	done
	# Out of sight in one step, so that no half of a job is ever listed.
	[ -n "$left" ] || { mv -T "jobs/$id" "jobs/.gone.$id" && changed; }
	[ -e "jobs/$id" ] || rm -rf "jobs/.gone.$id"
	if [ -e "jobs/$id" ]; then printf 'stuck %s\n' "$id"; else printf 'removed %s\n' "$id"; fi
done
# Somebody who listed meanwhile may have put them back.
ended_drop "$@"
