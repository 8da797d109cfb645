import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type ReportFailingSourceRequest,
  type ReportFailingSourceResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { TellFailingSource } from '../application/tell-failing-source.js';

/** What those who take requests found out. */
@Controller()
export class SourceReportController {
  constructor(private readonly tell: TellFailingSource) {}

  @GrpcMethod('SourceReportService', 'reportFailingSource')
  async reportFailingSource(request: ReportFailingSourceRequest): Promise<ReportFailingSourceResponse> {
    return { told: await this.tell.run(request) };
  }
}
