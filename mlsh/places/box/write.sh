#!/bin/sh
# Put a file in the place of what was read, whole or not at all, unless it has changed meanwhile.
# sh -c "$(cat write.sh)" mlsh PATH BEFORE AFTER SIZE   <the bytes, after padding and a line `mlsh-begin`
# BEFORE and AFTER are the SHA-256 of what was read (`new`: there was no file; `any`: whatever it was) and of what comes.
printf 'mlsh-reply 1\n'
refuse() {
	printf 'mlsh-error %s\n' "$1"
	exit 96
}
why() { printf '%s' "${1##*: }"; }
sum() {
	sum=$(sha256sum <"$1") || return
	printf '%s' "${sum%% *}"
}
# shellcheck disable=SC2088
case $1 in '~/'*) path=$HOME/${1#??} ;; /*) path=$1 ;; *) path=./$1 ;; esac
while IFS= read -r line; do [ "$line" = mlsh-begin ] && break; done
[ "$line" = mlsh-begin ] || refuse 'failed the start-up files of the login shell read what was meant for mlsh'
if ! target=$(readlink -f -- "$path" && printf x); then refuse 'gone'; fi
target=${target%?x}
folder=${target%/*}
folder=${folder:-/}
now=new
if [ -e "$target" ]; then
	[ -f "$target" ] || refuse 'changed'
	now=$(sum "$target") || refuse 'changed'
fi
# Saved before, and only the answer was lost.
if [ "$now" = "$3" ]; then
	printf 'done\n'
	exit 0
fi
[ "$2" = any ] || [ "$now" = "$2" ] || refuse 'changed'
[ -d "$folder" ] || refuse 'gone'

in_place=
mode=$(umask) && mode=$(printf '%o' $((0666 & ~0$mode)))
if [ "$now" != new ]; then
	[ -w "$target" ] || refuse 'no-write'
	if ! mode=$(stat -c %a -- "$target") || ! about=$(stat -c '%u:%g' -- "$target") || ! links=$(stat -c %h -- "$target"); then
		refuse 'failed stat says nothing about it'
	fi
	# One of several names of a file stays one of them, and a folder that can't be written gets no file aside.
	if [ "$links" -gt 1 ] || [ ! -w "$folder" ]; then in_place=1; fi
fi
umask 077
aside=$folder/.mlsh-edit-$$
[ -w "$folder" ] || aside=${TMPDIR:-/tmp}/.mlsh-edit-$$
trap 'rm -f "$aside"' EXIT
trap 'exit 1' HUP INT PIPE TERM
# noclobber: nobody may have put a link there that leads elsewhere.
(set -C && : >"$aside") 2>/dev/null || refuse 'failed no file can be made beside it'
said=$(dd of="$aside" bs=65536 conv=fsync 2>&1 >/dev/null) || refuse "failed $(why "$(printf '%s\n' "$said" | sed -n 1p)")"
[ "$(wc -c <"$aside")" -eq "$4" ] || refuse 'cut'
[ "$(sum "$aside")" = "$3" ] || refuse 'cut'
if [ "$now" != new ] && [ -z "$in_place" ]; then
	# ACLs and other attributes, where cp knows how; then what must be the same.
	cp --attributes-only --preserve=mode,ownership,xattr -- "$target" "$aside" 2>/dev/null
	if [ "$(stat -c '%u:%g' -- "$aside")" != "$about" ]; then
		chown "$about" "$aside" 2>/dev/null || in_place=1
	fi
fi
chmod "$mode" "$aside" || refuse 'failed its mode can not be set'
if [ -n "$in_place" ]; then
	# One name among several, or a folder that can't be written: the bytes change, and nothing else. What it grows by comes
	# first, and goes again where the disk is full; what is there already is written over and takes no room.
	old=$(wc -c <"$target") || refuse 'changed'
	if [ "$4" -gt "$old" ]; then
		if ! tail -c "+$((old + 1))" "$aside" 2>/dev/null >>"$target"; then
			dd if=/dev/null of="$target" bs=1 seek="$old" count=0 2>/dev/null
			refuse 'failed No space left on device'
		fi
	fi
	cat "$aside" 1<>"$target" 2>/dev/null
	dd if=/dev/null of="$target" bs=1 seek="$4" count=0 2>/dev/null
	[ "$(sum "$target")" = "$3" ] || refuse 'damaged'
	printf 'done\n'
	exit 0
fi
# Once more, as late as can be.
if [ "$2" != any ]; then
	later=new
	[ ! -e "$target" ] || later=$(sum "$target")
	[ "$later" = "$now" ] || refuse 'changed'
fi
said=$(mv -f -- "$aside" "$target" 2>&1) || refuse "failed $(why "$said")"
printf 'done\n'
