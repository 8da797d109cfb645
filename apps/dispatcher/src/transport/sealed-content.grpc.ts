import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { idOfUuid } from '@posthorn/clock/id.js';
import {
  type ListOldestContentsRequest,
  type ListOldestContentsResponse,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { SealedContentRead } from '../persistence/sealed-content.read.js';
import { limitOf, tenantUuidOf } from './delivery.dto.js';

const TENANTS_MAX = 500;

/** What is still sealed here, for events. */
@Controller()
export class SealedContentController {
  constructor(private readonly read: SealedContentRead) {}

  @GrpcMethod('SealedContentService', 'listOldestContents')
  async listOldestContents({ tenantIds }: ListOldestContentsRequest): Promise<ListOldestContentsResponse> {
    limitOf(tenantIds.length, TENANTS_MAX);
    const oldest = await this.read.oldest(tenantIds.map(tenantUuidOf));
    return {
      contents: oldest.map(({ tenantUuid, madeAtMs }) => ({
        tenantId: idOfUuid('ten', tenantUuid),
        madeAtMs,
      })),
    };
  }
}
