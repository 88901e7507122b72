# shellcheck shell=sh disable=SC2154
# What a job's log says, by the rules in its file `guards`. Sourced by guard.sh, in the job's folder.
#
# Three lines a rule: what it does and how it reads (`fail line`, `fail number > 10`, `log line`), the words that
# it was given in, and the extended regular expression that finds what it is about.

# A log that grows faster than this is read in parts; and what is never ended by a line end is not kept back.
PIECE=4194304
# Of more than this in one look, the rest is passed over.
AT_ONCE=67108864

esc=$(printf '\033')
bel=$(printf '\007')
# Colours go; what moves the cursor ends a line, as \r does. Our own words are not the job's.
plain="s|$esc\[[0-9;:]*m||g
s|$esc\][^$bel$esc]*||g
s|$esc\[[0-?]*[ -/]*[@-~]|\\
|g
/^mlsh: /d"

log_size() {
	size=$(stat -c %s log 2>/dev/null) || size=$at
}

# piece BYTES: so many bytes of the log, from $at on.
piece() {
	tail -c "+$((at + 1))" log | head -c "$1"
} 2>/dev/null

# text BYTES: the same as lines of plain text.
text() {
	piece "$1" | tr '\r\000' '\n ' | sed "$plain"
}

# read_on lines|all: look at what has come since $at, to the last line that is whole, or to the end.
read_on() {
	if [ $((size - at)) -gt "$AT_ONCE" ]; then
		at=$((size - AT_ONCE))
		[ -n "${passed_over:-}" ] || say 'the log grows faster than it can be watched: parts of it are passed over'
		passed_over=1
	fi
	while [ "$at" -lt "$size" ]; do
		length=$((size - at))
		[ "$length" -le "$PIECE" ] || length=$PIECE
		if [ "$1" = lines ]; then
			# The dot keeps what comes before it from being lost or taken for whole.
			rest=$({ piece "$length" | tr '\r' '\n' && echo .; } | tail -n 1 | wc -c)
			rest=$((rest - 2))
			[ "$rest" -lt "$length" ] || [ "$length" -eq "$PIECE" ] || return 0
			[ "$rest" -ge "$length" ] || length=$((length - rest))
		fi
		try_rules "$length"
		at=$((at + length))
	done
}

# try_rules BYTES: by each rule.
told_rules=' '
try_rules() {
	number=0
	while IFS= read -r what && IFS= read -r words && IFS= read -r pattern; do
		case $what in log*) number=$((number + 1)) ;; esac
		case $what in
		*number*)
			hit=$(text "$1" | grep -aoE -e "$pattern" 2>/dev/null | first_beyond "${what#*number }")
			;;
		*) hit=$(text "$1" | grep -aE -m 1 -e "$pattern" 2>/dev/null | cut -b 1-4096) ;;
		esac
		[ -n "$hit" ] || continue
		case $what in
		fail*) end_job "$words: $(shown "$hit" "$pattern")" guard ;;
		log*)
			case $told_rules in *" $number "*) continue ;; esac
			told_rules="$told_rules$number "
			printf '%s\n' "$told_rules" >guard-told
			tell "log:$number" "its log says: $(shown "$hit" "$pattern")"
			;;
		esac
	done <guards
}

# first_beyond `OP LIMIT`: the first line of the input whose number is that.
first_beyond() {
	awk -v op="${1% *}" -v limit="${1#* }" '
		{
			said = $0
			sub(/^.[^=:]*[=:][ \t"]*(tensor\()?/, "")
			if (match($0, /^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?/)) {
				rest = substr($0, RLENGTH + 1)
				# 10ms, 1.2.3 and 1,234 are not the numbers 10, 1.2 and 1.
				if (rest ~ /^[0-9A-Za-z_]/ || rest ~ /^\.[0-9]/ || rest ~ /^,[0-9][0-9][0-9]/) next
				value = substr($0, 1, RLENGTH) + 0
				beyond = (op == ">" && value > limit + 0) || (op == ">=" && value >= limit + 0) ||
					(op == "<" && value < limit + 0) || (op == "<=" && value <= limit + 0)
			} else {
				beyond = (/^\+?[iI][nN][fF]/ && op ~ />/) || (/^-[iI][nN][fF]/ && op ~ /</)
			}
			if (beyond) { print substr(said, 1, 200); exit }
		}'
}

# shown LINE PATTERN: the line, where it is short; else what the rule found in it.
shown() {
	found=$1
	[ "${#found}" -le 140 ] || found=$(printf '%s\n' "$found" | grep -aoE -e "$2" | head -n 1)
	printf '%s' "${found:-$1}" | cut -b 1-140 | sed 's/^[[:space:],;|]*//; s/[[:space:],;|]*$//'
}
