# shellcheck shell=sh
# The list of jobs that have ended, $MLSH_HOME/ended.list. Sourced. It can be lost at any time: list.sh makes it again.
# It is replaced by rename, under a lock that its writers take. It is its own index:
#
#	ended='ID ID ...'; return      sorted; list.sh sources the file, and reads no further
#	ID<tab>SPEC<tab>STATE          a line a job
#	mlsh-end

# ended_lines: the lines of the jobs.
ended_lines() {
	sed '1d;$d' ../ended.list
}

# ended_put FILE: make the lines in a file the list; false where that did not work, and the old one stands.
ended_put() {
	# It is sourced: nothing gets into the first line that is not an id, and no half of a line is taken for a job.
	[ "$(grep -c '^[a-z0-9][a-z0-9]*	{.*}	{.*}$' "$1")" -eq "$(wc -l <"$1")" ] || return 1
	{
		printf "ended='%s'; return\n" "$(cut -f 1 "$1" | sort | tr '\n' ' ')" && cat "$1" && echo mlsh-end
	} >"$new" || return 1
	[ "$(tail -n 1 "$new")" = mlsh-end ] || return 1
	# What is sourced must not come out of a power cut torn.
	sync "$new" 2>/dev/null
	mv -f "$new" ../ended.list
}

# ended_add ID...: add those of the jobs that have ended and are not in it.
ended_add() {
	(
		cd "$MLSH_HOME/jobs" || exit 1
		exec 4>>../ended.lock
		flock -n 4 || exit 0
		new=../ended.$$
		trap 'rm -f "$new" "$new".*' EXIT
		for id; do printf '%s/state.json\n' "$id"; done | xargs grep -lsE "$FINAL" | cut -d / -f 1 >"$new.found"
		: >"$new.all"
		[ ! -s ../ended.list ] || ended_lines >"$new.all" || exit 1
		cut -f 1 "$new.all" >"$new.known"
		if [ -s "$new.known" ]; then
			grep -vxFf "$new.known" "$new.found" >"$new.ids"
		else
			mv "$new.found" "$new.ids"
		fi
		[ -s "$new.ids" ] || exit 0
		sed 's|$|/spec.json|' "$new.ids" | xargs cat >"$new.specs" &&
			sed 's|$|/state.json|' "$new.ids" | xargs cat | sed 's/ *$//' >"$new.states" &&
			paste "$new.ids" "$new.specs" "$new.states" >"$new.lines" || exit 1
		# Each file is one line; if one was not, or went away, the lines no longer belong together.
		[ "$(wc -l <"$new.ids") $(wc -l <"$new.specs") $(wc -l <"$new.states")" = \
			"$(wc -l <"$new.lines") $(wc -l <"$new.lines") $(wc -l <"$new.lines")" ] || exit 1
		cat "$new.lines" >>"$new.all" && ended_put "$new.all"
	)
}

# ended_drop ID...: take jobs out of it, before their folders go.
ended_drop() {
	(
		# There are none yet.
		cd "$MLSH_HOME/jobs" || exit 0
		exec 4>>../ended.lock
		flock 4
		# Looked for only now: the first list may just be on its way in.
		[ -e ../ended.list ] || exit 0
		new=../ended.$$
		trap 'rm -f "$new" "$new".*' EXIT
		for id; do printf '%s\t\n' "$id" || exit 1; done >"$new.gone" || exit 1
		# On a full disk there is no new list, and where nothing is left: then there is none.
		if [ -s "$new.gone" ] && ended_lines | grep -vFf "$new.gone" >"$new.all" 2>/dev/null && ended_put "$new.all"; then
			exit 0
		fi
		rm -f ../ended.list
	) 2>/dev/null || rm -f "$MLSH_HOME/ended.list"
}
