#!/bin/sh
# Have a spare worktree ready for the next job of a large repository, while this one runs.
# spare.sh ID REPO COMMIT
. "${0%/*}/lib.sh"
job_folder "$1"
name=$2 commit=$3
repo=$MLSH_HOME/repos/$name.git spare=$MLSH_HOME/trees/.spare-$name
[ -d "$spare" ] && exit 0
# Below a thousand files a checkout takes no time that anybody would notice.
IFS=' ' read -r _ admin <"$tree/.git" || exit 0
[ "$(wc -c <"$admin/index")" -gt 80000 ] || exit 0
# As much room again, many times over: a spare must never be what fills the disk.
size=$(clean_git -C "$tree" ls-tree -r -l HEAD | (
	sum=0
	while read -r _ _ _ bytes _; do
		case $bytes in *[!0-9]* | '') ;; *) sum=$((sum + bytes / 1024 + 4)) ;; esac
	done
	echo "$sum"
))
free=$(df -Pk "$MLSH_HOME/trees" | while read -r _ _ _ kib _; do echo "$kib"; done | tail -n 1)
[ "$size" -lt 512000 ] && [ "$free" -gt $((size * 10)) ] || exit 0

exec 5>>"$repo/spare.lock"
flock -n 5 || exit 0
half=$MLSH_HOME/trees/.half-$name
exec 6>>"$repo/mlsh.lock"
flock 6
rm -rf "$half"
clean_git --git-dir="$repo" worktree prune 5>&- 6>&-
clean_git --git-dir="$repo" worktree add -q --detach --no-checkout "$half" "$commit" 5>&- 6>&- || exit 0
exec 6>&-
if ! clean_git -C "$half" read-tree -mu HEAD 5>&-; then
	rm -rf "$half"
	exit 0
fi
# git does not trust a file that is as young as the index, and would read all of them again: let the index be younger.
IFS=' ' read -r _ admin <"$half/.git" || exit 0
sleep 1.1
touch "$admin/index"
exec 6>>"$repo/mlsh.lock"
flock 6
mv -T "$half" "$spare" 2>/dev/null && printf '%s/.git\n' "$spare" >"$admin/gitdir"
