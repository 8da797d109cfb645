import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import { openLogger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import type { IntakeRequest } from '../clients/append.client.js';
import { IntakeReport } from './intake-report.js';

const clock = new FakeClock();
const eventIds = [newUuid(clock.nowMs()), newUuid(clock.nowMs())];
const subject = { requestId: 'req_1', provider: 'twilio', tenantId: 'ten_1', sourceId: 'src_1' };
const events = eventIds.map((eventId, at) => ({ eventId, type: `message.${at === 0 ? 'sent' : 'read'}` }));
const request = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-00`, events } as unknown;

function reportAt(level: 'debug' | 'info') {
  const lines: Record<string, unknown>[] = [];
  const sink = { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) };
  const log = openLogger({ level, clock, fields: { service: 'ingress' }, sink });
  return { report: new IntakeReport(new Metrics(), log, clock), lines };
}

test('H1 at debug each stored event has a line that says whose it is, what it is and what became of it', () => {
  const { report, lines } = reportAt('debug');
  const appended = { isDuplicate: false, eventsStored: 2, eventsDuplicate: 0, areOptOutsInForce: false };
  report.stored(subject, request as IntakeRequest, appended, 3.5);
  expect(lines).toEqual(
    events.map(({ eventId, type }) => ({
      ...{ level: 'debug', time: clock.nowMs(), service: 'ingress', ...subject, type, stage: 'intake' },
      ...{ eventId: formatId('evt', eventId), correlationId: 'req_1', traceId: 'a'.repeat(32) },
      ...{ outcome: 'stored', durationMs: 3.5, message: 'an event was taken' },
    })),
  );
});

test('H1 a copy is told without an ID that nothing has; a request that brought both says so', () => {
  const { report, lines } = reportAt('debug');
  const taken = (eventsStored: number, eventsDuplicate: number): void =>
    report.stored(
      subject,
      request as IntakeRequest,
      { isDuplicate: eventsStored === 0, eventsStored, eventsDuplicate, areOptOutsInForce: false },
      1,
    );
  taken(0, 2);
  taken(1, 1);
  expect(lines.map(({ outcome, eventId }) => [outcome, eventId])).toEqual([
    ...events.map(() => ['duplicate', undefined]),
    ...eventIds.map((id) => ['partly_duplicate', formatId('evt', id)]),
  ]);
});

test('H1 at info it costs nothing: no line, and nothing of the request is looked at', () => {
  const { report, lines } = reportAt('info');
  const looked: PropertyKey[] = [];
  const untouchable = new Proxy({}, { get: (_, name) => void looked.push(name) });
  report.stored(
    subject,
    untouchable as IntakeRequest,
    { isDuplicate: false, eventsStored: 1, eventsDuplicate: 0, areOptOutsInForce: false },
    1,
  );
  expect([lines, looked]).toEqual([[], []]);
});
