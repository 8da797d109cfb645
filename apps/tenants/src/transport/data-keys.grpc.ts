import { type Metadata } from '@grpc/grpc-js';
import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { idOfUuid } from '@posthorn/clock/id.js';
import {
  type DataKeyInfo as DataKeyInfoMessage,
  type DestroyDataKeysRequest,
  type DestroyDataKeysResponse,
  type RotateTenantKeysRequest,
  type RotateTenantKeysResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { callerOfCall } from '@posthorn/server/grpc-service.js';
import { DestroyDataKeys } from '../application/destroy-data-keys.js';
import { RotateTenantKeys } from '../application/rotate-tenant-keys.js';
import { type DataKeyInfo } from '../persistence/data-key.store.js';
import { actorOf, appliedMessage } from './messages.js';

/** Renewal and end of tenants' keys. */
@Controller()
export class DataKeyController {
  constructor(
    private readonly rotate: RotateTenantKeys,
    private readonly destroy: DestroyDataKeys,
  ) {}

  @GrpcMethod('AdminService', 'rotateTenantKeys')
  async rotateTenantKeys({ actor, tenant }: RotateTenantKeysRequest): Promise<RotateTenantKeysResponse> {
    const rotated = await this.rotate.run(actorOf(actor), tenant);
    return {
      dataKeys: rotated.dataKeys.map(infoMessage),
      secretKeyId: idOfUuid('dek', rotated.secretKeyId),
      resealed: rotated.resealed,
      applied: appliedMessage(rotated.applied),
    };
  }

  @GrpcMethod('DataKeyService', 'destroyDataKeys')
  async destroyDataKeys(
    request: DestroyDataKeysRequest,
    metadata: Metadata,
  ): Promise<DestroyDataKeysResponse> {
    const { tenantId, beforeWeekStartDay } = request;
    const actor = {
      id: `service:${callerOfCall(metadata)}`,
      kind: 'service',
      remoteAddress: '',
    } as const;
    const { destroyed, hasMore, applied } = await this.destroy.run(actor, tenantId, beforeWeekStartDay);
    return { destroyed: destroyed.map(infoMessage), hasMore, applied: appliedMessage(applied) };
  }
}

const infoMessage = ({ keyId, weekStartDay, generation }: DataKeyInfo): DataKeyInfoMessage => ({
  id: idOfUuid('dek', keyId),
  weekStartDay,
  generation,
});
