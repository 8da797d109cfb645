import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { uuidBytes } from '@posthorn/clock/id.js';
import type {
  ErasePersonRequest,
  ErasePersonResponse,
  RequestReverificationRequest,
  RequestReverificationResponse,
  RetryQuarantineRequest,
  RetryQuarantineResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { auditActor } from '@posthorn/postgres/audit-outgoing.js';
import { ErasePerson } from '../application/erase-person.js';
import { OperateIntake } from '../application/operate-intake.js';
import { uuidOr } from './event-query.dto.js';
import { erasureOf, quarantineFilterOf } from './intake-query.dto.js';

/** What operators of a tenant have done about intake. */
@Controller()
export class IntakeOperationController {
  constructor(
    private readonly operate: OperateIntake,
    private readonly erase: ErasePerson,
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

  @GrpcMethod('IntakeOperationService', 'erasePerson')
  async erasePerson(request: ErasePersonRequest): Promise<ErasePersonResponse> {
    const tenantId = uuidBytes(uuidOr('ten', request.tenantId, 'tenant.not_found'));
    const { id: erasureId, actor, personHashes } = request;
    return { erasure: erasureOf(await this.erase.run({ tenantId, erasureId, actor, personHashes })) };
  }
}
