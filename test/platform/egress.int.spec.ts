import type { LookupAddress } from 'node:dns';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SystemClock } from '@posthorn/clock/clock.js';
import { EgressClient, type EgressOptions, outcomeOfError } from '@posthorn/egress/egress-client.js';

const clock = new SystemClock();
const BODY = Buffer.from('{"a":1}');
let server: Server;
let url: string;
let connections = 0;
let handle: (request: IncomingMessage, response: ServerResponse) => void;
const opened: EgressClient[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume();
    request.on('end', () => handle(request, response));
  });
  server.on('connection', () => (connections += 1));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
});
afterAll(async () => {
  await Promise.all(opened.map((client) => client.onApplicationShutdown()));
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
});
beforeEach(() => {
  connections = 0;
  handle = (_request, response) => response.writeHead(204).end();
});

function clientOf(options: Partial<EgressOptions> = {}): EgressClient {
  const client = new EgressClient(clock, { allowLoopback: true, ...options });
  opened.push(client);
  return client;
}
const post = (client: EgressClient, to = url, lane?: string) =>
  client.post({ url: to, headers: { 'x-test': '1' }, body: BODY, ...(lane !== undefined && { lane }) });
const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'answered',
    (error: unknown) => outcomeOfError(error),
  );

test('an answer is an answer, whatever its status; the connection is used again', async () => {
  const seen: string[] = [];
  handle = (request, response) => {
    seen.push(
      `${request.method} ${request.url} ${request.headers['x-test']} ${request.headers['content-length']}`,
    );
    response.writeHead(503, { 'retry-after': '7' }).end('no');
  };
  const client = clientOf();
  let firstBytes = 0;
  const onFirstByte = (): void => void (firstBytes += 1);
  const answer = await client.post({ url, headers: { 'x-test': '1' }, body: BODY, onFirstByte });
  expect(answer).toMatchObject({ status: 503, bodyStart: Buffer.from('no') });
  expect(answer.headers['retry-after']).toBe('7');
  for (let n = 0; n < 5; n++) await post(client);
  expect([new Set(seen), seen.length, firstBytes]).toEqual([new Set(['POST /hook 1 7']), 6, 1]);
  expect(connections).toBeLessThanOrEqual(2);
});

test('F6 loopback is refused unless it is allowed: nothing connects', async () => {
  const client = clientOf({ allowLoopback: false });
  for (const to of [url, url.replace('127.0.0.1', 'localhost'), url.replace('127.0.0.1', '2130706433')]) {
    expect(await outcome(post(client, to))).toBe('blocked_address');
  }
  expect(connections).toBe(0);
});

test('F6 a redirect is an answer, its target is never asked', async () => {
  let asked = 0;
  handle = (_request, response) => {
    asked += 1;
    response.writeHead(302, { location: 'http://169.254.169.254/' }).end();
  };
  expect((await post(clientOf())).status).toBe(302);
  expect(asked).toBe(1);
});

test('F6 a name that resolves to anything not public is refused, also when only one of its addresses is', async () => {
  const answers: LookupAddress[][] = [
    [{ address: '10.0.0.1', family: 4 }],
    [
      { address: '93.184.216.34', family: 4 },
      { address: '169.254.169.254', family: 4 },
    ],
    [{ address: '::ffff:127.0.0.1', family: 6 }],
    [],
  ];
  for (const addresses of answers) {
    const client = clientOf({
      allowLoopback: false,
      resolve: (_name, _family, done) => done(null, addresses),
    });
    expect(await outcome(post(client, 'http://hooks.example.com/'))).toBe('blocked_address');
  }
});

test('F6 a name that changes its mind between two lookups gains nothing', async () => {
  // Judged once and connected to what was judged: the first lookup is allowed here (loopback), the second is not.
  let lookups = 0;
  const port = new URL(url).port;
  const client = clientOf({
    resolve: (_name, _family, done) => {
      lookups += 1;
      done(null, [{ address: lookups === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }]);
    },
  });
  handle = (_request, response) => response.writeHead(204, { connection: 'close' }).end();
  expect((await post(client, `http://rebind.example.com:${port}/`)).status).toBe(204);
  expect(lookups).toBe(1);
  expect(await outcome(post(client, `http://rebind.example.com:${port}/`))).toBe('blocked_address');
  expect(lookups).toBe(2);
  expect(connections).toBe(1);
});

test('I8 silence, a slow body and a wait for a connection each end at their timeout', async () => {
  const client = clientOf({ headersTimeoutMs: 200, totalTimeoutMs: 1_500, connectionsPerOrigin: 1 });
  handle = () => undefined;
  expect(await outcome(post(client))).toBe('timeout');
  const dripping = clientOf({ totalTimeoutMs: 300 });
  handle = (_request, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write('x'), 20);
    response.on('close', () => clearInterval(timer));
  };
  expect(await outcome(post(dripping))).toBe('timeout');
  const single = clientOf({ totalTimeoutMs: 300, connectionsPerOrigin: 1 });
  handle = () => undefined;
  const both = await Promise.all([outcome(post(single)), outcome(post(single))]);
  expect(both).toEqual(['timeout', 'timeout']);
});

test('I8 more than the cap of an answer is not read', async () => {
  let written = 0;
  handle = (_request, response) => {
    response.writeHead(200);
    const chunk = Buffer.alloc(65_536, 1);
    const write = (): void => {
      while (!response.destroyed && written < 1e9 && response.write(chunk)) written += chunk.length;
    };
    response.on('drain', write);
    write();
  };
  const { status, bodyStart } = await post(clientOf({ responseBytesMax: 1_000 }));
  expect([status, bodyStart.length]).toEqual([200, 1_000]);
  expect(written).toBeLessThan(50e6);
});

test('a lane that hangs does not hold back another one at the same origin', async () => {
  const client = clientOf({ connectionsPerOrigin: 1, totalTimeoutMs: 2_000 });
  handle = (request, response) => void (request.headers['x-test'] === '1' && response.writeHead(204).end());
  const hanging = outcome(client.post({ url, headers: { 'x-test': '0' }, body: BODY, lane: 'a' }));
  expect((await post(client, url, 'b')).status).toBe(204);
  await client.onApplicationShutdown();
  expect(await hanging).toBe('connection_failed');
});

test('a closed port and a cut connection are failed connections; pools are bounded', async () => {
  const client = clientOf({ originsMax: 2 });
  expect(await outcome(post(client, 'http://127.0.0.1:9/'))).toBe('connection_failed');
  handle = (request) => request.socket.destroy();
  expect(await outcome(post(client))).toBe('connection_failed');
  handle = (_request, response) => response.writeHead(204).end();
  for (const lane of ['a', 'b', 'c', 'a']) expect((await post(client, url, lane)).status).toBe(204);
});
