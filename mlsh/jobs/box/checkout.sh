#!/bin/sh
# Check a snapshot out into the job's own worktree.
# checkout.sh ID REPO COMMIT
#
# Of a large repository a spare worktree lies ready (spare.sh): it becomes the job's by rename, and only what
# differs is written. A repository that turns out to be damaged is put aside (mend.sh), and that is said.
. "${0%/*}/lib.sh"
name=$2 commit=$3
job_folder "$1"
repo=$MLSH_HOME/repos/$name.git spare=$MLSH_HOME/trees/.spare-$name
[ -d "$MLSH_HOME/trees" ] || mkdir -p "$MLSH_HOME/trees" || exit 1

# adopt: make the worktree that has been renamed to the job's one of the repository's again.
adopt() {
	IFS=' ' read -r _ admin <"$tree/.git" && [ -d "$admin" ] && printf '%s/.git\n' "$tree" >"$admin/gitdir"
} 2>/dev/null

# untouched: its index knows each file's time and size, so whatever touched one since is seen.
untouched() {
	clean_git -C "$tree" diff-files --quiet &
	changed=$!
	[ -z "$(clean_git -C "$tree" ls-files --others)" ] && wait "$changed"
}

# `git worktree add` can't run twice at a time in one repository; the files can be written side by side.
[ ! -d "$repo" ] || exec 6>>"$repo/mlsh.lock"
[ ! -d "$repo" ] || flock 6
if [ -d "$spare" ] && mv -T "$spare" "$tree" 2>/dev/null; then
	adopt && exec 6>&- && untouched 2>/dev/null && clean_git -C "$tree" read-tree -m -u HEAD "$commit" &&
		printf '%s\n' "$commit" >"$admin/HEAD" && exit 0
	# Not to be believed, then. As if it had never been.
	exec 6>>"$repo/mlsh.lock"
	flock 6
	rm -rf "$tree"
	clean_git --git-dir="$repo" worktree prune 6>&-
fi
make_tree() { # REPOSITORY
	clean_git --git-dir="$1" worktree add -q --detach --no-checkout "$tree" "$commit" 6>&- &&
		exec 6>&- &&
		clean_git -C "$tree" -c checkout.workers=0 -c checkout.thresholdForParallelism=500 read-tree -mu HEAD
}
make_tree "$repo" && exit 0

exec 6>&-
rm -rf "$tree"
. "$LIB/mend.sh"
[ -e "$repo/refs/mlsh/$commit" ] && ! mend "$repo" "$commit" && exit 1
# What is damaged there may be no part of this snapshot.
for aside in "$repo".damaged.*; do
	[ -e "$aside/refs/mlsh/$commit" ] || continue
	sound "$aside" "$commit" || continue
	exec 6>>"$aside/mlsh.lock"
	flock 6
	make_tree "$aside" && exit 0
	exec 6>&-
	rm -rf "$tree"
done
[ ! -d "$repo.damaged.1" ] || echo 'mlsh: the copy of the code here is damaged, and was put aside'
exit 1
