# Made by mlsh bootstrap (env): the variables that its steps set, for fish.
for mlsh_env in ~/.config/mlsh/env.d/*.sh
    string match -r '^export [A-Za-z_].*' <$mlsh_env | source
end
if not contains ~/.local/bin $PATH
    set -gx PATH ~/.local/bin $PATH
end
