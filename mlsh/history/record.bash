# Note for each command when it began and ended, how, and in which folder: bash's own history has none of that. mlsh
# history reads the notes. It takes bash 5, starts no program, and notes nothing that bash's history does not keep:
# no line that begins with a space, none while the history is off.
if [[ $- == *i* ]] && ((BASH_VERSINFO[0] >= 5)) && [ -z "${__mlsh_notes-}" ]; then
	__mlsh_notes=${XDG_STATE_HOME:-$HOME/.local/state}/mlsh/recorded/${HOSTNAME//[!A-Za-z0-9._-]/_}
	if [ ! -e "$__mlsh_notes" ]; then
		(umask 077 && mkdir -p "${__mlsh_notes%/*}" && : >>"$__mlsh_notes") 2>/dev/null
	fi
	case ":${HISTCONTROL-}:" in
	*:ignorespace:* | *:ignoreboth:*) ;;
	*) HISTCONTROL=ignorespace${HISTCONTROL:+:$HISTCONTROL} ;;
	esac
	__mlsh_begun=0 __mlsh_number=

	__mlsh_note() { # before each prompt
		local code=$? number=$HISTCMD now=$EPOCHREALTIME begun=$__mlsh_begun
		__mlsh_begun=0
		# shellcheck disable=SC2016
		case ${PS0-} in *__mlsh_begun*) ;; *) PS0+='${__mlsh_none[__mlsh_begun=${EPOCHREALTIME/[.,]/},0]-}' ;; esac
		# The same number: an empty line, or one that the history did not take.
		if ((begun)) && [ "$number" != "$__mlsh_number" ] && [ -n "$__mlsh_number" ]; then
			case ":${HISTCONTROL-}:" in
			*:ignorespace:* | *:ignoreboth:*)
				# `history 1` writes to the file itself: to catch its output would start a process.
				if ! {
					{
						printf '%s.%s %s %s h\037%s\037' "${begun%??????}" "${begun: -6}" "$now" "$code" "$PWD"
						HISTTIMEFORMAT='' builtin history 1
						printf '\036\n'
					} >>"$__mlsh_notes"
				} 2>/dev/null && [ -z "${__mlsh_no_notes-}" ]; then
					__mlsh_no_notes=1
					printf 'mlsh: commands are not noted: %s can not be written\n' "$__mlsh_notes" >&2
				fi
				;;
			esac
		fi
		__mlsh_number=$number
		return "$code"
	}

	if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)); then
		# A place of its own in the list: PROMPT_COMMAND=... further down leaves it alone.
		PROMPT_COMMAND[49]=__mlsh_note
	else
		# shellcheck disable=SC2128,SC2178
		PROMPT_COMMAND="__mlsh_note${PROMPT_COMMAND:+; $PROMPT_COMMAND}"
	fi
fi
