#!/bin/sh
# Ask zoxide for a folder. sh -c "$(cat zoxide.sh)" mlsh WORD...
PATH=$PATH:$HOME/.local/bin:$HOME/.cargo/bin
printf 'mlsh-reply 1\n'
command -v zoxide >/dev/null 2>&1 || exit 97
exec zoxide query "$@"
