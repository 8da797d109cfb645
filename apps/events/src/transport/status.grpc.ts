import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { idOfUuid } from '@posthorn/clock/id.js';
import type {
  GetStatusResponse,
  ListSourceFiguresRequest,
  ListSourceFiguresResponse,
} from '@posthorn/contracts/posthorn/status/v1/status.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { Health } from '@posthorn/server/health.js';
import { statusMessage } from '@posthorn/server/stage-status.js';
import { ReportStatus } from '../application/report-status.js';
import { type SourceFigures, SourceFiguresRead } from '../persistence/source-figures.read.js';
import { uuidOr } from './event-query.dto.js';

const SOURCES_MAX = 500;

/** How this service is, for operators: figures of all tenants, nothing of what events say. */
@Controller()
export class StatusController {
  constructor(
    private readonly report: ReportStatus,
    private readonly figures: SourceFiguresRead,
    private readonly health: Health,
  ) {}

  @GrpcMethod('StatusService', 'getStatus')
  async getStatus(): Promise<GetStatusResponse> {
    return statusMessage(await this.report.run(), this.health, this.report.isBrokerThere);
  }

  @GrpcMethod('SourceFiguresService', 'listSourceFigures')
  async listSourceFigures({ sources }: ListSourceFiguresRequest): Promise<ListSourceFiguresResponse> {
    if (sources.length > SOURCES_MAX) throw new AppError('request.invalid');
    const places = sources.map(({ tenantId, sourceId }) => ({
      tenantId: uuidOr('ten', tenantId, 'tenant.not_found'),
      sourceId: uuidOr('src', sourceId, 'source.not_found'),
    }));
    return { figures: (await this.figures.list(places)).map(figuresMessage) };
  }
}

const figuresMessage = (figures: SourceFigures): ListSourceFiguresResponse['figures'][number] => ({
  sourceId: idOfUuid('src', figures.sourceId),
  eventsStored: figures.stored,
  eventsDuplicate: figures.duplicate,
  eventsUnrecognized: figures.unrecognized,
  eventsWaiting: BigInt(figures.waiting),
  waitingSinceMs: figures.waitingSinceMs,
});
