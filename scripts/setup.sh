#!/usr/bin/env bash
# Puts into var/ what this checkout needs: a Python environment and the generated secrets. Repeating it costs nothing.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
. "$(dirname "$(readlink -f "$0")")/../ops/checkout.sh"
. ops/packages.sh

usage() {
    cat <<'END'
usage: scripts/setup.sh [--dev] [--servers] [--browser]
  --dev      also what tests and checks need
  --servers  also RabbitMQ, Redis, MariaDB and nginx with Lua, where they (or MySQL, Valkey, OpenResty) are not there yet:
             installed by apt-get where we are root on Debian or Ubuntu, which removes nothing for it
  --browser  also Chromium, in the same way where that can be done: without it the tests of tests/browser are skipped
END
}

fail() {
    echo "scripts/setup.sh: $*" >&2
    exit 1
}

find_python() {
    local candidate
    for candidate in python3.13 python3.12 python3.11 python3; do
        if "$candidate" -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null &&
            "$candidate" -c "$1" 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

make_environment() {
    [ ! -x var/venv/bin/python ] || [ ! -e var/venv/made ] || return 0
    local python
    if ! python=$(find_python "import ensurepip, venv"); then
        install_packages python3 python3-venv ||
            fail "Python 3.11 or newer with venv is needed: apt-get install python3-venv, or brew install python."
        python=$(find_python "import ensurepip, venv") || fail "this system's Python is older than 3.11."
    fi
    echo "making var/venv with $("$python" --version)"
    "$python" -m venv --clear var/venv
    touch var/venv/made
}

install_requirements() {
    local file=$1 begun=$SECONDS
    ! is_installed "$file" || return 0
    echo "installing $file into var/venv"
    var/venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$file" ||
        fail "the packages of $file could not be installed."
    installed_mark "$file" >"var/venv/$file.installed"
    echo "installed $file after $((SECONDS - begun)) s"
}

has_program() {
    PATH="${HONGYAN_SERVERS:+$HONGYAN_SERVERS:}$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin" command -v "$1" >/dev/null
}

door_packages=(nginx libnginx-mod-http-lua libnginx-mod-stream lua-nginx-redis)

# OpenResty, which has all of it, or nginx with the modules of these packages; that of HONGYAN_SERVERS has its own.
has_door() {
    [ -z "${HONGYAN_SERVERS:-}" ] || ! PATH=$HONGYAN_SERVERS command -v nginx >/dev/null || return 0
    has_program openresty || [ -x /usr/local/openresty/nginx/sbin/nginx ] || {
        has_program nginx && [ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] &&
            [ -e /usr/lib/nginx/modules/ngx_stream_module.so ] && [ -e /usr/share/lua/5.1/nginx/redis.lua ]
    }
}

install_servers() {
    local missing=()
    has_program rabbitmq-server || [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || missing+=(rabbitmq-server)
    has_program redis-server || has_program valkey-server || missing+=(redis-server)
    has_program mariadbd || has_program mysqld || missing+=(mariadb-server)
    has_door || missing+=("${door_packages[@]}")
    [ ${#missing[@]} -gt 0 ] || return 0
    install_packages "${missing[@]}" || fail "these servers are missing: ${missing[*]}.
  Debian or Ubuntu: sudo apt-get install ${missing[*]} (their system services are not needed)
  macOS: brew install rabbitmq redis mariadb openresty/brew/openresty
  elsewhere: the servers by your system's packages, and OpenResty 1.21.4 or newer as the nginx"
}

# Only for tests, which are skipped without it: it stops nobody that there is none.
install_browser() {
    local name
    for name in chromium chromium-browser google-chrome-stable google-chrome; do
        ! has_program "$name" || return 0
    done
    install_packages chromium || echo "no Chromium could be installed: the tests of tests/browser will be skipped"
}

requirements=requirements.txt
servers="" browser=""
for word in "$@"; do
    case $word in
    --dev) requirements=requirements-dev.txt ;;
    --servers) servers=yes ;;
    --browser) browser=yes ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
done

exec >&2 # what is said here is progress: the output is that of the script that needs this, such as `status --json`
mkdir -p -m 700 var
trap 'echo "scripts/setup.sh: interrupted; run it again to go on" >&2; exit 130' INT
if command -v flock >/dev/null; then
    exec 9>var/setup.lock
    flock -w 1 9 || { echo "another terminal is installing: waiting for it" && flock 9; }
fi
make_environment
install_requirements "$requirements"
exec 9>&-  # what is installed next may start daemons, which would keep the lock for ever
[ -z "$servers" ] || install_servers
[ -z "$browser" ] || install_browser
var/venv/bin/python -m conf.secrets "${HONGYAN_VAR:-var}"
