import { type Reprocessing, type ReprocessingFilter } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { z } from 'zod';
import { bodyMoment, idOf, msOf, textOf, time, timeAt, timeOf } from './shapes.dto.js';

const PROVIDER_MAX = 64;
const KIND_MAX = 128;

export const reprocess = z.strictObject({
  filter: z
    .strictObject({
      source: idOf('src').optional(),
      provider: z.string().min(1).max(PROVIDER_MAX).optional(),
      kind: z.string().min(1).max(KIND_MAX).optional().describe("the provider's own type, as drift shows it"),
      from: bodyMoment.optional(),
      to: bodyMoment.optional(),
    })
    .default({})
    .describe('empty: all that came in the last 30 days'),
});
export const reprocessing = z.object({
  id: z.string(),
  requestedAt: time,
  state: z.enum(['open', 'done']),
  filter: z.object({
    source: z.string().nullable(),
    provider: z.string().nullable(),
    kind: z.string().nullable(),
    from: time.nullable(),
    to: time.nullable(),
  }),
  lookedAt: z.number().describe('events that were not understood and were parsed again'),
  understood: z.number().describe('of these; each is in the log as what it is, beside the original'),
  left: z.number().describe('of these: as they were'),
  completedAt: time.nullable(),
  hasMore: z.boolean().describe('it ended at the 10,000 events that one looks at: call again'),
});

/** Which events, for the events service. */
export const reprocessingFilterOf = (filter: z.infer<typeof reprocess>['filter']): ReprocessingFilter => ({
  sourceId: filter.source ?? '',
  provider: filter.provider ?? '',
  kind: filter.kind ?? '',
  fromMs: msOf(filter.from),
  toMs: msOf(filter.to),
});

/** A reprocessing as the API shows it. */
export function reprocessingOf(from: Reprocessing): z.infer<typeof reprocessing> {
  const { sourceId, provider, kind, fromMs, toMs } = from.filter!;
  return {
    id: from.id,
    requestedAt: timeAt(from.requestedAtMs),
    state: from.state as 'open',
    filter: {
      ...{ source: textOf(sourceId), provider: textOf(provider), kind: textOf(kind) },
      ...{ from: timeOf(fromMs), to: timeOf(toMs) },
    },
    lookedAt: Number(from.lookedAt),
    understood: Number(from.understood),
    left: Number(from.left),
    completedAt: timeOf(from.completedAtMs),
    hasMore: from.hasMore,
  };
}
