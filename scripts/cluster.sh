#!/usr/bin/env bash
# The cluster on this machine: scripts/cluster.sh --help
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../ops/configured.sh"

servers=""
[ "${1:-}" != up ] || servers=--servers
asks_for_help "$@" || scripts/setup.sh $servers
exec var/venv/bin/python -m ops.cluster --config "$config" "$@"
