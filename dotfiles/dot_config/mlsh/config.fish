# fish, set up for machines where models are trained. mlsh keeps this file; ~/.config/fish/conf.d/mlsh.fish reads it,
# before your own config.fish, which wins. fish keeps its history by itself, from all windows.

# Variables of `mlsh bootstrap` (caches on the big disk, say): lines `export NAME='value'`, which fish understands too.
if test -r ~/.config/mlsh/env.fish
    source ~/.config/mlsh/env.fish
else if test -r ~/.config/mlsh/env.sh
    string match -r '^export [A-Za-z_].*' <~/.config/mlsh/env.sh | source
end

if status is-interactive
    set -q PAGER; or set -gx PAGER less
    set -q LESS; or set -gx LESS -R # less shows colours

    # exit code, user@host:folder (git branch)> as in bash; it starts no program. Yours instead: a function fish_prompt,
    # or MLSH_PROMPT=no.
    function __mlsh_branch
        set -l at $PWD
        set -l git
        while true
            if test -f "$at/.git/HEAD"
                set git "$at/.git"
                break
            else if test -f "$at/.git"
                # A worktree or a submodule: a file that says where the real one is.
                read -l line <"$at/.git"
                set git (string replace -r '^gitdir: ' '' -- $line)
                string match -q '/*' -- $git; or set git "$at/$git"
                break
            end
            test -n "$at"; or return
            set at (string replace -r '/[^/]*$' '' -- $at)
        end
        test -r "$git/HEAD"; or return
        read -l line <"$git/HEAD"
        set -l name (string replace 'ref: refs/heads/' '' -- $line)
        test "$name" != "$line"; or set name (string sub -l 8 -- $line)
        test -n "$name" -a "$name" != .invalid; or return
        if test -d "$git/rebase-merge" -o -d "$git/rebase-apply"
            set name "$name, rebase"
        else if test -f "$git/MERGE_HEAD"
            set name "$name, merge"
        else if test -f "$git/BISECT_LOG"
            set name "$name, bisect"
        end
        # A name of anybody's: no control character of it reaches the terminal.
        echo -n " ("(string replace -ra '[^[:print:]]' '?' -- $name)")"
    end

    if not test -e ~/.config/fish/functions/fish_prompt.fish; and test "$MLSH_PROMPT" != no
        function fish_prompt
            set -l code $status
            test $code -eq 0; or echo -n (set_color red)"$code "
            echo -n (set_color green)$USER@(prompt_hostname)(set_color normal):(set_color blue)(prompt_pwd)
            echo -n (set_color yellow)(__mlsh_branch)(set_color normal)"> "
        end
    end

    # Your aliases (mlsh alias), then your own files for all boxes.
    test ! -r ~/.config/mlsh/aliases.fish; or source ~/.config/mlsh/aliases.fish
    for file in ~/.config/mlsh/rc.d/*.fish
        source $file
    end
end
