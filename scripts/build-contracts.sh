#!/usr/bin/env bash
# Builds the contracts to target/contracts/*.wasm and prints each one's size, hash and how it was built.
#
# Two ways to a compiler for wasm32v1-none, tried in this order:
#   rustup  the active Rust toolchain; `rustup target add wasm32v1-none` first where the target is missing
#   debian  where rustup can't (only package registries in reach): Debian's rustc-web, cargo-web and rust-web-src build
#           core from source. Needs root or sudo once, to install them; never removes a package.
# PAYCHAN_WASM_WAY=rustup or =debian takes only that one. The two compilers are different, so their Wasm differs in
# its bytes and hash, not in what it does: the tests run whichever is there.
#
# Then Binaryen's optimiser (Debian: binaryen), installed where apt-get can, makes them smaller and drops exports that
# nobody calls. Where there is none, or with PAYCHAN_WASM_OPT=none, what the compiler gave is what is deployed: some
# 1,500 bytes more. What is in target/contracts is what the tests run, the figures measure and a deployment uploads.
set -euo pipefail

contracts=(paychan-contract paychan-batch)
target=wasm32v1-none
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/target/wasm # apart from the other crates': a second compiler in one directory would rebuild everything
out=$root/target/contracts
way=${PAYCHAN_WASM_WAY:-}
optimise=${PAYCHAN_WASM_OPT:-auto}
cd "$root"
. scripts/toolchain.sh

say() { printf 'build-contracts: %s\n' "$*" >&2; }
die() {
    say "$1"
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

case $way in '' | rustup | debian) ;; *) die "PAYCHAN_WASM_WAY is '$way'" "expected rustup, debian, or nothing" ;; esac
case $optimise in auto | none) ;; *) die "PAYCHAN_WASM_OPT is '$optimise'" "expected none, auto, or nothing" ;; esac

mkdir -p "$build" "$out"
exec 9>"$build/build-contracts.lock"
flock 9

