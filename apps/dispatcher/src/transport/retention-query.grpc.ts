import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { uuidBytes, uuidTimeMs } from '@posthorn/clock/id.js';
import {
  type ListRetentionRunsRequest,
  type ListRetentionRunsResponse,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { RetentionRead } from '../persistence/retention.read.js';
import { limitOf, tenantUuidOf } from './delivery.dto.js';

const PAGE_MAX = 500;

/** What retention took away, for the API. */
@Controller()
export class RetentionQueryController {
  constructor(private readonly read: RetentionRead) {}

  @GrpcMethod('RetentionQueryService', 'listRetentionRuns')
  async listRetentionRuns(request: ListRetentionRunsRequest): Promise<ListRetentionRunsResponse> {
    const limit = limitOf(request.limit, PAGE_MAX);
    const { runs, nextCursor } = await this.read.list(tenantUuidOf(request.tenantId), limit, request.cursor);
    return {
      runs: runs.map(({ runId, ...run }) => ({ ...run, id: runId, atMs: uuidTimeMs(uuidBytes(runId)) })),
      nextCursor,
    };
  }
}
