#!/bin/sh
# Remove the worktrees of workers that have ended. What they noted stays.
# worker_clear.sh ID...
. "${0%/*}/lib.sh"
reply
for id; do
	case $id in *[!a-z0-9]* | '') continue ;; esac
	cd "$MLSH_HOME/jobs/$id" 2>/dev/null || continue
	settle
	if ! get_state || ! is_final; then
		continue
	fi
	tree=$MLSH_HOME/trees/$id
	[ -d "$tree" ] || continue
	repo=
	# shellcheck source=/dev/null
	. ./job.sh
	# A probe may have made folders that nobody may write to.
	chmod -R u+rwX "$tree" 2>/dev/null
	if [ -n "$repo" ] && [ -d "$MLSH_HOME/repos/$repo.git" ]; then
		exec 6>>"$MLSH_HOME/repos/$repo.git/mlsh.lock"
		flock 6
		clean_git --git-dir="$MLSH_HOME/repos/$repo.git" worktree remove --force --force "$tree" >/dev/null 2>&1 6>&-
		exec 6>&-
	fi
	rm -rf "$tree"
done
echo end
