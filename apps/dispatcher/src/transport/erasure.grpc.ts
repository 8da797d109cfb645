import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type ErasePersonRequest,
  type ErasePersonResponse,
  type PurgeTenantRequest,
  type PurgeTenantResponse,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { TenantPurge } from '@posthorn/postgres/tenant-purge.js';
import { ErasePerson } from '../application/erase-person.js';
import { erasureOrderOf } from './command.dto.js';
import { tenantUuidOf } from './delivery.dto.js';

/** The caller waits for 5 s; what is not done by then is done afterwards. */
const PURGE_WITHIN_MS = 1_500;

/** Erases persons, and what deleted tenants left, for the API. */
@Controller()
export class ErasureController {
  constructor(
    private readonly erase: ErasePerson,
    private readonly purge: TenantPurge,
  ) {}

  @GrpcMethod('ErasureService', 'erasePerson')
  async erasePerson(request: ErasePersonRequest): Promise<ErasePersonResponse> {
    const { personHashes, actorId } = erasureOrderOf(request);
    const erased = await this.erase.run(tenantUuidOf(request.tenantId), personHashes, actorId);
    return { erased: erased.map(({ table, rows }) => ({ table, rows: BigInt(rows) })) };
  }

  @GrpcMethod('ErasureService', 'purgeTenant')
  async purgeTenant({ tenantId }: PurgeTenantRequest): Promise<PurgeTenantResponse> {
    const { removed, ...state } = await this.purge.run(tenantId, PURGE_WITHIN_MS);
    return { ...state, removed: removed.map(({ table, rows }) => ({ table, rows: BigInt(rows) })) };
  }
}
