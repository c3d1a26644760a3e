"""Makes KMS calls with boto3.

The program reads a JSON list of calls from stdin. A call has the members "operation" and "parameters".
Blobs are base64. If a call also has the member "pages" (a PaginationConfig), the operation's paginator
makes the call.

The program prints a JSON list with one outcome per call. An outcome has either "output" or "error", and
"responses", the raw responses of all attempts. The output of a paginator is {"pages": the list of outputs}.

Environment variables set the endpoint and the credentials. If SIGN_DATE is set, requests have a Date
header, and boto3 signs this header instead of X-Amz-Date. If SEND_NONCES is set, each attempt has a new
nonce, and each response also has the nonce and the body of its request, in base64.
"""

import base64
import json
import os
import secrets
import sys

import boto3
import botocore.exceptions


def main():
    responses = []
    attempt = {}
    client = boto3.client("kms")
    # The raw body is recorded before boto3 parses it, because the parsed output does not distinguish an
    # absent member from an empty one.
    client.meta.events.register(
        "before-parse.kms.*",
        lambda response_dict, **_: responses.append(
            {
                "status": response_dict["status_code"],
                "headers": {name.lower(): value for name, value in response_dict["headers"].items()},
                "body": response_dict["body"].decode(),
                **attempt,
            }
        ),
    )
    if "SIGN_DATE" in os.environ:
        client.meta.events.register(
            "before-sign.kms.*", lambda request, **_: request.headers.add_header("Date", "set by boto3")
        )
    if "SEND_NONCES" in os.environ:
        # boto3 emits this event for each attempt.
        client.meta.events.register(
            "before-sign.kms.*", lambda request, **_: attempt.update(add_nonce(request))
        )
    outcomes = []
    for call in json.load(sys.stdin):
        outcome = make_call(client, call["operation"], call["parameters"], call.get("pages"))
        outcomes.append({**outcome, "responses": responses[:]})
        responses.clear()
    json.dump(outcomes, sys.stdout, default=to_json)


def add_nonce(request):
    """Adds a new nonce to the request, and returns the nonce and the body."""
    nonce = secrets.token_bytes(32)
    text = base64.urlsafe_b64encode(nonce).decode().rstrip("=")
    request.headers.add_header("x-attested-random-nonce", text)
    return {"nonce": to_json(nonce), "request": to_json(request.data)}


def make_call(client, operation, parameters, pages):
    if "AttestationDocument" in parameters.get("Recipient", {}):
        recipient = parameters["Recipient"]
        recipient["AttestationDocument"] = base64.b64decode(recipient["AttestationDocument"])
    try:
        if pages is None:
            outputs = [getattr(client, botocore.xform_name(operation))(**parameters)]
        else:
            paginator = client.get_paginator(botocore.xform_name(operation))
            outputs = list(paginator.paginate(**parameters, PaginationConfig=pages))
    except botocore.exceptions.ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        return {"error": {"name": code, "message": message, "typed": is_typed(client, error, code)}}
    except (botocore.exceptions.ParamValidationError, botocore.exceptions.SSLError) as error:
        return {"error": {"name": type(error).__name__, "message": str(error), "typed": True}}
    for output in outputs:
        del output["ResponseMetadata"]
    return {"output": outputs[0] if pages is None else {"pages": outputs}}


def is_typed(client, error, code):
    """Returns whether `except client.exceptions.<code>` catches the error."""
    modelled = client.meta.service_model.shape_names
    return code in modelled and isinstance(error, getattr(client.exceptions, code))


def to_json(value):
    """Converts values that JSON cannot represent: a blob to base64, a time to seconds since 1970."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value.timestamp()


main()
