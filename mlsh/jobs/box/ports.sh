#!/bin/sh
# How ports of this box's loopback stand, and when a job ends, for as long as somebody listens.
# ports.sh ID|- PORT...
#
# Prints `port PORT open UID` or `port PORT closed` at first and at each change, `beat` every few seconds, and
# `end STATE` when the job has ended. UID owns the process that listens. stdin stays open for as long as somebody
# listens.
. "${0%/*}/lib.sh"
job=$1
shift
[ "$job" = - ] || enter_job "$job"
reply
printf 'uid %s\n' "$(id -u)"

# When the laptop is gone, our input ends.
exec 3<&0
(
	while IFS= read -r _; do :; done
	kill -s TERM 0
) <&3 3<&- >/dev/null 2>&1 &
exec 3<&- </dev/null

ports=' ' hexes=
for port; do
	ports="$ports$port "
	hexes="$hexes|$(printf '%04X' "$port")"
done
# Addresses that a connection to localhost reaches, as the kernel writes them on machines of either byte order.
any='0{8}|0{32}|0{16}FFFF00000{8}|0{16}0000FFFF0{8}'
loop='0100007F|7F000001|0{24}01000000|0{31}1|0{16}FFFF00000100007F|0{16}0000FFFF7F000001'
listening="^ *[0-9]+: ($any|$loop):(${hexes#|}) 0+:0000 0A "

turn=0 before=
while :; do
	# While a port is closed somebody waits for it.
	case $turn$before in
	0* | *closed*)
		now=$(
			grep -hsE "$listening" /proc/net/tcp /proc/net/tcp6 | while read -r _ address _ _ _ _ _ uid _; do
				printf '%d %s\n' "0x${address##*:}" "$uid"
			done
		)
		for port in $ports; do
			stands="port $port closed"
			while read -r open uid; do
				[ "$open" = "$port" ] && stands="port $port open $uid"
			done <<-END
				$now
			END
			case $before in *"|$stands|"*) ;; *) printf '%s\n' "$stands" ;; esac
			new="${new:-}|$stands|"
		done
		before=$new new=
		;;
	esac
	if [ "$job" != - ]; then
		[ "$turn" = 2 ] && settle
		if get_state && is_final; then
			printf 'end '
			cat state.json
			exit 0
		fi
	fi
	[ "$turn" = 0 ] && echo beat
	turn=$(((turn + 1) % 3))
	sleep 1
done
