import { judge } from '../checker/checker.js';
import { type DestinationUnderTest, type TenantUnderTest } from '../checker/evidence.js';
import { EvidenceReader } from '../checker/evidence-reader.js';
import { heal } from '../chaos/healing.js';
import { History, type PlannedRequest } from '../load/history.js';
import { OpenLoop } from '../load/open-loop.js';
import { CHAOS_MIX, type SourceTarget, Workload, type WorkloadMix } from '../load/workload.js';
import { Random } from '../wire/random.js';
import { readKeyFile } from '../wire/sealed.js';
import { pause } from '../wire/time.js';
import { type Stage, type Tally } from './incident.js';

/** Everybody sends what is understood, under the right secret: only the incident itself is out of order. */
const MIX = { ...CHAOS_MIX, unrecognizedShare: 0, forgedShare: 0 };
const TEST_TYPE = 'endpoint.test';
const RETRY = { delayMs: 500, graceMs: 60_000 };
/** Each slice opens its own: no more than a provider would. */
const CONNECTIONS = 16;
/** A run is cut into short ones, so that it can end at any time. */
const SLICE_MS = 1_000;

/** One tenant with sources and a destination: who is hit. */
export interface Victim {
  readonly tenant: TenantUnderTest;
  readonly sources: readonly SourceTarget[];
  readonly destination: DestinationUnderTest;
}

/** Makes a tenant with one source of each provider, and a destination of everything. */
export async function makeVictim(
  { platform: { admin }, sink }: Stage,
  name: string,
  providers: readonly SourceTarget['provider'][],
  options: { readonly maxInFlight?: number } = {},
): Promise<Victim> {
  const tenant = await admin.createTenant(name);
  const sources: SourceTarget[] = [];
  for (const provider of providers) sources.push(await admin.createSource(tenant.slug, provider));
  return { tenant, sources, destination: await admin.createDestination(tenant, sink, name, options) };
}

/** Steady traffic of a victim until it is stopped, and the judgement of what became of it. */
export class Traffic {
  readonly history = new History();
  /** What was sent, for who wants to send it again. */
  readonly sent: PlannedRequest[] = [];
  private running: Promise<void> | undefined;
  private isStopped = false;
  private skipped = 0;

  constructor(
    private readonly stage: Stage,
    private readonly victim: Victim,
    private readonly ratePerSecond: number,
    private readonly mix: Partial<WorkloadMix> = {},
  ) {}

  start(): void {
    this.running = this.run();
  }

  /** Nothing new is sent; what was refused for now is still sent again. */
  stopSending(): Promise<void> {
    this.isStopped = true;
    return Promise.resolve();
  }

  /** @returns when every request has its answer. */
  async stop(): Promise<void> {
    await this.stopSending();
    await this.running;
  }

  /** Waits until nothing is pending, then compares what was sent, stored and delivered. */
  async tally(): Promise<Tally> {
    const { platform, sink } = this.stage;
    const { tenant, destination, sources } = this.victim;
    const cast = { tenants: [tenant], destinations: [destination], sources: [...sources] };
    const { problem, db } = await heal(platform, cast);
    try {
      const reader = new EvidenceReader(db, readKeyFile(platform.local.kekFile), cast.tenants);
      // Runbooks also try whether a destination answers.
      const receipts = sink.receipts.filter(
        (receipt) => receipt.destination === destination.name && receipt.type !== TEST_TYPE,
      );
      const verdict = judge(await reader.read(this.history.requests, receipts, cast.destinations));
      const violations = verdict.violations.map(
        ({ invariant, what, subject }) => `${invariant} ${what}: ${subject}`,
      );
      const problems = [...violations, ...(problem === undefined ? [] : [problem])];
      if (verdict.acked === 0) problems.push('nothing was acknowledged: nothing was tried');
      if (this.skipped > 0) problems.push(`the sender was saturated: ${this.skipped} requests did not leave`);
      return { lost: verdict.lost, doubled: verdict.doubled, problems };
    } finally {
      await db.end();
    }
  }

  private async run(): Promise<void> {
    const random = new Random(Math.floor(Math.random() * 1e9));
    const workload = new Workload(this.victim.sources, random, { ...MIX, ...this.mix });
    const next = (): PlannedRequest => {
      const planned = workload.next();
      this.sent.push(planned);
      return planned;
    };
    const slices: Promise<void>[] = [];
    while (!this.isStopped) {
      const loop = new OpenLoop({
        ...{ ratePerSecond: this.ratePerSecond, durationMs: SLICE_MS, next, random },
        ...{ history: this.history, retry: RETRY, connections: CONNECTIONS },
      });
      slices.push(loop.run().then(({ skipped }) => void (this.skipped += skipped)));
      await pause(SLICE_MS);
    }
    await Promise.all(slices);
  }
}

/** Does something so many times a second, until it is told to end. */
export class Repeating {
  private isStopped = false;
  private running: Promise<void> = Promise.resolve();
  private readonly pending = new Set<Promise<unknown>>();

  constructor(
    private readonly perSecond: number,
    private readonly act: () => Promise<unknown>,
  ) {}

  start(): void {
    this.running = this.run();
  }

  /** @returns when all of it has ended. @throws what one of them threw. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await this.running;
    await Promise.all(this.pending);
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      const acted = this.act();
      this.pending.add(acted);
      void acted.finally(() => this.pending.delete(acted)).catch(() => undefined);
      await pause(1_000 / this.perSecond);
    }
  }
}
