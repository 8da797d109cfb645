import { Latency, type LatencySummary } from '../load/latency.js';
import { monotonicMs, pause } from '../wire/time.js';
import { type Load, RequestSocket } from './request-socket.js';

const TICK_MS = 1;
export const CONNECTIONS_MAX = 128;
const IN_FLIGHT_MAX = 4_000;
/** A real provider's patience. */
const PATIENCE_MS = 5_000;

export interface FixedRateOptions extends Load {
  readonly ratePerSecond: number;
}

/** What a run at a fixed rate measured. */
export interface FixedRateResult {
  /** From the time at which a request should have left to its 2xx. */
  readonly latency: LatencySummary;
  /** All that were sent, warm-up included. */
  readonly sent: number;
  /** Requests that could not leave because too many were in flight: the run is not valid then. */
  readonly skipped: number;
  readonly statuses: Readonly<Record<number, number>>;
  /** Of the time after the warm-up: number of the request, when it left, when its 2xx came. Monotonic milliseconds. */
  readonly acked: readonly (readonly [number, number, number])[];
}

interface Request {
  readonly n: number;
  readonly intendedMs: number;
}

/**
 * Sends on a fixed schedule, whatever the answers do: a sender that waits for answers stops asking exactly while the server
 * is slow. Each connection has one request under way; a request that finds none free waits, and its wait counts.
 */
export class FixedRate {
  private readonly latency = new Latency();
  private readonly statuses: Record<number, number> = {};
  private readonly acked: [number, number, number][] = [];
  /** Used in turn, so that none is idle for so long that the server ends it. */
  private readonly idle: RequestSocket[] = [];
  private readonly waiting: Request[] = [];
  private connections = 0;
  private inFlight = 0;
  private skipped = 0;
  private isOver = false;

  constructor(private readonly options: FixedRateOptions) {}

  /** @returns when every request has its answer, or none that a provider would wait for. */
  async run(): Promise<FixedRateResult> {
    const { ratePerSecond, warmUpMs, durationMs } = this.options;
    const startMs = monotonicMs();
    const total = Math.floor((ratePerSecond * (warmUpMs + durationMs)) / 1_000);
    for (let n = 0; n < total; await pause(TICK_MS)) {
      const due = Math.min(total, Math.floor(((monotonicMs() - startMs) * ratePerSecond) / 1_000) + 1);
      for (; n < due; n++) this.begin({ n, intendedMs: startMs + (n * 1_000) / ratePerSecond });
    }
    const untilMs = monotonicMs() + PATIENCE_MS;
    while (this.inFlight > 0 && monotonicMs() < untilMs) await pause(TICK_MS);
    this.isOver = true;
    if (this.inFlight > 0) this.statuses[0] = (this.statuses[0] ?? 0) + this.inFlight;
    for (const socket of this.idle) socket.end();
    const { skipped, statuses, acked } = this;
    return { latency: this.latency.summary(), sent: total - skipped, skipped, statuses, acked };
  }

  private begin(request: Request): void {
    if (this.inFlight >= IN_FLIGHT_MAX) {
      this.skipped++;
      return;
    }
    this.inFlight++;
    const socket = this.idle.shift();
    if (socket !== undefined) return this.send(socket, request);
    this.waiting.push(request);
    if (this.connections < CONNECTIONS_MAX) this.open();
  }

  private open(): void {
    this.connections++;
    const socket = new RequestSocket(
      this.options,
      () => this.isFree(socket),
      () => this.closed(socket),
    );
  }

  private isFree(socket: RequestSocket): void {
    const request = this.waiting.shift();
    if (request !== undefined) this.send(socket, request);
    else if (this.isOver) socket.end();
    else this.idle.push(socket);
  }

  private closed(socket: RequestSocket): void {
    this.connections--;
    const at = this.idle.indexOf(socket);
    if (at >= 0) this.idle.splice(at, 1);
    if (this.waiting.length > 0 && !this.isOver) setTimeout(() => this.open(), TICK_MS);
  }

  private send(socket: RequestSocket, { n, intendedMs }: Request): void {
    const { take, warmUpMs, ratePerSecond } = this.options;
    const sentMs = monotonicMs();
    socket.send(take(), (status) => {
      if (this.isOver) return socket.end();
      const answeredMs = monotonicMs();
      this.inFlight--;
      this.statuses[status] = (this.statuses[status] ?? 0) + 1;
      const isMeasured = (n * 1_000) / ratePerSecond >= warmUpMs;
      if (status >= 200 && status < 300 && isMeasured) {
        this.latency.record(answeredMs - intendedMs);
        this.acked.push([n, sentMs, answeredMs]);
      }
      if (status !== 0) this.isFree(socket);
    });
  }
}
