# shellcheck shell=bash
# Sourced: what of SoftHSM 2 is on this machine, and a token of it.

# The id of its key store.
softhsm_key_store_id=cks-1234567890abcdef0

# Prints where SoftHSM's PKCS#11 module is; fails if the module or its command is not there.
softhsm_module() {
    command -v softhsm2-util >/dev/null || return 1
    local file
    # Debian and its kin; Fedora and its kin; Arch; built from source.
    for file in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so \
        /usr/lib64/pkcs11/libsofthsm2.so /usr/lib64/softhsm/libsofthsm2.so \
        /usr/lib/libsofthsm2.so /usr/local/lib/softhsm/libsofthsm2.so; do
        if [[ -e $file ]]; then
            echo "$file"
            return
        fi
    done
    return 1
}

# Makes a token in the folder $1, with a PIN of its own, and prints the [[key_store]] on it.
# SoftHSM finds it by SOFTHSM2_CONF, which is the caller's to export.
softhsm_key_store() {
    local module
    module=$(softhsm_module)
    mkdir "$1/tokens"
    printf 'directories.tokendir = %s\n' "$1/tokens" >"$1/softhsm2.conf"
    od -An -N8 -tx8 /dev/urandom | tr -d ' \n' >"$1/pin"
    # Whoever lists processes sees it for a moment: it opens nothing that lasts.
    SOFTHSM2_CONF=$1/softhsm2.conf softhsm2-util --init-token --free --label vault \
        --so-pin "$(<"$1/pin")" --pin "$(<"$1/pin")" >/dev/null
    cat <<TOML
[[key_store]]
id = "$softhsm_key_store_id"
name = "vault"
type = "AWS_CLOUDHSM"
module = "$module"
token_label = "vault"
pin_file = "pin"
cluster_id = "cluster-1a23b4cdefg"
TOML
}
