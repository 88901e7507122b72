# shellcheck shell=sh
# Change files, all or none: everything is written aside first, then renamed.
# sh -c "$(cat apply.sh)" mlsh <archive     (after padding and a line `mlsh-begin`: a tar of `todo` and the texts it names)
#
# A line of `todo` (fields between tabs; SUM is the SHA-256 of what must lie there now, or `-` for nothing):
#   dir MODE PATH | put TEXT MODE SUM PATH | del SUM PATH | rmdir PATH | end
printf 'mlsh-reply 1\n'
LC_ALL=C
export LC_ALL
unset CDPATH ENV BASH_ENV
PATH=${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/bin:/bin:$HOME/.local/bin
umask 022
tab=$(printf '\t')
stage=

refuse() { # KIND TEXT
	printf 'mlsh-error %s %s\n' "$1" "$2"
	exit 96
}

why_not() { # PATH MESSAGE: end with the reason why nothing can be written there
	case $2 in
	*[Nn]o\ space* | *quota* | *EOF* | '') refuse disk-full "the disk is full: $1 was not written, nothing was changed" ;;
	*[Rr]ead-only*) refuse read-only "$1 is on a read-only file system, nothing was changed" ;;
	*) refuse no-write "$1 can't be written: ${2##*: }; nothing was changed" ;;
	esac
}

# Files aside, and folders that are empty, of a change that did not come to its end.
forget() { # STAGE
	if [ -e "$1/ready" ]; then
		while IFS=$tab read -r word text mode sum path; do
			[ "$word" != put ] || rm -f -- "$path.mlsh-new"
		done <"$1/todo"
		sed '1!G;h;$!d' "$1/ready" | while IFS= read -r path; do
			rmdir -- "$path"
		done
	fi 2>/dev/null
	rm -rf -- "$1"
}

clean_up() {
	[ -z "$stage" ] || forget "$stage"
}
trap clean_up EXIT
trap 'exit 129' HUP INT PIPE TERM

while IFS= read -r line; do [ "$line" = mlsh-begin ] && break; done
[ "$line" = mlsh-begin ] || refuse input-eaten 'the start-up files of the login shell read what was meant for mlsh'
cd "$HOME" 2>/dev/null || refuse no-home "the home folder $HOME can't be entered"
home=$(pwd -P)

# The lock is on the home folder itself, so that no file of ours has to lie there. Where there is no flock, or none on
# this file system, the sums below still notice another one's change.
locked=
if command -v flock >/dev/null 2>&1 && exec 9<"$home"; then
	tries=0
	while [ "$tries" -lt 100 ]; do
		flock -n 9 2>/dev/null
		case $? in
		0)
			locked=yes
			break
			;;
		1) ;;
		*) break ;;
		esac
		tries=$((tries + 1))
		sleep 0.2 2>/dev/null || sleep 1
	done
	[ "$tries" -lt 100 ] || refuse busy 'another mlsh dotfiles is at work in this home'
fi
# What one that was killed has left.
if [ -n "$locked" ]; then
	for left in "$home"/.mlsh-dotfiles.*; do
		[ ! -d "$left" ] || forget "$left"
	done
fi

stage=$home/.mlsh-dotfiles.$$
why=$({ mkdir -m 700 -- "$stage"; } 2>&1) || {
	stage=
	why_not "$home" "$why"
}
why=$({ tar -xf - -C "$stage"; } 2>&1)
last=$(tail -n 1 "$stage/todo" 2>/dev/null)
if [ "$last" != end ]; then
	case $why in
	*[Nn]o\ space* | *quota*) why_not "$home" "$why" ;;
	*not\ found*) refuse no-tar 'there is no tar on the box' ;;
	esac
	refuse cut 'the transfer broke off; nothing was changed'
fi

sum_of() { # PATH: in $is
	is=$({ sha256sum <"$1" || shasum -a 256 <"$1"; } 2>/dev/null)
	is=${is%% *}
}

