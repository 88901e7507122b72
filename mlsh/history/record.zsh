# Note for each command when it began and ended, how, and in which folder: zsh's own history has little of that. mlsh
# history reads the notes. It starts no program, and notes no line that begins with a space.
if [[ -o interactive && -z ${__mlsh_notes-} ]]; then
	zmodload zsh/datetime
	autoload -Uz add-zsh-hook
	__mlsh_notes=${XDG_STATE_HOME:-$HOME/.local/state}/mlsh/recorded/${HOST//[^A-Za-z0-9._-]/_}
	if [[ ! -e $__mlsh_notes ]]; then
		(umask 077 && mkdir -p ${__mlsh_notes:h} && : >>$__mlsh_notes) 2>/dev/null
	fi
	__mlsh_typed=

	__mlsh_note_begin() {
		__mlsh_typed=
		# The line is empty where zsh keeps no history.
		[[ $1 == [[:space:]]* || -z $1 ]] || __mlsh_typed=$1 __mlsh_begun=$EPOCHREALTIME __mlsh_in=$PWD
	}

	__mlsh_no_notes() {
		[[ -z ${__mlsh_told_notes-} ]] || return 0
		__mlsh_told_notes=1
		print -ru2 -- "mlsh: commands are not noted: $__mlsh_notes can not be written"
	}

	__mlsh_note_end() {
		local code=$? now=$EPOCHREALTIME
		[[ -n $__mlsh_typed ]] || return $code
		# One write for the whole, so that two shells don't mix their notes.
		{
			print -rn -- "$__mlsh_begun $now $code"$'\x1f'"$__mlsh_in"$'\x1f'"${__mlsh_typed//[$'\x1e\x1f']/}"$'\x1e\n' \
				>>|$__mlsh_notes
		} 2>/dev/null || __mlsh_no_notes
		__mlsh_typed=
		return $code
	}

	add-zsh-hook preexec __mlsh_note_begin
	# First of all, since others may change the exit code.
	precmd_functions=(__mlsh_note_end ${precmd_functions:#__mlsh_note_end})
fi
