# Roots of other Debian systems, by mmdebstrap. Sourced, after cmake/setup.sh and with $root set, by tests/roots/ and tests/vm/build.
# A system is a release of Debian (bookworm) for this machine's processor, or RELEASE-arm64.

release_of() { echo "${1%-arm64}"; }
architecture_of() { if [[ $1 == *-arm64 ]]; then echo arm64; else dpkg --print-architecture; fi; }
is_foreign() { [ "$(architecture_of "$1")" != "$(dpkg --print-architecture)" ]; }

# The mirror that this machine's own packages come from.
mirror() {
    local found
    found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -Eo 'https?://[^ ]+/debian/?( |$)' | head -n 1)
    echo "${found:-http://deb.debian.org/debian}"
}

can_make_roots() {
    [ "$(id -u)" = 0 ] || fail "only root may make a root, as tests/${0##*/tests/} does"
    command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing: apt-get install mmdebstrap"
}

# A folder of its own in $TMPDIR that the caller removes, as it removes a root in it: rm -rf --one-file-system.
root_folder() {
    local folder
    folder=$(mktemp -d "${TMPDIR:-/var/tmp}/cellblock-root-XXXXXX") && chmod 755 "$folder" && echo "$folder"
}

# A release file of Debian's next release is valid for a week, and a mirror may keep an older one.
mmdebstrap_options=(--quiet --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg
                    --aptopt='Acquire::Check-Valid-Until "false"')
make_root() { # system folder package…
    mmdebstrap "${mmdebstrap_options[@]}" --architectures="$(architecture_of "$1")" --include="$(echo "${@:3}" | tr ' ' ,)" \
        "$(release_of "$1")" "$2" "$(mirror)"
}

# A root of this machine's processor with a compiler for another one's. Libraries (-dev, catch2), and pkgconf,
# which finds them, are installed for that one.
make_cross_root() { # system folder package…
    local name tools=() libraries=() architecture
    architecture=$(architecture_of "$1")
    for name in "${@:3}"; do
        if [[ $name == *-dev || $name == catch2 || $name == pkgconf ]]; then libraries+=("$name"); else tools+=("$name"); fi
    done
    mmdebstrap "${mmdebstrap_options[@]}" --architectures="$(dpkg --print-architecture),$architecture" \
        --include="$(echo "${tools[@]}" "crossbuild-essential-$architecture" | tr ' ' ,)" \
        --customize-hook="chroot \"\$1\" sh -euc '$install_libraries' libraries $architecture ${libraries[*]}" \
        "$(release_of "$1")" "$2" "$(mirror)"
}

# Some packages of headers alone aren't marked as good for other architectures (Multi-Arch: foreign), although they are.
# shellcheck disable=SC2016
install_libraries='
    architecture=$1
    shift
    for name in "$@"; do
        case $(apt-cache show --no-all-versions "$name" | sed -n "s/^Architecture: //p") in
            all)
                sed -i "/^Package: $name\$/,/^\$/ { /^Multi-Arch:/d; s/^Architecture: all/&\nMulti-Arch: foreign/ }" /var/lib/apt/lists/*_Packages
                echo "$name" ;;
            *) echo "$name:$architecture" ;;
        esac
    done | DEBIAN_FRONTEND=noninteractive xargs apt-get -q -y install --no-install-recommends -o DPkg::Options::=--force-depends'

# Has Linux run that system's programs by qemu-user, until stop_emulating. Where it does so already, nothing is changed.
emulation=
mounted=
emulate() { # system
    local entry=/proc/sys/fs/binfmt_misc/qemu-aarch64
    is_foreign "$1" && [ ! -e "$entry" ] || return 0
    if ! mountpoint -q /proc/sys/fs/binfmt_misc; then
        mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc || fail "programs for aarch64 can't be run here: Linux has no binfmt_misc"
        mounted=yes
    fi
    [ ! -e "$entry" ] || return 0
    cat /usr/lib/binfmt.d/qemu-aarch64.conf >/proc/sys/fs/binfmt_misc/register ||
        fail "programs for aarch64 can't be run here: apt-get install qemu-user-static"
    emulation=$entry
}
stop_emulating() {
    [ -z "$emulation" ] || echo -1 >"$emulation"
    [ -z "$mounted" ] || umount /proc/sys/fs/binfmt_misc
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
