# Only definitions follow. Read again, this forgets first what an earlier reading defined.
if set -q _mlsh_names[1]
  functions -e $_mlsh_names
end
function _mlsh_wants
  printf '%s\n' "mlsh: too few arguments (it wants $argv[1]): $argv[2]" >&2
end
function _mlsh_takes
  printf '%s\n' "mlsh: too many arguments (it takes $argv[1]): $argv[2]" >&2
end
