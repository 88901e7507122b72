#!/bin/sh
# List what lies below a folder; by fd where it is, else all that may be meant, to be sorted out by who asked.
# sh -c "$(cat find.sh)" mlsh ROOT TYPE HIDDEN IGNORED CASE PATTERN [EXTENSION]...
# TYPE is any, f, d or l; HIDDEN and IGNORED are yes where such files are wanted too; CASE is i or s.
PATH=$PATH:$HOME/.local/bin:$HOME/.cargo/bin
printf 'mlsh-reply 1\n'
refuse() {
	printf 'mlsh-error %s\n' "$1"
	exit 96
}
# shellcheck disable=SC2088
case $1 in '~') root=$HOME ;; '~/'*) root=$HOME/${1#??} ;; /*) root=$1 ;; *) root=./$1 ;; esac
[ -d "$root" ] || refuse 'no-folder'
cd -- "$root" 2>/dev/null || refuse 'no-read'
type=$2 hidden=$3 ignored=$4 case=$5 pattern=$6
shift 6

fd=
for name in fd fdfind; do
	# Another program may be called fd.
	case $("$name" --version 2>/dev/null) in 'fd '* | 'fdfind '*) fd=$name && break ;; esac
done
if [ -n "$fd" ] && [ -z "${MLSH_PLAIN_FIND-}" ]; then
	count=$#
	while [ "$count" -gt 0 ]; do
		set -- "$@" --extension "$1"
		shift
		count=$((count - 1))
	done
	[ "$type" = any ] || set -- "$@" --type "$type"
	# `!.github` in a .gitignore would show that.
	if [ "$hidden" = yes ]; then set -- "$@" --hidden; else set -- "$@" --exclude '.*'; fi
	if [ "$ignored" = yes ]; then set -- "$@" --no-ignore; else set -- "$@" --exclude .git; fi
	if [ "$case" = i ]; then set -- "$@" --ignore-case; else set -- "$@" --case-sensitive; fi
	printf 'fd\n'
	exec "$fd" --color never --show-errors --print0 "$@" -- "$pattern" .
fi

if command -v git >/dev/null 2>&1; then printf 'find git\n'; else printf 'find\n'; fi
# The names: -iname of each extension, with -o between them.
count=$#
first=yes
while [ "$count" -gt 0 ]; do
	# What is special in a pattern stands for itself.
	name=$(printf '%s' "$1" | sed 's/[][\\*?]/\\&/g')
	shift
	if [ "$first" = yes ]; then set -- "$@" '(' -iname "*.$name"; else set -- "$@" -o -iname "*.$name"; fi
	first=no
	count=$((count - 1))
done
[ "$first" = yes ] || set -- "$@" ')'
[ "$type" = any ] || set -- "$@" -type "$type"
[ "$hidden" = yes ] || set -- -name '.*' -prune -o "$@"
# A repository's folder is told, for what it ignores; what is in it is not wanted.
[ "$ignored" = yes ] || set -- -name .git -prune -print0 -o "$@"
find . -mindepth 1 "$@" -print0
printf '\0'
