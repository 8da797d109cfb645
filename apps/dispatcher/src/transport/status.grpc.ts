import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { uuidOfId } from '@posthorn/clock/id.js';
import {
  type GetStatusResponse,
  type ListSourceFiguresRequest,
  type ListSourceFiguresResponse,
} from '@posthorn/contracts/posthorn/status/v1/status.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { Health } from '@posthorn/server/health.js';
import { statusMessage } from '@posthorn/server/stage-status.js';
import { ReportStatus } from '../application/report-status.js';
import { SourceDeathsRead } from '../persistence/source-deaths.read.js';
import { tenantUuidOf } from './delivery.dto.js';

const SOURCES_MAX = 500;

/** How this service is, for operators: figures of all tenants. */
@Controller()
export class StatusController {
  constructor(
    private readonly report: ReportStatus,
    private readonly deaths: SourceDeathsRead,
    private readonly health: Health,
  ) {}

  @GrpcMethod('StatusService', 'getStatus')
  async getStatus(): Promise<GetStatusResponse> {
    const { stages, behind } = await this.report.run();
    return statusMessage(stages, this.health, this.report.isBrokerThere, behind);
  }

  @GrpcMethod('SourceFiguresService', 'listSourceFigures')
  async listSourceFigures({ sources }: ListSourceFiguresRequest): Promise<ListSourceFiguresResponse> {
    if (sources.length > SOURCES_MAX) throw new AppError('request.invalid');
    const watched = sources.map(({ tenantId, sourceId, sinceMs }) => ({
      ...{ tenantId: tenantUuidOf(tenantId), sourceId: sourceUuidOf(sourceId), sinceMs },
    }));
    const counts = await this.deaths.count(watched);
    return {
      figures: sources.map(({ sourceId }, index) => ({
        sourceId,
        deadLetters: BigInt(counts.get(watched[index]!.sourceId) ?? 0),
      })),
    };
  }
}

function sourceUuidOf(id: string): string {
  const uuid = uuidOfId('src', id);
  if (uuid === undefined) throw new AppError('source.not_found');
  return uuid;
}
