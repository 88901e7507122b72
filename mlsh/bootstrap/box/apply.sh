# shellcheck shell=sh
# shellcheck disable=SC2154  # lib.sh goes before this
# Make the changes of one step, each with its entry in the receipt first.
# sh -c "$(cat lib.sh apply.sh)" mlsh MLSH_HOME STEP WAIT_S <archive
# (after padding and a line `mlsh-begin`: a tar of `todo` and of the texts that it names)
#
# A line of `todo`, fields between tabs; STATE is how the path was when the plan was made, a text is a name in the archive:
#   put TEXT MODE STATE PATH | link TARGET - STATE PATH | tree TEXT - STATE PATH | dir - MODE STATE PATH
#   pkg MANAGER - - NAMES | run DO UNDO LIMIT_S LABEL | step - - - NAME | end
# Says `begin N` and `done N` for each, or `mlsh-error KIND TEXT`.
step=$2
wait_s=$3
while IFS= read -r line; do [ "$line" = mlsh-begin ] && break; done
[ "$line" = mlsh-begin ] || refuse input-eaten 'the start-up files of the login shell read what was meant for mlsh'
[ -d "$receipt" ] || refuse no-lock 'the lock of bootstrap is not held'
take_work
settle
stage=$folder/stage.$$
trap 'rm -rf -- "$stage"' EXIT
trap 'exit 129' HUP INT TERM
why=$({ mkdir -m 700 -- "$stage"; } 2>&1) || why_not "$stage" "$why"
why=$({ tar -xzf - -C "$stage"; } 2>&1)
last=$(tail -n 1 "$stage/todo" 2>/dev/null)
if [ "$last" != end ]; then
	case $why in
	*[Nn]o\ space* | *quota*) why_not "$folder" "$why" ;;
	*not\ found*) refuse no-tar 'there is no tar on the box' ;;
	esac
	refuse cut 'the transfer broke off; nothing was changed'
fi

