# shellcheck shell=bash
# Tab behind an alias completes as behind what it stands for: bash itself doesn't look through an alias.
_mlsh_complete_alias () {
  local -a words
  local text=${BASH_ALIASES[$1]-} program spec='' before=$3 turns=0
  read -r -a words <<<"$text"
  program=${words[0]-}
  # An alias of an alias.
  while [[ -n $program && -n ${BASH_ALIASES[$program]-} && turns -lt 8 ]]; do
    local -a inner
    read -r -a inner <<<"${BASH_ALIASES[$program]}"
    [[ ${inner[0]-} != "$program" ]] || break
    text="${BASH_ALIASES[$program]}${text#"$program"}"
    words=("${inner[@]}" "${words[@]:1}")
    program=${words[0]-}
    turns=$((turns + 1))
  done
  [[ -n $program ]] || return 0
  spec=$(complete -p -- "$program" 2>/dev/null)
  if [[ -z $spec ]]; then
    # bash-completion loads what it has for a program when it is first asked.
    if declare -F _comp_load >/dev/null; then
      _comp_load -- "$program"
    elif declare -F _completion_loader >/dev/null; then
      _completion_loader "$program"
    fi
    spec=$(complete -p -- "$program" 2>/dev/null)
  fi
  [[ $spec =~ \ -F\ ([^\ ]+) ]] || return 0
  local completer=${BASH_REMATCH[1]}
  [[ $completer != _mlsh_complete_alias ]] || return 0
  [[ $spec != *'-o nospace'* ]] || compopt -o nospace
  ((COMP_CWORD != 1)) || before=${words[${#words[@]} - 1]}
  COMP_LINE="$text${COMP_LINE#"$1"}"
  COMP_POINT=$((COMP_POINT + ${#text} - ${#1}))
  COMP_CWORD=$((COMP_CWORD + ${#words[@]} - 1))
  COMP_WORDS=("${words[@]}" "${COMP_WORDS[@]:1}")
  "$completer" "$program" "$2" "$before"
}
