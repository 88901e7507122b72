# shellcheck shell=bash
# What `mlsh alias` changes is in this shell at once. (bash and zsh read this; `function`, for those who have an alias of
# this name: without it the shell would put that in the place of ours.)
function mlsh {
  if [ "${1-}" = alias ] && [ -r "${_mlsh_cache-}" ]; then
    MLSH_SHELL_READS_AGAIN=1 command mlsh "$@"
    # shellcheck disable=SC2034 # what is sourced looks at it
    local code=$? _mlsh_again=1
    # shellcheck disable=SC1090
    . "$_mlsh_cache"
    return "$code"
  fi
  command mlsh "$@"
}
