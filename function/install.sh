#!/bin/sh
# Installs engines into /opt/venv: `sh install.sh openvino,torch`. For the Dockerfile, which needs it in two stages.
set -eu

PACKAGES=$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

install() {
    pip --python /opt/venv install --no-cache-dir --no-compile --no-deps "$@"
}

# What is deleted: C++ headers, and the plugins for processors that Lambda does not have.
install_openvino() {
    install --require-hashes --requirement requirements-openvino.txt
    rm -rf "${PACKAGES}/openvino/include" "${PACKAGES}/openvino/cmake" "${PACKAGES}/openvino/libs/cache.json" \
        "${PACKAGES}"/openvino/libs/libopenvino_intel_[gn]pu_plugin.so
}

# Without dependencies: a CUDA build would bring gigabytes of them. What is deleted: test programs and C++ headers.
install_torch() {
    install ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} --requirement requirements-torch.txt
    install --require-hashes --requirement requirements-diffusers.txt
    rm -rf "${PACKAGES}/torch/test" "${PACKAGES}"/torch/bin/test_* "${PACKAGES}/torch/include"
    if ! /opt/venv/bin/python -B -c 'import torch'; then
        echo 'This torch needs CUDA. TORCH_INDEX must name the index of the CPU builds.' >&2
        exit 1
    fi
}

for engine in $(echo "$1" | tr ',' ' '); do
    case ${engine} in
        openvino | torch) "install_${engine}" ;;
        *) echo "ENGINES names ${engine}; there are openvino and torch." >&2; exit 1 ;;
    esac
done
