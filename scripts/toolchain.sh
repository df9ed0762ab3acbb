# Chooses the Rust toolchain. The other scripts source this file from the root of the project.
#
# rust-toolchain.toml names the toolchain. Before rustup downloads it, this script looks whether the same compiler is
# installed under another name ("stable", for example). If the download fails, it takes the default toolchain: everything
# works with it, and only the bytes of the contracts' Wasm are different. It keeps a RUSTUP_TOOLCHAIN that is already set.
# Without rustup there is nothing to choose, and the distribution's compiler is used.

toolchain_is() { # toolchain_is NAME VERSION
    [[ $(RUSTUP_TOOLCHAIN=$1 rustc --version 2>/dev/null) == "rustc $2 "* ]]
}

choose_toolchain() {
    [ -z "${RUSTUP_TOOLCHAIN:-}" ] && command -v rustup >/dev/null 2>&1 || return 0
    local pinned installed name
    pinned=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
    installed=$(rustup toolchain list 2>/dev/null | sed -n 's/^\([^ ]*-[^ ]*\).*/\1/p')
    if ! grep -q "^$pinned-" <<<"$installed"; then
        for name in $installed; do
            if toolchain_is "$name" "$pinned"; then
                export RUSTUP_TOOLCHAIN=$name
                return
            fi
        done
        if [ "${RUSTUP_AUTO_INSTALL:-1}" != 0 ]; then
            echo "paychan: rustup installs Rust $pinned, which rust-toolchain.toml names (once)" >&2
            RUST_BACKTRACE=0 rustup toolchain install >&2 || true
        fi
    fi
    # This also makes rustup add the components and the target where they are missing.
    cargo --version >/dev/null 2>&1 && return
    for name in "$pinned" $(rustup default 2>/dev/null | cut -d' ' -f1); do
        if RUSTUP_TOOLCHAIN=$name cargo --version >/dev/null 2>&1; then
            echo "paychan: rustup could not install everything that rust-toolchain.toml names; the script goes on with $name" >&2
            export RUSTUP_TOOLCHAIN=$name
            return
        fi
    done
    echo "paychan: no Rust toolchain works here. With internet: rustup toolchain install $pinned" >&2
    return 1
}

choose_toolchain
