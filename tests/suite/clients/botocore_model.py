"""Prints botocore's model of KMS: the service-2.json from which all AWS SDKs are generated."""

import json
import sys

import botocore.loaders

json.dump(botocore.loaders.Loader().load_service_model("kms", "service-2"), sys.stdout)
