#!/usr/bin/env bash
# Puts a backup back, and has clients begin anew: scripts/restore.sh --help
set -euo pipefail
from=$PWD
. "$(dirname "${BASH_SOURCE[0]}")/../ops/configured.sh"

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.backup --config "$config" --from "$from" restore "$@"
