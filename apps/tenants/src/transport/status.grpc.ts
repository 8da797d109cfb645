import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import {
  type GetStatusResponse,
  type ListSourceFiguresRequest,
  type ListSourceFiguresResponse,
} from '@posthorn/contracts/posthorn/status/v1/status.js';
import {
  type ListNewSourcesRequest,
  type ListNewSourcesResponse,
  type ListStopsRequest,
  type ListStopsResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { Database } from '@posthorn/postgres/database.js';
import { Health } from '@posthorn/server/health.js';
import { statusMessage } from '@posthorn/server/stage-status.js';
import { ReportStatus } from '../application/report-status.js';
import { StatusRead } from '../persistence/status.read.js';

const LIMIT_MAX = 500;

/** How this service is, and what operators see of all tenants. */
@Controller()
export class StatusController {
  constructor(
    private readonly report: ReportStatus,
    private readonly db: Database,
    private readonly read: StatusRead,
    private readonly health: Health,
  ) {}

  @GrpcMethod('StatusService', 'getStatus')
  async getStatus(): Promise<GetStatusResponse> {
    return statusMessage(await this.report.run(), this.health);
  }

  @GrpcMethod('SourceFiguresService', 'listSourceFigures')
  async listSourceFigures({ sources }: ListSourceFiguresRequest): Promise<ListSourceFiguresResponse> {
    if (sources.length > LIMIT_MAX) throw new AppError('request.invalid');
    const since = new Map<string, number>();
    for (const { tenantId, sinceMs } of sources) {
      const uuid = tenantUuidOf(tenantId);
      since.set(uuid, Math.min(sinceMs, since.get(uuid) ?? Infinity));
    }
    const steps = await this.read.manualSteps(this.db, since);
    return {
      figures: sources.map(({ sourceId, tenantId }) => ({
        ...{ sourceId, manualSteps: BigInt(steps.get(tenantUuidOf(tenantId)) ?? 0) },
      })),
    };
  }

  @GrpcMethod('OperatorService', 'listStops')
  async listStops({ limit }: ListStopsRequest): Promise<ListStopsResponse> {
    const max = limitOf(limit);
    const rows = await this.read.stops(this.db, max + 1);
    const stops = rows.slice(0, max).map(({ kind, tenantId, tenantSlug, sourceId }) => ({
      ...{ kind, tenantSlug: tenantSlug ?? '' },
      tenantId: tenantId === null ? '' : idOfUuid('ten', tenantId),
      sourceId: sourceId === null ? '' : idOfUuid('src', sourceId),
    }));
    return { stops, isMore: rows.length > max };
  }

  @GrpcMethod('OperatorService', 'listNewSources')
  async listNewSources({ sinceMs, limit }: ListNewSourcesRequest): Promise<ListNewSourcesResponse> {
    const max = limitOf(limit);
    const rows = await this.read.newSources(this.db, sinceMs, max + 1);
    const sources = rows.slice(0, max).map(({ sourceId, tenantId, ...source }) => ({
      ...{ ...source, id: idOfUuid('src', sourceId), tenantId: idOfUuid('ten', tenantId) },
    }));
    return { sources, isMore: rows.length > max };
  }
}

const limitOf = (limit: number): number => Math.min(Math.max(limit, 1), LIMIT_MAX);

function tenantUuidOf(id: string): string {
  const uuid = uuidOfId('ten', id);
  if (uuid === undefined) throw new AppError('tenant.not_found');
  return uuid;
}
