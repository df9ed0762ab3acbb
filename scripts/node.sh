# Node's side of the tests. The other scripts source this file.
#
#   install_interop NAME PACKAGE   copies tests/interop/NAME, installs its packages beside the copy, and sets $folder to it
#
# Where Node 20, npm or a package registry is missing, the script says so and ends with success.

install_interop() {
    local name=$1 package=$2
    left_out() {
        echo "$name: LEFT OUT, $1"
        exit 0
    }
    command -v node >/dev/null && command -v npm >/dev/null || left_out "Node and npm are not installed"
    [ "$(node --print 'process.versions.node.split(".")[0]')" -ge 20 ] ||
        left_out "Node is $(node --version), older than 20"
    folder=${CARGO_TARGET_DIR:-target}/$name
    mkdir -p "$folder"
    cp tests/interop/"$name"/* "$folder"
    (cd "$folder" && npm ci --silent --no-audit --no-fund >npm.log 2>&1) ||
        left_out "npm could not install $package ($folder/npm.log)"
}
