#!/usr/bin/env bash
# The store into a file, while it is used: scripts/backup.sh --help
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
. ops/configured.sh

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.backup --config "$config" --from "$called_from" backup "$@"
