import { formatId, idOfUuid } from '@posthorn/clock/id.js';
import type {
  Consent,
  Decision,
  PersonHistoryEntry,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { entryStatus } from '../domain/consent-status.js';
import type { ConsentEntry } from '../persistence/consent.read.js';
import type { DecisionRecord } from '../persistence/decision.read.js';
import type { HistoryEntry } from '../persistence/history.read.js';
import { eventIdOf } from './suppressions.dto.js';

/** What the API calls what is stored. */
const KINDS: Readonly<Record<string, string>> = { grant: 'opted_in', opt_out: 'opted_out' };

export function consentMessage(entry: ConsentEntry): Consent {
  // An event is about everything its address can be reached by; shown is the channel it came by.
  const channel = entry.eventId === undefined ? entry.covers : entry.channel || 'all';
  return {
    id: idOfUuid('evt', entry.id),
    personId: formatId('per', entry.personHash),
    ...{ channel, program: entry.program, kind: KINDS[entry.kind] ?? entry.kind },
    status: entryStatus(entry.counting, entry.suppressions, channel, entry.program, entry.readAtMs),
    occurredAtMs: entry.signaledAtMs,
    createdAtMs: entry.recordedAtMs,
    eventId: eventIdOf(entry.eventId),
    actorId: entry.actorId,
    proof: entry.proof,
  };
}

export const decisionMessage = (record: DecisionRecord): Decision => ({
  id: idOfUuid('evt', record.id),
  atMs: record.decidedAtMs,
  messageId: idOfUuid('msg', record.messageId),
  sourceId: record.sourceId === undefined ? '' : idOfUuid('src', record.sourceId),
  personId: formatId('per', record.personHash),
  ...{ channel: record.channel, category: record.category, program: record.program },
  ...{ decision: record.kind, rule: record.rule, detail: record.detail, untilMs: record.untilMs },
  ...{ isReplay: record.isReplay, policyVersion: record.policyVersion, factsJson: record.facts },
  outcome: record.outcome,
});

/** IDs of suppressions have a public form of their own; all others are shown as events are. */
export const historyMessage = (entry: HistoryEntry): PersonHistoryEntry => ({
  atMs: entry.atMs,
  kind: entry.kind,
  id: idOfUuid(entry.kind === 'suppressed' || entry.kind === 'lifted' ? 'sup' : 'evt', entry.id),
  personId: formatId('per', entry.personHash),
  ...{
    channel: entry.channel,
    what: entry.kind === 'signal' ? (KINDS[entry.what] ?? entry.what) : entry.what,
    rule: entry.rule,
    detail: entry.detail,
  },
  eventId: eventIdOf(entry.eventId),
  messageId: entry.messageId === undefined ? '' : idOfUuid('msg', entry.messageId),
  actorId: entry.actorId,
  unverified: entry.isUnverified || undefined,
});
