"""Prints the KMS model that botocore has: the service-2.json that all AWS SDKs are made from."""

import json
import sys

import botocore.loaders

json.dump(botocore.loaders.Loader().load_service_model("kms", "service-2"), sys.stdout)
