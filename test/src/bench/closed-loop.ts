import { Latency, type LatencySummary } from '../load/latency.js';
import { monotonicMs } from '../wire/time.js';
import { type Load, RequestSocket } from './request-socket.js';

const RECONNECT_DELAY_MS = 10;

export interface ClosedLoopOptions extends Load {
  readonly connections: number;
  /** Ends early once so many were sent. */
  readonly requestsMax?: number;
}

/** What a closed loop did; rates and latencies are of the time after the warm-up. */
export interface ClosedLoopResult {
  readonly perSecond: number;
  readonly measuredSeconds: number;
  /** 2xx over the whole run, warm-up included. */
  readonly acked: number;
  readonly statuses: Readonly<Record<number, number>>;
  readonly latency: LatencySummary;
  /** CPU of this process, microseconds an answered request. */
  readonly cpuMicros: number;
}

/** Keeps N connections busy: each sends the next request when the answer to the last is in. */
export class ClosedLoop {
  private readonly statuses: Record<number, number> = {};
  private readonly latency = new Latency();
  private measured = 0;
  private acked = 0;
  private sent = 0;
  private startMs = 0;
  private isOver = false;
  private active = 0;
  private readonly idle: (() => void)[] = [];
  private allowed = Number.POSITIVE_INFINITY;
  private finished!: () => void;

  constructor(private readonly options: ClosedLoopOptions) {}

  /** Requests beyond this number wait. Lets the receiver's end set the pace. */
  allow(total: number): void {
    this.allowed = total;
    while (this.idle.length > 0 && (this.isOver || this.sent < this.allowed)) this.idle.pop()!();
  }

  get ackedSoFar(): number {
    return this.acked;
  }

  async run(): Promise<ClosedLoopResult> {
    const { connections, warmUpMs, durationMs } = this.options;
    this.startMs = monotonicMs();
    const done = new Promise<void>((resolve) => (this.finished = resolve));
    for (let at = 0; at < connections; at++) this.open();
    let cpuAtStart = process.cpuUsage();
    let [fromMs, toMs] = [this.startMs, 0];
    const warmUp = setTimeout(() => {
      cpuAtStart = process.cpuUsage();
      fromMs = monotonicMs();
      this.measured = 0;
    }, warmUpMs);
    const end = setTimeout(() => this.end(), warmUpMs + durationMs);
    await done;
    toMs = monotonicMs();
    clearTimeout(warmUp);
    clearTimeout(end);
    const { user, system } = process.cpuUsage(cpuAtStart);
    const { acked, statuses, measured } = this;
    const measuredSeconds = (toMs - fromMs) / 1000;
    const latency = this.latency.summary();
    const cpuMicros = (user + system) / Math.max(1, measured);
    return { perSecond: measured / measuredSeconds, measuredSeconds, acked, statuses, latency, cpuMicros };
  }

  private end(): void {
    this.isOver = true;
    this.allow(this.allowed);
    if (this.active === 0) this.finished();
  }

  private open(): void {
    this.active++;
    const send = (): void => {
      if (this.isOver) return socket.end();
      if (this.sent >= this.allowed) return void this.idle.push(send);
      if (this.sent >= (this.options.requestsMax ?? Number.POSITIVE_INFINITY)) {
        this.end();
        return socket.end();
      }
      this.sent++;
      const sentMs = monotonicMs();
      socket.send(this.options.take(), (status) => {
        if (status === 0) return;
        this.note(status, monotonicMs() - sentMs);
        send();
      });
    };
    const socket = new RequestSocket(this.options, send, () => this.closed());
  }

  private closed(): void {
    this.active--;
    if (!this.isOver) setTimeout(() => (this.isOver ? this.settle() : this.open()), RECONNECT_DELAY_MS);
    this.settle();
  }

  private settle(): void {
    if (this.isOver && this.active === 0) this.finished();
  }

  private note(status: number, latencyMs: number): void {
    this.statuses[status] = (this.statuses[status] ?? 0) + 1;
    if (status < 200 || status > 299) return;
    this.acked++;
    this.measured++;
    if (monotonicMs() - this.startMs > this.options.warmUpMs) this.latency.record(latencyMs);
  }
}
