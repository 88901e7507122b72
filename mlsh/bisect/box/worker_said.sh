# shellcheck shell=sh disable=SC2154,SC2034
# What a worker noted, told to the laptop: records, each with "NL NONCE blank" in front. Sourced after lib.sh.

# say WORDS: a record, with how many lines of the events have been read.
say() {
	printf '\n%s %s %s\n' "$nonce" "$heard" "$1" || kill -s TERM 0
}

# read_events: tell what descriptor 5 has to tell by now. $skip lines of it have been told before. $last is the last.
count=0 part='' last=''
skip=${skip:-$heard}
read_events() {
	while :; do
		line=
		if ! IFS= read -r line <&5; then
			# Just being written.
			part=$part$line
			break
		fi
		line=$part$line part=''
		[ -z "$line" ] || last=$line
		count=$((count + 1))
		[ "$count" -gt "$skip" ] || continue
		heard=$count
		case $line in
		ended\ *) say_ended ;;
		?*) say "$line" ;;
		esac
	done
}

# say_ended: how a probe ended, the end of what it printed, and its metrics.
say_ended() {
	say "$line"
	number=${line#* }
	number=probes/${number%% *}
	if [ -s "$number.tail" ]; then
		cat "$number.log" "$number.tail" | tail -c 1048576
	elif [ -s "$number.log" ]; then
		tail -c 1048576 "$number.log"
	fi
	if [ -s "$number.metrics" ]; then
		say metrics
		cat "$number.metrics"
	fi
	say 'done'
}
