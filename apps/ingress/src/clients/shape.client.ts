import { ShapeServiceService, type ShapeReport } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { grpcClient, type GrpcChannel } from '@posthorn/server/grpc-client.js';

export type { ShapeReport } from '@posthorn/contracts/posthorn/events/v1/events.js';

/** The most that one call carries. */
export const REPORTS_PER_CALL_MAX = 32;
const DEADLINE_MS = 5_000;

/** Where it is known of what fields each kind's bodies are. */
export class ShapeClient {
  private readonly service;

  constructor(channel: GrpcChannel) {
    this.service = grpcClient(ShapeServiceService, channel);
  }

  /** @param reports at most 32. @throws AppError of events. */
  async report(reports: readonly ShapeReport[]): Promise<void> {
    await this.service.reportShapes({ reports: [...reports] }, { deadlineMs: DEADLINE_MS });
  }
}
