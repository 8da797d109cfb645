import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { LOG_FIELDS, type LogFields, openLogger } from './logger.js';

function logger(level: 'debug' | 'info' = 'debug') {
  const lines: string[] = [];
  const sink = { write: (line: string) => lines.push(line) };
  return { log: openLogger({ level, clock: new FakeClock(), fields: { service: 'events' }, sink }), lines };
}

/** What must never be written. One of each kind that passes through a process. */
const CANARIES = [
  'whsec_c2VjcmV0c2VjcmV0c2VjcmV0',
  'phk_live_4f3c2b1a',
  '+14155550123',
  '415 555 0123',
  'ann.lee@example.com',
  'STOP texting me please',
  'hunter2-password',
  'AC0123456789abcdef0123456789abcdef',
  'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl0',
];

test('H1 a line carries time, level, service and its fields', () => {
  const { log, lines } = logger();
  log.child({ shard: 7 }).info({ eventId: 'evt_1', count: 3, bytes: 12n, outcome: 'stored' }, 'appended');
  expect(JSON.parse(lines[0]!)).toEqual({
    level: 'info',
    time: 1_700_000_000_000,
    service: 'events',
    shard: 7,
    eventId: 'evt_1',
    count: 3,
    bytes: '12',
    outcome: 'stored',
    message: 'appended',
  });
});

test('H1 fields that are not on the list, and values that are objects, never reach a line', () => {
  const { log, lines } = logger();
  for (const canary of CANARIES) {
    const fields = {
      body: canary,
      headers: { authorization: canary },
      text: canary,
      cause: { value: canary },
    };
    log.info(fields as unknown as LogFields, 'a message');
    log.child(fields as unknown as LogFields).warn({ reason: [canary] } as unknown as LogFields, 'a message');
  }
  expect(lines).toHaveLength(2 * CANARIES.length);
  for (const canary of CANARIES) expect(lines.join()).not.toContain(canary);
});

test('H1 errors lose what they quote: values, addresses, numbers, tokens, URLs with credentials', () => {
  const { log, lines } = logger();
  for (const canary of CANARIES) {
    const pgError = Object.assign(new Error(`invalid input syntax for type uuid: "${canary}"`), {
      code: '22P02',
      detail: `Key (address)=(${canary})`,
      parameters: [canary],
    });
    log.error({ err: pgError }, 'failed');
    log.error({ err: new Error('outer', { cause: new Error(`bad '${canary}'`) }) }, 'failed');
    log.error(
      { err: new Error(`postgres://user:${encodeURIComponent(canary)}@host/db?key=${canary}`) },
      'failed',
    );
  }
  for (const canary of CANARIES.slice(0, 5).concat(CANARIES.slice(7)))
    log.error({ err: new Error(`could not send to ${canary} now`) }, 'failed');
  let parseError: unknown;
  try {
    JSON.parse('{"text": hunter2-password');
  } catch (error) {
    parseError = error;
  }
  log.error({ err: new AppError('request.malformed', { cause: parseError }) }, 'failed');
  for (const canary of CANARIES) expect(lines.join('\n')).not.toContain(canary);
  expect(lines[0]).toContain('22P02');
});

test('a bug keeps its frames and the names that a library quotes', () => {
  const { log, lines } = logger();
  log.error({ err: new Error('relation "events.event_log" does not exist') }, 'failed');
  const { err } = JSON.parse(lines[0]!) as { err: { message: string; stack: string } };
  expect(err.message).toBe('relation "events.event_log" does not exist');
  expect(err.stack).toContain('logger.spec');
});

test('below the level nothing is written; long texts are cut', () => {
  const { log, lines } = logger('info');
  expect([log.isDebugging, logger('debug').log.isDebugging]).toEqual([false, true]);
  log.debug({ count: 1 }, 'not this');
  log.info({ reason: 'x'.repeat(5_000) }, 'this');
  expect(lines).toHaveLength(1);
  expect(lines[0]!.length).toBeLessThan(1_300);
});

test('I10 the list names no field for a body, a text, an address of a person or a secret', () => {
  for (const name of [
    'body',
    'text',
    'from',
    'to',
    'phone',
    'email',
    'secret',
    'token',
    'headers',
    'url',
    'personHash',
  ])
    expect(LOG_FIELDS).not.toContain(name);
});
