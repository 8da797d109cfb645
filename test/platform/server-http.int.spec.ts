import { connect } from 'node:net';
import { Body, Controller, Get, Module, Post, Req } from '@nestjs/common';
import { AppError } from '@posthorn/errors/app-error.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { loadConfig, SERVER_CONFIG, type ServerConfig } from '@posthorn/server/config.js';
import type { RunningService } from '@posthorn/server/drain.js';
import { runHttpService } from '@posthorn/server/http-service.js';
import { openLogger } from '@posthorn/server/logger.js';
import type { Process } from '@posthorn/server/process.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import type { FastifyRequest } from 'fastify';

const BODY_BYTES_MAX = 1_000;
let release: (() => void) | undefined;

@Controller()
class TestController {
  @Post('/v1/echo')
  echo(@Body() body: unknown) {
    return {
      isBuffer: Buffer.isBuffer(body),
      base64: Buffer.isBuffer(body) ? body.toString('base64') : null,
    };
  }

  @Get('/v1/things/:thing')
  get(@Req() request: FastifyRequest) {
    const { thing } = request.params as { thing: string };
    if (thing === 'bug') throw new Error('hunter2: a bug');
    if (thing === 'slow') return new Promise((resolve) => (release = () => resolve({ thing })));
    if (thing === 'busy') throw new AppError('store.unavailable', { detail: 'later', retryAfterMs: 1_200 });
    if (thing === 'wrong')
      throw new AppError('request.invalid', { fields: [{ path: 'thing', message: 'is wrong' }] });
    return { thing, ip: request.ip };
  }
}

@Module({ controllers: [TestController] })
class TestModule {}

async function start() {
  const lines: string[] = [];
  const process: Process<ServerConfig> = testProcess('api', {
    config: loadConfig(SERVER_CONFIG, {}),
    log: openLogger({
      level: 'info',
      clock: new FakeClock(),
      fields: { service: 'api' },
      sink: { write: (line) => lines.push(line) },
    }),
  });
  const service = await runHttpService({
    process,
    module: TestModule,
    listen: '127.0.0.1:0',
    bodyBytesMax: BODY_BYTES_MAX,
    configure: (fastify) => {
      fastify.post(
        '/in/:tenant/:source',
        async (request) => (request.body as Buffer | undefined)?.length ?? -1,
      );
      fastify.post('/in/broken', async () => {
        throw new AppError('quota.exceeded', { retryAfterMs: 100 });
      });
    },
  });
  return { service, process, lines };
}

/** One of several processes on a port. @param check of its readiness. */
async function startWorker(check: () => boolean, readyWithinMs: number, listen = '127.0.0.1:0') {
  const process: Process<ServerConfig> = testProcess('api', { config: loadConfig(SERVER_CONFIG, {}) });
  process.health.add('config', check);
  const options = { process, module: TestModule, listen, bodyBytesMax: BODY_BYTES_MAX, readyWithinMs };
  return runHttpService(options);
}

test('A3 I2 a process that shares its port takes no request before its checks pass; in vain it says so itself', async () => {
  let [isReady, isUp] = [false, false];
  const starting = startWorker(() => isReady, 10_000).finally(() => (isUp = true));
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(isUp).toBe(false);
  isReady = true;
  const ready = await starting;
  expect((await fetch(`http://${ready.address}/health/ready`)).status).toBe(200);
  const never = await startWorker(() => false, 50);
  expect((await fetch(`http://${never.address}/health/ready`)).status).toBe(503);
  await Promise.all([ready.close(), never.close()]);
});

test('I2 the name localhost is one address: a second server would know no listener of ours', async () => {
  const service = await startWorker(() => true, 0, 'localhost:0');
  expect(service.address).toMatch(/^127\.0\.0\.1:/);
  await service.close();
});

let running: { service: RunningService; process: Process<ServerConfig>; lines: string[] };
const call = async (path: string, init: RequestInit = {}, address = running.service.address) => {
  const answer = await fetch(`http://${address}${path}`, init);
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, json: () => JSON.parse(text) as unknown };
};

beforeAll(async () => void (running = await start()));
afterAll(() => running.service.close());

test.each([
  'application/json',
  'application/x-www-form-urlencoded',
  'text/plain',
  'application/x-odd; a="b"',
  undefined,
])('B1 a body of type %s arrives as the exact bytes', async (type) => {
  const body = Buffer.from([0x7b, 0x22, 0xff, 0x00, 0x26, 0x3d]);
  const headers = type === undefined ? undefined : { 'content-type': type };
  const { status, json } = await call('/v1/echo', { method: 'POST', body, headers });
  expect([status, json()]).toEqual([201, { isBuffer: true, base64: body.toString('base64') }]);
  expect((await call('/in/acme/twilio', { method: 'POST', body, headers })).text).toBe('6');
});

test('B1 a request without a body has none, and no content type is needed', async () => {
  expect((await call('/v1/echo', { method: 'POST' })).json()).toEqual({ isBuffer: false, base64: null });
  expect((await call('/in/acme/twilio', { method: 'POST' })).text).toBe('-1');
});

