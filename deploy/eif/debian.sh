# shellcheck shell=bash
# Packages out of Debian's archive, with lists, cache and sources of our own: the machine's apt stays as
# it is, nothing needs root, and the machine may be of another release. Sourced, not run.

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fail() {
    echo "$1" >&2
    exit 1
}

# require WHO COMMAND=PACKAGE...: one line names all that is missing. A path stands for a file.
require() {
    local who=$1 pair name missing=() packages=()
    shift
    for pair; do
        name=${pair%%=*}
        if [[ $name == /* ]]; then [[ -r $name ]]; else command -v "$name" >/dev/null; fi && continue
        missing+=("$name")
        packages+=("${pair#*=}")
    done
    [[ ${#missing[@]} == 0 ]] ||
        fail "$who needs: ${missing[*]} (apt-get install ${packages[*]})"
}

# logged LOG COMMAND...: the output goes into a file, whose end is shown when the command fails.
logged() {
    local log=$1
    shift
    if ! "$@" >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        fail "failed: $* (all of it: $log)"
    fi
}

# debian_open FOLDER ENTRY...: entries are as "deb bookworm main" or "deb-src trixie-security main". The
# current lists are fetched into the folder, where `debian` then finds them.
debian_open() {
    debian_folder=$(realpath -m "$1")
    shift
    mkdir -p "$debian_folder"/{lists,cache}/partial
    : >"$debian_folder/status"
    debian_sources "$@" >"$debian_folder/sources.list"
    debian_configuration >"$debian_folder/apt.conf"
    logged "$debian_folder/update.log" debian apt-get update
}

# debian COMMAND...: one of apt's commands, for the folder that was opened.
debian() {
    APT_CONFIG=$debian_folder/apt.conf "$@"
}

debian_sources() {
    local entry kind suite components archive
    for entry; do
        read -r kind suite components <<<"$entry"
        archive=debian
        [[ $suite != *-security ]] || archive=debian-security
        echo "$kind [signed-by=$debian_keyring] http://deb.debian.org/$archive $suite $components"
    done
}

debian_configuration() {
    # How the machine reaches an archive (proxies, certificates) holds here as well, and nothing else:
    # no pins, no hooks.
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
    # Root's apt would fetch as _apt, which need not be able to write here.
    if [[ $EUID == 0 ]]; then echo 'APT::Sandbox::User "root";'; fi
}

# debian_field FIELD PACKAGE[=VERSION]: the field's value; nothing when there is no such package.
debian_field() {
    debian apt-cache show --no-all-versions "$2" 2>/dev/null | sed -n "s/^$1: //p" || true
}

# debian_kernel SUITE: the lines of kernel.lock that name the suite's current kernel for clouds.
debian_kernel() {
    local depends package version sha256
    depends=$(debian_field Depends linux-image-cloud-amd64)
    read -r package _ version <<<"$depends"
    version=${version%)*}
    sha256=$(debian_field SHA256 "$package=$version")
    [[ -n $sha256 ]] || fail "linux-image-cloud-amd64 in Debian's $1 names no one kernel: \"$depends\""
    printf '%s=%s\n' suite "$1" package "$package" version "$version" sha256 "$sha256"
}
