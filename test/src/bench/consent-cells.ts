import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type pg from 'pg';
import { type TenantUnderTest } from '../checker/evidence.js';
import { type RunningPlatform } from '../house/running-platform.js';
import { type SourceTarget } from '../load/workload.js';
import { idOf } from '../wire/ids.js';
import { waitFor } from '../wire/time.js';
import { type BenchPlan } from './arguments.js';
import { badAnswers, type Cell, round, watchCpu } from './cell.js';
import { watchDisk } from './disk.js';
import { type Crew } from './platform-cells.js';

const TENANTS = 4;
/** Half-empty rounds cost as much as full ones: a medium rate is measured too. */
const STOPS_PER_SECOND = { stop200: 200, stop500: 500 } as const;
const OPT_OUT_EVERY = 100;
const CONNECTIONS = 64;
const COMPLIANCE_PORT = 9103;
const DRAIN_TIMEOUT_MS = 600_000;
const DRAIN_POLL_MS = 2_000;

export const CONSENT_CELLS = ['stop200', 'stop500', 'intakeOptOut', 'permits'] as const;
type ConsentCell = (typeof CONSENT_CELLS)[number];
type StopCell = keyof typeof STOPS_PER_SECOND;

/** Whether a cell is one of these. */
export const isConsentCell = (cell: string): cell is ConsentCell =>
  CONSENT_CELLS.some((each) => each === cell);

/** What a platform is for these cells. */
export interface ConsentSubject {
  readonly platform: RunningPlatform;
  readonly db: pg.Client;
  readonly portOffset: number;
}

/** What opt-outs and permits cost. Their tenants are their own: consent changes come back into the log. */
export class ConsentCells {
  private cast: { readonly tenants: TenantUnderTest[]; readonly sources: SourceTarget[] } | undefined;

  constructor(
    private readonly plan: BenchPlan,
    private readonly crew: Crew,
  ) {}

  async run(cell: ConsentCell, block: number, subject: ConsentSubject): Promise<Cell> {
    this.cast ??= await this.createCast(subject.platform);
    const measured = await this.measure(cell, block, subject);
    await this.drain(subject.db);
    return measured;
  }

  private measure(cell: ConsentCell, block: number, subject: ConsentSubject): Promise<Cell> {
    if (cell === 'intakeOptOut') return this.intake(block, subject);
    if (cell === 'permits') return this.permits(block, subject);
    return this.stops(cell, block, subject);
  }

  /** STOP at a fixed rate, each of a contact of its own: how long until the provider hears 2xx. */
  private async stops(cell: StopCell, block: number, { platform, db }: ConsentSubject): Promise<Cell> {
    const { warmUpMs, cellMs: durationMs } = this.plan;
    const load = (run: string) => ({
      ...({ kind: 'open', run, sources: this.cast!.sources, isOptOut: true } as const),
      ...{ ratePerSecond: STOPS_PER_SECOND[cell], warmUpMs, durationMs },
    });
    // Once before: cold code cannot keep the rate, and what it leaves waiting would be measured for seconds.
    await this.crew.generator.ask(load(newRun(`${cell}-warm-up`)));
    await this.drain(db);
    const cpu = watchCpu(platform.local.pids);
    const measure = () => this.crew.generator.ask(load(newRun(cell)));
    const { value, disk } = await watchDisk(platform.dataDir, measure);
    const { latency, sent, skipped, statuses } = value.open!;
    const late = skipped > 0 ? [`${skipped} requests did not leave in time`] : [];
    return {
      ...{ subject: cell, block, cpuMicros: cpu(sent) },
      figures: {
        ...{ ackP50Ms: latency.p50, ackP99Ms: latency.p99, ackP999Ms: latency.p999 },
        ...{ diskP99Ms: round(disk.p99), diskMaxMs: round(disk.max) },
      },
      problems: [...badAnswers(statuses), ...late],
    };
  }

