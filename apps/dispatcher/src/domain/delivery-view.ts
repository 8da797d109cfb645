import { type DeliveryState } from './delivery-state.js';

/** An attempt as somebody asks for it. Times in Unix milliseconds. */
export interface AttemptView {
  readonly id: string;
  readonly number: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** 0 = no answer. */
  readonly statusCode: number;
  readonly outcome: string;
  readonly detail: string;
}

/** A delivery as somebody asks for it: IDs in their public form, times in Unix milliseconds, 0 = none. */
export interface DeliveryView {
  readonly id: string;
  readonly factId: string;
  readonly eventId: string;
  readonly destinationId: string;
  readonly type: string;
  readonly state: DeliveryState;
  readonly attemptCount: number;
  readonly nextAttemptAtMs: number;
  readonly createdAtMs: number;
  readonly finishedAtMs: number;
  readonly attempts: readonly AttemptView[];
}
