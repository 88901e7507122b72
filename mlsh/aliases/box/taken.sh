# taken.sh NAME...: print each NAME that is a program on the PATH of this machine, and where, one a line.
set -u
PATH=$PATH:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
IFS=:
echo taken-1
for name in "$@"; do
  for folder in $PATH; do
    if [ -f "$folder/$name" ] && [ -x "$folder/$name" ]; then
      printf '%s %s\n' "$name" "$folder/$name"
      break
    fi
  done
done
