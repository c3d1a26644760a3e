// Makes KMS calls with aws4fetch, which signs requests and knows nothing of KMS: the same protocol as
// boto3_calls.py. The one argument is the folder whose node_modules holds it.

import { createRequire } from "node:module";
import { json } from "node:stream/consumers";

// An import would look for the package beside this file, where nothing is installed.
const { AwsClient } = createRequire(`${process.argv[2]}/`)("aws4fetch");
const {
  AWS_ACCESS_KEY_ID: accessKeyId,
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_SESSION_TOKEN: sessionToken,
  AWS_REGION: region,
  AWS_ENDPOINT_URL_KMS: endpoint,
  AWS_MAX_ATTEMPTS,
} = process.env;
const retries = Number(AWS_MAX_ATTEMPTS) - 1;
const service = "kms";
const client = new AwsClient({ accessKeyId, secretAccessKey, sessionToken, service, region, retries });

// aws4fetch calls this once for each attempt.
let responses = [];
const { fetch } = globalThis;
globalThis.fetch = async (...request) => {
  const response = await fetch(...request);
  responses.push({ status: response.status, body: await response.clone().text() });
  return response;
};

async function makeCall({ operation, parameters }) {
  const headers = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": `TrentService.${operation}`,
  };
  // Blobs are base64 already, as the body has them.
  const response = await client.fetch(endpoint, { headers, body: JSON.stringify(parameters) });
  const body = await response.json();
  if (response.ok) return { output: body };
  return { error: { name: body.__type, message: body.message ?? body.Message, typed: false } };
}

const outcomes = [];
for (const call of await json(process.stdin)) {
  responses = [];
  outcomes.push({ ...(await makeCall(call)), responses });
}
console.log(JSON.stringify(outcomes));
