import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { startPostgres } from '@posthorn/testing/postgres-server.js';
import { type TenantUnderTest } from '../checker/evidence.js';
import { RunningPlatform } from '../house/running-platform.js';
import { Latency } from '../load/latency.js';
import { type SourceTarget } from '../load/workload.js';
import { monotonicMs, pause, waitFor } from '../wire/time.js';
import { type BenchPlan } from './arguments.js';
import { badAnswers, type Cell, round, watchCpu } from './cell.js';
import { type BenchChild } from './child.js';
import { CONSENT_CELLS, ConsentCells, isConsentCell } from './consent-cells.js';
import { type GeneratorAnswer, type GeneratorCommand } from './generator.main.js';
import { durableSettings } from './machine.js';
import { prefill } from './prefill.js';
import { type SinkAnswer, type SinkCommand } from './sink.main.js';

const INTAKE_TENANTS = 8;
const CONNECTIONS = 64;
const WINDOW = 2_000;
const FEEDBACK_MS = 25;
const DRAIN_TIMEOUT_MS = 600_000;
const DRAIN_POLL_MS = 500;
const BARE_MS = 4_000;
const RATES = { ack2k: 2_000, first200: 200, first1k: 1_000 } as const;

export const PLATFORM_CELLS = [
  ...(['burst16', 'burst64', 'burst256', 'sustained', 'ack2k', 'first200', 'first1k', 'dispatch'] as const),
  ...CONSENT_CELLS,
];
type PlatformCell = (typeof PLATFORM_CELLS)[number];

/** The other programs of the bench. */
export interface Crew {
  readonly generator: BenchChild<GeneratorCommand, GeneratorAnswer>;
  readonly sink: BenchChild<SinkCommand, SinkAnswer>;
}

interface Cast {
  /** Without destinations: intake alone, projected behind it. */
  readonly intake: { readonly tenants: TenantUnderTest[]; readonly sources: SourceTarget[] };
  /** One tenant with one healthy destination. */
  readonly through: { readonly tenants: TenantUnderTest[]; readonly sources: SourceTarget[] };
}

/** The platform with everything on, as a subject of the bench. */
export class PlatformCells {
  private cast: Cast | undefined;
  private readonly consent: ConsentCells;
  private platform: RunningPlatform | undefined;
  private db: pg.Client | undefined;
  settings: Readonly<Record<string, string>> = {};

  constructor(
    private readonly plan: BenchPlan,
    private readonly crew: Crew,
    private readonly portOffset: number,
  ) {
    this.consent = new ConsentCells(plan, crew);
  }

  /** Starts the platform; the first time with prefilled tables and a cast of tenants. */
  async start(): Promise<void> {
    const { portOffset } = this;
    if (this.platform === undefined) {
      this.platform = await RunningPlatform.start({ portOffset });
      await this.platform.stop();
      await this.prefill(this.platform.dataDir);
    }
    this.platform = await RunningPlatform.start({
      ...{ portOffset, dataDir: this.platform.dataDir },
      ingressProcesses: 'default',
    });
    this.db = new pg.Client({ connectionString: this.platform.local.databaseUrl });
    await this.db.connect();
    this.settings = await durableSettings(this.db);
    this.cast ??= await this.createCast();
  }

  async stop(): Promise<void> {
    if (this.platform === undefined) return;
    await this.db?.end().catch(() => undefined);
    await this.platform.stop();
  }

  async remove(isKept: boolean): Promise<void> {
    if (this.platform === undefined) return;
    if (isKept) console.log(`Data and logs are kept in ${this.platform.dataDir}`);
    else await this.platform.removeData();
  }

  async run(subject: PlatformCell, block: number): Promise<Cell> {
    const cell = await this.measure(subject, block);
    await this.drain();
    return cell;
  }

  private measure(subject: PlatformCell, block: number): Promise<Cell> {
    if (isConsentCell(subject)) {
      const { portOffset, db, platform } = this;
      return this.consent.run(subject, block, { platform: platform!, db: db!, portOffset });
    }
    if (subject === 'sustained') return this.sustained(block);
    if (subject === 'dispatch') return this.dispatch(block);
    if (subject === 'ack2k' || subject === 'first200' || subject === 'first1k')
      return this.open(subject, block);
    return this.burst(subject, block, Number(subject.slice('burst'.length)));
  }

  private async burst(subject: PlatformCell, block: number, connections: number): Promise<Cell> {
    const run = newRun(subject);
    const { sources, tenants } = this.cast!.intake;
    const cpu = watchCpu(this.pids);
    const { warmUpMs, burstMs: durationMs } = this.plan;
    const { closed } = await this.crew.generator.ask({
      kind: 'closed',
      run,
      sources,
      connections,
      warmUpMs,
      durationMs,
    });
    const { perSecond, acked, latency, statuses, cpuMicros } = closed!;
    const cpuOfAll = cpu(acked);
    const stored = await this.storedOf(run, tenants);
    return {
      subject,
      block,
      figures: {
        perSecond: round(perSecond),
        p50Ms: latency.p50,
        p99Ms: latency.p99,
        acked,
        lost: Math.max(0, acked - stored),
      },
      cpuMicros: { ...cpuOfAll, generator: round(cpuMicros) },
      problems: badAnswers(statuses),
    };
  }

