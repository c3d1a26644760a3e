#!/usr/bin/env bash
# Shows one attested request step by step. Starts the service first and stops it at the end.
set -euo pipefail
: "${BIN:?set it to the folder of the binaries}"
for tool in openssl curl; do
    command -v $tool >/dev/null || { echo "$tool is missing: install it, for example with apt-get install $tool" >&2; exit 1; }
done
source "$(dirname "$0")/service.sh"
audit=$folder/audit.json

step() {
    printf '\n== %s\n' "$1"
}

step "1. Start a simulated enclave and the relay in front of it"
start_service 127.0.0.1:0
echo "$endpoint"
cd "$folder"
PATH=$BIN:$PATH

step "2. The recipient creates an RSA key pair; only the public key leaves it"
openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem
openssl pkey -in key.pem -pubout -outform DER -out public.der
openssl dgst -sha256 public.der

step "3. The hypervisor (here the simulator) signs an attestation document that contains the public key"
attested-recipient document --endpoint "$endpoint" --public-key public.der --out document.bin
attested-recipient inspect document.bin | grep -Ev 'PCR([5-79]|1[0-5]) '

step "4. Verify the document under the root certificate: AWS's, or here the simulator's"
curl -sS "$endpoint/simulator/root.pem" -o root.pem
attested-recipient verify --root root.pem --recipient document.bin

step "5. GenerateRandom with a Recipient returns CiphertextForRecipient and no Plaintext"
document=$(base64 <document.bin | tr -d '\n')
curl -sS "$endpoint" -H 'Content-Type: application/x-amz-json-1.1' \
    -H 'X-Amz-Target: TrentService.GenerateRandom' -o answer.json \
    -d "{\"NumberOfBytes\":32,\"Recipient\":{\"KeyEncryptionAlgorithm\":\"RSAES_OAEP_SHA_256\",\"AttestationDocument\":\"$document\"}}"
cut -c1-100 answer.json

step "6. Decrypt it with the private key: 32 random bytes"
sed 's/.*"CiphertextForRecipient":"\([^"]*\)".*/\1/' answer.json | base64 -d >sealed.bin
attested-recipient open --key key.pem sealed.bin | od -An -tx1

step "7. OpenSSL decrypts it to the same bytes"
openssl cms -decrypt -inform DER -in sealed.bin -inkey key.pem | od -An -tx1

step "8. The same in one command"
attested-recipient random --endpoint "$endpoint" --simulator --bytes 32

step "9. The audit records of the enclave"
cat "$audit"
