"""Asks for random bytes with boto3, without end and at a steady pace.

Arguments: requests a second, and threads that share them. Reads attestation documents from stdin, in base64
and one a line; each takes the place of the one before. Every other request has it as its Recipient. Prints a
line for each request: what became of it, "ok" or the error's name, the attempts that took, and of some the
CiphertextForRecipient in base64. Ends when stdin does, after the requests under way.
The endpoint and credentials come from the environment, as with any use of boto3.
"""

import base64
import sys
import threading
import time

import boto3
import botocore.config

# Of the sealed answers, one in so many is printed.
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
        # What was missed is made up for, but not more than a second's worth of it.
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
        # That of a connection which broke is there, and None.
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
    # One write, so that lines of several threads do not mix.
    sys.stdout.write(" ".join(map(str, fields)) + "\n")
    sys.stdout.flush()


main()
