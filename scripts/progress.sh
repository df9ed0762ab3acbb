# Prints the progress of a build. The other scripts source this file.
#
#   with_progress cargo build ...   cargo's own bar on a terminal; elsewhere a line for each tenth: "built 120 of 310"
#
# Warnings, errors and the exit code are cargo's. Standard output is not changed.

with_progress() {
    if [ -t 2 ]; then
        "$@"
        return
    fi
    # cargo draws its bar on standard error between other lines. Each state of the bar follows a carriage return.
    { CARGO_TERM_PROGRESS_WHEN=always CARGO_TERM_PROGRESS_WIDTH=80 "$@" 2>&1 >&3 3>&- | show_tenths >&2; } 3>&1
}

show_tenths() {
    local line tenth=0
    while IFS= read -r line || [ -n "$line" ]; do
        if [[ $line =~ ^\ *Building\ \[.*\]\ ([0-9]+)/([0-9]+) ]]; then
            local done=${BASH_REMATCH[1]} all=${BASH_REMATCH[2]}
            if ((all > 20 && done * 10 / all > tenth)); then
                tenth=$((done * 10 / all))
                echo "built $done of $all"
            fi
        elif [[ $line != *[![:space:]]* || $line =~ ^\ +(Compiling|Downloading|Downloaded|Checking|Fresh|Dirty|Blocking)\  ]]; then
            : # Cargo prints a line for every crate. The tenths are enough.
        else
            printf '%s\n' "$line"
        fi
    done < <(sed -u -e 's/\x1b\[[0-9;]*[A-Za-z]//g' -e 's/\r/\n/g')
}
