#!/usr/bin/env bash
# Stop one component once its clients went elsewhere: scripts/drain.sh --help
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
config=${HONGYAN_CONFIG:-$root/conf/cluster.toml}
case $config in /*) ;; *) config=$PWD/$config ;; esac
unset HONGYAN_CONFIG
cd "$root"

scripts/setup.sh
exec var/venv/bin/python -m scripts.rolling --config "$config" drain "$@"