  /** As much as the whole way takes: a new request may leave when few enough are on their way. */
  private async sustained(block: number): Promise<Cell> {
    const run = newRun('sustained');
    const { sources, tenants } = this.cast!.through;
    const { warmUpMs, cellMs: durationMs } = this.plan;
    const before = (await this.crew.sink.ask({ kind: 'count' })).count!;
    const cpu = watchCpu(this.pids);
    const startMs = monotonicMs();
    const command = {
      kind: 'closed',
      run,
      sources,
      connections: CONNECTIONS,
      warmUpMs,
      durationMs,
      window: WINDOW,
    } as const;
    const running = this.crew.generator.ask(command);
    const samples: [number, number][] = [];
    let isOver = false;
    const watching = (async () => {
      while (!isOver) {
        const total = (await this.crew.sink.ask({ kind: 'count' })).count! - before;
        samples.push([monotonicMs(), total]);
        this.crew.generator.tell({ kind: 'delivered', total });
        await pause(FEEDBACK_MS);
      }
    })();
    const { closed } = await running;
    isOver = true;
    await watching;
    const cpuOfAll = cpu(closed!.acked);
    const measured = samples.filter(([atMs]) => atMs > startMs + warmUpMs * 2);
    const [[fromMs, first], [toMs, last]] = [measured[0]!, measured.at(-1)!];
    return {
      subject: 'sustained',
      block,
      figures: {
        perSecond: round(((last - first) * 1000) / (toMs - fromMs)),
        acked: closed!.acked,
        lost: Math.max(0, closed!.acked - (await this.storedOf(run, tenants))),
      },
      cpuMicros: { ...cpuOfAll, generator: round(closed!.cpuMicros) },
      problems: badAnswers(closed!.statuses),
    };
  }

  private async open(subject: keyof typeof RATES, block: number): Promise<Cell> {
    const run = newRun(subject);
    const { sources } = this.cast!.through;
    await this.crew.sink.ask({ kind: 'watch', prefix: run });
    const cpu = watchCpu(this.pids);
    const { warmUpMs, cellMs: durationMs } = this.plan;
    const ratePerSecond = RATES[subject];
    const { open } = await this.crew.generator.ask({
      kind: 'open',
      run,
      sources,
      ratePerSecond,
      warmUpMs,
      durationMs,
    });
    const { latency, skipped, statuses, acked } = open!;
    const cpuOfAll = cpu(open!.sent);
    await this.drain();
    const arrivals = new Map((await this.crew.sink.ask({ kind: 'arrivals' })).arrivals);
    const [fromSent, fromAck] = [new Latency(), new Latency()];
    let missing = 0;
    for (const [id, sentMs, answeredMs] of acked) {
      const arrivedMs = arrivals.get(id);
      if (arrivedMs === undefined) missing++;
      else {
        fromSent.record(arrivedMs - sentMs);
        fromAck.record(arrivedMs - answeredMs);
      }
    }
    const [sent, ack] = [fromSent.summary(), fromAck.summary()];
    return {
      subject,
      block,
      figures: {
        ...{ ackP50Ms: latency.p50, ackP99Ms: latency.p99, ackP999Ms: latency.p999 },
        ...{ sentToFirstByteP50Ms: sent.p50, sentToFirstByteP99Ms: sent.p99 },
        ...{ ackToFirstByteP50Ms: ack.p50, ackToFirstByteP99Ms: ack.p99 },
        lost: missing,
      },
      cpuMicros: cpuOfAll,
      problems: [
        ...badAnswers(statuses),
        ...(skipped > 0 ? [`${skipped} requests did not leave in time`] : []),
      ],
    };
  }

  /** A backlog that waited for a stopped dispatcher, drained; against a bare client loop right before. */
  private async dispatch(block: number): Promise<Cell> {
    const { generator, sink } = this.crew;
    const secret = `whsec_${randomBytes(32).toString('base64')}`;
    await sink.ask({ kind: 'configure', destination: 'bare', secrets: [secret] });
    const { url } = await sink.ask({ kind: 'url', destination: 'bare' });
    const bare = await generator.ask({
      kind: 'deliver',
      url: url!,
      secret,
      inFlight: CONNECTIONS,
      durationMs: BARE_MS,
    });
    const run = newRun('dispatch');
    const { sources } = this.cast!.through;
    await sink.ask({ kind: 'watch', prefix: run });
    const before = (await sink.ask({ kind: 'count' })).count!;
    const dispatcher = this.platform!.local.pids['dispatcher']!;
    process.kill(dispatcher, 'SIGSTOP');
    let cpu: ReturnType<typeof watchCpu>;
    try {
      const requestsMax = this.plan.dispatchEvents;
      const limits = { connections: CONNECTIONS, warmUpMs: 0, durationMs: DRAIN_TIMEOUT_MS, requestsMax };
      await generator.ask({ kind: 'closed', run, sources, ...limits });
      await this.untilProjected();
      cpu = watchCpu(this.pids);
    } finally {
      process.kill(dispatcher, 'SIGCONT');
    }
    await this.untilDelivered(before + this.plan.dispatchEvents);
    const cpuOfAll = cpu(this.plan.dispatchEvents);
    await this.drain();
    const times = (await sink.ask({ kind: 'arrivals' }))
      .arrivals!.map(([, atMs]) => atMs)
      .sort((a, b) => a - b);
    const [from, to] = [Math.floor(times.length * 0.1), Math.floor(times.length * 0.9)];
    const perSecond = ((to - from) * 1000) / (times[to]! - times[from]!);
    const problems = times.length === this.plan.dispatchEvents ? [] : [`${times.length} deliveries arrived`];
    const figures = { perSecond: round(perSecond), barePerSecond: round(bare.deliver!.perSecond) };
    return { subject: 'dispatch', block, figures, cpuMicros: cpuOfAll, problems };
  }

