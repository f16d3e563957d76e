# Sourced by ops/checkout.sh: help installs nothing and generates no secrets, and whether packages are installed.

# asks_for_help [--dev] WORD...: whether a word asks for help. Where the packages are not there yet that Python needs to
# give it, says how to get them and ends the script. With --dev these are those of the tests.
asks_for_help() {
    local needed="requirements.txt requirements-dev.txt" how=scripts/setup.sh
    if [ "${1:-}" = --dev ]; then
        needed=requirements-dev.txt how="scripts/setup.sh --dev"
        shift
    fi
    case " $* " in
    *" -h "* | *" --help "*) ;;
    *) return 1 ;;
    esac
    local file
    for file in $needed; do
        ! is_installed "$file" || return 0
    done
    local script=scripts/${0##*/}
    echo "usage: $script ..."
    sed -n '2s/^# \(.*\): scripts.*/\1./p' "$script"
    echo "Its options are explained by Python, for which $how must have been run."
    exit 0
}

# installed_mark FILE: what the packages of a requirements file depend on, in short.
installed_mark() {
    (pwd && cat requirements.txt "$1" sdk/python/pyproject.toml) | cksum # `-e ./sdk/python` is a place
}

# is_installed FILE: whether var/venv has the packages that FILE names today.
is_installed() {
    [ "$(cat "var/venv/$1.installed" 2>/dev/null)" = "$(installed_mark "$1")" ]
}
