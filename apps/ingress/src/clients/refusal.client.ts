import {
  RefusalServiceService,
  SettledRefusal_Outcome,
  type Refusal,
  type SettledRefusal,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { grpcClient, type GrpcChannel } from '@posthorn/server/grpc-client.js';

export type { Refusal, SettledRefusal } from '@posthorn/contracts/posthorn/events/v1/events.js';
export const SETTLED = {
  admitted: SettledRefusal_Outcome.OUTCOME_ADMITTED,
  stillRefused: SettledRefusal_Outcome.OUTCOME_STILL_REFUSED,
  postponed: SettledRefusal_Outcome.OUTCOME_POSTPONED,
} as const;

/** The most that one call carries. */
export const REFUSALS_PER_CALL_MAX = 64;
const DEADLINE_MS = 5_000;

/** Where requests are kept that were refused for their signature. Every method throws AppError of events. */
export class RefusalClient {
  private readonly service;

  /** @param instanceId under which requests are claimed. */
  constructor(
    channel: GrpcChannel,
    private readonly instanceId: string,
  ) {
    this.service = grpcClient(RefusalServiceService, channel);
  }

  /** @returns for each whether it is kept. */
  async keep(refusals: readonly Refusal[]): Promise<readonly boolean[]> {
    const { isKept } = await this.service.keepRefusals(
      { refusals: [...refusals] },
      { deadlineMs: DEADLINE_MS },
    );
    return isKept;
  }

  /** Those that are to be judged again, each source's oldest first. */
  async claim(leaseSeconds: number): Promise<readonly Refusal[]> {
    const { instanceId } = this;
    const limit = REFUSALS_PER_CALL_MAX;
    const { refusals } = await this.service.claimRefusals(
      { instanceId, limit, leaseSeconds },
      { deadlineMs: DEADLINE_MS },
    );
    return refusals;
  }

  async settle(refusals: readonly SettledRefusal[]): Promise<void> {
    const { instanceId } = this;
    await this.service.settleRefusals({ instanceId, refusals: [...refusals] }, { deadlineMs: DEADLINE_MS });
  }
}
