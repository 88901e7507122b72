# shellcheck shell=sh
# Made by mlsh bootstrap (env).
case :$PATH: in *:"$HOME/.local/bin":*) ;; *) export PATH="$HOME/.local/bin:$PATH" ;; esac