  /** The sink is asked: to count rows takes Postgres the longer the more earlier cells have left, while it is measured. */
  private async untilDelivered(count: number): Promise<void> {
    const check = async (): Promise<true | undefined> =>
      (await this.crew.sink.ask({ kind: 'count' })).count! >= count ? true : undefined;
    await waitFor('everything has arrived', check, { timeoutMs: DRAIN_TIMEOUT_MS, pollMs: FEEDBACK_MS });
  }

  private get pids(): Record<string, number> {
    return { ...this.platform!.local.pids, sink: this.crew.sink.pid };
  }

  private async storedOf(run: string, tenants: readonly TenantUnderTest[]): Promise<number> {
    const { rows } = await this.db!.query<{ count: string }>(
      `SELECT count(*) FROM events.event_log WHERE tenant_id = ANY($1) AND provider_event_id LIKE $2`,
      [tenants.map(({ uuid }) => uuid), `${run}-%`],
    );
    return Number(rows[0]!.count);
  }

  /** Waits until everything accepted has been projected and everything due is delivered. */
  private async drain(): Promise<void> {
    await this.untilProjected();
    await this.untilZero(
      'deliveries are finished',
      `SELECT count(*) FROM events.outbox o JOIN events.event_log l USING (event_id)
       WHERE l.tenant_id = ANY($1) AND NOT EXISTS (
         SELECT FROM dispatch.delivery d WHERE d.tenant_id = l.tenant_id AND d.event_id = l.event_id AND d.state = 'succeeded')`,
      this.cast!.through.tenants,
    );
  }

  private untilProjected(): Promise<void> {
    return this.untilZero(
      'events are projected',
      `SELECT (SELECT count(*) FROM events.event_log WHERE tenant_id = ANY($1))
            - (SELECT count(*) FROM events.transition WHERE tenant_id = ANY($1)) AS count`,
      [...this.cast!.intake.tenants, ...this.cast!.through.tenants],
    );
  }

  private async untilZero(what: string, text: string, tenants: readonly TenantUnderTest[]): Promise<void> {
    const ids = tenants.map(({ uuid }) => uuid);
    const check = async (): Promise<true | undefined> => {
      const { rows } = await this.db!.query<{ count: string }>(text, [ids]);
      return Number(rows[0]!.count) === 0 ? true : undefined;
    };
    await waitFor(what, check, { timeoutMs: DRAIN_TIMEOUT_MS, pollMs: DRAIN_POLL_MS });
  }

  private async prefill(dataDir: string): Promise<void> {
    const postgres = await startPostgres({ dataDir: join(dataDir, 'postgres') });
    const url = new URL(postgres.url);
    url.pathname = '/posthorn';
    const db = new pg.Client({ connectionString: url.href });
    await db.connect();
    await prefill(db, this.plan.prefillRows, true);
    await db.end();
    await postgres.stop();
  }

  private async createCast(): Promise<Cast> {
    const { admin } = this.platform!;
    const intake: Cast['intake'] = { tenants: [], sources: [] };
    for (let at = 0; at < INTAKE_TENANTS; at++) {
      const tenant = await admin.createTenant(`bench-intake-${at}`);
      intake.tenants.push(tenant);
      intake.sources.push(await admin.createSource(tenant.slug, 'standard-webhooks'));
    }
    const tenant = await admin.createTenant('bench-through');
    const sources = [await admin.createSource(tenant.slug, 'standard-webhooks')];
    const { url } = await this.crew.sink.ask({ kind: 'url', destination: 'healthy' });
    const sink = {
      url: () => url!,
      configure: (destination: string, change: { secrets: readonly string[] }) =>
        this.crew.sink.ask({ kind: 'configure', destination, ...change }),
    };
    await admin.createDestination(tenant, sink, 'healthy');
    return { intake, through: { tenants: [tenant], sources } };
  }
}

const newRun = (subject: string): string => `${subject}-${randomBytes(4).toString('hex')}`;
