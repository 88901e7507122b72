#!/bin/sh
# Run the setup command in the job's worktree, or bring back what it made for the same lock files before.
# setup.sh ID
#
# What it made is what lies in the worktree and is not part of the snapshot (.venv, node_modules). Installed
# packages are kept as hard links, everything else as copies, for a job may write into it. The worktree's
# path is written into some files of a venv: those are rewritten for the new worktree (job ids are all of one
# length, so this is safe even where a length counts).
. "${0%/*}/lib.sh"
id=$1
job_folder "$id"
name=${tree##*/}
cd "$job" || exit 1
setup='' setup_key=''
# shellcheck source=/dev/null
. ./job.sh
cache=$MLSH_HOME/setups/$setup_key
mkdir -p "$MLSH_HOME/setups" || exit 1
# The name of a tree is written into what was made there, and must keep its length.
case $id in *-*) cache=$cache.task ;; esac
exec 5>>"$cache.lock"
if ! flock -n 5; then
	echo 'mlsh: another job runs the same setup; waiting for it'
	flock 5
fi

holds_packages() { # FOLDER
	[ -e "$1/pyvenv.cfg" ] || [ -d "$1/conda-meta" ] || [ "${1##*/}" = node_modules ]
}

keep() { # SOURCE TARGET
	mkdir -p "${2%/*}" || return 1
	if holds_packages "$1"; then
		cp -al "$1" "$2" 2>/dev/null && return 0
		rm -rf "$2"
	fi
	cp -a "$1" "$2"
}

# relocate FOLDER FROM TO: rewrite the links that lead into the worktree FROM.
relocate_links() {
	find "$1" -type l -exec ls -l {} + 2>/dev/null | grep -F "/trees/$2" >/dev/null || return 0
	find "$1" -type l | while IFS= read -r link; do
		target=$(readlink "$link")
		case $target in
		*"/trees/$2"*) ln -sfn "${target%%"/trees/$2"*}/trees/$3${target#*"/trees/$2"}" "$link" ;;
		esac
	done
}

restore() {
	read -r origin <"$cache/origin" || return 1
	while IFS= read -r path; do
		keep "$cache/files/$path" "$tree/$path" && relocate_links "$tree/$path" "$origin" "$name" || return 1
	done <"$cache/paths"
	while IFS= read -r path; do
		sed -i "s|/trees/$origin|/trees/$name|g" "$tree/$path" || return 1
	done <"$cache/relocate"
	# What no job used for a month is pruned.
	touch "$cache"
}

if [ -e "$cache/paths" ]; then
	echo "mlsh: the lock files are as before: taking over what the setup made then"
	restore && exit 0
	echo "mlsh: that did not work; running the setup again"
	while IFS= read -r path; do
		rm -rf "${tree:?}/$path"
	done <"$cache/paths"
	rm -rf "$cache"
fi
echo "mlsh: setup: $setup"
MLSH_JOB_ID=$id sh "$LIB/command.sh" "$id" sh -c "$setup" 5>&- || exit $?

new=$MLSH_HOME/setups/.$setup_key.$id
trap 'rm -rf "$new"' EXIT
trap 'exit 130' INT TERM HUP
if ! clean_git -C "$tree" diff --quiet 5>&-; then
	echo "mlsh: the setup changed files of the snapshot, so it will run for each job"
	exit 0
fi
# copies_code: whether something in $new/files was made from the code itself: a package that was installed from
# the worktree and is not editable, or a compiled module outside of any environment. The next job's code may
# differ while the lock files don't.
copies_code() {
	find "$new/files" -name direct_url.json -exec grep -lF "/trees/$name" {} + |
		while IFS= read -r path; do
			grep -q '"editable": *true' "$path" || echo "$path"
		done | grep -q . && return 0
	while IFS= read -r path; do
		holds_packages "$new/files/$path" || find "$new/files/$path" -name '*.so'
	done <"$new/paths" | grep -q .
}

{
	mkdir -p "$new/files" || exit 0
	clean_git -C "$tree" ls-files --others --directory 5>&- | sed 's|/$||' >"$new/paths" || exit 0
	# A name that git has to quote, or none at all: nothing that could be kept.
	grep -q '^"' "$new/paths" && exit 0
	while IFS= read -r path; do
		keep "$tree/$path" "$new/files/$path" || exit 0
	done <"$new/paths"
	if copies_code; then
		echo "mlsh: the setup built or copied your code (pip install . without -e), so it will run for each job"
		exit 0
	fi
	(
		cd "$new/files" || exit 1
		find . -type f -size -1024k \( -path '*/bin/*' -o -name '*.pth' -o -name 'pyvenv.cfg' -o -name '*.egg-link' \
			-o -name 'direct_url.json' -o -name '__editable__*' \) -exec grep -lF "/trees/$name" {} + | sed 's|^\./||'
	) >"$new/relocate"
	printf '%s\n' "$name" >"$new/origin" && [ -s "$new/origin" ] || exit 0
	mv -T "$new" "$cache"
} 2>/dev/null
exit 0
