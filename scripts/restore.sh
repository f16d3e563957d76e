#!/usr/bin/env bash
# Puts a backup back, and has clients begin anew: scripts/restore.sh --help
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
. ops/configured.sh

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.backup --config "$config" --from "$called_from" restore "$@"
