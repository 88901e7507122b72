# Sourced by steps.sh where it runs in bash: what steps define is kept for a run that goes on later.
# Variables that were there at first are kept only where a step changed them; what looks like a secret is not.
# shellcheck shell=bash
# shellcheck disable=SC2154 # steps.sh sets mlsh_folder and mlsh_step
mlsh_ours=' _ LINENO RANDOM SECONDS PWD OLDPWD FUNCNAME PIPESTATUS REPLY SRANDOM COLUMNS LINES EPOCHSECONDS EPOCHREALTIME OPTIND SHLVL PPID EUID UID SHELLOPTS DIRSTACK GROUPS HISTCMD '
mlsh_can_keep=
if [[ ${BASH_VERSINFO[0]} -ge 4 ]]; then
	declare -A mlsh_before=()
	mlsh_can_keep=1
	for mlsh_name in $(compgen -v); do
		[[ $mlsh_name == mlsh_* || $mlsh_name == BASH* || $mlsh_ours == *" $mlsh_name "* ]] && continue
		mlsh_before[$mlsh_name]=$(declare -p "$mlsh_name" 2>/dev/null)
	done
	mlsh_functions=" $(compgen -A function | tr '\n' ' ') "
fi

mlsh_keep() {
	local mlsh_name mlsh_now
	[[ -n $mlsh_can_keep ]] || return 0
	(
		umask 077
		: >"$mlsh_folder/lost"
		{
			for mlsh_name in $(compgen -v); do
				[[ $mlsh_name == mlsh_* || $mlsh_name == MLSH_SECRET_* || $mlsh_name == BASH* ]] && continue
				[[ $mlsh_ours == *" $mlsh_name "* ]] && continue
				mlsh_now=$(declare -p "$mlsh_name" 2>/dev/null) || continue
				[[ $mlsh_now == "${mlsh_before[$mlsh_name]-}" ]] && continue
				case ${mlsh_name,,} in
				*secret* | *token* | *passw* | *credential* | *apikey* | *api_key* | *private_key* | *access_key*)
					printf '%s\n' "$mlsh_name" >>"$mlsh_folder/lost"
					continue
					;;
				esac
				printf '%s\n' "$mlsh_now"
			done
			for mlsh_name in $(compgen -A function); do
				[[ $mlsh_name == mlsh_keep || $mlsh_functions == *" $mlsh_name "* ]] || declare -f "$mlsh_name"
			done
		} >"$mlsh_folder/vars.new" && mv -f "$mlsh_folder/vars.new" "$mlsh_folder/vars"
	)
	return 0
}

# shellcheck disable=SC1091
if [[ $mlsh_step -gt 1 && -f $mlsh_folder/vars ]]; then . "$mlsh_folder/vars"; fi
