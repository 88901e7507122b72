# shellcheck shell=sh
# What to do with a bare repository that is damaged. Sourced, and only after something has failed.

# sound REPOSITORY [COMMIT]: whether all objects can be read, of a snapshot or altogether. It reads each of them.
sound() {
	if [ -z "${2:-}" ]; then
		clean_git --git-dir="$1" fsck --no-dangling --no-progress >/dev/null 2>&1
		return
	fi
	[ -z "$({
		{
			clean_git --git-dir="$1" rev-list --objects "$2" || echo no >&3
		} | cut -d ' ' -f 1 | clean_git --git-dir="$1" cat-file --batch >/dev/null || echo no >&3
	} 3>&1 2>/dev/null)" ]
}

# mend REPOSITORY [COMMIT]: put the repository aside if it is damaged; false if it is not.
# The next launch finds none, has all of the code sent, and makes a new one.
mend() {
	was=$(stat -c %i "$1" 2>/dev/null) || return 0
	! sound "$1" "${2:-}" || return 1
	(
		# Nobody receives code there, makes a worktree or prunes.
		{ : >>"$1/prune.lock" && : >>"$1/mlsh.lock"; } 2>/dev/null || exit 1
		exec 7>>"$1/prune.lock"
		timeout 60 flock 7 || exit 1
		exec 6>>"$1/mlsh.lock"
		timeout 60 flock 6 || exit 1
		# Somebody else has put it aside while we looked.
		[ "$(stat -c %i "$1" 2>/dev/null)" = "$was" ] || exit 0
		n=1
		while [ -e "$1.damaged.$n" ]; do n=$((n + 1)); done
		mv -T "$1" "$1.damaged.$n" || exit 1
		# Jobs that run keep what they have: each worktree says where its repository is.
		for admin in "$1.damaged.$n"/worktrees/*; do
			{ IFS= read -r link <"$admin/gitdir" && IFS= read -r to <"$link"; } 2>/dev/null || continue
			# A job may have put something of its own there.
			[ "$to" = "gitdir: $1/worktrees/${admin##*/}" ] || continue
			[ ! -L "$link" ] || continue
			printf 'gitdir: %s\n' "$admin" >"$admin/link" && mv -f "$admin/link" "$link"
		done
		name=${1##*/}
		rm -rf "$MLSH_HOME/trees/.spare-${name%.git}"
	)
}
