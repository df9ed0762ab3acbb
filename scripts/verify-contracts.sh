#!/usr/bin/env bash
# Checks that the contracts' source gives, byte for byte, the Wasm whose hashes are in contracts/SHA256SUMS. For this it
# builds the committed source in a clean copy in another folder, in the pinned environment.
#
#   scripts/verify-contracts.sh            build from a clean copy and compare (a minute)
#   scripts/verify-contracts.sh --built    compare the files in target/contracts; if they were built with other tools,
#                                          or from a change that is not committed, it says so and succeeds
#   scripts/verify-contracts.sh --update   build from a clean copy and write contracts/SHA256SUMS
#
# The pinned environment is the two tools below on x86-64 Linux (on Debian 12 the package is binaryen), and the dependencies
# in Cargo.lock. The script exits with 1 if a hash differs, and with 3 if a tool is not the pinned one.
set -euo pipefail
pinned_rustc="rustc 1.95.0 (59807616e 2026-04-14)"
pinned_toolchain=1.95.0
pinned_optimiser="binaryen 108"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sums=$root/contracts/SHA256SUMS
cd "$root"

say() { printf 'verify-contracts: %s\n' "$*"; }
compare() { # compare FOLDER, which has the Wasm
    (cd "$1" && sha256sum --check "$sums")
}

uncommitted() { git status --porcelain -- contracts Cargo.toml Cargo.lock scripts/build-contracts.sh; }

case "${1:-}" in
-h | --help)
    sed -n '2,13s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
--built)
    stamp=target/wasm/build-contracts.stamp
    tools=$(sed -n 4p "$stamp")
    if [ "$tools" != "$pinned_rustc, $pinned_optimiser" ]; then
        say "this was not compared: the Wasm was built with $tools, and the pinned tools are $pinned_rustc, $pinned_optimiser"
        exit 0
    fi
    compare target/contracts && exit 0
    say "the contracts have changed: commit, then run scripts/verify-contracts.sh --update, and commit that"
    [ -z "$(uncommitted)" ] || exit 0
    exit 1
    ;;
'' | --update) ;;
*)
    say "unknown option $1; see --help" >&2
    exit 2
    ;;
esac

# --- the environment -------------------------------------------------------------------------------------------------

if [ "$(rustc --version 2>/dev/null)" != "$pinned_rustc" ]; then
    export RUSTUP_TOOLCHAIN=$pinned_toolchain
    if [ "$(rustc --version 2>/dev/null)" != "$pinned_rustc" ]; then
        say "needs $pinned_rustc: rustup toolchain install $pinned_toolchain --target wasm32v1-none" >&2
        exit 3
    fi
fi

# --- build and compare -----------------------------------------------------------------------------------------------

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
say "building $(git rev-parse --short HEAD) in $copy with $(rustc --version)"
[ -z "$(uncommitted)" ] ||
    say "there are uncommitted changes, and this build does not have them"
git archive HEAD | tar -x -C "$copy"
PAYCHAN_WASM_WAY=rustup "$copy/scripts/build-contracts.sh" >"$copy/built.txt" 2>"$copy/log.txt" || {
    tail -n 20 "$copy/log.txt" >&2
    exit 1
}
grep -q "$pinned_optimiser)" "$copy/built.txt" || {
    say "needs $pinned_optimiser (Debian 12: apt-get install binaryen); this build was made with:" >&2
    cat "$copy/built.txt" >&2
    exit 3
}
if [ "${1:-}" = --update ]; then
    (cd "$copy/target/contracts" && sha256sum ./*.wasm | sed 's| \./| |') >"$sums"
    say "wrote contracts/SHA256SUMS:"
    cat "$sums"
else
    compare "$copy/target/contracts" || {
        say "the source does not give the recorded bytes; after a change of the contracts, use --update" >&2
        exit 1
    }
fi
