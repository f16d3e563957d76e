# Sourced by the scripts whose options Python explains: help installs nothing and generates no secrets.

# asks_for_help [--dev] WORD...: whether a word asks for help. Where the packages are not there yet that Python needs to
# give it, says how to get them and ends the script. With --dev these are those of the tests.
asks_for_help() {
    local packages="requirements*" how=scripts/setup.sh
    if [ "${1:-}" = --dev ]; then
        packages=requirements-dev.txt how="scripts/setup.sh --dev"
        shift
    fi
    case " $* " in
    *" -h "* | *" --help "*) ;;
    *) return 1 ;;
    esac
    ! compgen -G "var/venv/$packages.installed" >/dev/null || return 0
    local script=scripts/${0##*/}
    echo "usage: $script ..."
    sed -n '2s/^# \(.*\): scripts.*/\1./p' "$script"
    echo "Its options are explained by Python, for which $how must have been run."
    exit 0
}
