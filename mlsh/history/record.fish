# Note for each command when it began, how long it took, how it ended, and in which folder. mlsh history reads the notes.
# It starts no program from fish 3.5 on, and notes no line that begins with a space.
if status is-interactive; and not set -q __mlsh_notes
    set -g __mlsh_notes (string replace -ra '[^A-Za-z0-9._-]' _ -- $hostname)
    if set -q XDG_STATE_HOME; and string match -q '/*' -- $XDG_STATE_HOME
        set __mlsh_notes $XDG_STATE_HOME/mlsh/recorded/$__mlsh_notes
    else
        set __mlsh_notes $HOME/.local/state/mlsh/recorded/$__mlsh_notes
    end
    if not test -e $__mlsh_notes
        sh -c 'umask 077 && mkdir -p "${1%/*}" && : >>"$1"' sh $__mlsh_notes 2>/dev/null
    end

    function __mlsh_note_begin --on-event fish_preexec
        set -g __mlsh_in $PWD
    end

    function __mlsh_note_end --on-event fish_postexec
        set -l code $status
        set -l took $CMD_DURATION
        string match -qr '^\s|^$' -- "$argv[1]"; and return
        # fish tells no time. That of a file which it has just written is one, without starting `date`.
        set -l now
        if builtin -q path
            begin
                echo >$__mlsh_notes.now
            end 2>/dev/null
            set now (path mtime -- $__mlsh_notes.now)
        else
            set now (date +%s)
        end
        string match -qr '^[0-9]+$' -- "$now"; or set now 0
        set -l begun (math "max(0, floor($now - $took / 1000))")
        set -l line (string replace -ra '[\x1e\x1f]' '' -- $argv[1] | string collect)
        set -l written 0
        begin
            printf '%s %s %s\x1f%s\x1f%s\x1e\n' $begun (math "$begun + $took / 1000") $code "$__mlsh_in" "$line" \
                >>$__mlsh_notes
            and set written 1
        end 2>/dev/null
        if test $written = 0; and not set -q __mlsh_no_notes
            set -g __mlsh_no_notes 1
            echo "mlsh: commands are not noted: $__mlsh_notes can not be written" >&2
        end
    end
end
