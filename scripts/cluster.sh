#!/usr/bin/env bash
# The cluster on this machine: scripts/cluster.sh --help
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
. ops/configured.sh

servers=""
[ "${1:-}" != up ] || servers=--servers
asks_for_help "$@" || scripts/setup.sh $servers
exec var/venv/bin/python -m ops.cluster --config "$config" "$@"
