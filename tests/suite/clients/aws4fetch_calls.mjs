// Makes KMS calls with aws4fetch, which only signs requests. Uses the input and output format of
// boto3_calls.py. The argument is the folder whose node_modules contains aws4fetch.

import { createRequire } from "node:module";
import { json } from "node:stream/consumers";

// An import would search node_modules beside this file, where the package is not installed.
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
  // The blobs in the parameters are already base64.
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
