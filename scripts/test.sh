#!/usr/bin/env bash
# Runs the tests against real, private servers: scripts/test.sh [quick] [pytest arguments]
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
unset HONGYAN_CONFIG

pytest=(var/venv/bin/python -m pytest)
side_by_side=(-n 3) # on two cores, too: most tests wait

case ${1:-} in
-h | --help)
    cat <<'END'
usage: scripts/test.sh [quick] [pytest arguments], such as: scripts/test.sh tests/protocol -k codec

Without a path: three processes side by side run everything but tests/faults, which then runs alone. About eight
minutes on two cores.

quick: within two minutes, what needs no servers and does not wait by its nature. That is most of all tests: protocol,
gateway, store and handlers on SQLite, bus and router in memory, settings, client library, operator's scripts, and
standalone end to end by each door. Not run is what pyproject.toml calls `servers` (RabbitMQ, Redis, MariaDB, nginx, and
so every cluster) or `slow` (kills and restarts, timeouts, floods, the fuzzer, the Autobahn cases): before a change is
taken, run everything.
END
    exit 0
    ;;
quick)
    shift
    scripts/setup.sh --dev
    exec "${pytest[@]}" "${side_by_side[@]}" -m "not servers and not slow" "$@"
    ;;
esac
scripts/setup.sh --dev --servers --browser
case "$*" in
*tests*) exec "${pytest[@]}" "$@" ;;
esac

NOTHING_SELECTED=5
status=0
run() {
    local code=0
    "$@" || code=$?
    [ $code -eq 0 ] || [ $code -eq $NOTHING_SELECTED ] || status=$code
}
run "${pytest[@]}" "${side_by_side[@]}" --ignore tests/faults "$@"
# What breaks servers under load is timed, so nothing else runs beside it.
run "${pytest[@]}" tests/faults "$@"
exit $status
