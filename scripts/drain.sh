#!/usr/bin/env bash
# Stop one component once its clients went elsewhere: scripts/drain.sh --help
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
. ops/configured.sh

asks_for_help "$@" || scripts/setup.sh
exec var/venv/bin/python -m ops.cluster.rolling --config "$config" drain "$@"
