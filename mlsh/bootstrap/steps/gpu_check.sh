# shellcheck shell=sh
# Run a kernel on each GPU and compare its answer. What goes wrong is the last line of the output.
PATH=$PATH:/usr/local/cuda/bin
if python3 -c 'import importlib.metadata as m; m.version("torch")' 2>/dev/null; then
	python3 - <<'END'
import torch

if not torch.cuda.is_available():
    raise SystemExit(f"torch {torch.__version__} sees no GPU (it was built for CUDA {torch.version.cuda})")
for index in range(torch.cuda.device_count()):
    device = torch.device("cuda", index)
    ones = torch.ones(512, 512, device=device)
    found = (ones @ ones).sum().item()
    if found != 512.0**3:
        raise SystemExit(f"GPU {index} computed {found}, not {512.0**3}")
    print(f"GPU {index} ({torch.cuda.get_device_name(index)}): right")
END
	exit
fi
folder=$(mktemp -d) || exit
trap 'rm -rf "$folder"' EXIT
cat >"$folder/check.cu" <<'END'
#include <cstdio>
__global__ void add(int *out) { atomicAdd(out, 1); }
int main() {
    int count = 0;
    cudaError_t bad = cudaGetDeviceCount(&count);
    for (int gpu = 0; bad == cudaSuccess && gpu < count; gpu++) {
        int *out, found = 0;
        cudaSetDevice(gpu);
        bad = cudaMalloc(&out, sizeof(int));
        if (bad == cudaSuccess) bad = cudaMemset(out, 0, sizeof(int));
        if (bad != cudaSuccess) break;
        add<<<64, 256>>>(out);
        bad = cudaMemcpy(&found, out, sizeof(int), cudaMemcpyDeviceToHost);
        if (bad == cudaSuccess && found != 64 * 256) { printf("GPU %d counted %d, not %d\n", gpu, found, 64 * 256); return 1; }
        if (bad == cudaSuccess) printf("GPU %d: right\n", gpu);
    }
    if (bad != cudaSuccess) { printf("%s\n", cudaGetErrorString(bad)); return 1; }
    return count == 0;
}
END
nvcc -o "$folder/check" "$folder/check.cu" && "$folder/check"
