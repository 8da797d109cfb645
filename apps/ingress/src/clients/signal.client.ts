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
const WAITING_MAX = 4_096;

interface Entry {
  readonly signal: IntakeSignal;
  readonly resolve: (isInForce: boolean) => void;
  readonly reject: (error: AppError) => void;
}

/**
 * Has opt-outs applied by compliance. What arrives while calls are under way shares the next one.
 */
export class SignalClient {
  private readonly waiting: Entry[] = [];
  private inFlight = 0;

  /** @param apply one call: an answer for each signal, in order, at most `SIGNALS_PER_CALL_MAX`. */
  constructor(private readonly apply: (signals: readonly IntakeSignal[]) => Promise<readonly boolean[]>) {}

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
    while (this.waiting.length > 0 && this.inFlight < CALLS_IN_FLIGHT_MAX)
      void this.call(this.waiting.splice(0, SIGNALS_PER_CALL_MAX));
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
export function signalClient(channel: ComplianceChannel, deadlineMs: number): SignalClient {
  const service = grpcClient(SignalServiceService, channel);
  return new SignalClient(async (signals) => {
    const { isInForce } = await service.applySignals({ signals: [...signals] }, { deadlineMs });
    return isInForce;
  });
}
