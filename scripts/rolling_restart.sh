#!/usr/bin/env bash
# Restart gateways and workers one after the other, while others serve: scripts/rolling_restart.sh --help
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../ops/configured.sh"

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.cluster.rolling --config "$config" restart "$@"
