# shellcheck shell=sh
# Look at files below the home, and change nothing. mlsh/dotfiles/state.py understands what this prints.
# sh -c "$(cat look.sh)" mlsh PATH...      (paths below the home; those that the receipt names are looked at too)
printf 'mlsh-reply 1\n'
LC_ALL=C
export LC_ALL
unset CDPATH ENV BASH_ENV
PATH=${PATH:-/usr/bin:/bin}:/usr/local/bin:/usr/bin:/bin:/opt/homebrew/bin:$HOME/.local/bin
newline='
'
tab=$(printf '\t')
receipt=.config/mlsh/.dotfiles

refuse() { # KIND TEXT
	printf 'mlsh-error %s %s\n' "$1" "$2"
	exit 96
}
cd "$HOME" 2>/dev/null || refuse no-home "the home folder $HOME can't be entered"
home=$(pwd -P)

# What a link leads to. `readlink -f` is not in every userland, and macOS had none for long.
resolve() { # PATH: in $real
	real=$1
	[ -h "$real" ] || return 0
	real=$(readlink -f -- "$1" 2>/dev/null) || real=$(realpath -- "$1" 2>/dev/null) || real=
}

look() { # PATH
	case $1 in '' | /* | *"$newline"* | *"$tab"*) return ;; esac
	case $seen in *"$newline$1$newline"*) return ;; esac
	seen=$seen$1$newline
	path=$home/$1
	kind=file mode=- links=0 owner=- size=0
	resolve "$path"
	if [ -h "$path" ] && [ ! -e "$path" ]; then
		kind=dangling
	elif [ ! -e "$path" ]; then
		kind=missing
	elif [ -d "$path" ]; then
		kind=folder
	elif [ ! -f "$path" ]; then
		kind=other
	elif [ ! -r "$path" ]; then
		kind=unreadable
	fi
	case $real in '' | *"$newline"* | *"$tab"*) [ "$kind" != file ] || kind=other ;; esac
	folder=${real%/*}
	while [ -n "$folder" ] && [ ! -d "$folder" ]; do
		folder=${folder%/*}
	done
	can=no
	[ ! -w "${folder:-/}" ] || can=yes
	if [ -f "$path" ]; then
		# The numbers are those of what a link leads to.
		# shellcheck disable=SC2012
		read -r mode links owner _ <<-END
			$(ls -ldnL -- "$path" 2>/dev/null)
		END
		size=$(wc -c <"$path" 2>/dev/null) || size=0
		size=$((size))
		[ "$size" -le 4194304 ] || [ "$kind" != file ] || kind=large
	fi
	[ "$kind" = file ] || size=0
	link=no
	[ ! -h "$path" ] || link=yes
	printf 'path\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$kind" "$mode" "$links" "$owner" "$link" "$can" "$size" "$1"
	printf 'real\t%s\nfolder\t%s\n' "${real%%"$newline"*}" "$folder"
	[ "$kind" != file ] || head -c "$size" -- "$path" 2>/dev/null
	printf '\n'
}

# Where zsh reads its .zshrc from, if ~/.zshenv says so in a way that can be told without running it.
zdotdir() {
	[ -r .zshenv ] || return 0
	value=$(sed -n 's/^[[:space:]]*\(export[[:space:]][[:space:]]*\)\{0,1\}ZDOTDIR=//p' .zshenv 2>/dev/null | tail -n 1)
	[ -n "$value" ] || return 0
	value=${value%%[[:space:]#]*}
	value=${value#[\"\']}
	value=${value%[\"\']}
	# The variables are looked for as they are written there.
	# shellcheck disable=SC2016,SC2088
	case $value in
	'$HOME/'* | '${HOME}/'*) value=${value#*/} ;;
	'~/'*) value=${value#??} ;;
	'$XDG_CONFIG_HOME/'* | '${XDG_CONFIG_HOME}/'*) value=.config/${value#*/} ;;
	'${XDG_CONFIG_HOME:-'*'}/'*) value=.config/${value#*\}/} ;;
	"$home/"*) value=${value#"$home/"} ;;
	*) value='?' ;;
	esac
	case $value in *[!A-Za-z0-9._/-]* | '' | /*) value='?' ;; esac
	printf 'zdotdir\t%s\n' "$value"
	[ "$value" = '?' ] || look "$value/.zshrc"
}

printf 'home\t%s\nnode\t%s\nuid\t%s\n' "$home" "$(uname -n)" "$(id -u)"
for tool in bash zsh fish tmux git vim nvim; do
	if command -v "$tool" >/dev/null 2>&1; then printf 'tool\t%s\n' "$tool"; fi
done
for left in .mlsh-dotfiles.*; do
	[ ! -d "$left" ] || printf 'left\t%s\n' "$left"
done
seen=$newline
look "$receipt"
for wanted in "$@"; do
	look "$wanted"
done
zdotdir
if [ -f "$receipt" ]; then
	while IFS= read -r line; do
		case $line in file"$tab"* | was"$tab"* | hook"$tab"*) look "${line##*"$tab"}" ;; esac
		case $line in was"$tab"*) look ".config/mlsh/.was/${line##*"$tab"}" ;; esac
	done <"$receipt"
fi
printf 'end\n'
