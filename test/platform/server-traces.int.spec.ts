import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { Tracer } from '@posthorn/server/trace.js';

interface ExportedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: { key: string; value: Record<string, unknown> }[];
  readonly links: { traceId: string; spanId: string }[];
  readonly status: { code: number; message?: string };
}
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const bodies: { path: string; text: string }[] = [];
let collector: Server;

beforeAll(async () => {
  collector = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      bodies.push({ path: request.url!, text });
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
});
afterAll(() => new Promise((resolve) => collector.close(resolve)));
beforeEach(() => void bodies.splice(0));

const tracerFor = (sampleRatio: number, clock = new FakeClock()) =>
  new Tracer({
    service: 'events',
    instanceId: 'instance',
    clock,
    sampleRatio,
    endpoint: `http://127.0.0.1:${(collector.address() as AddressInfo).port}/`,
  });

function exported(): ExportedSpan[] {
  return bodies.flatMap(({ text }) => {
    const { resourceSpans } = JSON.parse(text) as {
      resourceSpans: { scopeSpans: { spans: ExportedSpan[] }[] }[];
    };
    return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  });
}

test('H3 a sampled span reaches an OTLP collector with parent, links, times and allowed attributes', async () => {
  const clock = new FakeClock();
  const tracer = tracerFor(0, clock);
  const span = tracer.start('project', {
    parent: PARENT,
    links: [`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, 'not a traceparent'],
    kind: 'consumer',
    startMs: clock.nowMs() - 40,
    attributes: { shard: 7, body: 'hunter2' },
  });
  span.set('outcome', 'stored');
  span.set('text', 'hunter2');
  clock.advance(10);
  span.end(undefined, new AppError('lease.lost', { detail: 'hunter2' }));
  tracer.start('later', { parent: span.traceparent }).end();
  await tracer.onApplicationShutdown();
  expect(bodies[0]!.path).toBe('/v1/traces');
  expect(bodies[0]!.text).toContain('"service.name"');
  expect(bodies[0]!.text).not.toContain('hunter2');
  const [project, later] = exported() as [ExportedSpan, ExportedSpan];
  expect(project).toMatchObject({
    name: 'project',
    traceId: '0af7651916cd43dd8448eb211c80319c',
    parentSpanId: 'b7ad6b7169203331',
    links: [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }],
    startTimeUnixNano: '1699999999960000000',
    endTimeUnixNano: '1700000000010000000',
    status: { code: 2, message: 'lease.lost' },
  });
  expect(project.attributes.map(({ key }) => key).sort()).toEqual([
    'posthorn.code',
    'posthorn.outcome',
    'posthorn.shard',
  ]);
  expect(span.traceparent).toBe(`00-${project.traceId}-${project.spanId}-01`);
  expect(later).toMatchObject({ parentSpanId: project.spanId, traceId: project.traceId });
});

test('H3 what is not sampled is not sent; what is sampled is sent once', async () => {
  const off = tracerFor(0);
  for (let count = 0; count < 100; count += 1) off.start('work').end();
  await off.onApplicationShutdown();
  expect(bodies).toEqual([]);
  const on = tracerFor(1);
  for (let count = 0; count < 100; count += 1) on.start('work').end();
  await on.onApplicationShutdown();
  expect(new Set(exported().map(({ spanId }) => spanId)).size).toBe(100);
});

test('a collector that is away costs nothing but the traces', async () => {
  const errors: unknown[] = [];
  const tracer = new Tracer({
    service: 'events',
    instanceId: 'i',
    clock: new FakeClock(),
    sampleRatio: 1,
    endpoint: 'http://127.0.0.1:1',
    onExportError: (error) => errors.push(error),
  });
  tracer.start('work').end();
  await tracer.flush();
  await tracer.onApplicationShutdown();
  expect(errors.length).toBeGreaterThan(0);
});
