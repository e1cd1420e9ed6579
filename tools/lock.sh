#!/bin/bash
# Writes requirements.lock (runtime, development and build dependencies, with hashes) from pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
python3 -m venv "$tool"
"$tool/bin/pip" install --quiet uv
"$tool/bin/uv" pip compile --quiet --generate-hashes --universal --python-version 3.11 --extra dev --extra sigstore --extra tuf --no-annotate \
    --custom-compile-command tools/lock.sh pyproject.toml tools/build.in -o requirements.lock
