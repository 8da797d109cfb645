import assert from 'node:assert';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { newUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { ErrorCode } from '@posthorn/errors/registry.js';
import { ProviderRequest } from '@posthorn/providers/provider-request.js';
import { providerEvent } from '@posthorn/providers/provider.js';
import { RequestHeaders } from '@posthorn/providers/request-headers.js';
import type { Metrics } from '@posthorn/server/metrics.js';
import type { ShapeReport } from '../clients/shape.client.js';
import { WatchShapes } from './watch-shapes.js';

const NOW_MS = 1_000_000_000_000;
const tenant = { id: 'ten_1', uuid: newUuid(1) };

function watcher() {
  const reports: ShapeReport[] = [];
  const calls: number[] = [];
  const samples: Record<string, number> = {};
  const state: { failsWith?: ErrorCode } = {};
  const report = async (some: readonly ShapeReport[]): Promise<void> => {
    calls.push(some.length);
    if (state.failsWith !== undefined) throw new AppError(state.failsWith);
    reports.push(...some);
  };
  const counter = {
    inc: ({ outcome }: { outcome: string }) => (samples[outcome] = (samples[outcome] ?? 0) + 1),
  };
  const metrics = { counter: () => counter } as unknown as Metrics;
  const shapes = new WatchShapes({ report }, new FakeClock(NOW_MS), { warn: () => {} }, metrics);
  return { reports, calls, samples, state, shapes };
}

/** Offers one stored request. @param types the provider's own, one for each event. */
function offer(
  shapes: WatchShapes,
  body: unknown,
  types: readonly string[],
  { eventsDuplicate = 0, contentType = 'application/json', tenantId = tenant.id, isHarmful = false } = {},
) {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const headers = new RequestHeaders(['content-type', contentType]);
  const events = types.map((type, at) =>
    type === '?'
      ? providerEvent({ dedupKey: `${at}`, type: 'event.unrecognized' })
      : providerEvent({ dedupKey: `${at}`, type: 'message.sent', providerType: type }),
  );
  const eventIds = events.map(() => newUuid(NOW_MS));
  const request = new ProviderRequest('POST', '/', 'https://a.example/', headers, bytes);
  if (isHarmful) Object.defineProperty(request, 'body', { get: () => assert.fail('a body that breaks us') });
  shapes.offer({
    ...{ tenant: { ...tenant, id: tenantId }, provider: 'hmac', events },
    sealed: { receivedAtMs: NOW_MS, events: eventIds.map((eventId) => ({ eventId })) },
    request,
    appended: {
      isDuplicate: eventsDuplicate > 0,
      eventsStored: types.length - eventsDuplicate,
      eventsDuplicate,
      areOptOutsInForce: false,
    },
  });
  return eventIds;
}
const told = (reports: readonly ShapeReport[]) =>
  reports
    .map(
      ({ kind, samples, fields }) =>
        `${kind} ${samples}: ${fields.map(({ path, count, types }) => `${path}=${count}${types.map(({ type }) => type)}`)}`,
    )
    .sort();

test('A3 a body that breaks the look at it breaks nothing else: it happens when nobody is there to catch', async () => {
  const { samples, reports, shapes } = watcher();
  offer(shapes, { a: 1 }, ['sent'], { isHarmful: true });
  offer(shapes, { a: 1 }, ['sent']);
  await shapes.onApplicationShutdown();
  expect(samples).toEqual({ failed: 1, taken: 1 });
  expect(told(reports)).toEqual(['sent 1: /a=1number']);
});

test('A8 bodies are told by kind, as JSON, form or multipart, with the first event', async () => {
  const { reports, shapes } = watcher();
  const [first] = offer(shapes, { a: 1 }, ['sent']);
  offer(shapes, { a: 1, b: '' }, ['sent']);
  offer(shapes, 'To=1&From=2', ['form'], { contentType: 'application/x-www-form-urlencoded' });
  const file = 'content-disposition: form-data; name="attachment1"; filename="a.txt"';
  offer(
    shapes,
    `--x\r\ncontent-disposition: form-data; name="text"\r\n\r\nhi\r\n--x\r\n${file}\r\n\r\nbytes\r\n--x--\r\n`,
    ['mail'],
    { contentType: 'multipart/form-data; boundary=x' },
  );
  await shapes.onApplicationShutdown();
  expect(told(reports)).toEqual([
    'form 1: /To=1string,/From=1string',
    'mail 1: /text=1string,/attachment#=1file',
    'sent 2: /a=2number,/b=1string',
  ]);
  expect(reports.find(({ kind }) => kind === 'sent')).toMatchObject({
    ...{ tenantId: tenant.uuid, provider: 'hmac', firstEventId: first, firstAtMs: NOW_MS },
  });
});

test('A8 a batch is told by each element, whatever its size; a body of mixed kinds that is no list is not', async () => {
  const { reports, shapes } = watcher();
  offer(shapes, [{ a: 1 }, { b: 1 }, { a: 2 }], ['x', 'y', 'x']);
  offer(shapes, [{ a: 1 }], ['x']);
  offer(shapes, [{ a: 1 }, { a: 1 }], ['x']);
  offer(shapes, { entry: [{ a: 1 }, { b: 1 }] }, ['x', 'y']);
  await shapes.onApplicationShutdown();
  expect(told(reports)).toEqual(['x 2: /a=2number', 'y 1: /b=1number']);
});

test('A8 repetitions and what is not understood say nothing', async () => {
  const { reports, shapes } = watcher();
  offer(shapes, { a: 1 }, ['sent'], { eventsDuplicate: 1 });
  offer(shapes, { b: 1 }, ['?']);
  await shapes.onApplicationShutdown();
  expect(reports).toEqual([]);
});

test('A8 what could not be told is told again as the same report; what can never be is given up', async () => {
  const { reports, calls, state, shapes } = watcher();
  state.failsWith = 'store.unavailable';
  offer(shapes, { a: 1 }, ['sent']);
  await shapes.onApplicationShutdown();
  offer(shapes, { a: 1 }, ['sent']);
  delete state.failsWith;
  await shapes.onApplicationShutdown();
  expect(told(reports)).toEqual(['sent 1: /a=1number', 'sent 1: /a=1number']);
  state.failsWith = 'request.invalid';
  offer(shapes, { b: 1 }, ['sent']);
  await shapes.onApplicationShutdown();
  delete state.failsWith;
  await shapes.onApplicationShutdown();
  expect([reports.length, calls]).toEqual([2, [1, 2, 1]]);
});

test('I8 B10 bodies that wait, kinds of a tenant and reports of a call are bounded; one tenant leaves others theirs', async () => {
  const { reports, calls, samples, shapes } = watcher();
  for (let at = 0; at < 40; at++) offer(shapes, { a: 1 }, ['sent']);
  expect(samples).toEqual({ skipped: 8 });
  const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  while (samples['taken'] !== 32) await settle();
  for (let at = 0; at < 300; at++) {
    offer(shapes, { a: 1 }, [`kind-${at}`]);
    await settle();
  }
  offer(shapes, { a: 1 }, ['other'], { tenantId: 'ten_2' });
  await shapes.onApplicationShutdown();
  const kinds = new Set(reports.map(({ kind }) => kind));
  expect([kinds.has('sent'), kinds.has('other'), kinds.size]).toEqual([true, true, 201]);
  expect(Math.max(...calls)).toBe(32);
});
