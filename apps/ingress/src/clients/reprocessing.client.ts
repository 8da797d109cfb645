import {
  ReprocessingServiceService,
  SettleReprocessingRequest_Outcome,
  type ClaimReprocessingResponse,
  type FindOriginalsRequest,
  type FindOriginalsResponse,
  type SettleReprocessingRequest,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { grpcClient, type GrpcChannel } from '@posthorn/server/grpc-client.js';

export type { StoredRequest } from '@posthorn/contracts/posthorn/events/v1/events.js';
export const PAGE_OUTCOME = {
  done: SettleReprocessingRequest_Outcome.OUTCOME_DONE,
  postponed: SettleReprocessingRequest_Outcome.OUTCOME_POSTPONED,
} as const;

const DEADLINE_MS = 5_000;

/** Where stored requests come from that are to be parsed again. Every method throws AppError of events. */
export class ReprocessingClient {
  private readonly service;

  /** @param instanceId under which pages are claimed. */
  constructor(
    channel: GrpcChannel,
    private readonly instanceId: string,
  ) {
    this.service = grpcClient(ReprocessingServiceService, channel);
  }

  /** @returns undefined when there is nothing to do; without requests: ask again. */
  async claim(leaseSeconds: number): Promise<ClaimReprocessingResponse | undefined> {
    const { instanceId } = this;
    const page = await this.service.claimReprocessing(
      { instanceId, leaseSeconds },
      { deadlineMs: DEADLINE_MS },
    );
    return page.reprocessingId.length === 0 ? undefined : page;
  }

  originals(asked: FindOriginalsRequest): Promise<FindOriginalsResponse> {
    return this.service.findOriginals(asked, { deadlineMs: DEADLINE_MS });
  }

  async settle(page: Omit<SettleReprocessingRequest, 'instanceId'>): Promise<void> {
    const { instanceId } = this;
    await this.service.settleReprocessing({ ...page, instanceId }, { deadlineMs: DEADLINE_MS });
  }
}
