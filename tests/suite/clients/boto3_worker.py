"""Requests random bytes with boto3 at a constant rate until stdin ends.

The arguments are the number of requests per second and the number of threads. The program reads attestation
documents in base64 from stdin, one per line. A new document replaces the previous document. Every second
request has the document in its Recipient.

The program prints one line per request. The line contains "ok" or the error's name, the number of attempts,
and for some requests the CiphertextForRecipient in base64. At the end of stdin, the program completes the
requests in flight. Environment variables set the endpoint and the credentials.
"""

import base64
import sys
import threading
import time

import boto3
import botocore.config

# The program prints one of this number of envelopes.
PRINTED_INTERVAL = 50

document = base64.b64decode(sys.stdin.readline())
stopping = threading.Event()


def main():
    rate, threads = float(sys.argv[1]), int(sys.argv[2])
    client = boto3.client("kms", config=botocore.config.Config(max_pool_connections=threads))
    workers = [
        threading.Thread(target=work, args=(client, threads / rate, n / rate)) for n in range(threads)
    ]
    for worker in workers:
        worker.start()
    global document
    for line in sys.stdin:
        document = base64.b64decode(line)
    stopping.set()
    for worker in workers:
        worker.join()


def work(client, interval, offset):
    due, count = time.monotonic() + offset, 0
    while not stopping.wait(max(0, due - time.monotonic())):
        count += 1
        print_line(*request_random(client, count))
        # Overdue requests are sent late, but at most the requests of one second.
        due = max(due + interval, time.monotonic() - 1)


def request_random(client, count):
    parameters = {"NumberOfBytes": 32}
    if count % 2:
        parameters["Recipient"] = {
            "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
            "AttestationDocument": document,
        }
    try:
        output = client.generate_random(**parameters)
    except Exception as error:
        # After a broken connection, the attribute exists, but its value is None.
        response = getattr(error, "response", None) or {}
        attempts = response.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
        return response.get("Error", {}).get("Code", type(error).__name__), attempts
    attempts = output["ResponseMetadata"]["RetryAttempts"] + 1
    if not count % 2:
        return "ok" if len(output["Plaintext"]) == 32 else "BadLength", attempts
    envelope = output["CiphertextForRecipient"]
    if count % (2 * PRINTED_INTERVAL) == 1:
        return "ok", attempts, base64.b64encode(envelope).decode()
    return "ok" if envelope and "Plaintext" not in output else "NotSealed", attempts


def print_line(*fields):
    # A single write for each line keeps the lines of several threads separate.
    sys.stdout.write(" ".join(map(str, fields)) + "\n")
    sys.stdout.flush()


main()
