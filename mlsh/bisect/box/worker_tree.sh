# shellcheck shell=sh disable=SC2154
# A worker's tree: a commit checked out into it, whatever the probe before has done to it. Sourced by worker.sh.

mlsh_nl='
'
mlsh_git() {
	GIT_TERMINAL_PROMPT=0 git --git-dir="$mlsh_admin" --work-tree="$mlsh_tree" -c core.hooksPath=/dev/null \
		-c core.fsmonitor=false -c gc.auto=0 -c maintenance.auto=false "$@" </dev/null 3<&- 4<&- 5<&-
}

mlsh_switch() {
	[ ! -e "$mlsh_admin/index.lock" ] || rm -f "$mlsh_admin/index.lock"
	mlsh_git checkout -q -f --detach "$mlsh_commit" && mlsh_git clean -ffdq
}

# mlsh_mend: what a probe may do to a worktree besides changing files.
mlsh_mend() {
	chmod -R u+rwX "$mlsh_tree"
	rm -f "$mlsh_admin"/*.lock "$mlsh_admin/index"
	printf '%s\n' "$mlsh_commit" >"$mlsh_admin/HEAD"
} 2>/dev/null

# mlsh_afresh: nothing is left of what was there.
mlsh_afresh() {
	chmod -R u+rwX "$mlsh_tree"
	find "$mlsh_tree" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
	rm -f "$mlsh_admin/index"
} 2>/dev/null

# mlsh_checkout: have $mlsh_commit in the tree, and nothing that it does not have, except what it ignores.
mlsh_checkout() {
	if [ ! -d "$mlsh_admin" ]; then
		mlsh_why='its repository is gone: was it moved?'
		return 1
	fi
	mlsh_link=
	{ read -r _ mlsh_link <"$mlsh_tree/.git"; } 2>/dev/null
	if [ "$mlsh_link" != "$mlsh_admin" ]; then
		[ -d "$mlsh_tree" ] || mkdir -p "$mlsh_tree"
		rm -rf "$mlsh_tree/.git"
		printf 'gitdir: %s\n' "$mlsh_admin" >"$mlsh_tree/.git"
	fi
	[ -z "$mlsh_clean" ] || mlsh_afresh
	if ! mlsh_switch 2>/dev/null; then
		mlsh_mend
		# Not into a file: the disk may be full.
		if ! mlsh_said=$(mlsh_switch 2>&1); then
			mlsh_why_not
			# Half of a commit is good for nothing, and would keep the disk full.
			[ "$mlsh_why" != 'the disk is full' ] || mlsh_afresh
			return 1
		fi
	fi
	[ -z "$mlsh_overlay" ] && return 0
	mlsh_said=$(tar -xf "$mlsh_overlay" -C "$mlsh_tree" 2>&1 3<&- 4<&- 5<&-) && return 0
	mlsh_why_not
	return 1
}

# mlsh_why_not: the reason in git's or tar's words, in $mlsh_why, from $mlsh_said.
mlsh_why_not() {
	printf '%s\n' "$mlsh_said" >&5
	case $mlsh_said in
	# git keeps the reason for the second to itself; it is always the disk.
	*[Nn]o\ space* | *'unable to write'* | *quota*) mlsh_why='the disk is full' ;;
	*fatal:\ *) mlsh_why=${mlsh_said#*fatal: } ;;
	*error:\ *) mlsh_why=${mlsh_said#*error: } ;;
	*tar:\ *) mlsh_why="the overlay: ${mlsh_said#*tar: }" ;;
	*) mlsh_why='git could not check it out' ;;
	esac
	mlsh_why=${mlsh_why%%"$mlsh_nl"*}
}