# What the Wasm depends on. With the way in front, this is the stamp of a finished build.
inputs() {
    {
        find contracts -path '*/src/*' -type f -print0
        printf '%s\0' contracts/*/Cargo.toml Cargo.toml Cargo.lock scripts/build-contracts.sh
        find . -maxdepth 1 -name 'rust-toolchain*' -print0
    } | sort -z | xargs -0 sha256sum | sha256sum | cut -d' ' -f1
}

wasm_of() { printf '%s/%s.wasm' "$1" "${contract//-/_}"; }

report() {
    for contract in "${contracts[@]}"; do
        local file size hash
        file=$(wasm_of "$out")
        size=$(wc -c <"$file")
        hash=$(sha256sum "$file" | cut -d' ' -f1)
        printf '%s: %d bytes, sha256 %s (%s)\n' "${file#"$root"/}" "$size" "$hash" "$1"
    done
}

# Older ones are not known to keep a contract's custom sections. Newer ones give other bytes, not other behaviour.
oldest_binaryen=108

has_optimiser() {
    command -v wasm-opt >/dev/null && command -v wasm-metadce >/dev/null && command -v wasm-dis >/dev/null &&
        [ "$(wasm-opt --version | grep -o '[0-9]\+' | head -n 1)" -ge "$oldest_binaryen" ]
}

# --- nothing to do? -------------------------------------------------------------------------------------------------

# Line 1 inputs, line 2 way, line 3 auto or none, line 4 the tools, then the hashes of the files.
stamp=$build/build-contracts.stamp
inputs=$(inputs)
if [ -f "$stamp" ]; then
    { read -r last_inputs && read -r last_way && read -r last_optimise && read -r last_tools; } <"$stamp" || true
    if [ "$last_inputs" = "$inputs" ] && [ "${way:-$last_way}" = "$last_way" ] && [ "$last_optimise" = "$optimise" ] &&
        # An optimiser that was missing then may be there now.
        { [ "$optimise" = none ] || [[ $last_tools != *"not optimised" ]] || ! has_optimiser; } &&
        tail -n +5 "$stamp" | sha256sum --check --status 2>/dev/null; then
        report "unchanged; way $last_way: $last_tools"
        exit 0
    fi
fi

# --- way 1: rustup --------------------------------------------------------------------------------------------------

has_target() { [ -d "$("$1" --print sysroot)/lib/rustlib/$target/lib" ]; }

why_not_rustup=
try_rustup() {
    if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
        why_not_rustup="no cargo and rustc on the PATH"
        return 1
    fi
    if ! has_target rustc; then
        if ! command -v rustup >/dev/null; then
            why_not_rustup="$(rustc --version) has no $target, and there is no rustup to add it"
            return 1
        fi
        say "rustup target add $target"
        local log=$build/rustup.log
        if ! RUSTUP_MAX_RETRIES=1 timeout 300 rustup target add "$target" >"$log" 2>&1 || ! has_target rustc; then
            why_not_rustup="rustup target add $target: $(grep -m 1 '^error' "$log" || echo "no answer in 5 minutes")"
            return 1
        fi
    fi
    cargo=cargo rustc=rustc
    compiler=$(rustc --version)
}

# --- way 2: Debian's packages ---------------------------------------------------------------------------------------

sudo=(sudo)
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else "${sudo[@]}" "$@"; fi; }

why_not_installed=
try_install_packages() {
    if ! command -v apt-get >/dev/null; then
        why_not_installed="$1 missing, and this is not a Debian: there is no apt-get"
        return 1
    fi
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        why_not_installed="installing $* needs root; run once as root: apt-get update && apt-get install $*"
        return 1
    fi
    local log=$build/apt.log install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-remove --no-install-recommends)
    # A new machine has no package lists, an old one has stale ones: only then is the update worth its time.
    if ! as_root "${install[@]}" "$@" >"$log" 2>&1 &&
        ! { as_root apt-get update >>"$log" 2>&1 && as_root "${install[@]}" "$@" >>"$log" 2>&1; }; then
        why_not_installed="apt-get could not install $*: $(grep '^E:' "$log" | tail -n 1) (all of it: $log)"
        return 1
    fi
}

install_packages() {
    say "installing $* (once; some 800 MB on disk)"
    try_install_packages "$@" || die "$why_not_installed" "${advice[@]}"
}

# rust-lld of a rustup toolchain is there wherever rustup is; else Debian's wasm-ld.
find_linker() {
    find "${RUSTUP_HOME:-$HOME/.rustup}"/toolchains/*/lib/rustlib/*/bin -name rust-lld -type f 2>/dev/null | sort | tail -n 1 |
        grep . || command -v wasm-ld-19 || command -v wasm-ld
}

try_debian() {
    if ! { [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ] && [ -f /usr/lib/rustlib/src/rust/library/Cargo.lock ]; }; then
        install_packages rustc-web cargo-web rust-web-src
    fi
    cargo=/usr/bin/cargo rustc=/usr/bin/rustc
    compiler="$($rustc --version | cut -d' ' -f1-2) of Debian"
    local wanted version
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    version=$($rustc --version | cut -d' ' -f2)
    [ "$(printf '%s\n' "$wanted" "$version" | sort -V | head -n 1)" = "$wanted" ] ||
        die "Debian's rustc is $version, this workspace needs $wanted or newer" \
            "rustc-web 1.96 is in bookworm-security: check that /etc/apt/sources.list has it, then apt-get update and upgrade" \
            "${advice[@]}"
    linker=$(find_linker) || { install_packages lld-19 && linker=$(find_linker); }
    # Nightly's door on a stable compiler: core for this target is built from its own source.
    export RUSTC_BOOTSTRAP=1 CARGO_TARGET_WASM32V1_NONE_LINKER=$linker
    extra=(-Zbuild-std=core,alloc)
}

# --- the optimiser ---------------------------------------------------------------------------------------------------

find_optimiser() {
    optimiser="not optimised"
    [ "$optimise" = auto ] || return 0
    if ! has_optimiser; then
        say "installing binaryen (once; some 30 MB on disk)"
        sudo=(sudo -n) # Nobody is asked for a password for what can be done without.
        if ! try_install_packages binaryen || ! has_optimiser; then
            say "no optimiser (${why_not_installed:-binaryen is older than $oldest_binaryen}): the Wasm will be larger, and do" \
                "the same. Where there is a package: apt-get install binaryen"
            return 0
        fi
    fi
    optimiser="binaryen $(wasm-opt --version | grep -o '[0-9]\+' | head -n 1)"
}

# Soroban takes the first version of Wasm: no feature that came later.
wasm=(--mvp-features)

# Keeps the exports that the network and callers use: memory and functions. Each export is paid for at every call, and
# the linker adds marks of its own.
drop_exports() {
    local names
    names=$(wasm-dis "${wasm[@]}" "$1" -o - | sed -n 's/^ (export "\([^"]*\)" (\(func\|memory\) .*/\1/p')
    {
        printf '[{"name":"caller","root":true,"reaches":['
        sed 's/.*/"&"/' <<<"$names" | paste -sd,
        printf ']}'
        sed 's/.*/,{"name":"&","export":"&"}/' <<<"$names"
        printf ']'
    } >"$build/exports.json"
    wasm-metadce "${wasm[@]}" --graph-file="$build/exports.json" "$1" -o "$1.kept" >/dev/null
    mv "$1.kept" "$1"
}

optimise() {
    [ "$optimiser" != "not optimised" ] || return 0
    drop_exports "$1"
    wasm-opt "${wasm[@]}" -Oz --converge "$1" -o "$1.smaller"
    mv "$1.smaller" "$1"
}

# --- build ----------------------------------------------------------------------------------------------------------

extra=()
advice=("with internet: install Rust from https://rustup.rs, then run: rustup target add $target"
    "with package registries only: Debian 12 with its security archive, and root or sudo once")
unset CARGO RUSTC RUSTC_WRAPPER RUSTFLAGS CARGO_BUILD_TARGET
if [ "$way" = debian ]; then
    try_debian
elif try_rustup; then
    way=rustup
elif [ "$way" = rustup ]; then
    die "no compiler for $target: $why_not_rustup" "${advice[@]}"
else
    say "rustup can't ($why_not_rustup): trying Debian's packages"
    try_debian
    way=debian
fi
find_optimiser
tools="$compiler, $optimiser"
say "way $way: $tools; a first build takes a minute or two"

# A contract's memory is paid for by the 64 KiB page: 16 KiB of stack instead of 1 MiB leave one page of it. The paths of
# this machine stay out of the Wasm.
flags=(-Clink-arg=-zstack-size=16384
    "--remap-path-prefix=$root=/paychan"
    "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo")
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f' && printf '%s' "${flags[*]}")
export CARGO_ENCODED_RUSTFLAGS RUSTC=$rustc

# Cargo does not build again when only the `repository` in Cargo.toml has changed, and that line is in the metadata.
"$cargo" clean --quiet --locked "${contracts[@]/#/--package=}" --profile contract --target "$target" --target-dir "$build" 9>&-

for contract in "${contracts[@]}"; do
    # A cdylib alone: with an rlib beside it there would be no link-time optimisation.
    "$cargo" rustc --locked --package "$contract" --lib --crate-type cdylib --profile contract \
        --target "$target" --target-dir "$build" ${extra[@]+"${extra[@]}"} 9>&- ||
        die "$contract did not build (way $way); cargo says why above"
    built=$(wasm_of "$build/$target/contract")
    made=$(wasm_of "$out")
    cp "$built" "$made.new"
    optimise "$made.new"
    for section in contractspecv0 contractenvmetav0 contractmetav0; do
        grep -q "$section" "$made.new" || die "$made has no section $section: stellar-cli and the network need it"
    done
    chmod 644 "$made.new"
    mv "$made.new" "$made"
done

{
    printf '%s\n' "$inputs" "$way" "$optimise" "$tools"
    for contract in "${contracts[@]}"; do sha256sum "$(wasm_of "$out")"; done
} >"$stamp"
report "way $way: $tools"
