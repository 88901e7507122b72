#!/bin/sh
# shellcheck disable=SC2016,SC2031
# Have this node start its jobs again after a boot, by the best that it has; or take that away.
# boot.sh on|off
#
# systemd: a user unit, where user units run without a login (linger). cron: one line of the crontab, which ends with a
# mark; no other line is touched. contact: neither; jobs are started again when mlsh next looks at the box.
# Answers `made HOW`, or `had HOW` where it was so before; then `end`.
. "${0%/*}/lib.sh"
reply
this_node
mkdir -p "$MLSH_HOME/nodes" 2>/dev/null || why_no_write "$MLSH_HOME"
cd "$MLSH_HOME/nodes" || exit 1
exec 7>>"$node.boot.lock"
flock 7
mark='# mlsh: starts jobs again; mlsh prune takes this line away'
script=$MLSH_HOME/nodes/$node.resume
units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
unit=mlsh-resume.service
before=
[ -e "$node.boot" ] && line_of "$node.boot" && before=$value

quoted() {
	printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"
}

# write_script: what is run after a boot. It has the variables that a login here has, and uses whatever version of the
# scripts was installed last, so that it need not change when mlsh does.
write_script() {
	{
		printf '#!/bin/sh\n# Made by mlsh (boot.sh): starts the jobs of %s again after a boot.\n' "$node"
		printf 'HOME=%s PATH=%s SHELL=%s\nexport HOME PATH SHELL\n' \
			"$(quoted "$HOME")" "$(quoted "$plain_path")" "$(quoted "${SHELL:-/bin/sh}")"
		[ -z "${LANG:-}" ] || printf 'LANG=%s\nexport LANG\n' "$(quoted "$LANG")"
		[ -z "${TMUX_TMPDIR:-}" ] || printf 'TMUX_TMPDIR=%s\nexport TMUX_TMPDIR\n' "$(quoted "$TMUX_TMPDIR")"
		printf 'for script in $(ls -t %s/lib/*/resume.sh); do exec sh "$script"; done\n' "$MLSH_HOME"
	} >"$script.new" && [ -s "$script.new" ] && mv -f "$script.new" "$script"
}

# user_units: whether systemd starts units of this user when the machine boots.
user_units() {
	command -v systemctl >/dev/null && command -v loginctl >/dev/null || return 1
	XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/run/user/$(id -u)}
	export XDG_RUNTIME_DIR
	[ "$(timeout 5 loginctl show-user "$(id -un)" --property=Linger --value 7>&-)" = yes ] &&
		timeout 5 systemctl --user show-environment >/dev/null 7>&-
} 2>/dev/null

# make_unit: one that a home which several nodes share can have once: each runs its own script, where it has one.
make_unit() {
	mkdir -p "$units" || return 1
	cat >"$units/.$unit.new" <<-END || return 1
		[Unit]
		Description=mlsh: start jobs again after a boot (mlsh prune takes this away)
		ConditionPathExists=$MLSH_HOME/nodes/%H.resume

		[Service]
		Type=oneshot
		RemainAfterExit=yes
		# The jobs are its children, and outlive it.
		KillMode=process
		ExecStart=/bin/sh $MLSH_HOME/nodes/%H.resume

		[Install]
		WantedBy=default.target
	END
	mv -f "$units/.$unit.new" "$units/$unit" && timeout 10 systemctl --user daemon-reload 7>&- &&
		timeout 10 systemctl --user enable "$unit" 7>&-
} >/dev/null 2>&1

drop_unit() {
	[ -e "$units/$unit" ] || return 0
	# Another node of this home may need it.
	for other in *.boot; do
		[ "$other" = "$node.boot" ] || ! grep -qsx systemd "$other" || return 0
	done
	! user_units || timeout 10 systemctl --user disable "$unit" 7>&-
	rm -f "$units/$unit"
} >/dev/null 2>&1

# cron_runs: whether there is a crontab command, and a daemon that reads what it writes.
cron_runs() {
	command -v crontab >/dev/null || return 1
	cat /proc/[0-9]*/comm | grep -qxE 'cron|crond|dcron|fcron|cronie|busybox-crond'
} 2>/dev/null

# read_crontab: the person's crontab, in $node.crontab; false where it can't be read. No crontab is an empty one.
read_crontab() {
	timeout 10 crontab -l >"$node.crontab" 2>"$node.crontab.said" 7>&- && return 0
	# Nothing else may be taken for an empty one: all would be lost.
	[ ! -s "$node.crontab" ] && grep -qi '^\(crontab: \)\{0,1\}no crontab for' "$node.crontab.said"
}

# put_crontab FILE: make it the crontab, and look whether it is.
put_crontab() {
	timeout 10 crontab "$1" >/dev/null 2>&1 7>&- || return 1
	timeout 10 crontab -l 2>/dev/null 7>&- | cmp -s - "$1"
}

make_cron_line() {
	read_crontab || return 1
	! grep -qxF "@reboot sh $script $mark" "$node.crontab" || return 0
	# A last line without its end would run together with ours.
	{
		cat "$node.crontab" && { [ -z "$(tail -c 1 "$node.crontab")" ] || echo; } &&
			printf '@reboot sh %s %s\n' "$script" "$mark"
	} >"$node.crontab.new" && put_crontab "$node.crontab.new"
}

drop_cron_line() {
	command -v crontab >/dev/null || return 0
	read_crontab && grep -qF "sh $script $mark" "$node.crontab" || return 0
	grep -vxF "@reboot sh $script $mark" "$node.crontab" >"$node.crontab.new"
	if [ -s "$node.crontab.new" ]; then
		put_crontab "$node.crontab.new"
	else
		timeout 10 crontab -r >/dev/null 2>&1 7>&-
	fi
}

trap 'rm -f "$node.crontab" "$node.crontab.new" "$node.crontab.said"' EXIT
if [ "$1" = off ]; then
	drop_unit
	drop_cron_line
	rm -f "$script" "$node.boot"
	how=contact
else
	how=contact
	write_script || why_no_write "$MLSH_HOME"
	# What cron and systemd would read otherwise: then mlsh does it.
	case $script in
	*[!A-Za-z0-9/._-]*) ;;
	*)
		if user_units && make_unit; then
			how=systemd
		elif cron_runs && make_cron_line; then
			how=cron
		fi
		;;
	esac
	[ "$how" = cron ] || drop_cron_line
	printf '%s\n' "$how" >"$node.boot" || why_no_write "$MLSH_HOME"
fi
if [ "$how" = "$before" ]; then printf 'had %s\n' "$how"; else printf 'made %s\n' "$how"; fi
echo end
