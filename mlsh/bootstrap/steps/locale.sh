# shellcheck shell=sh
# The locales that the box knows.
# shellcheck disable=SC2086,SC2154
$limit locale -a | grep -iE '^(c|en|[a-z]{2,3}_[A-Z]{2})[.@_a-zA-Z0-9-]*$' | head -n 400 | lines locales
