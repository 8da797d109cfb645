import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type RedriveDeadLettersRequest,
  type RedriveDeadLettersResponse,
  type RetryDeliveryRequest,
  type RetryDeliveryResponse,
  type TestDestinationRequest,
  type TestDestinationResponse,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { auditActor } from '@posthorn/postgres/audit-outgoing.js';
import { RetryDeliveries } from '../application/retry-deliveries.js';
import { TestDestination } from '../application/test-destination.js';
import {
  attemptMessage,
  deliveryMessage,
  deliveryUuidOf,
  filterMsOf,
  filterUuidOf,
  limitOf,
  tenantUuidOf,
} from './delivery.dto.js';

const REDRIVE_MAX = 10_000;

/** Acts on deliveries for the API. */
@Controller()
export class DeliveryController {
  constructor(
    private readonly retries: RetryDeliveries,
    private readonly tests: TestDestination,
  ) {}

  @GrpcMethod('DeliveryService', 'retryDelivery')
  async retryDelivery({ tenantId, id, principal }: RetryDeliveryRequest): Promise<RetryDeliveryResponse> {
    const by = auditActor(principal, '');
    const delivery = await this.retries.retry(tenantUuidOf(tenantId), deliveryUuidOf(id), by);
    return { delivery: deliveryMessage(delivery) };
  }

  @GrpcMethod('DeliveryService', 'redriveDeadLetters')
  async redriveDeadLetters(request: RedriveDeadLettersRequest): Promise<RedriveDeadLettersResponse> {
    const filter = {
      destinationUuid: filterUuidOf('dst', request.destinationId, 'filter.destinationId'),
      type: request.type === '' ? undefined : request.type,
      fromMs: filterMsOf(request.fromMs),
      toMs: filterMsOf(request.toMs),
    };
    const limit = limitOf(request.limit, REDRIVE_MAX);
    const by = auditActor(request.principal, '');
    return { redriven: await this.retries.redrive(tenantUuidOf(request.tenantId), filter, limit, by) };
  }

  @GrpcMethod('DeliveryService', 'testDestination')
  async testDestination(request: TestDestinationRequest): Promise<TestDestinationResponse> {
    const by = auditActor(request.principal, '');
    const attempt = await this.tests.test(request.tenantId, request.destinationId, by);
    return { attempt: attemptMessage(attempt) };
  }
}
