#!/usr/bin/env bash
# Runs a simulated enclave behind the relay until Ctrl-C, and says how to reach it.
set -euo pipefail
: "${BIN:?the folder of the binaries}" "${LISTEN:?where to listen}"
if [[ $LISTEN == unix:* || $LISTEN == vsock:* || $LISTEN == vsock-mux:* ]]; then
    echo "LISTEN=$LISTEN: SDKs need HOST:PORT" >&2
    exit 2
fi
source "$(dirname "$0")/softhsm.sh"
case ${KEY_STORE:-} in
'') ;;
softhsm)
    softhsm_module >/dev/null ||
        { echo "KEY_STORE=softhsm: SoftHSM 2 is missing: apt-get install softhsm2" >&2; exit 1; }
    ;;
*)
    echo "KEY_STORE=$KEY_STORE: only softhsm is known" >&2
    exit 2
    ;;
esac
source "$(dirname "$0")/service.sh"
start_service "$LISTEN" "${TLS:-}" "${KEY_STORE:-}"

cat <<END

attested-random is ready at $endpoint (simulated; Ctrl-C stops it)
END
ca_option=
if [[ ${TLS:-} == yes ]]; then
    cat <<END

  # Clients trust it by a file; a real enclave is trusted by its measurements instead of --simulator
  $BIN/attested-recipient trust $endpoint --simulator --out enclave-ca.pem
  export AWS_CA_BUNDLE=\$PWD/enclave-ca.pem
END
    ca_option=" --ca enclave-ca.pem"
fi
cat <<END

  # Any KMS client; the credentials can be anything:
  export AWS_ENDPOINT_URL_KMS=$endpoint AWS_DEFAULT_REGION=eu-west-1
  export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any

  # boto3
  python3 -c 'import boto3; print(boto3.client("kms").generate_random(NumberOfBytes=32)["Plaintext"].hex())'

  # A document of the simulator's for your key (public.der: DER SubjectPublicKeyInfo)
  $BIN/attested-recipient document --endpoint $endpoint$ca_option --public-key public.der --out document.bin

  # AWS CLI v1
  aws kms generate-random --number-of-bytes 32 --recipient 'KeyEncryptionAlgorithm=RSAES_OAEP_SHA_256,AttestationDocument@=fileb://document.bin'

  # AWS CLI v2
  aws kms generate-random --number-of-bytes 32 --recipient "KeyEncryptionAlgorithm=RSAES_OAEP_SHA_256,AttestationDocument=\$(base64 -w0 document.bin)"

  # All of it in one command
  $BIN/attested-recipient random --endpoint $endpoint$ca_option --bytes 32

END
if [[ ${KEY_STORE:-} == softhsm ]]; then
    cat <<END
  # From the custom key store: the bytes are SoftHSM's (boto3, AWS CLI); and how it is
  python3 -c 'import boto3; print(boto3.client("kms").generate_random(NumberOfBytes=32, CustomKeyStoreId="$softhsm_key_store_id")["Plaintext"].hex())'
  aws kms generate-random --number-of-bytes 32 --custom-key-store-id $softhsm_key_store_id
  aws kms describe-custom-key-stores

END
fi
# Until the first of the two ends, or a signal comes.
wait -n
