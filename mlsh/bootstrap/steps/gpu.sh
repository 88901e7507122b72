# shellcheck shell=sh
# shellcheck disable=SC2086,SC2154  # $limit is two words; look.sh has it
# How many GPUs, under which driver, and what could run a kernel on them.
command -v nvidia-smi >/dev/null || return 0
said=$($limit nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>&1) || {
	say gpu.error "${said%%"$newline"*}"
	return 0
}
say gpu.count "$(printf '%s\n' "$said" | grep -c .)"
say gpu.driver "${said%%"$newline"*}"
# Without importing it, which takes seconds.
python=$(command -v python3) &&
	torch=$($limit python3 -c 'import importlib.metadata as m; print("torch", m.version("torch"))') &&
	say gpu.torch "$torch ($python)"
nvcc=$(command -v nvcc || { [ -x /usr/local/cuda/bin/nvcc ] && echo /usr/local/cuda/bin/nvcc; }) && say gpu.nvcc "nvcc ($nvcc)"
