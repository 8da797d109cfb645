import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { pause, waitFor } from '../wire/time.js';
import { parseBenchArguments } from './arguments.js';
import { boundOf } from './bound.js';
import { type Cell } from './cell.js';
import { ClosedLoop } from './closed-loop.js';
import { costTable } from './cost-cells.js';
import { watchDisk } from './disk.js';
import { CONNECTIONS_MAX, FixedRate } from './fixed-rate.js';
import { goalsOf, median, tableOf } from './goals.js';
import { answerIn } from './request-socket.js';
import { BODY_BYTES, SignedRequests } from './signed-requests.js';
import { summarize } from './summary.js';

const SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;

async function serveWith(
  handle: (request: IncomingMessage, body: Buffer) => number,
  work: (port: number, server: Server) => Promise<void>,
): Promise<void> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => response.writeHead(handle(request, Buffer.concat(chunks))).end());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    await work((server.address() as AddressInfo).port, server);
  } finally {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
}

const requestsTo = (port: number): SignedRequests => {
  const url = `http://127.0.0.1:${port}/in/a/src`;
  return new SignedRequests(
    [{ tenant: 'a', sourceId: 'src', provider: 'standard-webhooks', url, secret: SECRET }],
    'run',
  );
};

test('the closed loop keeps its connections busy with requests the official package accepts', async () => {
  const ids = new Set<string>();
  const verify = (request: IncomingMessage, body: Buffer): number => {
    expect(body.length).toBe(BODY_BYTES);
    const { data } = new Webhook(SECRET).verify(
      body.toString(),
      request.headers as Record<string, string>,
    ) as {
      data: { messageId: string };
    };
    ids.add(data.messageId);
    return 202;
  };
  await serveWith(verify, async (port) => {
    const requests = requestsTo(port);
    requests.prepare(50);
    const options = { host: '127.0.0.1', port, connections: 8, warmUpMs: 100, durationMs: 300 };
    const result = await new ClosedLoop({ ...options, take: () => requests.take() }).run();
    expect(result.acked).toBe(ids.size);
    expect(result.acked).toBe(requests.taken);
    expect(result.acked).toBeGreaterThan(options.connections);
    expect(result.perSecond).toBeGreaterThan(result.acked);
    expect(result.statuses).toEqual({ 202: result.acked });
    expect(result.latency.p50).toBeGreaterThan(0);
  });
});

/** Answers 204, and loses the connection of the fifth request. */
function losesFifth(): (request: IncomingMessage) => number {
  let count = 0;
  return (request) => {
    if (++count === 5) request.socket.destroy();
    return 204;
  };
}

test('a lost connection is opened again; a bound on requests ends the run', async () => {
  await serveWith(losesFifth(), async (port) => {
    const requests = requestsTo(port);
    const options = {
      host: '127.0.0.1',
      port,
      connections: 2,
      warmUpMs: 0,
      durationMs: 60_000, // longer than a test may take
      requestsMax: 40,
    };
    const result = await new ClosedLoop({ ...options, take: () => requests.take() }).run();
    expect(result.acked).toBe(39);
  });
});

test('at a fixed rate nothing waits for answers, and what found no connection free counts from when it was due', async () => {
  const holdMs = 600;
  const held: (() => void)[] = [];
  let isHolding = true;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const answer = (): void => void response.writeHead(202).end();
      if (isHolding) held.push(answer);
      else answer();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const requests = requestsTo(port);
  const options = { host: '127.0.0.1', port, ratePerSecond: 1_000, warmUpMs: 100, durationMs: 300 };
  const running = new FixedRate({ ...options, take: () => requests.take() }).run();
  await pause(holdMs);
  const full = (): true | undefined => (held.length === CONNECTIONS_MAX ? true : undefined);
  await waitFor('every connection to be held', full, { timeoutMs: 4_000 });
  isHolding = false;
  for (const answer of held) answer();
  const { sent, skipped, statuses, acked, latency } = await running;
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  // Most had no connection; the last was due 200 ms before anything was answered.
  expect({ sent, skipped, statuses }).toEqual({ sent: 400, skipped: 0, statuses: { 202: 400 } });
  expect(acked.map(([n]) => n).sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, n) => 100 + n));
  expect(latency.count).toBe(300);
  expect(latency.p50).toBeGreaterThanOrEqual(holdMs - 400);
});

