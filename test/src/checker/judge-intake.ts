import { outcomeOf, type SentRequest } from '../load/history.js';
import { uuidOf } from '../wire/ids.js';
import { grouped, type Evidence, type StoredEvent, type StoredRaw, type Violation } from './evidence.js';

/**
 * I1: every acknowledged request is stored once, bytes equal, with all its events. I3: nothing is stored that
 * was not sent, or that was refused. I2: nothing is stored twice.
 */
export function judgeIntake({ sent, stored }: Evidence): Violation[] {
  const byHash = grouped(stored.raws, ({ content }) => content?.bodyHash ?? '');
  const eventsOf = grouped(stored.events, ({ request }) => request);
  const sentHashes = new Set(sent.map(({ bodyHash }) => bodyHash));
  return [
    ...sent.flatMap((request) => judgeRequest(request, byHash.get(request.bodyHash) ?? [], eventsOf)),
    ...stored.raws.flatMap((raw) => judgeRaw(raw, sentHashes, eventsOf)),
    ...judgeEventRows(stored.events, new Set(stored.raws.map(({ request }) => request))),
    ...judgeDedupKeys(stored),
  ];
}

function judgeRequest(
  request: SentRequest,
  raws: readonly StoredRaw[],
  eventsOf: ReadonlyMap<string, readonly StoredEvent[]>,
): Violation[] {
  const [subject, outcome] = [request.id, outcomeOf(request)];
  const raw = raws[0];
  if (raw === undefined)
    return outcome === 'acked' ? [{ invariant: 'I1', what: 'acknowledged, but not stored', subject }] : [];
  if (request.isForged || outcome === 'refused')
    return [{ invariant: 'I3', what: 'refused or forged, but stored', subject }];
  const violations: Violation[] = [];
  if (raws.length > 1) violations.push({ invariant: 'I2', what: 'stored more than once', subject });
  if (raw.content!.target !== `/in/${request.tenant}/${request.sourceId}`)
    violations.push({ invariant: 'I1', what: 'stored with another target', subject });
  if (raw.source !== uuidOf(request.sourceId))
    violations.push({ invariant: 'I6', what: 'stored under another source', subject });
  const events = eventsOf.get(raw.request) ?? [];
  if (events.length < request.events.length)
    violations.push({ invariant: 'I1', what: 'stored without all of its events', subject });
  if (events.length > request.events.length)
    violations.push({ invariant: 'I2', what: 'stored with more events than it has', subject });
  const planned = request.events.map(({ messageId }) => messageId).sort();
  const found = events.map(({ providerMessageId }) => providerMessageId).sort();
  if (events.length === planned.length && planned.join() !== found.join())
    violations.push({ invariant: 'I1', what: 'stored as events of other messages', subject });
  return violations;
}

function judgeRaw(
  raw: StoredRaw,
  sentHashes: ReadonlySet<string>,
  eventsOf: ReadonlyMap<string, readonly StoredEvent[]>,
): Violation[] {
  const subject = raw.request;
  if (raw.content === undefined)
    return [{ invariant: 'I1', what: 'a stored request does not open', subject }];
  if (!sentHashes.has(raw.content.bodyHash))
    return [{ invariant: 'I3', what: 'a stored request was never sent, or its bytes differ', subject }];
  return eventsOf.has(subject)
    ? []
    : [{ invariant: 'I1', what: 'a stored request has no event in the log', subject }];
}

function judgeEventRows(events: readonly StoredEvent[], requests: ReadonlySet<string>): Violation[] {
  const seen = new Set<string>();
  return events.flatMap(({ event, request }) => {
    const violations: Violation[] = [];
    if (seen.has(event))
      violations.push({ invariant: 'I2', what: 'an event is twice in the log', subject: event });
    seen.add(event);
    if (request !== '' && !requests.has(request))
      violations.push({ invariant: 'I1', what: 'an event has lost its raw request', subject: event });
    return violations;
  });
}

/** A key without its event swallows every retry of it; an event without key can be stored again. */
function judgeDedupKeys({ events, dedupKeys }: Evidence['stored']): Violation[] {
  const [inLog, keys] = [new Set(events.map(({ event }) => event)), grouped(dedupKeys, ({ event }) => event)];
  const orphans = dedupKeys.filter(({ event }) => !inLog.has(event));
  const keyless = events.filter(({ event }) => keys.get(event)?.length !== 1);
  return [
    ...orphans.map(({ event }): Violation => ({
      invariant: 'I1',
      what: 'a deduplication key has no event',
      subject: event,
    })),
    ...keyless.map(({ event }): Violation => ({
      invariant: 'I2',
      what: 'an event has no deduplication key, or several',
      subject: event,
    })),
  ];
}