  /** A burst with one opt-out in a hundred against one without any, in turn first. */
  private async intake(block: number, { platform }: ConsentSubject): Promise<Cell> {
    const { warmUpMs, burstMs: durationMs } = this.plan;
    const { sources } = this.cast!;
    const cpu = watchCpu(platform.local.pids);
    const problems: string[] = [];
    let acked = 0;
    const burst = async (optOutEvery: number): Promise<number> => {
      const { closed } = await this.crew.generator.ask({
        ...{ kind: 'closed', run: newRun('intakeOptOut'), sources, connections: CONNECTIONS },
        ...{ warmUpMs, durationMs, optOutEvery },
      });
      problems.push(...badAnswers(closed!.statuses));
      acked += closed!.acked;
      return closed!.perSecond;
    };
    const rates: Record<string, number> = {};
    for (const every of block % 2 === 0 ? [OPT_OUT_EVERY, 0] : [0, OPT_OUT_EVERY])
      rates[every === 0 ? 'plainPerSecond' : 'perSecond'] = round(await burst(every));
    return { subject: 'intakeOptOut', block, figures: rates, cpuMicros: cpu(acked), problems };
  }

  /** Straight gRPC with dispatcher's certificate: each permit asked for, given and closed. */
  private async permits(block: number, { platform, portOffset }: ConsentSubject): Promise<Cell> {
    const folder = join(platform.dataDir, 'certificates');
    const [certFile, keyFile, caFile] = ['dispatcher.crt', 'dispatcher.key', 'ca.crt'].map((name) =>
      join(folder, name),
    );
    const { tenants, sources } = this.cast!;
    const { warmUpMs, cellMs: durationMs } = this.plan;
    const cpu = watchCpu(platform.local.pids);
    const { permits } = await this.crew.generator.ask({
      kind: 'permits',
      port: COMPLIANCE_PORT + portOffset,
      identity: { certFile: certFile!, keyFile: keyFile!, caFile: caFile! },
      tenantId: idOf('ten', tenants[0]!.uuid),
      ...{ sourceId: sources[0]!.sourceId, inFlight: CONNECTIONS, warmUpMs, durationMs },
    });
    const { perSecond, latency, others } = permits!;
    return {
      ...{ subject: 'permits', block, cpuMicros: cpu(latency.count) },
      figures: { perSecond: round(perSecond), p50Ms: latency.p50, p99Ms: latency.p99 },
      problems: Object.entries(others).map(([decision, count]) => `${count} answers ${decision}`),
    };
  }

  /** Waits until every event had its effect and every opt-out is applied. */
  private async drain(db: pg.Client): Promise<void> {
    const ids = this.cast!.tenants.map(({ uuid }) => uuid);
    const check = async (): Promise<true | undefined> => {
      const { rows } = await db.query<{ open: string }>(
        `SELECT (SELECT count(*) FROM events.event_log l WHERE tenant_id = ANY($1) AND request_id IS NOT NULL
                   AND NOT EXISTS (SELECT FROM events.transition t
                                   WHERE t.tenant_id = l.tenant_id AND t.event_id = l.event_id))
              + (SELECT count(*) FROM compliance.pending_signal WHERE tenant_id = ANY($1)) AS open`,
        [ids],
      );
      return Number(rows[0]!.open) === 0 ? true : undefined;
    };
    await waitFor('opt-outs are applied', check, { timeoutMs: DRAIN_TIMEOUT_MS, pollMs: DRAIN_POLL_MS });
  }

  private async createCast({ admin }: RunningPlatform) {
    const [tenants, sources]: [TenantUnderTest[], SourceTarget[]] = [[], []];
    for (let at = 0; at < TENANTS; at++) {
      const tenant = await admin.createTenant(`bench-consent-${at}`);
      tenants.push(tenant);
      sources.push(await admin.createSource(tenant.slug, 'standard-webhooks'));
    }
    return { tenants, sources };
  }
}

const newRun = (subject: string): string => `${subject}-${randomBytes(4).toString('hex')}`;
