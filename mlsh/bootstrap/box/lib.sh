# shellcheck shell=sh
# shellcheck disable=SC2034  # what is set here is used by the script that follows
# What the scripts of bootstrap share. It goes before each of them in the command itself: nothing of mlsh's is installed
# on a box for this. The first word is mlsh's folder there.
printf 'mlsh-reply 1\n'
LC_ALL=C
export LC_ALL
unset CDPATH ENV BASH_ENV
PATH=${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:$HOME/.local/bin
umask 022
limit=
tab=$(printf '\t')
newline='
'
# shellcheck disable=SC2088
case $1 in "~/"*) mlsh=$HOME/${1#??} ;; *) mlsh=$1 ;; esac
folder=$mlsh/bootstrap
receipt=$folder/receipt
{ read -r node </proc/sys/kernel/hostname || node=$(uname -n); } 2>/dev/null

refuse() { # KIND TEXT
	printf 'mlsh-error %s %s\n' "$1" "$2"
	exit 96
}

why_not() { # PATH MESSAGE: end with the reason why nothing can be written there
	case $2 in
	*[Nn]o\ space* | *quota* | *EOF* | '') refuse disk-full "the disk is full: $1 was not written" ;;
	*[Rr]ead-only*) refuse read-only "$1 is on a read-only file system" ;;
	*) refuse no-write "$1 can't be written: ${2##*: }" ;;
	esac
}

sum_of() { # PATH: in $sum
	sum=$({ sha256sum <"$1" || shasum -a 256 <"$1"; } 2>/dev/null)
	sum=${sum%% *}
}

sum_of_tree() { # FOLDER: in $sum
	sum=$(cd "$1" && find . -type f -exec sha256sum {} + | sort | sha256sum)
	sum=${sum%% *}
}

state_of() { # PATH: in $state: absent, file MODE SUM, link TARGET, dir, or other
	if [ -h "$1" ]; then
		state="link $(readlink -- "$1")"
	elif [ -f "$1" ]; then
		sum_of "$1"
		state="file $(stat -c %a -- "$1") ${sum:--}"
	elif [ -d "$1" ]; then
		state=dir
	elif [ -e "$1" ]; then
		state=other
	else
		state=absent
	fi
}

is_mine() { # PATH: whether it belongs to this person, a link itself and not what it leads to
	[ "$(stat -c %u -- "$1")" = "$(id -u)" ]
}

field() { # KEY ENTRY: a line of a receipt's entry, in $value
	value=$(sed -n "s/^$1 //p" "$2/what" 2>/dev/null)
}

sudo_n() { # sudo without a question; Debian's leaves an empty file in the home of an admin, which is not ours to leave
	admin=$HOME/.sudo_as_admin_successful
	was=no
	[ ! -e "$admin" ] || was=yes
	$limit sudo -n -- "$@"
	sudo_code=$?
	[ "$was" = yes ] || [ -s "$admin" ] || rm -f -- "$admin"
	return "$sudo_code"
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo_n "$@"; fi
}

take_work() { # one at a time changes the box: what an earlier one began may still run though its connection is gone
	exec 8>>"$folder/work" || refuse no-write "$folder/work can't be written"
	flock -n 8 || refuse busy "what an earlier bootstrap began there still runs"
}

# What one that was killed has left: half an entry, or one whose change was never made.
settle() {
	rm -rf -- "$receipt/.new" "$receipt/.old" "$folder"/stage.* "$mlsh".bootstrap-new.*
	for entry in "$receipt"/[0-9]*; do
		last=$entry
	done
	[ -d "${last-}" ] || return 0
	field kind "$last"
	case $value in put | link | tree) ;; *) return 0 ;; esac
	field path "$last"
	path=$value
	rm -rf -- "$path.mlsh-new"
	field before "$last"
	state_of "$path"
	[ "$state" = "$value" ] && forget "$last"
	tidy_folders
}

forget() { # ENTRY: in one step
	mv -- "$1" "$receipt/.old" && rm -rf -- "$receipt/.old"
}

# Folders that were made for a change and are empty now.
tidy_folders() {
	[ -f "$receipt/made" ] || return 0
	sed '1!G;h;$!d' "$receipt/made" | while IFS= read -r made; do
		rmdir -- "$made" 2>/dev/null
	done
	left=$(while IFS= read -r made; do [ ! -d "$made" ] || printf '%s\n' "$made"; done <"$receipt/made")
	if [ -n "$left" ]; then
		printf '%s\n' "$left" >"$receipt/.made" && mv -f -- "$receipt/.made" "$receipt/made"
	else
		rm -f -- "$receipt/made"
	fi
}

# The folder goes when nothing is recorded in it.
leave_nothing() {
	for entry in "$receipt"/[0-9]*; do
		[ ! -d "$entry" ] || return 0
	done
	tidy_folders
	made_home=no
	[ ! -e "$folder/made-home" ] || made_home=yes
	rm -rf -- "$folder"
	[ "$made_home" = no ] || rmdir -- "$mlsh" 2>/dev/null
	return 0
}
