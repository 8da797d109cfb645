import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type GetDeliveryRequest,
  type GetDeliveryResponse,
  type ListDeliveriesRequest,
  type ListDeliveriesResponse,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { DeliveryRead } from '../persistence/delivery.read.js';
import {
  deliveryMessage,
  deliveryUuidOf,
  filterMsOf,
  filterStateOf,
  filterUuidOf,
  limitOf,
  tenantUuidOf,
} from './delivery.dto.js';

const PAGE_MAX = 500;

/** Reads of deliveries for the API. */
@Controller()
export class DeliveryQueryController {
  constructor(private readonly deliveries: DeliveryRead) {}

  @GrpcMethod('DeliveryQueryService', 'listDeliveries')
  async listDeliveries(request: ListDeliveriesRequest): Promise<ListDeliveriesResponse> {
    const filter = {
      eventUuid: filterUuidOf('evt', request.eventId, 'query.eventId'),
      destinationUuid: filterUuidOf('dst', request.destinationId, 'query.destinationId'),
      sourceUuid: filterUuidOf('src', request.sourceId ?? '', 'query.sourceId'),
      state: filterStateOf(request.state),
      fromMs: filterMsOf(request.fromMs),
      toMs: filterMsOf(request.toMs),
    };
    if (filter.sourceUuid !== undefined && filter.state !== 'dead')
      throw new AppError('request.invalid', {
        fields: [{ path: 'query.sourceId', message: 'goes with state=dead only' }],
      });
    const limit = limitOf(request.limit, PAGE_MAX);
    const page = await this.deliveries.list(tenantUuidOf(request.tenantId), filter, limit, request.cursor);
    return { deliveries: page.deliveries.map(deliveryMessage), nextCursor: page.nextCursor };
  }

  @GrpcMethod('DeliveryQueryService', 'getDelivery')
  async getDelivery({ tenantId, id }: GetDeliveryRequest): Promise<GetDeliveryResponse> {
    const delivery = await this.deliveries.get(tenantUuidOf(tenantId), deliveryUuidOf(id));
    return { delivery: deliveryMessage(delivery) };
  }
}
