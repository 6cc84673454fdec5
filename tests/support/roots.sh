# Roots of other Debian releases, by mmdebstrap. Sourced, after cmake/setup.sh and with $root set, by tests/roots/ and tests/vm/build.

# The mirror that this machine's own packages come from.
mirror() {
    local found
    found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -Eo 'https?://[^ ]+/debian/?( |$)' | head -n 1)
    echo "${found:-http://deb.debian.org/debian}"
}

can_make_roots() {
    [ "$(id -u)" = 0 ] || fail "only root may make a root"
    command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing: apt-get install mmdebstrap"
}

# A folder of its own in $TMPDIR that the caller removes, as it removes a root in it: rm -rf --one-file-system.
root_folder() {
    local folder
    folder=$(mktemp -d "${TMPDIR:-/var/tmp}/cellblock-root-XXXXXX") && chmod 755 "$folder" && echo "$folder"
}

# A release file of Debian's next release is valid for a week, and a mirror may keep an older one.
make_root() { # release folder package…
    mmdebstrap --quiet --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        --include="$(echo "${@:3}" | tr ' ' ,)" "$1" "$2" "$(mirror)"
}

# Runs a command in the root, with $cache in /ccache, as in a container that it can't see out of: in a chroot Linux gives nobody a
# user namespace. Variables DEB_… reach it. Nothing is unmounted or killed by hand: mounts and processes live in namespaces that end
# with the command. The machine's control groups aren't there, as they would outlive the command if a test failed.
in_root() { # folder command…
    local variables=() name value
    while IFS='=' read -r -d '' name value; do
        [[ $name != DEB_* ]] || variables+=("$name=$value")
    done < <(env -0)
    # shellcheck disable=SC2016
    unshare --mount --pid --fork --kill-child --propagation private bash -c '
        folder=$1 cache=$2
        shift 2
        mount --bind "$folder" "$folder" && cd "$folder" && mkdir -p ccache &&
            mount --bind "$cache" ccache && mount -t proc proc proc && mount --bind /sys sys && mount --rbind /dev dev &&
            pivot_root . . && umount -l . && cd / &&
            exec env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LC_ALL=C.UTF-8 CCACHE_DIR=/ccache "$@"
    ' in_root "$1" "$cache" "${variables[@]}" "${@:2}"
}

# What the project's repository has, with changes that aren't committed; never what was built.
copy_sources() { # folder
    mkdir -p "$1"
    git -C "$root" ls-files -z --cached --others --exclude-standard |
        (cd "$root" && tar --create --null --files-from=- --ignore-failed-read --warning=no-failed-read) | tar -x -C "$1"
}
