#!/bin/sh
# Take a pack of git objects into a bare repository, and keep its commit.
# receive.sh REPO COMMIT BASE OBJECTS [CUTS] <pack   (BASE: the commit that the pack builds on, or -)
#
# Of a history that does not go back to its beginning, so many lines come before the pack: the commits whose parents
# are left out.
. "${0%/*}/lib.sh"
. "$LIB/pack.sh"
repo=$MLSH_HOME/repos/$1.git commit=$2 base=$3 objects=$4
reply
command -v git >/dev/null || fail no-git 'there is no git on this box'
if [ ! -d "$repo" ]; then
	mkdir -p "$MLSH_HOME/repos" 2>/dev/null || why_no_write "$MLSH_HOME"
	new=$MLSH_HOME/repos/.$1.$$
	trap 'rm -rf "$new"' EXIT
	trap 'exit 1' HUP INT PIPE TERM
	clean_git init -q --bare --template= "$new" 2>/dev/null || why_no_write "$MLSH_HOME/repos"
	# Files come out of a snapshot as they went in, whatever its .gitattributes say; no hook ever runs.
	{
		mkdir -p "$new/info" &&
			printf '* -text -ident -filter -working-tree-encoding -eol\n' >"$new/info/attributes" &&
			clean_git --git-dir="$new" config core.hooksPath /dev/null
	} || why_no_write "$MLSH_HOME/repos"
	mv -T "$new" "$repo" 2>/dev/null || [ -d "$repo" ] || why_no_write "$MLSH_HOME/repos"
fi
if [ "$base" != - ] && [ ! -e "$repo/refs/mlsh/$base" ]; then
	printf 'need %s\n' "$base"
	clean_git --git-dir="$repo" for-each-ref --count=64 --format='have %(objectname)' refs/mlsh
	echo end
	exit 0
fi
await_input
# cut_history COUNT: note them before the pack is there, so that nobody looks for those parents.
cut_history() {
	exec 6>>"$repo/mlsh.lock"
	flock 6
	count=$1
	[ ! -e "$repo/shallow" ] || cat "$repo/shallow" >"$repo/shallow.$$" || why_no_write "$repo"
	while [ "$count" -gt 0 ]; do
		IFS= read -r line || fail cut 'the code arrived only in part'
		printf '%s\n' "$line" || why_no_write "$repo"
		count=$((count - 1))
	done >>"$repo/shallow.$$"
	{ sort -u "$repo/shallow.$$" >"$repo/shallow.$$.sorted"; } 2>/dev/null || why_no_write "$repo"
	mv -f "$repo/shallow.$$.sorted" "$repo/shallow" || why_no_write "$repo"
	rm -f "$repo/shallow.$$"
	exec 6>&-
}
[ "${5:-0}" -eq 0 ] || cut_history "$5"
take_pack "$repo" "$commit" "$objects" "$base"
printf 'received %s\nend\n' "$commit"
