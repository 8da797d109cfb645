import { cpus } from 'node:os';

const SAMPLE_MS = 100;
/** The kernel counts in ticks of 10 ms, so of two cores and one sample this is two of twenty. */
const IDLE_SHARE_MIN = 0.1;

interface CpuTimes {
  readonly idleMs: number;
  readonly allMs: number;
}

/**
 * Whether this machine has no core left, whoever is busy there: stores and other services may share it.
 * Why not this process alone: its own loop may be idle while the store behind it waits for a core.
 */
export class MachineLoad {
  private last: CpuTimes | undefined;
  private isBusyNow = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly read: () => CpuTimes = timesOfCpus) {}

  get isBusy(): boolean {
    return this.isBusyNow;
  }

  onApplicationBootstrap(): void {
    this.sample();
    this.timer = setInterval(() => this.sample(), SAMPLE_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  sample(): void {
    const now = this.read();
    const { idleMs, allMs } = this.last ?? now;
    const passedMs = now.allMs - allMs;
    this.isBusyNow = passedMs > 0 && now.idleMs - idleMs < passedMs * IDLE_SHARE_MIN;
    this.last = now;
  }
}

function timesOfCpus(): CpuTimes {
  let [idleMs, allMs] = [0, 0];
  for (const { times } of cpus()) {
    idleMs += times.idle;
    allMs += times.idle + times.user + times.sys + times.nice + times.irq;
  }
  return { idleMs, allMs };
}
