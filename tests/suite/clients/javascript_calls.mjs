// Makes KMS calls with the AWS SDK for JavaScript v3. Uses the input and output format of boto3_calls.py.
// The argument is the folder whose node_modules contains the SDK.

import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { buffer, json } from "node:stream/consumers";

// An import would search node_modules beside this file, where the SDK is not installed.
const kms = createRequire(`${process.argv[2]}/`)("@aws-sdk/client-kms");
// The SDK does not read this variable. The variable of Node.js would add to the public authorities.
const bundle = process.env.AWS_CA_BUNDLE;
const httpsAgent = bundle && new Agent({ ca: readFileSync(bundle) });
const client = new kms.KMSClient(bundle ? { requestHandler: { httpsAgent } } : {});

// The raw body is recorded before the SDK parses it, because the parsed output does not distinguish an
// absent member from an empty one.
let responses = [];
const { requestHandler } = client.config;
const handle = requestHandler.handle.bind(requestHandler);
requestHandler.handle = async (...request) => {
  const { response } = await handle(...request);
  const body = await buffer(response.body);
  responses.push({ status: response.statusCode, body: body.toString() });
  response.body = Readable.from([body]);
  return { response };
};

async function makeCall({ operation, parameters }) {
  const recipient = parameters.Recipient;
  if (recipient?.AttestationDocument !== undefined) {
    recipient.AttestationDocument = Buffer.from(recipient.AttestationDocument, "base64");
  }
  try {
    const output = await client.send(new kms[`${operation}Command`](parameters));
    delete output.$metadata;
    const members = Object.entries(output).map(([name, value]) => [name, toJson(value)]);
    return { output: Object.fromEntries(members) };
  } catch (error) {
    const { name, message } = error;
    return { error: { name, message, typed: name in kms && error instanceof kms[name] } };
  }
}

// JSON omits properties with the value undefined, so undefined becomes a string.
function toJson(value) {
  if (value === undefined) return "undefined";
  return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
}

const outcomes = [];
for (const call of await json(process.stdin)) {
  responses = [];
  outcomes.push({ ...(await makeCall(call)), responses });
}
console.log(JSON.stringify(outcomes));
client.destroy();
