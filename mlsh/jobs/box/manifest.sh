#!/bin/sh
# What lies in a job's folder.
# manifest.sh ID NONCE changed         what the job made or changed, other than environments and caches
# manifest.sh ID NONCE below ROOT...   all that lies at and below these paths (each begins with ./)
#
# Symbolic links are told, and never followed. git's own folders are left out.
. "${0%/*}/lib.sh"
. "$LIB/folder.sh"
nonce=$2 what=$3
reply
enter_folder "$1"
shift 3

# roots: what was asked for, as names that end with NUL.
roots() {
	case $what in
	changed)
		GIT_OPTIONAL_LOCKS=0
		export GIT_OPTIONAL_LOCKS
		clean_git diff --name-only -z --no-renames --diff-filter=d --no-ext-diff --relative "$commit" -- .
		clean_git ls-files -z --others --directory | xargs -0 -r sh "$LIB/made.sh"
		# git looks past these. They don't come, and are named.
		find . -name .git -prune -o \( -type p -o -type s -o -type b -o -type c \) -print0 2>/dev/null
		;;
	below)
		for root; do
			led=$root
			while led=${led%/*} && [ "$led" != . ]; do
				[ ! -L "$led" ] || continue 2
			done
			if [ -e "$root" ] || [ -L "$root" ]; then printf '%s\0' "$root"; fi
		done
		;;
	esac
}

if [ "$what" = changed ] && ! clean_git rev-parse --git-dir >/dev/null 2>&1; then
	fail no-job "git no longer knows the job's folder, so what it changed is not known; name what to bring"
fi
skip=.git
[ "$what" = below ] || skip=__pycache__
roots "$@" | xargs -0 -r sh "$LIB/below.sh" "$skip" | {
	format="$nonce %f %i %s %.9Y %.9Z %n/$nonce%N"
	# A few at a time: the laptop asks for the first files while the last are still looked at.
	QUOTING_STYLE=literal xargs -0 -r -n 512 stat -c "$format" -- 2>/dev/null
}
printf '%s end\n' "$nonce"
