# shellcheck shell=sh
# shellcheck disable=SC2086,SC2154  # $limit is two words; look.sh has it
# Whether logind ends what a person leaves running, and whether this one lingers.
[ -d /run/systemd/system ] || return 0
[ ! -e "/var/lib/systemd/linger/${USER:-${LOGNAME:-$(id -un)}}" ] || say linger.on yes
said=$($limit busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \
	org.freedesktop.login1.Manager KillUserProcesses)
case $said in
'b true') say linger.kills yes ;;
'b false') say linger.kills no ;;
*)
	# As the manager reads it: the last line counts, and those of drop-ins come after the file's.
	said=$(cat /etc/systemd/logind.conf /usr/lib/systemd/logind.conf.d/*.conf /etc/systemd/logind.conf.d/*.conf |
		sed -n 's/^[[:space:]]*KillUserProcesses[[:space:]]*=[[:space:]]*//p' | tail -n 1)
	case $said in [Yy]es | [Tt]rue | 1 | on) say linger.kills yes ;; *) say linger.kills no ;; esac
	;;
esac
