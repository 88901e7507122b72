# shellcheck shell=sh
command -v zoxide >/dev/null 2>&1 || z() { # WORD: go to the nearest folder below here, or below home, with that word in its name
	for z_from in . "$HOME"; do
		z_to=$(find "$z_from" -mindepth 1 -maxdepth 4 -name '.*' -prune -o -type d -iname "*${1-}*" -print 2>/dev/null | head -n 1)
		[ -z "$z_to" ] || { cd "$z_to" && pwd && return; }
	done
	echo "z: no folder with $1 in its name" >&2
	return 1
}
