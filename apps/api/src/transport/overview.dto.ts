import { z } from 'zod';
import {
  type Launch,
  type Overview,
  STATUS_DEADLINE_MS,
  type StopInForce,
} from '../application/read-overview.js';
import { REPORTERS, type Stage, STAGES, type StageName } from '../domain/overview.js';
import { textOf, time, timeAt } from './shapes.dto.js';

const MS = 1_000;
const count = z.number().int().nullable();
const share = z.number().nullable().describe('percent of the events that came; null while nothing is known');

const wrong = z.object({
  what: z.string(),
  runbook: z.string().describe('of the repository: docs/runbooks/….md'),
});
const stage = z.object({
  stage: z.enum(Object.keys(STAGES) as [StageName, ...StageName[]]),
  service: z.string().describe('whose stage it is'),
  depth: count.describe('what waits, or lies there; counted up to a bound'),
  isMore: z.boolean().describe('there are more than depth'),
  lagSeconds: z.number().nullable().describe('how far behind it is'),
  oldestAt: time.nullable().describe('since when the oldest item is there'),
  ratePerSecond: z.number().nullable().describe('what passed, over the last minute'),
  wrong: z.array(wrong),
});
const stop = z.object({
  kind: z.enum(['tenant_suspended', 'tenant_sends_paused', 'source_paused', 'platform_sends_paused']),
  tenantId: z.string().nullable(),
  tenant: z.string().nullable().describe('slug'),
  sourceId: z.string().nullable(),
});
const launch = z.object({
  ...{ sourceId: z.string(), tenantId: z.string(), tenant: z.string().describe('slug'), name: z.string() },
  ...{ provider: z.string(), createdAt: time },
  ...{ events: count, duplicates: count, duplicateShare: share, unrecognized: count },
  waiting: count.describe('in quarantine, or because it is paused'),
  lagSeconds: z.number().nullable().describe('since the oldest of those came'),
  deadLetters: count,
  manualSteps: count.describe('acts of people on what went wrong: of its whole tenant, since it was made'),
  manualShare: share,
  wrong: z.array(wrong),
});

/** The platform at one moment. */
export const overview = z.object({
  at: time,
  isWell: z.boolean().describe('nothing is wrong, and everybody answers'),
  services: z.array(
    z.object({
      service: z.enum(REPORTERS),
      isAnswering: z.boolean().describe(`within ${STATUS_DEADLINE_MS} ms`),
      checks: z.array(z.object({ name: z.string(), result: z.string() })).describe('ok, or why not'),
    }),
  ),
  stages: z.array(stage),
  stops: z.array(stop).nullable().describe('what is stopped by hand; null when tenants does not answer'),
  launches: z
    .array(launch)
    .nullable()
    .describe('sources of the last 30 days, the newest 100; null when tenants does not answer'),
});

export function overviewOf({ atMs, services, stages, stops, launches }: Overview): z.infer<typeof overview> {
  const isWrong =
    services.some(({ isAnswering }) => !isAnswering) ||
    [...stages, ...(launches ?? [])].some((part) => part.wrong.length > 0);
  return {
    at: timeAt(atMs),
    isWell: !isWrong && stops !== undefined && launches !== undefined,
    services: services.map(({ checks, ...service }) => ({ ...service, checks: [...checks] })),
    stages: stages.map(stageOf),
    stops: stops?.map(stopOf) ?? null,
    launches: launches?.map(launchOf) ?? null,
  };
}

const secondsOf = (ms: number | undefined): number | null =>
  ms === undefined ? null : Math.round(Math.max(0, ms)) / MS;

const stageOf = (from: Stage): z.infer<typeof stage> => ({
  ...{ stage: from.stage, service: from.service, depth: from.depth ?? null, isMore: from.isMore },
  lagSeconds: secondsOf(from.lagMs),
  oldestAt: from.oldestAtMs === undefined ? null : timeAt(from.oldestAtMs),
  ratePerSecond: from.ratePerSecond === undefined ? null : Math.round(from.ratePerSecond * 100) / 100,
  wrong: [...from.wrong],
});

const stopOf = ({ kind, tenantId, tenantSlug, sourceId }: StopInForce): z.infer<typeof stop> => ({
  kind: kind as 'source_paused',
  ...{ tenantId: textOf(tenantId), tenant: textOf(tenantSlug), sourceId: textOf(sourceId) },
});

const launchOf = (from: Launch): z.infer<typeof launch> => ({
  ...{ sourceId: from.sourceId, tenantId: from.tenantId, tenant: from.tenantSlug, name: from.name },
  ...{ provider: from.provider, createdAt: timeAt(from.createdAtMs) },
  ...{ events: from.events ?? null, duplicates: from.duplicates ?? null },
  duplicateShare: from.duplicateShare ?? null,
  ...{ unrecognized: from.unrecognized ?? null, waiting: from.waiting ?? null },
  ...{ lagSeconds: secondsOf(from.lagMs), deadLetters: from.deadLetters ?? null },
  ...{ manualSteps: from.manualSteps ?? null, manualShare: from.manualShare ?? null },
  wrong: [...from.wrong],
});
