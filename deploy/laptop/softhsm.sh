# shellcheck shell=bash
# Sourced. Finds SoftHSM 2 on this machine and creates a token.

# The id of the key store on that token.
softhsm_key_store_id=cks-1234567890abcdef0

# Prints the path of SoftHSM's PKCS#11 module. Fails if the module or the command softhsm2-util is missing.
softhsm_module() {
    command -v softhsm2-util >/dev/null || return 1
    local file
    # Paths of Debian, Fedora, Arch and their derivatives, and of a build from source.
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

# Creates a token with a random PIN in the folder $1 and prints its [[key_store]] table.
# SoftHSM finds the token by SOFTHSM2_CONF, which the caller must export.
softhsm_key_store() {
    local module
    module=$(softhsm_module)
    mkdir "$1/tokens"
    printf 'directories.tokendir = %s\n' "$1/tokens" >"$1/softhsm2.conf"
    od -An -N8 -tx8 /dev/urandom | tr -d ' \n' >"$1/pin"
    # The PIN is briefly visible in the process list. It protects only this temporary token.
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
