#!/usr/bin/env python3
"""Verifies a stored exchange offline, independently of attested-recipient. Needs cbor2 and cryptography.

usage: verify_receipt.py EXCHANGE ROOT_PEM MEASUREMENTS_JSON [CONTENT_KEY]

EXCHANGE is a file of `attested-recipient random --save-exchange`, and CONTENT_KEY one of `attested-recipient
disclose`. The numbers are the steps of docs/receipts.md. An exception means that the exchange is rejected.
"""
import base64, datetime, hashlib, json, re, sys
import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store

HALF_ORDER = 0x7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8
IDENTITY = re.compile(rb"attested-random/2 identity receipt=p256:([0-9a-f]{130})( tls-key=sha256:[0-9a-f]{64})?"
                      rb"( tls-ca=sha256:[0-9a-f]{64})?( config=(0|[1-9][0-9]*):sha256:[0-9a-f]{64})?")
NAMES = {"v", "id", "op", "req", "res", "seq", "time", "nonce"}

def demand(holds, reason):
    if not holds:
        raise SystemExit("rejected: " + reason)

def verify(key, hash, signature, protected, external_aad, payload):
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    signed = cbor2.dumps(["Signature1", protected, external_aad, payload])
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hash))
    return s

def verify_document(document, roots, expected, receipt_time):
    """4 to 6: returns the receipt key and the name of the module."""
    envelope = cbor2.loads(document)
    protected, _, payload, signature = getattr(envelope, "value", envelope)
    demand(cbor2.loads(protected) == {1: -35}, "4: the document is not signed with ES384")
    claims = cbor2.loads(payload)
    moment = datetime.datetime.fromtimestamp(claims["timestamp"] / 1000, datetime.timezone.utc)
    leaf, *cas = map(x509.load_der_x509_certificate, [claims["certificate"], *claims["cabundle"][:0:-1]])
    leaf_policy = ExtensionPolicy.permit_all()
    ca_policy = leaf_policy.require_present(x509.BasicConstraints, Criticality.CRITICAL, None)
    builder = PolicyBuilder().store(Store(roots)).time(moment).max_chain_depth(8)
    policy = builder.extension_policies(ca_policy=ca_policy, ee_policy=leaf_policy)
    policy.build_client_verifier().verify(leaf, cas)
    verify(leaf.public_key(), hashes.SHA384(), signature, protected, b"", payload)
    demand(any(any(claims["pcrs"][index]) for index in range(3)), "4: the enclave is in debug mode")
    identity = IDENTITY.fullmatch(claims["user_data"] or b"")
    demand(identity and claims["public_key"] is None, "4: the document attests no receipt key")
    demand({0, 16} <= expected.keys(), "5: the measurements need PCR0 and PCR16")
    for index, value in expected.items():
        demand(claims["pcrs"].get(index) == value, f"5: PCR{index} is another one")
    demand(abs(claims["timestamp"] - receipt_time) <= 24 * 3600 * 1000, "6: the document is of another day")
    return bytes.fromhex(identity[1].decode()), claims["module_id"]

def disclose(request, response, receipt, content_key):
    demand(hashlib.sha256(b"attested-random content key v1" + content_key).digest() == receipt["cek"],
           "disclosure: this is not the content key of the response")
    # CMS of KMS: the IV follows the OID of AES-256-CBC; the content is one OCTET STRING in [0], indefinite lengths.
    _, rest = base64.b64decode(response["CiphertextForRecipient"]).split(bytes.fromhex("060960864801650304012a0410"))
    iv, head, rest = rest[:16], rest[16:19], rest[19:-10]
    demand(head == b"\xa0\x80\x04", "disclosure: the response has an unknown form")
    ciphertext = rest[3:] if rest[0] == 0x82 else rest[2:] if rest[0] == 0x81 else rest[1:]
    decryptor = Cipher(algorithms.AES(content_key), modes.CBC(iv)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    content = unpadder.update(decryptor.update(ciphertext) + decryptor.finalize()) + unpadder.finalize()
    demand(len(content) == request["NumberOfBytes"], "disclosure: the content has another length")
    return content

def main(exchange, root, measurements, content_key=None):
    parts = json.load(open(exchange))
    demand(set(parts) == {"request", "response", "receipt", "document"}, "not a stored exchange")
    decode = lambda text: base64.b64decode(text, validate=True)
    request, response, header, document = (decode(parts[name]) for name in ("request", "response", "receipt", "document"))
    raw = decode(header)  # 2
    demand(len(header) <= 600 and base64.b64encode(raw) == header, "2: the receipt is not canonical base64")
    protected, _, payload, signature = cbor2.loads(raw).value
    demand(cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature])) == raw, "2: not a COSE_Sign1")
    receipt, kid = cbor2.loads(payload), cbor2.loads(protected)[4]
    typ = {1: -7, 4: kid, 16: "application/attested-random-receipt+cbor"}
    demand(cbor2.dumps(typ) == protected and cbor2.dumps(receipt, canonical=True) == payload, "2: not deterministic")
    demand(set(receipt) - {"cek", "src"} == NAMES and receipt["v"] == 1, "2: other members")
    expected = json.load(open(measurements))
    expected = {int(name[3:]): bytes.fromhex(expected[name]) for name in expected if name.startswith("PCR")}
    roots = x509.load_pem_x509_certificates(open(root, "rb").read())
    point, module_id = verify_document(document, roots, expected, receipt["time"])  # 4 to 6
    demand(hashlib.sha256(point).digest() == kid, "3: the receipt is of another key")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    s = verify(key, hashes.SHA256(), signature, protected, b"attested-random receipt v1", payload)  # 7
    demand(len(signature) == 64 and s <= HALF_ORDER, "7: s is over n/2")
    demand(hashlib.sha256(request).digest() == receipt["req"], "8: the receipt is of another request")
    demand(hashlib.sha256(response).digest() == receipt["res"], "8: the receipt is of another response")
    request, response = json.loads(request), json.loads(response)  # 9
    demand(receipt.get("src", "nsm") == "nsm", "9: the bytes come from a key store")
    demand(("cek" in receipt) == ("CiphertextForRecipient" in response), "9: cek and the response disagree")
    demand(not (request.get("Recipient") and "Plaintext" in response), "9: a Plaintext for a Recipient")
    print(module_id, kid.hex(), receipt["op"], receipt["seq"], receipt["time"], receipt["nonce"].hex())
    if content_key:
        print(disclose(request, response, receipt, bytes.fromhex(open(content_key).read())).hex())

main(*sys.argv[1:])
