# shellcheck shell=sh
# Have this person's processes outlive the last logout.
me=${USER:-${LOGNAME:-$(id -un)}}
loginctl enable-linger "$me" || sudo -n -- loginctl enable-linger "$me"
