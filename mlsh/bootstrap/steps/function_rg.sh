# shellcheck shell=sh
command -v rg >/dev/null 2>&1 || rg() { # PATTERN [PATH...]: search below here, with line numbers
	rg_for=$1
	shift
	grep -rnIE --exclude-dir=.git -e "$rg_for" -- "${@:-.}"
}
