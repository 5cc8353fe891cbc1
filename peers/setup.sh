#!/bin/sh
# Makes the peers' Python environment under target/peers-env, or does nothing if it stands already.
#
#   sh peers/setup.sh          prints the interpreter's path as its last line
#
# PyTorch's wheel brings its GPU libraries along: about 3 GB to download, 5.4 GB on disk.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
environment=$(dirname "$here")/target/peers-env
stamp=$environment/requirements.installed

wanted=$(cat "$here/requirements.txt" "$here/requirements-harness.txt")
if [ "$wanted" != "$(cat "$stamp" 2>/dev/null)" ]; then
    "${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "the peers need Python 3.11 or newer; point PYTHON at one" >&2
        exit 1
    }
    # Said before gigabytes were fetched in vain.
    free=$(df -Pk "$(dirname "$here")" | awk 'NR == 2 { print int($4 / 1048576) }')
    [ "$free" -ge 10 ] || {
        echo "the peers need 10 GB of disk for target/ while they are installed; there are $free GB" >&2
        exit 1
    }
    "${PYTHON:-python3}" -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --no-cache-dir --requirement "$here/requirements.txt" >&2
    "$environment/bin/python" -m pip install --quiet --no-cache-dir --no-deps \
        --requirement "$here/requirements-harness.txt" >&2
    printf '%s\n' "$wanted" >"$stamp"
fi
echo "$environment/bin/python"
