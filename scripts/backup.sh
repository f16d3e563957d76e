#!/usr/bin/env bash
# The store into a file, while it is used: scripts/backup.sh --help
set -euo pipefail
from=$PWD
. "$(dirname "${BASH_SOURCE[0]}")/../ops/configured.sh"

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.backup --config "$config" --from "$from" backup "$@"
