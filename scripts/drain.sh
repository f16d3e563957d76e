#!/usr/bin/env bash
# Stop one component once its clients went elsewhere: scripts/drain.sh --help
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../ops/configured.sh"

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.cluster.rolling --config "$config" drain "$@"