number=0000
for entry in "$receipt"/[0-9]*; do
	[ ! -d "$entry" ] || number=${entry##*/}
done

# The receipt of a change, before the change. What is left of it after a kill is understood: `.new` counts for nothing,
# and an entry whose path still stands as before is one that never happened.
record() { # KIND PATH BEFORE AFTER [FILE-TO-KEEP NAME]
	number=$((1$number + 1))
	number=${number#1}
	rm -rf -- "$receipt/.new"
	why=$({ mkdir -m 700 -- "$receipt/.new" &&
		printf 'step %s\nkind %s\npath %s\nnode %s\nbefore %s\nafter %s\nend\n' \
			"$step" "$1" "$2" "$node" "$3" "$4" >"$receipt/.new/what" &&
		{ [ -z "${5-}" ] || { cp -p -- "$5" "$receipt/.new/$6" && cmp -- "$5" "$receipt/.new/$6"; }; }; } 2>&1) ||
		why_not "$receipt" "$why"
	sync -- "$receipt/.new"/* 2>/dev/null
	mv -- "$receipt/.new" "$receipt/$number" || why_not "$receipt" ''
	entry=$receipt/$number
}

unrecord() { # WHY PATH: the change could not be made
	rm -rf -- "$2.mlsh-new"
	forget "$entry"
	tidy_folders
	why_not "$2" "$1"
}

make_folders() { # PATH: those above it that are missing, outermost first
	above=${1%/*}
	missing=
	while [ -n "$above" ] && [ ! -d "$above" ]; do
		missing=$above$newline$missing
		above=${above%/*}
	done
	[ -n "$missing" ] || return 0
	why=$({ printf '%s' "$missing" >>"$receipt/made" && mkdir -p -- "${1%/*}"; } 2>&1) || unrecord "$why" "$1"
}

check() { # STATE PATH: the path stands as it did when the plan was made
	state_of "$2"
	[ "$state" = "$1" ] || refuse changed "$2 changed meanwhile"
	[ "$state" = absent ] || is_mine "$2" || refuse not-yours "$2 belongs to somebody else"
}

put() { # TEXT MODE STATE PATH
	check "$3" "$4"
	sum_of "$stage/$1"
	keep=
	case $3 in file*) keep=$4 ;; esac
	record put "$4" "$3" "file $2 $sum" "$keep" before
	make_folders "$4"
	why=$({ cp -- "$stage/$1" "$4.mlsh-new" && cmp -- "$stage/$1" "$4.mlsh-new" && chmod "$2" -- "$4.mlsh-new"; } 2>&1) ||
		unrecord "$why" "$4"
	sync -- "$4.mlsh-new" 2>/dev/null
	why=$({ mv -f -- "$4.mlsh-new" "$4"; } 2>&1) || unrecord "$why" "$4"
}

link() { # TARGET - STATE PATH
	check "$3" "$4"
	keep=
	case $3 in file*) keep=$4 ;; esac
	record link "$4" "$3" "link $1" "$keep" before
	make_folders "$4"
	why=$({ ln -s -- "$1" "$4.mlsh-new" && mv -f -- "$4.mlsh-new" "$4"; } 2>&1) || unrecord "$why" "$4"
}

tree() { # TEXT - STATE PATH: a folder from a tar, where there is none
	check absent "$4"
	# Unpacked beside the receipt first: its sum has to be known before anything is there.
	why=$({ mkdir -m 755 -- "$stage/tree" && tar -xf "$stage/$1" -C "$stage/tree"; } 2>&1) || why_not "$4" "$why"
	sum_of_tree "$stage/tree"
	record tree "$4" absent "tree $sum"
	make_folders "$4"
	why=$({ cp -R -- "$stage/tree" "$4.mlsh-new" && mv -- "$4.mlsh-new" "$4"; } 2>&1) || unrecord "$why" "$4"
	rm -rf -- "$stage/tree"
}

dir() { # - MODE STATE PATH
	check absent "$4"
	record dir "$4" absent dir
	make_folders "$4"
	why=$({ mkdir -m "$2" -- "$4"; } 2>&1) || unrecord "$why" "$4"
}

told() { # <what a package manager said: the line that says what went wrong
	grep -iE '^(E:|error|no package|unable|err)|lock' "$stage/said" | head -n 1 | cut -c 1-300
}

failed_package() { # the reason why packages could not be installed
	said=$(told)
	case $said in
	*[Cc]ould\ not\ get\ lock* | *[Uu]nable\ to\ lock* | *is\ another\ process* | *waiting\ for\ process*)
		refuse locked "the package manager is taken by another process: ${said:-no reason given}" ;;
	*[Rr]esolv* | *[Ff]ailed\ to\ fetch* | *[Cc]annot\ download* | *timed\ out*)
		refuse no-network "packages can't be fetched there: ${said:-no reason given}" ;;
	esac
	[ -n "$said" ] || said=$(tail -n 1 "$stage/said" | cut -c 1-300)
	refuse packages "$1: ${said:-it ended with an error and no word}"
}

# What the package manager would install beside the packages themselves, one a line: only that is taken away again.
will_apt() {
	apt-get -s -q install --no-install-recommends "$@" >"$stage/said" 2>&1 </dev/null || return 1
	awk '$1 == "Inst" && $3 !~ /^\[/ { print $2 }' "$stage/said"
}

will_dnf() {
	dnf install --assumeno "$@" >"$stage/said" 2>&1 </dev/null
	awk '/^Installing/ { on = 1; next } /^(Upgrading|Removing|Transaction)/ { on = 0 } on && /^ [^ ]/ { print $1 }' "$stage/said"
}

will_apk() {
	apk add --simulate "$@" >"$stage/said" 2>&1 </dev/null || return 1
	printf '%s\n' "$@"
}

is_installed() { # NAME
	case $manager in
	apt-get) dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^.i' ;;
	dnf) rpm -q "$1" >/dev/null 2>&1 ;;
	apk) apk info -e "$1" >/dev/null 2>&1 ;;
	esac
}

keep_what_came() { # NAMES, after a failure: what did not come now is somebody's own if it comes later
	came=
	for each in $will; do
		! is_installed "$each" || came="$came$each "
	done
	whole=$entry
	[ -z "$came" ] || record pkg "$manager" "$*" "$came"
	forget "$whole"
}

pkg() { # MANAGER - - NAMES
	manager=$1
	# shellcheck disable=SC2086
	set -- $4
	case $manager in
	apt-get)
		will=$(will_apt "$@") || {
			# No lists yet, as in many images.
			as_root apt-get update -q >"$stage/said" 2>&1 </dev/null || failed_package 'apt-get update'
			will=$(will_apt "$@") || failed_package 'apt-get'
		}
		;;
	dnf) will=$(will_dnf "$@") ;;
	apk) will=$(will_apk "$@") || failed_package 'apk' ;;
	esac
	[ -n "$will" ] || failed_package "$manager"
	record pkg "$manager" "$*" "$(printf '%s\n' "$will" | tr '\n' ' ')"
	case $manager in
	apt-get) as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
		-o "DPkg::Lock::Timeout=$wait_s" "$@" ;;
	dnf) as_root dnf install -q -y "$@" ;;
	apk) as_root apk add -q --wait "$wait_s" "$@" ;;
	esac >"$stage/said" 2>&1 </dev/null
	code=$?
	for name in "$@"; do
		is_installed "$name" && continue
		keep_what_came "$@"
		[ "$code" -ne 0 ] || refuse lied "$manager said that all went well, but $name is not installed"
		failed_package "$manager"
	done
}

run() { # DO UNDO LIMIT_S LABEL
	keep=
	[ "$2" = - ] || keep=$stage/$2
	[ -z "$keep" ] || record run "$4" - - "$keep" undo
	if command -v timeout >/dev/null; then
		timeout "$3" sh "$stage/$1" >"$stage/said" 2>&1 </dev/null 8>&-
	else
		sh "$stage/$1" >"$stage/said" 2>&1 </dev/null 8>&-
	fi
	code=$?
	sed 's/^/said /' "$stage/said" | head -n 200
	if [ "$code" -eq 0 ]; then
		[ -z "$keep" ] || : >"$entry/ok"
		return 0
	fi
	[ -z "$keep" ] || { sh "$entry/undo" >/dev/null 2>&1 </dev/null 8>&- && forget "$entry"; }
	[ "$code" -ne 124 ] || refuse late "$4: not done within $3 s"
	refuse failed "$4: $(tail -n 1 "$stage/said" | cut -c 1-300)"
}

turn=0
while IFS=$tab read -r word one two three four; do
	[ "$word" != end ] || break
	turn=$((turn + 1))
	printf 'begin %s\n' "$turn"
	case $word in
	put | link | tree | dir | pkg | run) "$word" "$one" "$two" "$three" "$four" ;;
	step) record step "$four" - - ;;
	*) refuse bad-program "a change that this box does not know: $word" ;;
	esac
	printf 'done %s\n' "$turn"
done <"$stage/todo"
printf 'through\n'
