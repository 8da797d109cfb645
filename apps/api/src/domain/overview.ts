/** What a service says of one stage; undefined = does not apply, or is not known. Times Unix milliseconds. */
export interface ReportedStage {
  readonly stage: string;
  readonly depth: number | undefined;
  readonly isMore: boolean;
  readonly lagMs: number | undefined;
  readonly oldestAtMs: number | undefined;
  readonly ratePerSecond: number | undefined;
  readonly troubles: readonly { readonly kind: string; readonly what: string }[];
}

/** What one service says of itself. */
export interface Report {
  readonly stages: readonly ReportedStage[];
  readonly checks: readonly { readonly name: string; readonly result: string }[];
  readonly factsBehind: number | undefined;
}

/** Something that is wrong, and where it is written what to do about it. */
export interface Wrong {
  readonly what: string;
  readonly runbook: string;
}

/** One stage of the platform. */
export interface Stage extends Omit<ReportedStage, 'stage' | 'troubles'> {
  readonly stage: StageName;
  readonly service: string;
  readonly wrong: readonly Wrong[];
}

/** The stages in the order in which an event passes them, and whose they are. */
export const STAGES = {
  intake: 'ingress',
  append: 'events',
  projection: 'events',
  unrecognized: 'events',
  quarantine: 'events',
  publish: 'events',
  compliance: 'compliance',
  deliveries: 'dispatcher',
  dead_letters: 'dispatcher',
  sends: 'dispatcher',
  stores: 'all',
} as const;
export type StageName = keyof typeof STAGES;

/** The services that answer. */
export const REPORTERS = ['tenants', 'events', 'compliance', 'dispatcher'] as const;
export type Reporter = (typeof REPORTERS)[number];

const runbook = (name: string): string => `docs/runbooks/${name}.md`;

/** The runbook of each kind of trouble. */
export const RUNBOOKS: Readonly<Record<string, string>> = {
  backlog: runbook('queue-backlog'),
  broker: runbook('broker-loss'),
  database: runbook('database-failover'),
  destination: runbook('destination-outage'),
  duplicates: runbook('duplicate-storm'),
  provider: runbook('provider-outage'),
  quarantine: runbook('schema-drift'),
  schema: runbook('schema-drift'),
  service: runbook('queue-backlog'),
  signatures: runbook('secret-rotation-error'),
};
/** For a kind that an older api does not know. */
const ANY_RUNBOOK = runbook('README');

/** Checks of readiness by what they are about. */
const CHECK_KINDS: Readonly<Record<string, string>> = {
  ...{
    database: 'database',
    store: 'database',
    append: 'database',
    partitions: 'database',
    broker: 'broker',
  },
};
const OK = 'ok';

/**
 * One picture out of what the services say.
 * @param reports undefined for a service that did not answer in time, which is itself wrong.
 */
export function mergeStages(
  reports: Readonly<Record<Reporter, Report | undefined>>,
  deadlineMs: number,
): Stage[] {
  const silent = REPORTERS.filter((name) => reports[name] === undefined);
  const merged = (Object.keys(STAGES) as StageName[]).map((stage) => {
    const said = REPORTERS.flatMap((name) => reports[name]?.stages.filter((of) => of.stage === stage) ?? []);
    return stageOf(stage, said, silent, deadlineMs);
  });
  return merged.map((stage) => {
    if (stage.stage === 'stores') return { ...stage, wrong: [...stage.wrong, ...wrongChecks(reports)] };
    return stage.stage === 'publish' ? { ...stage, depth: furthestBehind(reports) } : stage;
  });
}

function stageOf(
  stage: StageName,
  said: readonly ReportedStage[],
  silent: readonly Reporter[],
  deadlineMs: number,
): Stage {
  const service = STAGES[stage];
  const known = <K extends keyof ReportedStage>(key: K): ReportedStage[K] | undefined =>
    said.find((of) => of[key] !== undefined)?.[key];
  const away = silent
    .filter((name) => service === 'all' || name === service)
    .map((name) => ({
      what: `${name} did not answer within ${deadlineMs} ms`,
      runbook: RUNBOOKS['service']!,
    }));
  return {
    ...{ stage, service, isMore: said.some(({ isMore }) => isMore) },
    ...{ depth: known('depth'), lagMs: known('lagMs') },
    ...{ oldestAtMs: known('oldestAtMs'), ratePerSecond: known('ratePerSecond') },
    wrong: [...away, ...said.flatMap(({ troubles }) => troubles).map(wrongOf)],
  };
}

const wrongOf = ({ kind, what }: { readonly kind: string; readonly what: string }): Wrong => ({
  what,
  runbook: RUNBOOKS[kind] ?? ANY_RUNBOOK,
});

function wrongChecks(reports: Readonly<Record<Reporter, Report | undefined>>): Wrong[] {
  return REPORTERS.flatMap((service) =>
    (reports[service]?.checks ?? [])
      .filter(({ result }) => result !== OK)
      .map(({ name, result }) =>
        wrongOf({ kind: CHECK_KINDS[name] ?? 'service', what: `${service}: ${name} ${result}` }),
      ),
  );
}

/** A fact is out when both who act on facts have it. */
function furthestBehind(reports: Readonly<Record<Reporter, Report | undefined>>): number | undefined {
  const behind = [reports.compliance?.factsBehind, reports.dispatcher?.factsBehind];
  const known = behind.filter((facts) => facts !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}
