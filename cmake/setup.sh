# What examples/quickstart and tests/run share: packages and the build. Sourced, with $root set.

say() { printf '\n== %s\n' "$*"; }
fail() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

packages_for() { # purpose…: their names
    local purpose
    for purpose in "$@"; do
        awk -v wanted="$purpose" '$1 == wanted { print $2 }' "$root/cmake/debian-packages.txt"
    done
}

missing_packages() { # name…: those that aren't installed
    local name
    for name in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
    done
}

# Installs what is missing; without root it says the one command that does, and stops before anything is begun.
need_packages() { # purpose…
    local missing
    command -v dpkg-query >/dev/null || fail "this needs Debian 12: dpkg-query was not found"
    # shellcheck disable=SC2046
    missing=$(missing_packages $(packages_for "$@") | xargs)
    if [ -z "$missing" ]; then
        return
    fi
    if [ "$(id -u)" != 0 ]; then
        printf 'These Debian packages are missing. Install them, then run this again:\n\n' >&2
        printf '    sudo apt-get update && sudo apt-get install --no-install-recommends %s\n\n' "$missing" >&2
        exit 1
    fi
    say "Installing Debian packages: $missing"
    apt-get -q update || fail "apt-get update failed; see above"
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing ||
        fail "apt-get install failed; see above"
}

# A preset's build tree, configured; all of it is built, or these targets. Where ccache is installed, what was compiled before
# isn't compiled again, in another clone of the project neither.
build_preset() { # preset target…
    local preset=$1
    shift
    if command -v ccache >/dev/null; then
        export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER:-$root/cmake/compile}
        # Paths count from the clone's folder; and a precompiled header may be used.
        export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
    fi
    (cd "$root" && cmake --preset "$preset" >"$(log_file "configure-$preset")" 2>&1) ||
        { cat "$(log_file "configure-$preset")" >&2; fail "cmake --preset $preset failed"; }
    (cd "$root" && cmake --build --preset "$preset" ${1:+--target "$@"})
}

log_file() { mkdir -p "$root/build"; echo "$root/build/$1.log"; }
