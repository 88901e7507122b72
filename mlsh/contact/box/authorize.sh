#!/bin/sh
# One key in ~/.ssh/authorized_keys: added, dropped, or the adding undone. The file is replaced whole, or not at all.
#
#   sh authorize.sh NONCE add KEY may-mend|no     answers: NONCE added WHAT-WAS-DONE, or: NONCE there
#   sh authorize.sh NONCE drop KEY                answers: NONCE dropped, or: NONCE absent
#   sh authorize.sh NONCE undo KEY WHAT-WAS-DONE  answers: NONCE undone
#
# or: NONCE fail WHY DETAIL. KEY is a whole line; WHAT-WAS-DONE are words: dir file size=N home=OCTAL ssh=OCTAL keys=OCTAL
LC_ALL=C
export LC_ALL
umask 077
nonce=$1 what=$2 key=$3
shift 3
done_words=
aside=

# On a line of its own, whatever the start-up files printed.
say() { printf '\n%s %s\n' "$nonce" "$*"; }

# try COMMAND...: run it; where it fails, its complaint decides why.
try() {
    complaint=$("$@" 2>&1) && return 0
    give_up "$complaint"
}

give_up() {
    [ -z "$aside" ] || rm -f -- "$aside"
    case $1 in
        *'No space left'*) why=full ;;
        *[Qq]uota*) why=quota ;;
        *'Read-only'*) why=read-only ;;
        *ermission*) why=no-permission ;;
        *) why=other ;;
    esac
    [ "$what" != add ] || [ -z "$done_words" ] || take_back
    say fail "$why" "$(printf '%s' "$1" | tr '\n' ' ')"
    exit 1
}

refuse() {
    [ "$what" != add ] || [ -z "$done_words" ] || take_back
    say fail "$@"
    exit 1
}

# Whether anybody but the owner may write there: then sshd takes no key from it.
is_open() {
    case $(ls -ld -- "$1/." 2>/dev/null || ls -ld -- "$1") in
        ?????w* | ????????w*) return 0 ;;
    esac
    return 1
}

mode_of() { stat -c %a -- "$1"; }

# close_up PATH NAME: takes the right to write from others, and notes how it was.
close_up() {
    octal=$(mode_of "$1") || give_up "stat: $1"
    try chmod go-w -- "$1"
    done_words="$done_words $2=$octal"
}

# holds FILE: whether the key is in it, and not in a comment. Options before it and a comment after it don't matter.
holds() { grep -v '^[[:space:]]*#' -- "$1" 2>/dev/null | grep -qF -- "$blob"; }

new_aside() { aside=$(mktemp "$(dirname -- "$real")/.mlsh-keys.XXXXXX" 2>&1) || { complaint=$aside aside=; give_up "$complaint"; }; }

# settle: puts the file that was written aside in the place of the real one.
settle() {
    sync "$aside" 2>/dev/null || sync
    try mv -f -- "$aside" "$real"
    aside=
    # Where SELinux is on, sshd reads no file with another label.
    if command -v restorecon >/dev/null 2>&1; then restorecon -- "$dir" "$real" >/dev/null 2>&1; fi
}

# is_whole SIZE: what was written aside has that size. Not every awk and head tells of a full disk.
is_whole() { [ "$(size_of "$aside")" = "$1" ] || give_up "it could not be written whole: is the disk full?"; }

size_of() { wc -c <"$1" | tr -d ' '; }

