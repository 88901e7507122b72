# shellcheck shell=sh
# Take git objects into a bare repository of ours. Sourced.

# take_pack REPOSITORY COMMIT OBJECTS BASE: read a pack of so many objects from the input, and keep its commit.
# BASE is the commit that it builds on, or -. Ends with `need COMMIT` where the repository is found damaged.
take_pack() {
	# `mlsh prune` throws away what belongs to no snapshot, such as what arrives now.
	{ : >>"$1/prune.lock"; } 2>/dev/null || why_no_write "$1"
	exec 7>>"$1/prune.lock"
	flock -s 7
	# It may have been dropped while we waited. The laptop asks again after `cut`, and is told what is here.
	[ "$4" = - ] || [ -e "$1/refs/mlsh/$4" ] || fail cut 'what this code builds on has just been pruned'
	if [ "$3" -lt 200 ]; then
		said=$(clean_git --git-dir="$1" unpack-objects -q 2>&1 7>&-)
	else
		said=$(clean_git --git-dir="$1" index-pack --stdin --fix-thin 2>&1 7>&-)
	fi || case $said in
	*[Nn]o\ space* | *quota*) fail disk-full "the disk of $1 is full" ;;
	*'early EOF'* | *'premature end'*) fail cut "the code arrived only in part: ${said##*fatal: }" ;;
	*)
		# What it builds on can't be read, or what is there already.
		exec 7>&-
		. "$LIB/mend.sh"
		base=$4
		case $said in *corrupt* | *'cannot read'* | *COLLISION* | *'not a git repository'*) base= ;; esac
		if [ "$base" != - ] && mend "$1" "$base"; then
			printf 'need %s\ndamaged\nend\n' "$2"
			exit 0
		fi
		fail cut "the code arrived only in part: ${said##*fatal: }"
		;;
	esac
	# Of a small pack the commit lies there as a file; git need not be asked.
	[ -e "$1/objects/${2%"${2#??}"}/${2#??}" ] ||
		clean_git --git-dir="$1" cat-file -e "$2^{tree}" 2>/dev/null 7>&- || fail cut 'the code arrived only in part'
	mkdir -p "$1/refs/mlsh" 2>/dev/null
	{ printf '%s\n' "$2" >"$1/refs/mlsh/.$$" && mv -f "$1/refs/mlsh/.$$" "$1/refs/mlsh/$2"; } 2>/dev/null ||
		why_no_write "$1"
	exec 7>&-
}
