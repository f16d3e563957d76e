#!/usr/bin/env bash
# The cluster on this machine: scripts/cluster.sh --help
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
config=${HONGYAN_CONFIG:-$root/conf/cluster.toml}
case $config in /*) ;; *) config=$PWD/$config ;; esac
unset HONGYAN_CONFIG
cd "$root"

if [ "${1:-}" = up ] && [ "${2:-}" != --help ]; then
    scripts/setup.sh --servers
else
    scripts/setup.sh
fi
exec var/venv/bin/python -m scripts.cluster --config "$config" "$@"
