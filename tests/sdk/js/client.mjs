// The AWS SDK for JavaScript as a client of keyfob. It is told nothing but its environment.
//
//     client.mjs credentials              what the default chain finds
//     client.mjs identity                 who STS says that is
//     client.mjs loop SECONDS PAUSE_MS    the same client asks STS again and again
//
// Each prints one line of JSON; a failure is {"error", "message"} and exit status 1.

import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

// The packages are installed under build/, where nothing is committed.
const require = createRequire(new URL("../../../build/js/package.json", import.meta.url));
const { STSClient, GetCallerIdentityCommand } = require("@aws-sdk/client-sts");
const { fromNodeProviderChain } = require("@aws-sdk/credential-providers");

async function credentials() {
  const found = await fromNodeProviderChain()();
  const expiration = found.expiration?.toISOString().replace(/\.\d+Z$/, "Z");
  return { AccessKeyId: found.accessKeyId, account: found.accountId ?? null, expiration: expiration ?? null };
}

async function identity() {
  const answer = await new STSClient().send(new GetCallerIdentityCommand());
  return { account: answer.Account, arn: answer.Arn };
}

async function loop(seconds, pauseMs) {
  const client = new STSClient();
  const end = performance.now() + 1000 * Number(seconds);
  let [calls, failures, first] = [0, 0, null];
  while (performance.now() < end) {
    calls += 1;
    try {
      await client.send(new GetCallerIdentityCommand());
    } catch (error) {
      failures += 1;
      first ??= `${error.name}: ${error.message}`;
    }
    await pause(Number(pauseMs));
  }
  return { calls, failures, first };
}

try {
  const [mode, ...rest] = process.argv.slice(2);
  console.log(JSON.stringify(await { credentials, identity, loop }[mode](...rest)));
} catch (error) {
  console.log(JSON.stringify({ error: error.name, message: error.message }));
  process.exitCode = 1;
}
