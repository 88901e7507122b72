# shellcheck shell=sh
# There is nothing to take back.
:
