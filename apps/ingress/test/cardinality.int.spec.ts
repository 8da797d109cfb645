import { eventually } from '@posthorn/testing/eventually.js';
import { Webhook } from 'standardwebhooks';
import { clock, startIngress, type TestIngress } from './far-ends.js';
import { closeConnections, send } from './http.js';

const TENANTS = 10_000;
/** Tenants that send; each a request that is stored, one that is the same again, and one that is forged. */
const SENDERS = 300;
const AT_ONCE = 50;
/** What docs/metrics.md promises of a process. */
const SERIES_MAX = 2_000;
/** What every Node process has besides: memory, CPU, garbage collection. */
const PROCESS_SERIES = 150;
const LONG_MS = 120_000;
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

let ingress: TestIngress;
const paths: string[] = [];

beforeAll(async () => {
  ingress = await startIngress();
  for (let at = 0; at < TENANTS; at += 1) {
    const slug = `tenant-${at}`;
    const source = ingress.tenants.addSource(ingress.tenants.addTenant(slug), 'standard-webhooks', SECRET);
    paths.push(`/in/${slug}/${source.id}`);
  }
  await ingress.tenants.confirmed();
  await eventually(async () =>
    expect((await send(`${ingress.url}/health/ready`, { method: 'GET' })).status).toBe(200),
  );
}, LONG_MS);
afterAll(async () => {
  closeConnections();
  await ingress.close();
});

function post(path: string, id: string, signature?: string): Promise<number> {
  const at = new Date(clock.nowMs());
  const body = JSON.stringify({ type: 'message.delivered', data: { id } });
  const headers = {
    ...{ 'content-type': 'application/json', 'webhook-id': id },
    'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
    'webhook-signature': signature ?? new Webhook(SECRET).sign(id, at, body),
  };
  return send(ingress.url + path, { headers, body }).then(({ status }) => status);
}

async function forEach(
  texts: readonly string[],
  work: (text: string, at: number) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < texts.length; at += AT_ONCE)
    await Promise.all(texts.slice(at, at + AT_ONCE).map((text, offset) => work(text, at + offset)));
}

const seriesOf = (text: string): string[] =>
  text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

/** Names and labels of what intake measures. Calls that timers make come when they come. */
const intakeOf = (series: readonly string[]): string[] =>
  series
    .filter((line) => line.startsWith('posthorn_intake_'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')));

test(
  'H2 ten thousand tenants, and traffic of many of them, make no more series than one',
  async () => {
    const counts = new Map<number, number>();
    const count = (status: number): void => void counts.set(status, (counts.get(status) ?? 0) + 1);
    const exchange = async (path: string, at: number): Promise<void> => {
      count(await post(path, `msg_${at}`));
      count(await post(path, `msg_${at}`));
      count(await post(path, `msg_forged_${at}`, `v1,${Buffer.alloc(32, at).toString('base64')}`));
      count(await post(`/in/nobody-${at}/src_${at}`, `msg_lost_${at}`));
    };
    await exchange(paths.at(-1)!, TENANTS);
    const ofOne = seriesOf(await ingress.metrics());
    await forEach(paths.slice(0, SENDERS), exchange);
    const ofMany = seriesOf(await ingress.metrics());
    expect(intakeOf(ofMany)).toEqual(intakeOf(ofOne));
    expect(ofMany.length + PROCESS_SERIES).toBeLessThanOrEqual(SERIES_MAX);
    expect(ofMany.filter((line) => /tenant-|nobody|src_|ten_|msg_/.test(line))).toEqual([]);
    const answered = [...counts].sort(([a], [b]) => a - b);
    expect(answered.map(([, each]) => each)).toEqual([2 * (SENDERS + 1), SENDERS + 1, SENDERS + 1]);
  },
  LONG_MS,
);
