# shellcheck shell=bash
# Only definitions follow. Read again, this forgets first what an earlier reading defined.
# shellcheck disable=SC2329 # called by way of eval, which cuts the list into words in zsh too
_mlsh_forget () {
  while [ "$#" -gt 0 ]; do
    unalias "$1" 2>/dev/null || unset -f "$1" 2>/dev/null || :
    shift
  done
}
[ -z "${_mlsh_names-}" ] || eval "_mlsh_forget $_mlsh_names"
unset -f _mlsh_forget
_mlsh_wants () { printf '%s\n' "mlsh: too few arguments (it wants $1): $2" >&2; }
_mlsh_takes () { printf '%s\n' "mlsh: too many arguments (it takes $1): $2" >&2; }
