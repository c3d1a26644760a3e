#!/usr/bin/env bash
# Runs a simulated enclave behind the relay until Ctrl-C, and prints commands that use it.
set -euo pipefail
: "${BIN:?set it to the folder of the binaries}" "${LISTEN:?set it to the address to listen on}"
if [[ $LISTEN == unix:* || $LISTEN == vsock:* || $LISTEN == vsock-mux:* ]]; then
    echo "LISTEN=$LISTEN is not supported: SDKs need HOST:PORT" >&2
    exit 2
fi
source "$(dirname "$0")/softhsm.sh"
case ${KEY_STORE:-} in
'') ;;
softhsm)
    softhsm_module >/dev/null ||
        { echo "KEY_STORE=softhsm needs SoftHSM 2 (apt-get install softhsm2)" >&2; exit 1; }
    ;;
*)
    echo "KEY_STORE=$KEY_STORE is not supported: use softhsm" >&2
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

  # Create the CA file for clients. For a real enclave pass its measurements instead of --simulator.
  $BIN/attested-recipient trust $endpoint --simulator --out enclave-ca.pem
  export AWS_CA_BUNDLE=\$PWD/enclave-ca.pem
END
    ca_option=" --ca enclave-ca.pem"
fi
cat <<END

  # For any KMS client. The credentials can have any value:
  export AWS_ENDPOINT_URL_KMS=$endpoint AWS_DEFAULT_REGION=eu-west-1
  export AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any

  # boto3
  python3 -c 'import boto3; print(boto3.client("kms").generate_random(NumberOfBytes=32)["Plaintext"].hex())'

  # An attestation document of the simulator for your key (public.der: DER SubjectPublicKeyInfo)
  $BIN/attested-recipient document --endpoint $endpoint$ca_option --public-key public.der --out document.bin

  # AWS CLI v1
  aws kms generate-random --number-of-bytes 32 --recipient 'KeyEncryptionAlgorithm=RSAES_OAEP_SHA_256,AttestationDocument@=fileb://document.bin'

  # AWS CLI v2
  aws kms generate-random --number-of-bytes 32 --recipient "KeyEncryptionAlgorithm=RSAES_OAEP_SHA_256,AttestationDocument=\$(base64 -w0 document.bin)"

  # The same in one command
  $BIN/attested-recipient random --endpoint $endpoint$ca_option --simulator --bytes 32

END
if [[ ${KEY_STORE:-} == softhsm ]]; then
    cat <<END
  # From the custom key store, with bytes of SoftHSM (boto3, AWS CLI), and its state
  python3 -c 'import boto3; print(boto3.client("kms").generate_random(NumberOfBytes=32, CustomKeyStoreId="$softhsm_key_store_id")["Plaintext"].hex())'
  aws kms generate-random --number-of-bytes 32 --custom-key-store-id $softhsm_key_store_id
  aws kms describe-custom-key-stores

END
fi
# Waits until one of the two processes ends or a signal arrives.
wait -n
