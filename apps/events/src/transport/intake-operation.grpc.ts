import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { uuidBytes } from '@posthorn/clock/id.js';
import type {
  ErasePersonRequest,
  ErasePersonResponse,
  PurgeTenantRequest,
  PurgeTenantResponse,
  RequestReprocessingRequest,
  RequestReprocessingResponse,
  RequestReverificationRequest,
  RequestReverificationResponse,
  RetryQuarantineRequest,
  RetryQuarantineResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { auditActor } from '@posthorn/postgres/audit-outgoing.js';
import { TenantPurge } from '@posthorn/postgres/tenant-purge.js';
import { ErasePerson } from '../application/erase-person.js';
import { OperateIntake } from '../application/operate-intake.js';
import { RequestReprocessing } from '../application/request-reprocessing.js';
import { uuidOr } from './event-query.dto.js';
import { erasureOf, quarantineFilterOf, reprocessingFilterOf, reprocessingOf } from './intake-query.dto.js';

/** The caller waits for 5 s; what is not done by then is done afterwards. */
const PURGE_WITHIN_MS = 1_500;

/** What operators of a tenant have done about intake. */
@Controller()
export class IntakeOperationController {
  constructor(
    private readonly operate: OperateIntake,
    private readonly reprocessing: RequestReprocessing,
    private readonly erase: ErasePerson,
    private readonly purge: TenantPurge,
  ) {}

  @GrpcMethod('IntakeOperationService', 'requestReverification')
  async requestReverification(request: RequestReverificationRequest): Promise<RequestReverificationResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const source = uuidOr('src', request.sourceId, 'source.not_found');
    return { requests: await this.operate.reverify(tenant, source, auditActor(request.principal, '')) };
  }

  @GrpcMethod('IntakeOperationService', 'retryQuarantine')
  async retryQuarantine(request: RetryQuarantineRequest): Promise<RetryQuarantineResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const filter = quarantineFilterOf(request.filter);
    return this.operate.retryQuarantine(tenant, filter, auditActor(request.principal, ''));
  }

  @GrpcMethod('IntakeOperationService', 'requestReprocessing')
  async requestReprocessing(request: RequestReprocessingRequest): Promise<RequestReprocessingResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const filter = reprocessingFilterOf(request.filter);
    const asked = await this.reprocessing.run(tenant, filter, auditActor(request.principal, ''));
    return { reprocessing: reprocessingOf(asked) };
  }

  @GrpcMethod('IntakeOperationService', 'erasePerson')
  async erasePerson(request: ErasePersonRequest): Promise<ErasePersonResponse> {
    const tenantId = uuidBytes(uuidOr('ten', request.tenantId, 'tenant.not_found'));
    const { id: erasureId, actor, personHashes } = request;
    return { erasure: erasureOf(await this.erase.run({ tenantId, erasureId, actor, personHashes })) };
  }

  @GrpcMethod('IntakeOperationService', 'purgeTenant')
  async purgeTenant({ tenantId }: PurgeTenantRequest): Promise<PurgeTenantResponse> {
    const { removed, ...state } = await this.purge.run(tenantId, PURGE_WITHIN_MS);
    return { ...state, removed: removed.map(({ table, rows }) => ({ table, rows: BigInt(rows) })) };
  }
}
