#!/bin/sh
# Search files by grep: prints PATH, a NUL, LINE:TEXT.
# sh -c "$(cat grep.sh)" mlsh ROOT CASE LOCALE PCRE ERE   <padding, a line `mlsh-begin`, paths with a NUL behind each
printf 'mlsh-reply 1\n'
refuse() {
	printf 'mlsh-error %s\n' "$1"
	exit 96
}
while IFS= read -r line; do [ "$line" = mlsh-begin ] && break; done
# shellcheck disable=SC2088
case $1 in '~') root=$HOME ;; '~/'*) root=$HOME/${1#??} ;; /*) root=$1 ;; *) root=./$1 ;; esac
cd -- "$root" || exit
LC_ALL=$3
export LC_ALL
flags=-n
[ "$2" = s ] || flags=-ni
if printf 'x\n' | grep -qP x 2>/dev/null; then
	how=-P pattern=$4
elif [ -n "$5" ]; then
	how=-E pattern=$5
else
	refuse 'pattern'
fi
if printf 'x\n' | grep -HZ x >/dev/null 2>&1; then
	xargs -0 grep -HIZ "$flags" "$how" -e "$pattern" -- /dev/null
	exit 0
fi
# busybox: a grep for each file, which says nothing of names.
# shellcheck disable=SC2016 # for the shell that xargs starts
xargs -0 sh -c 'flags=$1 how=$2 pattern=$3; shift 3
for file; do
	LC_ALL=C tr -d "\000" <"$file" | cmp -s - "$file" || continue
	grep "$flags" "$how" -e "$pattern" -- "$file" | while IFS= read -r line; do
		printf "%s\000%s\n" "$file" "$line"
	done
done' sh "$flags" "$how" "$pattern"
exit 0
