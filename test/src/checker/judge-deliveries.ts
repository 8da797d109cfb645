import { idOf } from '../wire/ids.js';
import {
  grouped,
  type DestinationUnderTest,
  type Evidence,
  type StoredFact,
  type Violation,
} from './evidence.js';

const isSuccess = (status: number): boolean => status >= 200 && status < 300;
const takes = ({ eventTypes }: DestinationUnderTest, type: string): boolean =>
  eventTypes.length === 0 || eventTypes.includes(type);

/** The deliveries that must exist: each fact once for each destination of its tenant that wants its type. */
function expectedDeliveries({ stored, destinations }: Evidence): Map<string, StoredFact> {
  const byTenant = grouped(destinations, ({ tenant }) => tenant);
  const expected = new Map<string, StoredFact>();
  for (const fact of stored.facts)
    for (const destination of byTenant.get(fact.tenant) ?? [])
      if (takes(destination, fact.type)) expected.set(`${fact.fact} ${destination.uuid}`, fact);
  return expected;
}

/** I2 and I3 on the way out: one delivery a fact and destination, each success seen by the receiver, signed. */
export function judgeDeliveries(evidence: Evidence): Violation[] {
  const { stored, destinations, receipts } = evidence;
  const nameOf = new Map(destinations.map(({ uuid, name }) => [uuid, name]));
  const rows = grouped(
    stored.deliveries.filter(({ destination }) => nameOf.has(destination)),
    ({ fact, destination }) => `${fact} ${destination}`,
  );
  const expected = expectedDeliveries(evidence);
  const taken = new Set(
    receipts
      .filter(({ status }) => isSuccess(status))
      .map(({ webhookId, destination }) => `${webhookId} ${destination}`),
  );
  const violations: Violation[] = [];
  for (const [subject] of expected)
    if (!rows.has(subject))
      violations.push({ invariant: 'I2', what: 'a fact was not handed to a destination', subject });
  for (const [subject, group] of rows) {
    if (group.length > 1) violations.push({ invariant: 'I2', what: 'a delivery exists twice', subject });
    if (!expected.has(subject))
      violations.push({ invariant: 'I3', what: 'a delivery nobody asked for', subject });
    const { fact, destination, state } = group[0]!;
    if (state === 'succeeded' && !taken.has(`${idOf('fct', fact)} ${nameOf.get(destination)!}`))
      violations.push({ invariant: 'I2', what: 'succeeded, but the receiver never took it', subject });
  }
  return [...violations, ...judgeReceipts(evidence)];
}

function judgeReceipts({ stored, receipts }: Evidence): Violation[] {
  const facts = new Set(stored.facts.map(({ fact }) => idOf('fct', fact)));
  return receipts.flatMap(({ webhookId, isSigned, destination }): Violation[] => {
    const subject = `${webhookId} at ${destination}`;
    if (!facts.has(webhookId))
      return [{ invariant: 'I3', what: 'received something that is no fact', subject }];
    return isSigned ? [] : [{ invariant: 'I3', what: 'received without a valid signature', subject }];
  });
}

/**
 * I4: at a destination with order, no fact of a key arrives, not even as a failing try, before the fact in
 * front of it was taken. Facts without a key have no order among themselves.
 */
export function judgeOrder({ stored, destinations, receipts }: Evidence): Violation[] {
  const factOf = new Map(stored.facts.map((fact) => [idOf('fct', fact.fact), fact]));
  const ordered = new Set(destinations.filter(({ ordering }) => ordering === 'key').map(({ name }) => name));
  const seen = new Map<string, { fact: StoredFact; first: number; taken: number }>();
  for (const { webhookId, destination, order, status } of receipts) {
    const fact = factOf.get(webhookId);
    if (fact === undefined || fact.orderKey === '' || !ordered.has(destination)) continue;
    const key = `${destination} ${webhookId}`;
    const entry = seen.get(key) ?? { fact, first: order, taken: Number.POSITIVE_INFINITY };
    entry.first = Math.min(entry.first, order);
    if (isSuccess(status)) entry.taken = Math.min(entry.taken, order);
    seen.set(key, entry);
  }
  const lanes = grouped(
    seen,
    ([key, { fact }]) => `${key.split(' ')[0]} shard ${fact.shard} key ${fact.orderKey}`,
  );
  return [...lanes].flatMap(([subject, lane]): Violation[] => {
    const inOrder = lane.map(([, entry]) => entry).sort((a, b) => a.fact.sequence - b.fact.sequence);
    const isBroken = inOrder.some((entry, at) => {
      const before = inOrder[at - 1];
      return before !== undefined && Number.isFinite(before.taken) && entry.first < before.taken;
    });
    return isBroken ? [{ invariant: 'I4', what: 'facts of one key arrived out of order', subject }] : [];
  });
}
