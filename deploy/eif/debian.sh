# shellcheck shell=bash
# Sourced. Fetches packages from Debian's archive with separate lists, cache and sources. The apt of the machine is not
# changed, root is not needed, and the machine can run another release.
#
# The archive is the one that the machine's apt uses, unless the environment names another one:
#   DEBIAN_MIRROR           Debian's archive, such as http://mirror.example/debian
#   DEBIAN_SECURITY_MIRROR  the archive of security updates; by default DEBIAN_MIRROR with "-security" appended

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
    echo "$1" >&2
    exit 1
}

# require USER COMMAND=PACKAGE...: fails with one line that names all missing commands and their packages. A path in
# place of COMMAND must be a readable file.
require() {
    local user=$1 pair name missing=() packages=()
    shift
    for pair; do
        name=${pair%%=*}
        if [[ $name == /* ]]; then [[ -r $name ]]; else command -v "$name" >/dev/null; fi && continue
        missing+=("$name")
        packages+=("${pair#*=}")
    done
    [[ ${#missing[@]} == 0 ]] ||
        fail "$user needs: ${missing[*]} (apt-get install ${packages[*]})"
}

# logged LOG COMMAND...: writes the output of the command to LOG. If the command fails, prints the end of LOG and fails.
logged() {
    local log=$1
    shift
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        fail "failed: $* (complete output: $log)"
    fi
}

# Sets debian_mirror and debian_security_mirror, the URLs of the two archives.
debian_find_mirrors() {
    local lists
    debian_mirror=${DEBIAN_MIRROR:-}
    debian_security_mirror=${DEBIAN_SECURITY_MIRROR:-}
    if [[ -z $debian_mirror ]]; then
        debian_read_configured_mirrors
        if [[ -z $debian_mirror ]]; then
            # A fresh system has no package lists, and only they identify the archive of Debian.
            lists=$(mktemp -d)
            mkdir -p "$lists"/{lists,cache}/partial
            apt-get -o Dir::State::lists="$lists/lists" -o Dir::Cache="$lists/cache" \
                -o APT::Sandbox::User="$(id -un)" update >/dev/null 2>&1 </dev/null || true
            debian_read_configured_mirrors -o Dir::State::lists="$lists/lists" -o Dir::Cache="$lists/cache"
            rm -rf "$lists"
        fi
        [[ -n $debian_mirror ]] || fail "apt on this machine has no reachable archive of Debian: set\
 DEBIAN_MIRROR=http://HOST/debian"
    fi
    debian_mirror=${debian_mirror%/}
    debian_security_mirror=${debian_security_mirror%/}
    : "${debian_security_mirror:=$debian_mirror-security}"
}

# debian_read_configured_mirrors OPTION...: sets the two variables, where empty, from the package lists of the machine's
# apt. The options are passed to apt-get.
debian_read_configured_mirrors() {
    local targets
    # shellcheck disable=SC2016 # these are variables of apt
    targets=$(apt-get "$@" indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages')
    debian_with_label() {
        awk -v label="Debian $1" '
            !found && /^https?:/ && substr($0, length($1) + 2) == label {print $1; found = 1}' <<<"$targets"
    }
    : "${debian_mirror:=$(debian_with_label Debian)}"
    : "${debian_security_mirror:=$(debian_with_label Debian-Security)}"
}

# debian_open FOLDER ENTRY...: fetches the current package lists into FOLDER, where `debian` uses them. An entry is, for
# example, "deb bookworm main" or "deb-src trixie-security main".
debian_open() {
    debian_folder=$(realpath -m "$1")
    shift
    debian_find_mirrors
    mkdir -p "$debian_folder"/{lists,cache}/partial
    : >"$debian_folder/status"
    debian_sources "$@" >"$debian_folder/sources.list"
    debian_configuration >"$debian_folder/apt.conf"
    if ! debian apt-get update >"$debian_folder/update.log" 2>&1 </dev/null; then
        fail "cannot fetch package lists from $debian_mirror: $(grep -m 1 '^E:' "$debian_folder/update.log")\
 (set DEBIAN_MIRROR to another archive; complete output: $debian_folder/update.log)"
    fi
}

# debian COMMAND...: runs a command of apt with the folder of debian_open.
debian() {
    APT_CONFIG=$debian_folder/apt.conf "$@"
}

debian_sources() {
    local entry kind suite components mirror
    for entry; do
        read -r kind suite components <<<"$entry"
        mirror=$debian_mirror
        [[ $suite != *-security ]] || mirror=$debian_security_mirror
        echo "$kind [signed-by=$debian_keyring] $mirror $suite $components"
    done
}

debian_configuration() {
    # Only the network settings of the machine (proxies, certificates) apply, without its pins and hooks.
    apt-config dump --format '%F "%v";%n' Acquire
    cat <<END
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "$debian_folder/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$debian_folder/lists";
Dir::State::status "$debian_folder/status";
Dir::Cache "$debian_folder/cache";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Update::Error-Mode "any";
END
    # As root, apt fetches as the user _apt, which may be unable to write here.
    if [[ $EUID == 0 ]]; then echo 'APT::Sandbox::User "root";'; fi
}

# debian_field FIELD PACKAGE[=VERSION]: prints the value of the field, or nothing if there is no such package.
debian_field() {
    debian apt-cache show --no-all-versions "$2" 2>/dev/null | sed -n "s/^$1: //p" || true
}

# debian_kernel SUITE: prints the lines of kernel.lock for the suite's current cloud kernel.
debian_kernel() {
    local depends package version sha256
    depends=$(debian_field Depends linux-image-cloud-amd64)
    read -r package _ version <<<"$depends"
    version=${version%)*}
    sha256=$(debian_field SHA256 "$package=$version")
    [[ -n $sha256 ]] || fail "linux-image-cloud-amd64 in Debian's $1 does not depend on exactly one kernel: \"$depends\""
    printf '%s=%s\n' suite "$1" package "$package" version "$version" sha256 "$sha256"
}
