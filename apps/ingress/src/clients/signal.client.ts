import type { Clock } from '@posthorn/clock/clock.js';
import {
  SignalServiceService,
  type IntakeSignal,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

export type { IntakeSignal } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';

/** The connection to compliance. */
export class ComplianceChannel extends GrpcChannel {}

const SIGNALS_PER_CALL_MAX = 256;
const CALLS_IN_FLIGHT_MAX = 4;
/** Between the starts of two calls: each may cost a transaction, and one of them may wait for a permit to end. */
const CALL_INTERVAL_MS = 10;
const WAITING_MAX = 4_096;

interface Entry {
  readonly signal: IntakeSignal;
  readonly resolve: (isInForce: boolean) => void;
  readonly reject: (error: AppError) => void;
}

/**
 * Has opt-outs applied by compliance. What arrives soon after a call, or while too many are under way, shares the next.
 */
export class SignalClient {
  private readonly waiting: Entry[] = [];
  private inFlight = 0;
  private nextCallMs = -Infinity;
  private timer: NodeJS.Timeout | undefined;

  /** @param apply one call: an answer for each signal, in order, at most `SIGNALS_PER_CALL_MAX`. */
  constructor(
    private readonly apply: (signals: readonly IntakeSignal[]) => Promise<readonly boolean[]>,
    private readonly clock: Pick<Clock, 'monotonicMs'>,
  ) {}

  /**
   * @returns whether it is in force: no send to that person begins from now on.
   * @throws AppError of compliance, or `store.overloaded` when too many wait.
   */
  isInForce(signal: IntakeSignal): Promise<boolean> {
    if (this.waiting.length >= WAITING_MAX) return Promise.reject(new AppError('store.overloaded'));
    return new Promise((resolve, reject) => {
      this.waiting.push({ signal, resolve, reject });
      this.pump();
    });
  }

  private pump(): void {
    if (this.timer !== undefined) return;
    while (this.waiting.length > 0 && this.inFlight < CALLS_IN_FLIGHT_MAX) {
      const nowMs = this.clock.monotonicMs();
      if (nowMs < this.nextCallMs) return this.pumpIn(this.nextCallMs - nowMs);
      this.nextCallMs = nowMs + CALL_INTERVAL_MS;
      void this.call(this.waiting.splice(0, SIGNALS_PER_CALL_MAX));
    }
  }

  private pumpIn(ms: number): void {
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.pump();
    }, ms);
  }

  private async call(entries: readonly Entry[]): Promise<void> {
    this.inFlight += 1;
    try {
      const answers = await this.apply(entries.map(({ signal }) => signal));
      entries.forEach(({ resolve }, index) => resolve(answers[index] === true));
    } catch (cause) {
      const error = cause instanceof AppError ? cause : new AppError('internal.error', { cause });
      for (const { reject } of entries) reject(error);
    }
    this.inFlight -= 1;
    this.pump();
  }
}

/** @param deadlineMs of one call. */
export function applySignals(channel: ComplianceChannel, deadlineMs: number) {
  const service = grpcClient(SignalServiceService, channel);
  return async (signals: readonly IntakeSignal[]): Promise<readonly boolean[]> => {
    const { isInForce } = await service.applySignals({ signals: [...signals] }, { deadlineMs });
    return isInForce;
  };
}
