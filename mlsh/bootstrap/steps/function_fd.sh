# shellcheck shell=sh
command -v fd >/dev/null 2>&1 || fd() { # PATTERN [FOLDER]: find by name, hidden ones left out
	find "${2:-.}" -mindepth 1 -name '.*' -prune -o -iname "*${1-}*" -print
}