test('B5 errors are problem+json with code and fields; Retry-After is rounded up', async () => {
  const busy = await call('/v1/things/busy');
  expect(busy.headers.get('content-type')).toBe('application/problem+json');
  expect(busy.headers.get('retry-after')).toBe('2');
  expect(busy.json()).toEqual({
    type: expect.stringContaining('store.unavailable'),
    title: 'The store cannot be reached',
    status: 503,
    code: 'store.unavailable',
    detail: 'later',
  });
  const wrong = await call('/v1/things/wrong');
  expect([wrong.status, wrong.json()]).toMatchObject([
    400,
    { errors: [{ path: 'thing', message: 'is wrong' }] },
  ]);
  const raw = await call('/in/broken', { method: 'POST' });
  expect([raw.status, raw.headers.get('retry-after'), raw.json()]).toMatchObject([
    429,
    '1',
    { code: 'quota.exceeded' },
  ]);
});

test('B5 unknown path, wrong method, too large: each its own error, in the same form', async () => {
  const unknown = await call('/v1/nothing');
  expect([unknown.status, unknown.json()]).toMatchObject([404, { code: 'request.not_found' }]);
  const method = await call('/v1/things/x', { method: 'DELETE' });
  expect([method.status, method.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  expect(method.json()).toMatchObject({ code: 'request.method_not_allowed' });
  for (const path of ['/v1/echo', '/in/acme/twilio']) {
    const large = await call(path, { method: 'POST', body: Buffer.alloc(BODY_BYTES_MAX + 1) });
    expect([large.status, large.json()]).toMatchObject([413, { code: 'request.too_large' }]);
  }
  const bad = await call('/v1/things/%ZZ');
  expect([bad.status, bad.json()]).toMatchObject([400, { code: 'request.malformed' }]);
});

test('B6 a bug shows an occurrence ID and nothing else; the log has the stack', async () => {
  const { status, text, json } = await call('/v1/things/bug');
  expect([status, json()]).toMatchObject([500, { code: 'internal.error' }]);
  expect(text).not.toContain('hunter2');
  const occurrenceId = /occurrence ([0-9a-f-]{36})/.exec(text)![1]!;
  const line = running.lines.find((entry) => entry.includes(occurrenceId))!;
  expect(JSON.parse(line)).toMatchObject({ err: { stack: expect.stringContaining('TestController') } });
});

test('B4 nobody is believed about the address of the client', async () => {
  const { json } = await call('/v1/things/x', { headers: { 'x-forwarded-for': '203.0.113.9' } });
  expect(json()).toEqual({ thing: 'x', ip: '127.0.0.1' });
});

test('H2 health and metrics on the same port', async () => {
  expect((await call('/health/live')).status).toBe(200);
  expect((await call('/health/ready')).json()).toEqual({ status: 'ready', checks: { start: 'ok' } });
  expect((await call('/metrics')).headers.get('content-type')).toContain('text/plain');
});

test('B5 heads that are too large or no HTTP at all are refused on the socket', async () => {
  const raw = (text: string): Promise<string> =>
    new Promise((resolve) => {
      const [host, port] = running.service.address.split(':');
      const socket = connect(Number(port), host);
      let answer = '';
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
      socket.on('close', () => resolve(answer));
      socket.on('error', () => {});
      socket.write(text);
    });
  expect(await raw(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`)).toMatch(
    /^HTTP\/1.1 431/,
  );
  expect(await raw('no http\r\n\r\n')).toMatch(/^HTTP\/1.1 400/);
});

test('I3 draining: requests in flight finish, open connections are told to close, new ones are refused', async () => {
  const { service } = await start();
  const inFlight = call('/v1/things/slow', {}, service.address);
  while (release === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  const closed = service.close();
  release();
  const answer = await inFlight;
  expect(answer.status).toBe(200);
  await closed;
  await expect(call('/health/live', {}, service.address)).rejects.toThrow();
});

test('I3 draining: a request that comes over an open connection is answered, and told to go elsewhere; then it ends', async () => {
  // Would break: a sender whose request crosses the end of the process gets neither an answer nor a refusal.
  const { service } = await start();
  const [host, port] = service.address.split(':');
  const socket = connect(Number(port), host);
  let answers = '';
  socket.on('data', (chunk: Buffer) => (answers += chunk.toString()));
  const ended = new Promise<void>((done) => socket.on('close', () => done()));
  const ask = 'GET /v1/things/x HTTP/1.1\r\nhost: x\r\n\r\n';
  socket.write(ask);
  while (!answers.includes('"thing"')) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(answers).not.toMatch(/connection: close/i);
  const closed = service.close();
  await new Promise((resolve) => setTimeout(resolve, 100));
  answers = '';
  socket.write(ask);
  await Promise.all([ended, closed]);
  expect(answers).toMatch(/^HTTP\/1\.1 200[^]*connection: close[^]*"thing"/i);
});
