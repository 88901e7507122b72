# Print the shell histories and the dotfiles of this home, for a look at what secrets are in them. Changes nothing.
# $1: a random mark, which no file can hold. $2: the most bytes of a file.
# Out: for each file a line `MARK history|dotfile|unreadable SIZE NAME`, then its bytes; at the end `MARK end`.
LC_ALL=C
export LC_ALL
mark=$1
most=$2
cd || exit 1
seen=' '

give() {
    [ -f "$2" ] || return 0
    # One that is reached by two names is given once.
    size=$(wc -c <"$2" 2>/dev/null | tr -d ' ')
    number=$(ls -diL -- "$2" 2>/dev/null) || return 0
    number=${number#"${number%%[0-9]*}"}
    number=${number%%[!0-9]*}:$size
    case $seen in *" $number "*) return 0 ;; esac
    seen="$seen$number "
    name=$(printf %s "$2" | tr '\n' '?')
    case $name in "$HOME"/*) name=\~${name#"$HOME"} ;; /*) ;; *) name=\~/$name ;; esac
    if [ ! -r "$2" ]; then
        printf '\n%s unreadable 0 %s\n' "$mark" "$name"
        return 0
    fi
    printf '\n%s %s %s %s\n' "$mark" "$1" "$size" "$name"
    head -c "$most" <"$2"
}

config=${XDG_CONFIG_HOME:-.config}
data=${XDG_DATA_HOME:-.local/share}
state=${XDG_STATE_HOME:-.local/state}

for file in "${HISTFILE:-}" .bash_history .bash_eternal_history "$state/bash/history" "$data/bash/history" \
    "${ZDOTDIR:-.}/.zsh_history" .zsh_history .zhistory .histfile "$state/zsh/history" "$data/zsh/history" \
    .cache/zsh/history "$config/zsh/.zsh_history" "$data"/fish/*_history "$state"/mlsh/recorded/* .sh_history .ash_history .ksh_history .history \
    .python_history .psql_history .mysql_history .mariadb_history .sqlite_history .rediscli_history .node_repl_history \
    .mongodb/mongosh/mongosh_repl_history .lesshst .viminfo; do
    [ -n "$file" ] && give history "$file"
done

# Not those in which a tool keeps its own password (.netrc, .aws/credentials): their modes are for `mlsh doctor`.
for file in .bashrc .bash_profile .bash_login .bash_logout .bash_aliases .aliases .profile .xprofile .xsessionrc \
    .zshrc .zshenv .zprofile .zlogin "${ZDOTDIR:-.}/.zshrc" "${ZDOTDIR:-.}/.zshenv" .kshrc .envrc .env \
    "$config/fish/config.fish" "$config/fish/fish_variables" "$config"/fish/conf.d/*.fish "$config"/fish/functions/*.fish \
    "$config"/environment.d/*.conf .pam_environment .gitconfig "$config/git/config" .ssh/config .ssh/environment \
    .tmux.conf "$config/tmux/tmux.conf" .vimrc "$config/nvim/init.vim" "$config/nvim/init.lua" .condarc \
    "$config/pip/pip.conf" .pip/pip.conf "$config/uv/uv.toml" .curlrc .wgetrc .inputrc; do
    give dotfile "$file"
done
printf '\n%s end\n' "$mark"
