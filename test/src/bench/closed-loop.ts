import { connect, type Socket } from 'node:net';
import { Latency, type LatencySummary } from '../load/latency.js';
import { monotonicMs } from '../wire/time.js';

const RECONNECT_DELAY_MS = 10;
const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

export interface ClosedLoopOptions {
  readonly host: string;
  readonly port: number;
  readonly connections: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** Ends early once so many were sent. */
  readonly requestsMax?: number;
  readonly take: () => Buffer;
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

/**
 * Keeps N connections busy: each sends the next request when the answer to the last is in. Written on bare
 * sockets: on shared cores the generator's own cost is part of what is measured, so it must be small.
 */
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
    const { host, port } = this.options;
    const socket = connect({ host, port, noDelay: true });
    let [sentMs, rest] = [0, EMPTY];
    const send = (): void => {
      if (this.isOver) return void socket.end();
      if (this.sent >= this.allowed) return void this.idle.push(send);
      if (this.sent >= (this.options.requestsMax ?? Number.POSITIVE_INFINITY)) {
        this.end();
        return void socket.end();
      }
      this.sent++;
      sentMs = monotonicMs();
      socket.write(this.options.take());
    };
    socket.on('connect', send);
    socket.on('data', (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const status = answerIn(rest);
      if (status === undefined) return;
      rest = EMPTY;
      this.note(status, monotonicMs() - sentMs);
      send();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => this.closed(socket));
  }

  private closed(_socket: Socket): void {
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

const EMPTY: Buffer = Buffer.alloc(0);

/** @returns the status when the bytes are one whole answer. */
export function answerIn(bytes: Buffer): number | undefined {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const status = Number(bytes.toString('latin1', 9, 12));
  if (status === 204 || status === 304) return status;
  const head = bytes.toString('latin1', 0, headEnd).toLowerCase();
  const length = /\r\ncontent-length: *(\d+)/.exec(head)?.[1];
  if (length !== undefined) return bytes.length >= headEnd + 4 + Number(length) ? status : undefined;
  return head.includes('\r\ntransfer-encoding: chunked') && !bytes.subarray(-5).equals(LAST_CHUNK)
    ? undefined
    : status;
}