test('at a fixed rate a lost connection is an answer that is missing; the others go on', async () => {
  await serveWith(losesFifth(), async (port) => {
    const requests = requestsTo(port);
    const options = { host: '127.0.0.1', port, ratePerSecond: 500, warmUpMs: 0, durationMs: 100 };
    const result = await new FixedRate({ ...options, take: () => requests.take() }).run();
    expect(result.statuses).toEqual({ 0: 1, 204: 49 });
    expect(result.acked).toHaveLength(49);
  });
});

test('the window holds requests back until deliveries arrive', async () => {
  await serveWith(
    () => 204,
    async (port) => {
      const requests = requestsTo(port);
      const options = { host: '127.0.0.1', port, connections: 4, warmUpMs: 0, durationMs: 60_000 };
      const loop = new ClosedLoop({ ...options, requestsMax: 15, take: () => requests.take() });
      loop.allow(10);
      const running = loop.run();
      await waitFor('ten answers', () => (loop.ackedSoFar === 10 ? true : undefined), { timeoutMs: 10_000 });
      await pause(50);
      expect(loop.ackedSoFar).toBe(10);
      loop.allow(20);
      expect((await running).acked).toBe(15);
    },
  );
});

test('E1 so many of the requests are STOPs, each of another contact, as long as the others', () => {
  const source = { tenant: 'a', sourceId: 'src', provider: 'standard-webhooks', secret: SECRET } as const;
  const requests = new SignedRequests([{ ...source, url: 'http://127.0.0.1/in/a/src' }], 'run', 10);
  const texts = Array.from({ length: 100 }, () => requests.take().toString());
  const stops = texts.filter((text) => text.includes('"text":"STOP"'));
  expect(stops).toHaveLength(10);
  expect(new Set(stops.map((text) => /"from":"[^"]+"/.exec(text)![0])).size).toBe(10);
  const bodies = texts.map((text) => text.slice(text.indexOf('\r\n\r\n') + 4));
  expect(bodies.every((body) => body.length === BODY_BYTES && JSON.parse(body) !== null)).toBe(true);
});

test('an answer is whole when its head says so', () => {
  const answer = (text: string): number | undefined => answerIn(Buffer.from(text));
  expect(answer('HTTP/1.1 204 No Content\r\nx: 1\r\n')).toBeUndefined();
  expect(answer('HTTP/1.1 204 No Content\r\nx: 1\r\n\r\n')).toBe(204);
  expect(answer('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab')).toBeUndefined();
  expect(answer('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc')).toBe(200);
  expect(answer('HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')).toBeUndefined();
  expect(answer('HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n')).toBe(503);
});

test('the bound is the least of flush, loop and CPU', () => {
  // The figures of the reference machine.
  const costs = { generatorMicros: 7.2, httpMicros: 18.1, macMicros: 2.5, postgresMicros: 14.4 };
  const bound = boundOf({ cores: 2, flushesPerSecond: 7_800, ...costs });
  expect(Math.round(bound.cpu / 1000)).toBe(47);
  expect(Math.round(bound.flush / 1000)).toBe(250);
  expect(bound.total).toBe(bound.cpu);
  expect(boundOf({ cores: 2, flushesPerSecond: 500, ...costs }).total).toBe(16_000);
});

const cell = (
  subject: string,
  figures: Record<string, number>,
  cpuMicros: Record<string, number> = {},
): Cell => ({
  ...{ subject, block: 0, problems: [] },
  ...{ figures, cpuMicros },
});
const allCells = (): Cell[] => [
  cell('flush', { perSecond: 7_800 }),
  cell('bare', { perSecond: 50_000 }, { server: 18.1, generator: 7.2 }),
  cell('mac', { perSecond: 45_000 }, { server: 20.6, generator: 7.2 }),
  cell('batches', { perSecond: 70_000 }, { postgres: 14.4 }),
  ...[cell('commit64', { perSecond: 3_000 }), cell('commit256', { perSecond: 3_500 })],
  ...[cell('burst16', { perSecond: 6_000 }), cell('burst64', { perSecond: 9_500 })],
  ...[cell('burst256', { perSecond: 20_000, lost: 0 }), cell('burst256', { perSecond: 10_000, lost: 0 })],
  cell('burst256', { perSecond: 18_000, lost: 0 }),
  cell('sustained', { perSecond: 5_000 }),
  cell('ack2k', { ackP99Ms: 15 }),
  cell('first200', { sentToFirstByteP50Ms: 4, sentToFirstByteP99Ms: 70 }),
  cell('first1k', { sentToFirstByteP50Ms: 20, sentToFirstByteP99Ms: 90 }),
  cell('stop500', { ackP99Ms: 40 }),
  cell('intakeOptOut', { perSecond: 8_000, plainPerSecond: 10_000 }),
  cell('permits', { perSecond: 2_000 }),
  cell('dispatch', { perSecond: 6_000, barePerSecond: 10_000 }),
];

test('summary and table: medians of the blocks, must, stretch and short', () => {
  const { measured } = summarize(allCells(), 2);
  expect(measured!.intake['256']).toBe(18_000);
  const goals = goalsOf(measured!);
  const outcome = (what: string): string | undefined =>
    goals.find((goal) => goal.what.startsWith(what))?.outcome;
  expect(outcome('intake burst')).toBe('must');
  expect(outcome('… against one commit per event, 256')).toBe('stretch');
  expect(outcome('ack at 2 k/s')).toBe('must');
  expect(outcome('sent → first byte at 200/s, p99')).toBe('short');
  expect(outcome('dispatch')).toBe('must');
  expect(outcome('STOP at 500/s')).toBe('must');
  expect(outcome('intake with 1 % opt-outs')).toBe('short');
  expect(outcome('permits given')).toBe('stretch');
  expect(tableOf(goals)).toContain('SHORT');
});

test('one lost event is never a reached goal; what was not measured gives no table', () => {
  const lost = summarize([...allCells(), cell('burst16', { perSecond: 6_000, lost: 1 })], 2);
  expect(goalsOf(lost.measured!).at(-1)).toMatchObject({ value: '1', outcome: 'short' });
  expect(summarize(allCells().slice(1), 2).bound).toBeUndefined();
  expect(summarize(allCells().slice(0, -1), 2).measured).toBeUndefined();
  expect(median([3, 1, 2, 10])).toBe(2.5);
});

test('what protects is shown with its pair, and as a share of what intake takes an event', () => {
  const pair = (part: string, on: number, off: number): Record<string, number> => ({
    ...{ [`${part}OnMicros`]: on, [`${part}OffMicros`]: off, [`${part}Micros`]: on - off },
  });
  const figures = {
    ...{ ...pair('encryption', 20, 14), ...pair('rls', 60, 59), ...pair('quota', 0.3, 0.1) },
    ...pair('audit', 900, 700),
  };
  const intake = cell(
    'burst256',
    { perSecond: 1 },
    { ingress0: 100, events: 60, postgres: 40, generator: 99 },
  );
  const { medians, cpuMicros } = summarize([cell('costs', figures), intake], 2);
  const lines = costTable(medians, cpuMicros)!.split('\n');
  expect(lines.map((line) => line.split(/ {2,}/).slice(-4))).toEqual([
    ['with', 'without', 'cost', "of the intake's"],
    ['20.0', '14.0', '6.0', '3.0 %'],
    ['60.0', '59.0', '1.0', '0.5 %'],
    ['0.3', '0.1', '0.2', '0.1 %'],
    ['900.0', '700.0', '200.0', '–'],
  ]);
  expect(costTable(summarize([cell('costs', figures)], 2).medians, {})).toContain('–');
  expect(costTable({}, {})).toBeUndefined();
});

test('arguments', () => {
  expect(parseBenchArguments(['--quick', '--seed', '7', '--only', 'a,b'], ['a', 'b'])).toMatchObject({
    ...{ blocks: 1, seed: 7, only: ['a', 'b'] },
  });
  expect(parseBenchArguments(['--burst-seconds', '60'], []).burstMs).toBe(60_000);
  expect(() => parseBenchArguments(['--only', 'x'], ['a'])).toThrow('there is no cell x');
  expect(() => parseBenchArguments(['--fast'], [])).toThrow('usage');
});

test('the disk is asked beside some work, and nothing is left of it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-disk-watch-'));
  try {
    const { value, disk } = await watchDisk(folder, async () => {
      await pause(200);
      return 'done';
    });
    expect(value).toBe('done');
    expect(disk.count).toBeGreaterThan(0);
    expect(disk.max).toBeGreaterThan(0);
    const failing = watchDisk(folder, () => Promise.reject(new Error('the work failed')));
    await expect(failing).rejects.toThrow('the work failed');
    expect(await readdir(folder)).toEqual([]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
