# shellcheck shell=sh
# Sourced by test, demo and bench: `environment EXTRA` makes sure that .venv exists and holds the project with that
# extra, and leaves the checkout's folder in $root and the environment's interpreter in $python.

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
# shellcheck disable=SC2034  # used by whoever sources this
python=$root/.venv/bin/python

# What is asked of an interpreter: new enough, and able to make an environment (Debian keeps that in a package apart).
_fits='import sys; assert sys.version_info >= (3, 11); import venv, ensurepip'
_new_enough='import sys; assert sys.version_info >= (3, 11)'

environment() {
    _found=
    _incomplete=
    # One that is named is the only candidate; otherwise $@ is what may be on PATH.
    _extra=$1
    if [ -n "${MATCHMAKER_PYTHON:-}" ]; then
        set -- "$MATCHMAKER_PYTHON"
    else
        set -- python3.13 python3.12 python3.11 python3 python
    fi
    for _candidate in "$@"; do
        if "$_candidate" -I -c "$_fits" </dev/null >/dev/null 2>&1; then
            _found=$_candidate
            break
        fi
        if "$_candidate" -I -c "$_new_enough" </dev/null >/dev/null 2>&1; then
            _incomplete=$_candidate
        fi
    done
    if [ -z "$_found" ] && [ -n "$_incomplete" ]; then
        echo "error: $_incomplete cannot make virtual environments: its venv or ensurepip module is missing" >&2
        echo "       (on Debian and Ubuntu: apt-get install python3-venv)" >&2
        exit 1
    fi
    if [ -z "$_found" ]; then
        echo "error: no Python 3.11 or newer among: $* (put one on PATH, or name it in MATCHMAKER_PYTHON)" >&2
        exit 1
    fi
    "$_found" -I "$root/scripts/_setup.py" "$_extra" </dev/null
}
