import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import type { GetStatusResponse } from '@posthorn/contracts/posthorn/status/v1/status.js';
import { Health } from '@posthorn/server/health.js';
import { statusMessage } from '@posthorn/server/stage-status.js';
import { ReportStatus } from '../application/report-status.js';

/** How this service is, for operators: figures of all tenants. */
@Controller()
export class StatusController {
  constructor(
    private readonly report: ReportStatus,
    private readonly health: Health,
  ) {}

  @GrpcMethod('StatusService', 'getStatus')
  async getStatus(): Promise<GetStatusResponse> {
    const { stages, behind } = await this.report.run();
    return statusMessage(stages, this.health, this.report.isBrokerThere, behind);
  }
}
