# Ctrl-R in fish: choose from the history of this machine and of your boxes. The chosen line is put on the command
# line, where you may change it; it never runs by itself. What stood there before is what is looked for.
# Without it: leave `--ctrl-r` out of `mlsh shell init`.
if status is-interactive; and command -q mlsh
    function __mlsh_pick
        # The line goes to stdout, the picture to the terminal. When you leave, the command line stays as it was.
        set -l line (mlsh history --pick -- (commandline | string collect) </dev/tty | string collect)
        if test -n "$line"
            commandline --replace -- $line
        end
        commandline --function repaint
    end
    bind \cr __mlsh_pick
    bind -M insert \cr __mlsh_pick
end
