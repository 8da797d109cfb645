import {
  type Drift,
  type DriftField,
  type QuarantinedEvent,
  type QuarantineFilter,
  type RefusedRequest,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { z } from 'zod';
import { type ServiceRetentionRun } from '../application/list-retention-runs.js';
import { bodyMoment, idOf, moment, msOf, page, textOf, time, timeAt, timeOf } from './shapes.dto.js';

const TYPE_MAX = 128;
const EVENTS_MAX = 500;
const source = idOf('src').optional();
const type = z.string().min(1).max(TYPE_MAX).optional();

export const refusalsQuery = page.extend({ source });
export const driftQuery = page.extend({ provider: z.string().min(1).max(64).optional() });
export const driftFieldsQuery = page.extend({
  provider: z.string().min(1).max(64).optional(),
  kind: z.string().min(1).max(TYPE_MAX).optional(),
  change: z.enum(['new', 'missing', 'changed']).optional(),
});
export const quarantineQuery = page.extend({ source, type, from: moment, to: moment });
export const retryQuarantine = z.strictObject({
  filter: z
    .strictObject({
      eventIds: z.array(idOf('evt')).min(1).max(EVENTS_MAX).optional(),
      source,
      type,
      from: bodyMoment.optional(),
      to: bodyMoment.optional(),
    })
    .default({})
    .describe('empty: all'),
});

export const refusal = z.object({
  id: z.string(),
  sourceId: z.string(),
  provider: z.string(),
  receivedAt: time,
  cause: z.string().describe('error code of the first judgement, or of the last one'),
  headers: z.array(z.tuple([z.string(), z.string()])).describe('values only where they are harmless'),
  sizeBytes: z.number(),
  state: z.enum(['kept', 'admitted']),
  judgedAt: time.nullable().describe('when it was judged again'),
});
export const reverification = z.object({
  requests: z.number().describe('that will be judged again, oldest first'),
});
export const drift = z.object({
  provider: z.string(),
  kind: z.string().nullable().describe("the provider's own type of it"),
  reason: z.string().describe('what was not understood'),
  count: z.number(),
  firstSeenAt: time,
  lastSeenAt: time,
  firstEventId: z.string(),
  lastEventId: z.string(),
});
export const driftField = z.object({
  provider: z.string(),
  kind: z.string().describe("the provider's own type, or ours where it has none"),
  path: z
    .string()
    .describe(
      'names behind /; [] is every element of a list, {} a name that is data itself, # the number at the end of one',
    ),
  change: z
    .enum(['new', 'missing', 'changed'])
    .describe(
      'new: not in the first bodies of the kind; missing: was in all; changed: was there with other types',
    ),
  type: z
    .enum(['string', 'number', 'boolean', 'null', 'object', 'array', 'file'])
    .nullable()
    .describe('null: missing'),
  count: z.number().describe('sampled bodies that have, or lack, it'),
  firstSeenAt: time,
  lastSeenAt: time,
  firstEventId: z.string(),
});
export const quarantined = z.object({
  eventId: z.string(),
  type: z.string(),
  provider: z.string(),
  sourceId: z.string().nullable(),
  cause: z
    .string()
    .describe(
      'why it could not be processed; `schema: …`: it does not fit the JSON Schema of its source, which has `schemaFailure: quarantine`',
    ),
  quarantinedAt: time,
});
export const quarantineRetried = z.object({
  events: z
    .number()
    .describe(
      'that will be processed again, oldest first; what a schema set aside is parsed again, and stays listed until it is understood',
    ),
  reprocessingId: z
    .string()
    .nullable()
    .describe('see GET …/drift/reprocessings for how far that is; null: no schema had set anything aside'),
  hasMore: z.boolean().describe('the filter matches more: call again'),
});
export const retentionRun = z.object({
  id: z.string(),
  at: time,
  service: z.enum(['events', 'dispatcher']).describe('whose: the log, or what left'),
  dataClass: z
    .enum(['raw', 'content', 'events', 'keys'])
    .describe('keys: the data keys of weeks of which nothing is kept any more'),
  before: time.describe('everything that came before is gone; of what left, only what has ended'),
  rows: z.number().describe('that were deleted; whole days are dropped without being counted'),
  partitions: z.array(z.string()).describe('days that were dropped'),
  keyIds: z
    .array(z.string())
    .describe('data keys that were destroyed: nothing here opens any more what they encrypted'),
});

/** Which quarantined events, for the events service. */
export const quarantineFilterOf = (filter: z.infer<typeof retryQuarantine>['filter']): QuarantineFilter => ({
  eventIds: filter.eventIds ?? [],
  sourceId: filter.source ?? '',
  type: filter.type ?? '',
  fromMs: msOf(filter.from),
  toMs: msOf(filter.to),
});

/** A refused request as the API shows it. */
export const refusalOf = (from: RefusedRequest): z.infer<typeof refusal> => ({
  id: from.id,
  sourceId: from.sourceId,
  provider: from.provider,
  receivedAt: timeAt(from.receivedAtMs),
  cause: from.cause,
  headers: pairsOf(from.headers),
  sizeBytes: from.sizeBytes,
  state: from.state as 'kept',
  judgedAt: timeOf(from.judgedAtMs),
});

/** What was not understood as the API shows it. */
export const driftOf = (from: Drift): z.infer<typeof drift> => ({
  provider: from.provider,
  kind: textOf(from.kind),
  reason: from.reason,
  count: Number(from.count),
  firstSeenAt: timeAt(from.firstSeenAtMs),
  lastSeenAt: timeAt(from.lastSeenAtMs),
  firstEventId: from.firstEventId,
  lastEventId: from.lastEventId,
});

/** A field that differs as the API shows it. */
export const driftFieldOf = (from: DriftField): z.infer<typeof driftField> => ({
  provider: from.provider,
  kind: from.kind,
  path: from.path,
  change: from.change as 'new',
  type: textOf(from.type) as 'string' | null,
  count: Number(from.count),
  firstSeenAt: timeAt(from.firstSeenAtMs),
  lastSeenAt: timeAt(from.lastSeenAtMs),
  firstEventId: from.firstEventId,
});

/** A quarantined event as the API shows it. */
export const quarantinedOf = (from: QuarantinedEvent): z.infer<typeof quarantined> => ({
  eventId: from.eventId,
  type: from.type,
  provider: from.provider,
  sourceId: textOf(from.sourceId),
  cause: from.cause,
  quarantinedAt: timeAt(from.quarantinedAtMs),
});

/** What retention took away as the API shows it. */
export const retentionRunOf = (from: ServiceRetentionRun): z.infer<typeof retentionRun> => ({
  id: from.id,
  service: from.service,
  at: timeAt(from.atMs),
  dataClass: from.dataClass as 'raw',
  before: timeAt(from.beforeMs),
  rows: Number(from.rows),
  partitions: from.partitions,
  keyIds: from.keyIds,
});

/** Name and value alternate. */
const pairsOf = (headers: readonly string[]): [string, string][] =>
  Array.from({ length: Math.floor(headers.length / 2) }, (_, at) => [headers[2 * at]!, headers[2 * at + 1]!]);
