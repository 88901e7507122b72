# shellcheck shell=sh
command -v nvitop >/dev/null 2>&1 || nvitop() { # the GPUs, anew each second
	watch -n 1 nvidia-smi
}
