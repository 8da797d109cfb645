import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import {
  type ReportSecretUseRequest,
  type ReportSecretUseResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { ReportSecretUse } from '../application/report-secret-use.js';

/** What the edge tells about the use of what it was given. */
@Controller()
export class UsageController {
  constructor(private readonly reportUse: ReportSecretUse) {}

  @GrpcMethod('UsageService', 'reportSecretUse')
  async reportSecretUse({ uses }: ReportSecretUseRequest): Promise<ReportSecretUseResponse> {
    await this.reportUse.run(uses);
    return {};
  }
}