same() { # SUM PATH: whether that is what lies there now
	if [ "$1" = - ]; then
		[ ! -e "$2" ] && [ ! -h "$2" ]
	else
		[ -f "$2" ] && sum_of "$2" && [ "$is" = "$1" ]
	fi
}

while IFS=$tab read -r word text mode sum path; do
	case $word in
	put) same "$sum" "$path" || refuse changed "$path changed meanwhile" ;;
	del) same "$text" "$mode" || refuse changed "$mode changed meanwhile" ;;
	esac
done <"$stage/todo"

# Aside. Where that fails, `clean_up` leaves all as it was.
: >"$stage/ready" || why_not "$home" ''
set --
while IFS=$tab read -r word text mode sum path; do
	case $word in
	dir)
		[ -d "$mode" ] && continue
		why=$({ mkdir -m "$text" -- "$mode" && printf '%s\n' "$mode" >>"$stage/ready"; } 2>&1) || why_not "$mode" "$why"
		;;
	put)
		aside=$path.mlsh-new
		# A copy keeps owner, attributes and access lists; only its text is another's then.
		why=$({
			rm -f -- "$aside" &&
				{ [ "$sum" = - ] || { cp -p -- "$path" "$aside" && chmod u+w -- "$aside"; }; } &&
				cat -- "$stage/$text" >"$aside" && [ "$(wc -c <"$aside")" -eq "$(wc -c <"$stage/$text")" ] && chmod "$mode" -- "$aside"
		} 2>&1) || why_not "$path" "$why"
		set -- "$@" "$aside"
		;;
	esac
done <"$stage/todo"
[ $# -eq 0 ] || sync -- "$@" 2>/dev/null

# From here on to the end: a lost connection must not stop it halfway.
trap '' HUP INT PIPE TERM

# What has been done up to the step $1 is taken back: one file that can't be replaced (chattr +i, say) leaves all as it was.
take_back() { # STEP PATH MESSAGE
	upto=$1
	lost=
	n=0
	while IFS=$tab read -r word text mode sum path; do
		n=$((n + 1))
		[ "$n" -lt "$upto" ] || break
		[ "$word" != del ] || path=$mode sum=$text
		case $word-$sum in
		put--) rm -f -- "$path" ;;
		put-* | del-*) [ ! -f "$stage/was.$n" ] || mv -f -- "$stage/was.$n" "$path" 2>/dev/null || lost="$lost $path" ;;
		esac
	done <"$stage/todo"
	[ -z "$lost" ] || refuse no-write "$2 can't be written: ${3##*: }; what was in$lost could not be put back, and is kept in $(save_stage)"
	why_not "$2" "$3"
}

# Texts that could not be put back outlive this run, and the next one, which removes what is called `.mlsh-dotfiles.*`.
save_stage() {
	trap - EXIT
	mv -- "$stage" "$home/.mlsh-dotfiles-kept.$$" 2>/dev/null && stage=$home/.mlsh-dotfiles-kept.$$
	printf '%s\n' "$stage"
}

keep_was() { # STEP SUM PATH: so that it can be taken back; where it can't be kept, nothing is replaced
	why=$({ ln -- "$3" "$stage/was.$1" 2>/dev/null || cp -p -- "$3" "$stage/was.$1"; } 2>&1) &&
		{ [ -h "$stage/was.$1" ] || same "$2" "$stage/was.$1"; } && return 0
	rm -f -- "$stage/was.$1"
	take_back "$1" "$3" "${why:-it could not be copied aside}"
}

n=0
while IFS=$tab read -r word text mode sum path; do
	n=$((n + 1))
	case $word in
	put)
		[ "$sum" = - ] || keep_was "$n" "$sum" "$path"
		why=$(mv -f -- "$path.mlsh-new" "$path" 2>&1) || take_back "$n" "$path" "$why"
		;;
	del)
		keep_was "$n" "$text" "$mode"
		why=$(rm -f -- "$mode" 2>&1) || take_back "$n" "$mode" "$why"
		;;
	rmdir) rmdir -- "$text" 2>/dev/null ;;
	esac
done <"$stage/todo"
printf 'done\n'
