# shellcheck shell=sh
# Who git on the box takes this person for.
command -v git >/dev/null || return
say git.version yes
cd "$HOME" || return
# shellcheck disable=SC2086,SC2154
$limit git config --global --get user.name | lines git.name
# shellcheck disable=SC2086
$limit git config --global --get user.email | lines git.email
