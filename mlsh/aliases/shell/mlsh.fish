# What `mlsh alias` changes is in this shell at once.
function _mlsh_read_again
  # In a function of its own, since `return` in what is sourced ends the function around it.
  set -l _mlsh_again 1
  source $_mlsh_cache
end
function mlsh
  if test "$argv[1]" = alias; and test -r "$_mlsh_cache"
    MLSH_SHELL_READS_AGAIN=1 command mlsh $argv
    set -l code $status
    _mlsh_read_again
    return $code
  end
  command mlsh $argv
end
