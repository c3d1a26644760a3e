// Requests random bytes with the AWS SDK for JavaScript v3 at a constant rate until stdin ends. Uses the input
// and output format of boto3_worker.py. The arguments are the folder whose node_modules contains the SDK,
// and requests per second.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// An import would search node_modules beside this file, where the SDK is not installed.
const kms = createRequire(`${process.argv[2]}/`)("@aws-sdk/client-kms");
const client = new kms.KMSClient({});
const rate = Number(process.argv[3]);
// The program prints one of this number of envelopes.
const PRINTED_INTERVAL = 50;
// The maximum number of requests in flight. The SDK's retry quota has 500 tokens, and a retry after a broken
// connection costs 14. After the end of a server process, the SDK therefore retries at most 35 requests and
// fails the others, even if other servers are available.
const MAX_IN_FLIGHT = 30;
// The interval between two checks for due requests, in milliseconds.
const TICK = 10;

let document;
let sent = 0;
const inFlight = new Set();

async function requestRandom(count) {
  const parameters = { NumberOfBytes: 32 };
  if (count % 2) {
    parameters.Recipient = {
      KeyEncryptionAlgorithm: "RSAES_OAEP_SHA_256",
      AttestationDocument: document,
    };
  }
  try {
    const output = await client.send(new kms.GenerateRandomCommand(parameters));
    const { attempts } = output.$metadata;
    if (count % 2 === 0) return [output.Plaintext.length === 32 ? "ok" : "BadLength", attempts];
    const envelope = output.CiphertextForRecipient;
    if (count % (2 * PRINTED_INTERVAL) === 1) {
      return ["ok", attempts, Buffer.from(envelope).toString("base64")];
    }
    return [envelope.length > 0 && output.Plaintext === undefined ? "ok" : "NotSealed", attempts];
  } catch (error) {
    return [error.name, error.$metadata?.attempts ?? 1];
  }
}

let start;
function tick() {
  const now = performance.now();
  start ??= now;
  // Overdue requests are sent late, but at most the requests of one second.
  start = Math.max(start, now - ((sent + rate) / rate) * 1000);
  while (sent < ((now - start) / 1000) * rate && inFlight.size < MAX_IN_FLIGHT) {
    sent += 1;
    const pending = requestRandom(sent).then((fields) => {
      process.stdout.write(`${fields.join(" ")}\n`);
      inFlight.delete(pending);
    });
    inFlight.add(pending);
  }
}

let ticks;
for await (const line of createInterface({ input: process.stdin })) {
  document = Buffer.from(line, "base64");
  ticks ??= setInterval(tick, TICK);
}
clearInterval(ticks);
await Promise.all(inFlight);
client.destroy();
