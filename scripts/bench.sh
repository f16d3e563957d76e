#!/usr/bin/env bash
# Load on a private cluster, and figures: scripts/bench.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset HONGYAN_CONFIG

case " $* " in
*" -h "* | *" --help "*) [ -x var/venv/bin/python ] || scripts/setup.sh --dev ;;
*) scripts/setup.sh --dev --servers ;;
esac
exec var/venv/bin/python -m bench "$@"
