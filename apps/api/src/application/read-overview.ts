import { type Clock } from '@posthorn/clock/clock.js';
import { type GetStatusResponse, type SourceFigures } from '@posthorn/contracts/posthorn/status/v1/status.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type ComplianceClient } from '../clients/compliance.client.js';
import { type DispatcherClient } from '../clients/dispatcher.client.js';
import { type EventsClient } from '../clients/events.client.js';
import { type TenantsClient } from '../clients/tenants.client.js';
import {
  judgeLaunch,
  LAUNCH_WATCH_MS,
  type LaunchFacts,
  type LaunchVerdict,
} from '../domain/launch-watch.js';
import { mergeStages, type Report, type Reporter, REPORTERS, type Stage } from '../domain/overview.js';

/** A service that has not said how it is by then is shown as one that does not answer. */
export const STATUS_DEADLINE_MS = 1_500;
/** The newest ones; more are not watched one by one. */
const LAUNCHES_MAX = 100;
const STOPS_MAX = 200;

/** A source of less than thirty days. */
export interface Launch extends LaunchFacts, LaunchVerdict {
  readonly sourceId: string;
  readonly tenantId: string;
  readonly tenantSlug: string;
  readonly name: string;
  readonly provider: string;
  readonly createdAtMs: number;
}

/** Something that was stopped by hand. IDs empty where it is of no one. */
export interface StopInForce {
  readonly kind: string;
  readonly tenantId: string;
  readonly tenantSlug: string;
  readonly sourceId: string;
}

/** The platform at one moment. */
export interface Overview {
  readonly atMs: number;
  readonly services: readonly {
    readonly service: Reporter;
    readonly isAnswering: boolean;
    readonly checks: Report['checks'];
  }[];
  readonly stages: readonly Stage[];
  /** Undefined: tenants does not answer. */
  readonly stops: readonly StopInForce[] | undefined;
  readonly launches: readonly Launch[] | undefined;
}

type Sources = Awaited<ReturnType<TenantsClient['operators']['listNewSources']>>['sources'];

/** How the platform is, from everybody who knows a part of it. Who is silent is shown as silent. */
export class ReadOverview {
  private readonly call = { deadlineMs: STATUS_DEADLINE_MS };

  constructor(
    private readonly tenants: Pick<TenantsClient, 'status' | 'figures' | 'operators'>,
    private readonly events: Pick<EventsClient, 'status' | 'figures'>,
    private readonly compliance: Pick<ComplianceClient, 'status'>,
    private readonly dispatcher: Pick<DispatcherClient, 'status' | 'figures'>,
    private readonly clock: Clock,
  ) {}

  async run(): Promise<Overview> {
    const atMs = this.clock.nowMs();
    const [reports, stops, launches] = await Promise.all([this.reports(), this.stops(), this.launches(atMs)]);
    return {
      atMs,
      services: REPORTERS.map((service) => ({
        ...{ service, isAnswering: reports[service] !== undefined, checks: reports[service]?.checks ?? [] },
      })),
      stages: mergeStages(reports, STATUS_DEADLINE_MS),
      ...{ stops, launches },
    };
  }

  private async reports(): Promise<Record<Reporter, Report | undefined>> {
    const [tenants, events, compliance, dispatcher] = await Promise.all(
      [this.tenants, this.events, this.compliance, this.dispatcher].map(async ({ status }) =>
        reportOf(await unlessAway(status.getStatus({}, this.call))),
      ),
    );
    return { tenants, events, compliance, dispatcher };
  }

  private async stops(): Promise<StopInForce[] | undefined> {
    return (await unlessAway(this.tenants.operators.listStops({ limit: STOPS_MAX }, this.call)))?.stops;
  }

  private async launches(atMs: number): Promise<Launch[] | undefined> {
    const request = { sinceMs: atMs - LAUNCH_WATCH_MS, limit: LAUNCHES_MAX };
    const sources = (await unlessAway(this.tenants.operators.listNewSources(request, this.call)))?.sources;
    if (sources === undefined || sources.length === 0) return sources && [];
    const figures = await this.figuresOf(sources);
    return sources.map(({ id: sourceId, ...source }) => {
      const facts = launchFacts(
        figures.flatMap((of) => of?.filter((each) => each.sourceId === sourceId) ?? []),
      );
      return { sourceId, ...source, ...facts, ...judgeLaunch(facts, atMs) };
    });
  }

  private figuresOf(sources: Sources): Promise<(SourceFigures[] | undefined)[]> {
    const request = {
      sources: sources.map(({ id, tenantId, createdAtMs }) => ({
        ...{ tenantId, sourceId: id, sinceMs: createdAtMs },
      })),
    };
    return Promise.all(
      [this.events, this.dispatcher, this.tenants].map(
        async ({ figures }) => (await unlessAway(figures.listSourceFigures(request, this.call)))?.figures,
      ),
    );
  }
}

function launchFacts(figures: readonly SourceFigures[]): LaunchFacts {
  const count = (key: keyof SourceFigures): number | undefined => {
    const value = figures.find((of) => of[key] !== undefined)?.[key];
    return value === undefined ? undefined : Number(value);
  };
  return {
    events: count('eventsStored'),
    duplicates: count('eventsDuplicate'),
    unrecognized: count('eventsUnrecognized'),
    waiting: count('eventsWaiting'),
    waitingSinceMs: count('waitingSinceMs'),
    deadLetters: count('deadLetters'),
    manualSteps: count('manualSteps'),
  };
}

const reportOf = (answer: GetStatusResponse | undefined): Report | undefined =>
  answer && {
    checks: answer.checks,
    factsBehind: numberOf(answer.factsBehind),
    stages: answer.stages.map(({ depth, ...stage }) => ({
      ...{ stage: stage.stage, isMore: stage.isMore, troubles: stage.troubles, depth: numberOf(depth) },
      ...{ lagMs: stage.lagMs, oldestAtMs: stage.oldestAtMs, ratePerSecond: stage.ratePerSecond },
    })),
  };

const numberOf = (count: bigint | undefined): number | undefined =>
  count === undefined ? undefined : Number(count);

/** Undefined for whoever is away, too slow, of a version that does not know the question, or fails: the rest is shown. */
const unlessAway = <T>(call: Promise<T>): Promise<T | undefined> =>
  call.catch((error: unknown) => {
    if (error instanceof AppError) return undefined;
    throw error;
  });
