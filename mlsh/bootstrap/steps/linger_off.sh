# shellcheck shell=sh
# Take linger_on.sh back.
me=${USER:-${LOGNAME:-$(id -un)}}
[ ! -e "/var/lib/systemd/linger/$me" ] || loginctl disable-linger "$me" || sudo -n -- loginctl disable-linger "$me"
