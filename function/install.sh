#!/bin/sh
# Usage: sh install.sh openvino,torch
#
# Installs engines into /opt/venv. Two stages of the Dockerfile run it.
set -eu

PACKAGES=$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

install() {
    pip --python /opt/venv install --no-cache-dir --no-compile --no-deps "$@"
}

# Deletes C++ headers, and the plugins for GPUs and NPUs, which Lambda does not have.
install_openvino() {
    install --require-hashes --requirement requirements-openvino.txt
    rm -rf "${PACKAGES}/openvino/include" "${PACKAGES}/openvino/cmake" "${PACKAGES}/openvino/libs/cache.json" \
        "${PACKAGES}"/openvino/libs/libopenvino_intel_[gn]pu_plugin.so
}

# --no-deps: the dependencies of a CUDA build take gigabytes. Deletes test programs and C++ headers.
install_torch() {
    install ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} --requirement requirements-torch.txt
    install --require-hashes --requirement requirements-diffusers.txt
    rm -rf "${PACKAGES}/torch/test" "${PACKAGES}"/torch/bin/test_* "${PACKAGES}/torch/include"
    if ! /opt/venv/bin/python -B -c 'import torch'; then
        echo 'This build of torch needs CUDA. Set TORCH_INDEX to a package index with CPU builds.' >&2
        exit 1
    fi
}

for engine in $(echo "$1" | tr ',' ' '); do
    case ${engine} in
        openvino | torch) "install_${engine}" ;;
        *) echo "ENGINES: unknown engine ${engine}; use openvino, torch, or openvino,torch." >&2; exit 1 ;;
    esac
done
