_mlsh_completion_begin () {
@COMPLETION@
}
# Completion of zsh may be switched on after this line; then ours waits for the first prompt.
if (( ${+functions[compdef]} )); then
  _mlsh_completion_begin
else
  _mlsh_completion_late () {
    precmd_functions=("${precmd_functions[@]:#_mlsh_completion_late}")
    (( ${+functions[compdef]} )) && _mlsh_completion_begin
    unfunction _mlsh_completion_late
  }
  precmd_functions+=(_mlsh_completion_late)
fi
