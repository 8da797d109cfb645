import { History } from '../load/history.js';
import { type LoadResult, OpenLoop } from '../load/open-loop.js';
import { type SourceTarget, Workload } from '../load/workload.js';
import { type Random } from '../wire/random.js';
import { monotonicMs } from '../wire/time.js';
import { type Phase } from './phases.js';

const DUPLICATE_SHARE = 0.2;
const RETRY = { delayMs: 300, graceMs: 60_000 };
const CONNECTIONS = 32;
const DURATION_MS_MAX = 3_600_000;

/** Signed requests at a steady rate until it is stopped, and what was done meanwhile. */
export class SteadyLoad {
  readonly history = new History();
  readonly phases: Phase[] = [];
  private isStopped = false;
  private readonly running: Promise<LoadResult>;

  /** @param origin where the Service of ingress is. */
  constructor(sources: readonly SourceTarget[], origin: string, ratePerSecond: number, random: Random) {
    const workload = new Workload(sources, random);
    const loop = new OpenLoop({
      ...{ ratePerSecond, origin, random, history: this.history, retry: RETRY, connections: CONNECTIONS },
      ...{ durationMs: DURATION_MS_MAX, duplicateShare: DUPLICATE_SHARE },
      next: () => workload.next(),
      isOver: () => this.isStopped,
    });
    this.running = loop.run();
  }

  /** Says that something else is done from now on. */
  begin(name: string, isCutting = false): void {
    this.phases.push({ name, startMs: monotonicMs(), isCutting });
  }

  /** @returns when every request has its answer. */
  stop(): Promise<LoadResult> {
    this.isStopped = true;
    return this.running;
  }
}
