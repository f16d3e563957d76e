#!/usr/bin/env bash
# The cluster on this machine: scripts/cluster.sh --help
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../ops/configured.sh"

if [ "${1:-}" = up ] && [ "${2:-}" != --help ]; then
    scripts/setup.sh --servers
else
    scripts/setup.sh
fi
exec var/venv/bin/python -m ops.cluster --config "$config" "$@"
