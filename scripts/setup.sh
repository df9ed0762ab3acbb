#!/usr/bin/env bash
# What every other script needs before it starts: a Rust toolchain, a C compiler, and the contracts' Wasm.
# Quick and quiet when all is there. Run by demo.sh and test.sh; nobody has to call it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

need() { # need COMMAND WHY HOW
    command -v "$1" >/dev/null 2>&1 && return
    printf 'paychan: %s is missing (%s).\n  To install it: %s\n' "$1" "$2" "$3" >&2
    exit 1
}
[ "$(uname -s)" = Linux ] || {
    echo "paychan: this is $(uname -s); the scripts are made for Linux (the watcher runs under systemd)" >&2
    exit 1
}
need cargo "Rust builds everything here" "https://rustup.rs"
need cc "some Rust crates compile C" "apt-get install gcc   (or your system's C compiler)"

scripts/build-contracts.sh
