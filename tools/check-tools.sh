#!/bin/sh
# Says what to install where a tool of the build is missing.
#   check-tools.sh python rust rustfmt clippy     fails with a sentence for each one that is missing
#   check-tools.sh --python                       prints the command of the newest suitable Python
set -eu

find_python() {
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return 0
        fi
    done
    return 1
}

missing=0
say() {
    printf '%s\n' "$@" >&2
    missing=1
}

for tool in "$@"; do
    case $tool in
    --python)
        find_python
        ;;
    python)
        if ! python=$(find_python); then
            say "Python 3.11 or later was not found (PYTHON=... names one)." "  Debian, Ubuntu: apt install python3 python3-venv"
        elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            say "$python cannot make virtual environments." "  Debian, Ubuntu: apt install python3-venv"
        fi
        ;;
    rust)
        if ! command -v cargo >/dev/null 2>&1; then
            say "cargo was not found: the core of this package is written in Rust (1.88 or later)." \
                "  rustup (see rust-lang.org), or on Debian 12 and later: apt install rustc-web cargo-web"
        elif ! version=$(rustc --version 2>/dev/null); then
            say "rustc was not found beside cargo." "  Debian: apt install rustc-web"
        else
            minor=$(printf '%s' "$version" | sed -n 's/^rustc 1\.\([0-9]*\).*/\1/p')
            if [ "${minor:-0}" -lt 88 ]; then
                say "$version is too old: 1.88 or later is needed." \
                    "  rustup update, or on Debian 12 and later: apt install rustc-web cargo-web"
            fi
        fi
        if ! command -v cc >/dev/null 2>&1; then
            say "A C compiler (cc) was not found; zstd is compiled with it." "  Debian, Ubuntu: apt install gcc libc6-dev"
        fi
        ;;
    rustfmt)
        cargo fmt --version >/dev/null 2>&1 || say "cargo fmt was not found." "  rustup component add rustfmt, or Debian: apt install rustfmt-web"
        ;;
    clippy)
        cargo clippy --version >/dev/null 2>&1 || say "cargo clippy was not found." "  rustup component add clippy, or Debian: apt install rust-web-clippy"
        ;;
    esac
done
exit $missing
