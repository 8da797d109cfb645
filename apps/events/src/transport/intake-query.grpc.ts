import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { uuidText } from '@posthorn/clock/id.js';
import type {
  GetErasureRequest,
  GetErasureResponse,
  GetSourceHealthRequest,
  GetSourceHealthResponse,
  ListDriftFieldsRequest,
  ListDriftFieldsResponse,
  ListDriftRequest,
  ListDriftResponse,
  ListQuarantineRequest,
  ListQuarantineResponse,
  ListRefusalsRequest,
  ListRefusalsResponse,
  ListReprocessingsRequest,
  ListReprocessingsResponse,
  ListRetentionRunsRequest,
  ListRetentionRunsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { encodeCursor } from '@posthorn/postgres/cursor.js';
import { pageLimit } from '../domain/page.js';
import { ReaderDatabase } from '../persistence/databases.js';
import { DriftFieldRead } from '../persistence/drift-field.read.js';
import { DriftRead } from '../persistence/drift.read.js';
import { ErasureStore } from '../persistence/erasure.store.js';
import { QuarantineStore } from '../persistence/quarantine.store.js';
import { RefusalRead } from '../persistence/refusal.read.js';
import { ReprocessingRead } from '../persistence/reprocessing.read.js';
import { RetentionRead } from '../persistence/retention.read.js';
import { SourceHealthRead } from '../persistence/source-health.read.js';
import { afterOf, cursorOf, filterUuid, uuidOr } from './event-query.dto.js';
import {
  driftFieldOf,
  driftOf,
  erasureOf,
  healthOf,
  offsetOf,
  quarantinedOf,
  quarantineFilterOf,
  refusalOf,
  reprocessingOf,
  retentionRunOf,
} from './intake-query.dto.js';

const ID_BYTES = 16;

/** What operators of a tenant ask about intake, under row-level security. */
@Controller()
export class IntakeQueryController {
  constructor(
    private readonly db: ReaderDatabase,
    private readonly refusals: RefusalRead,
    private readonly reprocessings: ReprocessingRead,
    private readonly drift: DriftRead,
    private readonly driftFields: DriftFieldRead,
    private readonly quarantine: QuarantineStore,
    private readonly health: SourceHealthRead,
    private readonly retention: RetentionRead,
    private readonly erasures: ErasureStore,
  ) {}

  @GrpcMethod('IntakeQueryService', 'listRefusals')
  async listRefusals(request: ListRefusalsRequest): Promise<ListRefusalsResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const [after, limit] = [afterOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, (tx) =>
      this.refusals.list(tx, tenant, filterUuid('src', request.sourceId), after, limit),
    );
    return { refusals: items.map(refusalOf), nextCursor: cursorOf(next) };
  }

  @GrpcMethod('IntakeQueryService', 'listDrift')
  async listDrift(request: ListDriftRequest): Promise<ListDriftResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const [offset, limit] = [offsetOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, (tx) =>
      this.drift.list(tx, tenant, request.provider, offset, limit),
    );
    return { drift: items.map(driftOf), nextCursor: next === undefined ? '' : encodeCursor([next]) };
  }

  @GrpcMethod('IntakeQueryService', 'listDriftFields')
  async listDriftFields(request: ListDriftFieldsRequest): Promise<ListDriftFieldsResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const [offset, limit] = [offsetOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, (tx) =>
      this.driftFields.list(tx, tenant, request, offset, limit),
    );
    return {
      fields: items.map(driftFieldOf),
      nextCursor: next === undefined ? '' : encodeCursor([next]),
    };
  }

  @GrpcMethod('IntakeQueryService', 'listQuarantine')
  async listQuarantine(request: ListQuarantineRequest): Promise<ListQuarantineResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const filter = quarantineFilterOf(request.filter);
    const [after, limit] = [afterOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, (tx) =>
      this.quarantine.list(tx, tenant, filter, after, limit),
    );
    return { events: items.map(quarantinedOf), nextCursor: cursorOf(next) };
  }

  @GrpcMethod('IntakeQueryService', 'listReprocessings')
  async listReprocessings(request: ListReprocessingsRequest): Promise<ListReprocessingsResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const [after, limit] = [afterOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, (tx) =>
      this.reprocessings.list(tx, tenant, after, limit),
    );
    return { reprocessings: items.map(reprocessingOf), nextCursor: cursorOf(next) };
  }

  @GrpcMethod('IntakeQueryService', 'getSourceHealth')
  async getSourceHealth(request: GetSourceHealthRequest): Promise<GetSourceHealthResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const source = uuidOr('src', request.sourceId, 'source.not_found');
    return healthOf(await this.db.tenantTransaction(tenant, (tx) => this.health.get(tx, tenant, source)));
  }

  @GrpcMethod('IntakeQueryService', 'listRetentionRuns')
  async listRetentionRuns(request: ListRetentionRunsRequest): Promise<ListRetentionRunsResponse> {
    const tenant = uuidOr('ten', request.tenantId, 'tenant.not_found');
    const [after, limit] = [afterOf(request.cursor), pageLimit(request.limit)];
    const { items, next } = await this.db.tenantTransaction(tenant, (tx) =>
      this.retention.list(tx, tenant, after, limit),
    );
    return { runs: items.map(retentionRunOf), nextCursor: cursorOf(next) };
  }

  @GrpcMethod('IntakeQueryService', 'getErasure')
  async getErasure({ tenantId, id }: GetErasureRequest): Promise<GetErasureResponse> {
    const tenant = uuidOr('ten', tenantId, 'tenant.not_found');
    if (id.length !== ID_BYTES) throw new AppError('request.not_found');
    const erasure = await this.db.tenantTransaction(tenant, (tx) =>
      this.erasures.get(tx, tenant, uuidText(id)),
    );
    if (erasure === undefined) throw new AppError('request.not_found');
    return { erasure: erasureOf(erasure) };
  }
}
