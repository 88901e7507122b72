#!/bin/sh
# Give back what no job needs any more: snapshots, setups, half-made stages, old versions of these scripts.
# prune.sh
. "${0%/*}/lib.sh"
reply
cd "$MLSH_HOME" || exit 0
this_node
before=$(du -sk . 2>/dev/null | cut -f 1)

# Stages of launches that were cut off: a live one is younger than a day.
find jobs lib repos setups -mindepth 1 -maxdepth 1 -name '.*' -mmin +1440 -exec rm -rf {} + 2>/dev/null

# What setups made, unless a job takes it over just now.
find setups -mindepth 1 -maxdepth 1 -type d -mtime +30 2>/dev/null | while IFS= read -r cache; do
	(
		exec 5>>"$cache.lock"
		flock -n 5 || exit 0
		chmod -R u+rwX "$cache" 2>/dev/null
		rm -rf "$cache"
	)
done

for repo in repos/*.git; do
	[ -d "$repo" ] || continue
	(
		# Whoever receives code holds this: its objects belong to no snapshot yet.
		exec 7>>"$repo/prune.lock"
		timeout 20 flock 7 || exit 0
		exec 6>>"$repo/mlsh.lock"
		flock 6
		# A launch that comes now sees this file and waits; see launch.sh.
		: >"$repo/pruning"
		trap 'rm -f "$repo/pruning"' EXIT
		name=${repo#repos/}
		rm -rf "trees/.spare-${name%.git}"
		# What a spare.sh that was killed left behind; a living one holds the lock.
		(exec 5>>"$repo/spare.lock" && flock -n 5 && rm -rf "trees/.half-${name%.git}")
		clean_git --git-dir="$repo" worktree prune 6>&- 7>&-
		clean_git --git-dir="$repo" for-each-ref --format='%(objectname)' refs/mlsh 6>&- 7>&- | while read -r commit; do
			# 1 means that no job has it. 2, that a job went away while we looked: then keep it this time.
			cat jobs/*/spec.json 2>/dev/null | grep -qF "\"$commit\""
			[ "$?" -eq 1 ] || continue
			[ -n "$(find "$repo/refs/mlsh/$commit" -mmin -1440 2>/dev/null)" ] && continue
			clean_git --git-dir="$repo" update-ref -d "refs/mlsh/$commit" 6>&- 7>&-
		done
		# References stay files of their own: their age is looked at above.
		clean_git --git-dir="$repo" -c gc.packRefs=false gc -q --prune=now 6>&- 7>&- 2>/dev/null
	)
done

# Damaged repositories that were put aside, unless a job that has not ended has its worktree from one.
for aside in repos/*.git.damaged.*; do
	# Not a repository whose project has such a name.
	case $aside in *.git) continue ;; esac
	[ -d "$aside" ] || continue
	used=
	for link in "$aside"/worktrees/*/gitdir; do
		IFS= read -r path <"$link" 2>/dev/null || continue
		id=${path%/.git}
		id=${id##*/}
		[ -e "jobs/${id%%-*}/state.json" ] && ! grep -qE "$FINAL" "jobs/${id%%-*}/state.json" && used=1 && break
	done
	[ -n "$used" ] || rm -rf "$aside"
done

# What starts jobs again after a boot, unless one that has not ended may have to be.
if [ -e "nodes/$node.boot" ]; then
	needed=
	for state_file in jobs/*/state.json; do
		[ -e "${state_file%/*}/revive" ] && grep -qF "\"node\":\"$node\"" "$state_file" &&
			! grep -qE "$FINAL" "$state_file" && needed=1 && break
	done
	[ -n "$needed" ] || sh "$LIB/boot.sh" off >/dev/null
fi

# Scripts of other versions, unless a job that has not ended still runs by them: one of this machine shows
# in its command lines, of one on another node nothing is seen from here.
open=$(grep -LE "$FINAL" jobs/*/state.json 2>/dev/null)
# shellcheck disable=SC2086
[ -z "$open" ] || open=$(grep -LF "\"node\":\"$node\"" $open 2>/dev/null)
if [ -z "$open" ]; then
	for lib in lib/*; do
		[ "$lib" = "lib/${LIB##*/}" ] && continue
		grep -lsF "$MLSH_HOME/$lib/" /proc/[0-9]*/cmdline >/dev/null || rm -rf "$lib"
	done
fi
tell_anew "nodes/$node.changes"
printf 'freed %s\n' "$(((before - $(du -sk . 2>/dev/null | cut -f 1)) * 1024))"
