// Makes KMS calls with the AWS SDK for JavaScript v2. Uses the input and output format of boto3_calls.py.
// The argument is the folder whose node_modules contains the SDK.

import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { createRequire } from "node:module";
import { json } from "node:stream/consumers";

// Suppresses the recommendation of version 3 on stderr.
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
// An import would search node_modules beside this file, where the SDK is not installed.
const { KMS } = createRequire(`${process.argv[2]}/`)("aws-sdk");
// The SDK does not read these variables.
const { AWS_CA_BUNDLE: bundle, AWS_ENDPOINT_URL_KMS: endpoint, AWS_MAX_ATTEMPTS } = process.env;
const httpOptions = bundle ? { agent: new Agent({ ca: readFileSync(bundle) }) } : {};
const client = new KMS({ endpoint, httpOptions, maxRetries: Number(AWS_MAX_ATTEMPTS) - 1 });

let responses = [];

async function makeCall({ operation, parameters }) {
  const recipient = parameters.Recipient;
  if (recipient?.AttestationDocument !== undefined) {
    recipient.AttestationDocument = Buffer.from(recipient.AttestationDocument, "base64");
  }
  const request = client.makeRequest(operation[0].toLowerCase() + operation.slice(1), parameters);
  // The raw body is recorded before the SDK parses it, because the parsed output does not distinguish an
  // absent member from an empty one.
  request.on("httpDone", ({ httpResponse: { statusCode, body } }) => {
    responses.push({ status: statusCode, body: body.toString() });
  });
  try {
    const output = await request.promise();
    const members = Object.entries(output).filter(([name]) => name !== "$response");
    return { output: Object.fromEntries(members.map(([name, value]) => [name, toJson(value)])) };
  } catch ({ code, message }) {
    // The SDK has no error classes.
    return { error: { name: code, message, typed: false } };
  }
}

// JSON omits properties with the value undefined, so undefined becomes a string.
function toJson(value) {
  if (value === undefined) return "undefined";
  return Buffer.isBuffer(value) ? value.toString("base64") : value;
}

const outcomes = [];
for (const call of await json(process.stdin)) {
  responses = [];
  outcomes.push({ ...(await makeCall(call)), responses });
}
console.log(JSON.stringify(outcomes));
