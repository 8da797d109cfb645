import { type Metadata } from '@grpc/grpc-js';
import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type DisableDestinationRequest,
  type DisableDestinationResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { callerOfCall } from '@posthorn/server/grpc-service.js';
import { DisableDestination } from '../application/disable-destination.js';
import { serviceActor } from './messages.js';

/** What those who deliver found out. */
@Controller()
export class DestinationReportController {
  constructor(private readonly disable: DisableDestination) {}

  @GrpcMethod('DestinationReportService', 'disableDestination')
  async disableDestination(
    request: DisableDestinationRequest,
    metadata: Metadata,
  ): Promise<DisableDestinationResponse> {
    return { disabled: await this.disable.run(serviceActor(callerOfCall(metadata)), request) };
  }
}