find_file() {
    dir=$HOME/.ssh file=$HOME/.ssh/authorized_keys
    real=$file
    if [ -L "$file" ]; then real=$(readlink -f -- "$file") || refuse dangling "$file"; fi
    # The second word of a key line is the key itself.
    blob=${key#* }
    blob=${blob%% *}
}

# lock: one at a time. Where the folder can't be locked at all, flock complains, and it goes on without.
lock() {
    command -v flock >/dev/null 2>&1 && [ -d "$dir" ] || return 0
    exec 9<"$dir"
    tries=0
    # Not -w: flock of busybox has none. While another holds it, -n says nothing.
    until complaint=$(flock -n 9 2>&1); do
        [ -z "$complaint" ] || return 0
        tries=$((tries + 1))
        [ "$tries" -lt 10 ] || refuse busy "$file"
        sleep 1
    done
}

add() {
    case ${HOME-} in /*) ;; *) refuse no-home "${HOME-}" ;; esac
    [ -d "$HOME" ] || refuse no-home "$HOME"
    if is_open "$HOME"; then
        [ "$1" = may-mend ] || refuse open-home "$(mode_of "$HOME") $HOME"
        close_up "$HOME" home
    fi
    find_file
    if [ ! -d "$dir" ]; then
        try mkdir -m 700 -- "$dir"
        done_words="$done_words dir"
    elif is_open "$dir"; then
        close_up "$dir" ssh
    fi
    lock
    [ ! -e "$real" ] || [ -f "$real" ] || refuse not-a-file "$real"
    if [ -e "$real" ]; then
        [ -n "$(find "$real" -prune -user "$(id -u)" 2>/dev/null)" ] || refuse not-yours "$real"
        [ -r "$real" ] || refuse no-permission "$real"
        if holds "$real"; then
            ! is_open "$real" || close_up "$real" keys
            say there "$done_words"
            return
        fi
        old=$(size_of "$real")
        new_aside
        try cp -p -- "$real" "$aside"
        try chmod u+w,go-w -- "$aside"
        done_words="$done_words size=$old"
    else
        new_aside
        old=0
        done_words="$done_words file"
    fi
    text=$key
    # A last line without its end must not swallow ours.
    if [ "$old" != 0 ] && [ -n "$(tail -c 1 -- "$aside")" ]; then text="
$key"; fi
    complaint=$( { printf '%s\n' "$text" >>"$aside"; } 2>&1) || give_up "$complaint"
    [ "$(size_of "$aside")" = $((old + ${#text} + 1)) ] || give_up "No space left for the whole file"
    settle
    say added "$done_words"
}

# rewrite: the file without the lines that hold the key; comments stay.
rewrite() {
    size=$(size_of "$real")
    # awk ends every line that it writes.
    [ -z "$(tail -c 1 -- "$real")" ] || size=$((size + 1))
    gone=$(awk -v blob="$blob" '!/^[ \t]*#/ && index($0, blob) { n += length($0) + 1 } END { print n + 0 }' "$real") ||
        give_up "awk: $real"
    new_aside
    try cp -p -- "$real" "$aside"
    complaint=$(awk -v blob="$blob" '/^[ \t]*#/ || !index($0, blob)' "$real" 2>&1 >"$aside") || give_up "$complaint"
    is_whole $((size - gone))
    settle
}

drop() {
    find_file
    lock
    if ! holds "$real"; then
        say absent
        return
    fi
    rewrite
    say dropped
}

# take_back: what $done_words tells, in reverse as far as it can be.
take_back() {
    words=$done_words
    done_words=
    for word in $words; do
        case $word in
            home=*) chmod "${word#*=}" -- "$HOME" ;;
            ssh=*) chmod "${word#*=}" -- "$dir" ;;
            keys=*) chmod "${word#*=}" -- "$real" ;;
            dir) rmdir -- "$dir" 2>/dev/null ;;
        esac
    done
}

# is_last: whether what follows the old end is our line alone.
is_last() {
    rest=$(tail -c "+$((old + 1))" -- "$real")
    case $rest in "$key" | "
$key") return 0 ;; esac
    return 1
}

undo() {
    find_file
    lock
    made='' old=''
    for word in "$@"; do
        case $word in
            file) made=yes ;;
            size=*) old=${word#size=} ;;
        esac
    done
    # Without these words the key was there before: then only modes are taken back.
    if [ -n "$made$old" ] && [ -e "$real" ] && holds "$real"; then
        now=$(size_of "$real")
        if [ -n "$made" ] && [ "$now" = $((${#key} + 1)) ]; then
            try rm -f -- "$real"
        elif [ -n "$old" ] && is_last; then
            new_aside
            try cp -p -- "$real" "$aside"
            complaint=$( { head -c "$old" -- "$real" >"$aside"; } 2>&1) || give_up "$complaint"
            is_whole "$old"
            settle
        else
            rewrite
        fi
    fi
    done_words="$*"
    take_back
    say undone
}

cd / || exit 1
"$what" "$@"
