#!/usr/bin/env python3
"""Checks the rows of the table in README.md that describe emulators.

Sends GenerateRandom to moto, MiniStack and LocalStack. The Recipient of the request contains an invalid
attestation document. The script compares each response and each version with the table. If Python 3.13 is
missing, LocalStack is not checked.
"""

import base64
import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "peers"
START_TIMEOUT = 60  # seconds
REQUEST = {
    "NumberOfBytes": 16,
    "Recipient": {
        "KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256",
        "AttestationDocument": base64.b64encode(b"garbage").decode(),
    },
}
# Prints the members of the response of LocalStack's handler. The handler is called directly, because
# LocalStack's server needs more packages.
LOCALSTACK = """
import json, sys
from localstack.aws.api import RequestContext
from localstack.services.kms.provider import KmsProvider
print(json.dumps(sorted(KmsProvider().generate_random(RequestContext(None), json.load(sys.stdin)))))
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def running(command, port, **environment):
    """Runs a server until the block ends, and waits until it accepts connections."""
    with tempfile.TemporaryDirectory() as folder, open(pathlib.Path(folder, "log"), "w+") as log:
        process = subprocess.Popen(
            command, env=os.environ | environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            deadline = time.monotonic() + START_TIMEOUT
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    sys.exit(f"{command[0]} does not listen on port {port}:\n{log.read()}")
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(START_TIMEOUT)


def generate_random(port):
    """Returns the names of the answer's members, or the name of the error."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/",
        json.dumps(REQUEST).encode(),
        {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "TrentService.GenerateRandom",
            "X-Amz-Date": "20261130T000000Z",
            "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261130/us-east-1/kms/aws4_request,"
            f" SignedHeaders=host;x-amz-date, Signature={64 * '0'}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=START_TIMEOUT) as response:
            return sorted(json.load(response))
    except urllib.error.HTTPError as error:
        return json.load(error)["__type"]


def installed(environment, package):
    return subprocess.run(
        [PEERS / environment / "bin/python", "-c",
         f"import importlib.metadata; print(importlib.metadata.version('{package}'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()


def main():
    if not (PEERS / "stamp").is_file():
        sys.exit(f"the emulators are not installed in {PEERS}: run `make peers`, which needs python3-venv")
    table = (ROOT / "README.md").read_text()
    failed = []

    def check(name, version, answer, expected, cell):
        row = f"| {name} {version} | {cell} |"
        if answer != expected or row not in table:
            failed.append(name)
        print(f"{name} {version}: {answer}, expected {expected}; README.md {'has' if row in table else 'lacks'} {row!r}")

    bin, port = PEERS / "venv/bin", free_port()
    with running([bin / "moto_server", "-H", "127.0.0.1", "-p", str(port)], port):
        check("moto", installed("venv", "moto"), generate_random(port), ["Plaintext"], "returns `Plaintext`")
    port = free_port()
    with running([bin / "ministack"], port, GATEWAY_PORT=str(port)):
        check(
            "MiniStack", installed("venv", "ministack"), generate_random(port),
            "UnsupportedOperationException", "rejects the request",
        )
    if (PEERS / "localstack").is_dir():
        output = subprocess.run(
            [PEERS / "localstack/bin/python", "-c", LOCALSTACK], input=json.dumps(REQUEST),
            check=True, capture_output=True, text=True,
        ).stdout
        check(
            "LocalStack", installed("localstack", "localstack-core"), json.loads(output.splitlines()[-1]),
            ["Plaintext"], "returns `Plaintext`",
        )
    else:
        print("LocalStack: not checked, because it needs Python 3.13 (`python3.13` or `python3.14` on PATH)")
    if failed:
        sys.exit(f"the table in README.md is wrong about {', '.join(failed)}")


main()
