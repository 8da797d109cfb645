import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import twilio from 'twilio';
import { Webhook } from 'standardwebhooks';
import { Random } from '../wire/random.js';
import { History, outcomeOf } from './history.js';
import { OpenLoop } from './open-loop.js';
import { type SourceTarget, Workload } from './workload.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

async function served<T>(
  handle: (request: IncomingMessage, body: string, response: ServerResponse) => void,
  work: (origin: string) => Promise<T>,
): Promise<T> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => handle(request, Buffer.concat(chunks).toString(), response));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
}

const sourcesAt = (origin: string): SourceTarget[] => [
  { tenant: 'a', sourceId: 'src_t', provider: 'twilio', url: `${origin}/in/a/src_t`, secret: 'token' },
  {
    tenant: 'b',
    sourceId: 'src_s',
    provider: 'standard-webhooks',
    url: `${origin}/in/b/src_s`,
    secret: SECRET,
  },
];

// If requests waited for a connection in the sender, its own queue would be counted as the server's answer time.
test('nothing waits in the sender: a server that answers none before all have come gets them all', async () => {
  const [rate, seconds] = [1_000, 0.6];
  const history = new History();
  const held: ServerResponse[] = [];
  await served(
    (_request, _body, response) => {
      held.push(response);
      if (held.length === rate * seconds) for (const one of held) one.writeHead(204).end();
    },
    async (origin) => {
      const random = new Random(3);
      const workload = new Workload(sourcesAt(origin), random);
      const load = {
        ratePerSecond: rate,
        durationMs: seconds * 1_000,
        next: () => workload.next(),
        history,
        random,
      };
      const { statuses } = await new OpenLoop(load).run();
      expect(statuses).toEqual({ 204: rate * seconds });
    },
  );
});

test('requests are signed as the official packages expect, forged ones are not, and each body is unique', async () => {
  const history = new History();
  const verdicts = new Map<string, boolean>();
  await served(
    (request, body, response) => {
      const headers = request.headers as Record<string, string>;
      let isValid = true;
      if (request.url!.endsWith('src_t')) {
        const fields = Object.fromEntries(new URLSearchParams(body));
        const url = `http://${headers['host']}${request.url}`;
        isValid = twilio.validateRequest('token', headers['x-twilio-signature']!, url, fields);
      } else {
        try {
          new Webhook(SECRET).verify(body, headers);
        } catch {
          isValid = false;
        }
      }
      verdicts.set(body, isValid);
      response.writeHead(isValid ? 204 : 403).end();
    },
    async (origin) => {
      const random = new Random(3);
      const workload = new Workload(sourcesAt(origin), random);
      const next = (): ReturnType<Workload['next']> => workload.next();
      await new OpenLoop({ ratePerSecond: 1000, durationMs: 800, next, history, random }).run();
    },
  );
  expect(history.size).toBe(800);
  expect(verdicts.size).toBe(800);
  const forged = history.requests.filter(({ isForged }) => isForged);
  expect(forged.length).toBeGreaterThan(0);
  expect(forged.every((request) => outcomeOf(request) === 'refused')).toBe(true);
  expect(history.count('acked')).toBe(800 - forged.length);
  expect(new Set(history.requests.map(({ bodyHash }) => bodyHash)).size).toBe(800);
});

test('a server that stands still shows in the latency, because it counts from the intended time', async () => {
  // A closed loop would have sent one request meanwhile, and shown one slow answer.
  const waiting: ServerResponse[] = [];
  let [isStill, late] = [true, 0];
  const result = await served(
    (_request, _body, response) => (isStill ? waiting.push(response) : response.writeHead(204).end()),
    async (origin) => {
      const random = new Random(1);
      const workload = new Workload(sourcesAt(origin), random);
      const next = (): ReturnType<Workload['next']> => workload.next();
      const loop = new OpenLoop({
        ratePerSecond: 500,
        durationMs: 600,
        next,
        history: new History(),
        random,
        onAnswer: (_request, _status, latencyMs) => (late += latencyMs > 100 ? 1 : 0),
      });
      const running = loop.run();
      setTimeout(() => {
        isStill = false;
        for (const response of waiting) response.writeHead(204).end();
      }, 300);
      return running;
    },
  );
  const { max, count } = result.latency.summary();
  expect(count).toBe(300);
  expect(max).toBeGreaterThan(280);
  // Those that were due in the first 200 of its 300 ms.
  expect(late).toBeGreaterThan(75);
});

test('retries until acked, sends spontaneous duplicates, and knows what it does not know', async () => {
  const history = new History();
  const seen = new Map<string, number>();
  await served(
    (_request, body, response) => {
      const times = (seen.get(body) ?? 0) + 1;
      seen.set(body, times);
      if (seen.size % 3 === 0 && times === 1) response.writeHead(503).end();
      else if (seen.size % 7 === 0 && times === 1) response.destroy();
      else response.writeHead(204).end();
    },
    async (origin) => {
      const random = new Random(5);
      const workload = new Workload(sourcesAt(origin), random);
      const next = (): ReturnType<Workload['next']> => workload.next();
      const retry = { delayMs: 20, graceMs: 2_000 };
      const options = {
        ratePerSecond: 400,
        durationMs: 500,
        next,
        history,
        random,
        duplicateShare: 0.25,
        retry,
      };
      await new OpenLoop(options).run();
    },
  );
  expect(history.count('acked')).toBe(200);
  const attempts = history.requests.flatMap((request) => request.attempts);
  expect(attempts.length).toBeGreaterThan(200 * 1.4);
  expect(attempts.some(({ status }) => status === 0)).toBe(true);
});

test('outcomes: a 2xx wins, 4xx alone is a refusal, 5xx or silence is unknown', () => {
  const of = (...statuses: number[]): string =>
    outcomeOf({ attempts: statuses.map((status) => ({ intendedMs: 0, sentMs: 0, answeredMs: 0, status })) });
  expect([of(503, 204), of(403), of(403, 0), of(503), of(0), of(429), of()]).toEqual([
    ...['acked', 'refused', 'unknown', 'unknown', 'unknown', 'unknown', 'unknown'],
  ]);
});

test('requests go to the origin that is given, signed for their own, and a run ends when it is told to', async () => {
  const history = new History();
  const hosts = new Set<string>();
  await served(
    (request, _body, response) => {
      hosts.add(request.headers.host!);
      response.writeHead(204).end();
    },
    async (origin) => {
      const random = new Random(5);
      const workload = new Workload(sourcesAt('https://hooks.example.com'), random);
      const next = (): ReturnType<Workload['next']> => workload.next();
      const load = { ratePerSecond: 200, durationMs: 60_000, next, history, random, origin };
      const { sent } = await new OpenLoop({ ...load, isOver: () => history.size >= 50 }).run();
      expect(sent).toBe(history.size);
      expect(hosts).toEqual(new Set([new URL(origin).host]));
    },
  );
  expect(history.size).toBeGreaterThanOrEqual(50);
  expect(history.size).toBeLessThan(200);
  expect(history.count('acked')).toBe(history.size);
});
