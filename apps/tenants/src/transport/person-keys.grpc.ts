import { type Metadata } from '@grpc/grpc-js';
import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type RenewPersonKeyRequest,
  type RenewPersonKeyResponse,
  type SettlePersonKeyRequest,
  type SettlePersonKeyResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { callerOfCall } from '@posthorn/server/grpc-service.js';
import { RenewPersonKey } from '../application/renew-person-key.js';
import { actorOf, appliedMessage, serviceActor } from './messages.js';

/** What the hashes of persons are kept under. */
@Controller()
export class PersonKeyController {
  constructor(private readonly renew: RenewPersonKey) {}

  @GrpcMethod('AdminService', 'renewPersonKey')
  async renewPersonKey({ actor, tenant }: RenewPersonKeyRequest): Promise<RenewPersonKeyResponse> {
    const { generation, applied } = await this.renew.run(actorOf(actor), tenant);
    return { generation, applied: appliedMessage(applied) };
  }

  @GrpcMethod('PersonKeyService', 'settlePersonKey')
  async settlePersonKey(
    { tenantId, generation }: SettlePersonKeyRequest,
    metadata: Metadata,
  ): Promise<SettlePersonKeyResponse> {
    const actor = serviceActor(callerOfCall(metadata));
    return { destroyed: await this.renew.settle(actor, tenantId, generation) };
  }
}
