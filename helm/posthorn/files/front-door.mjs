// Run by `helm test`: the two doors of the platform answer as they must.
import { readFile } from 'node:fs/promises';

const TRIES = 30;
const PAUSE_MS = 2_000;
const { INGRESS_URL, API_URL, OPERATOR_KEY_FILE } = process.env;
const operatorKey = (await readFile(OPERATOR_KEY_FILE, 'utf8')).trim();
const bearer = { authorization: `Bearer ${operatorKey}` };

const checks = [
  ['intake is ready', `${INGRESS_URL}/health/ready`, {}, 200],
  ['the API is ready', `${API_URL}/health/ready`, {}, 200],
  ['intake refuses a stranger', `${INGRESS_URL}/in/nobody/src_nothing`, { method: 'POST', body: '{}' }, 404],
  ['the API refuses who has no key', `${API_URL}/v1/tenants`, {}, 401],
  ['the API knows the operator', `${API_URL}/v1/tenants`, { headers: bearer }, 200],
];

async function statusOf(url, init) {
  try {
    return (await fetch(url, { ...init, signal: AbortSignal.timeout(5_000) })).status;
  } catch (error) {
    return String(error.cause ?? error);
  }
}

for (const [name, url, init, expected] of checks) {
  let seen;
  // A new key is taken from its file within a minute.
  for (let tries = 0; tries < TRIES && seen !== expected; tries++) {
    if (tries > 0) await new Promise((done) => setTimeout(done, PAUSE_MS));
    seen = await statusOf(url, init);
  }
  console.log(`${seen === expected ? 'ok' : 'FAILED'}: ${name} (${seen})`);
  if (seen !== expected) process.exit(1);
}
