import type { Duplex } from 'node:stream';
import { formatId, idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import {
  ConfigKind,
  ConfigServiceService,
  DataKeyServiceService,
  SourceReportServiceService,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { SealedBox } from '@posthorn/crypto/sealed-box.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { GrpcChannel, grpcClient, openStream } from '@posthorn/server/grpc-client.js';
import type { RefusedSource } from '../domain/failing-source.js';

/** What this service keeps in memory of the configuration. */
export const EVENTS_CONFIG_KINDS: readonly ConfigKind[] = [
  ConfigKind.CONFIG_KIND_TENANTS,
  ConfigKind.CONFIG_KIND_DATA_KEYS,
  ConfigKind.CONFIG_KIND_SOURCE_SETTINGS,
];

const DEADLINE_MS = 2_000;
/** It waits until every service that may hold a key has confirmed its end. */
const DESTROY_DEADLINE_MS = 10_000;

/** The connection to tenants. */
export class TenantsChannel extends GrpcChannel {}

/** Configuration and keys, and who tells owners. */
export class TenantsClient {
  private readonly config;
  private readonly dataKeys;
  private readonly reports;

  constructor(private readonly channel: TenantsChannel) {
    this.config = grpcClient(ConfigServiceService, channel);
    this.dataKeys = grpcClient(DataKeyServiceService, channel);
    this.reports = grpcClient(SourceReportServiceService, channel);
  }

  /** Starts a watch of the configuration; resolves when the peer is reached. */
  watch(): Promise<Duplex> {
    return openStream(this.channel, ConfigServiceService.watch);
  }

  /**
   * A key that is not in memory any more: of a week before the last.
   * @param tenantId 16 bytes. @param dataKeyId 16 bytes.
   * @throws AppError `data_key.not_found` when it was destroyed.
   */
  async openDataKey(tenantId: Buffer, dataKeyId: Buffer): Promise<SealedBox> {
    const id = formatId('ten', tenantId);
    const { dataKey } = await this.config.getDataKey(
      { tenantId: id, dataKeyId },
      { deadlineMs: DEADLINE_MS },
    );
    if (dataKey === undefined) throw new AppError('data_key.not_found');
    return new SealedBox(dataKey.id, dataKey.key);
  }

  /**
   * Has a tenant's data keys of the weeks before one destroyed.
   * @param tenantId 16 bytes. @param beforeWeek its Monday, days since 1970.
   * @returns UUID texts of keys destroyed now or lately, services that have not confirmed it, and whether there are more.
   * @throws AppError `tenant.not_found`, `service.unavailable`, `service.deadline`
   */
  async destroyDataKeys(
    tenantId: Buffer,
    beforeWeek: number,
  ): Promise<{
    readonly keyIds: readonly string[];
    readonly pending: readonly string[];
    readonly hasMore: boolean;
  }> {
    const { destroyed, applied, hasMore } = await this.dataKeys.destroyDataKeys(
      { tenantId: formatId('ten', tenantId), beforeWeekStartDay: beforeWeek },
      { deadlineMs: DESTROY_DEADLINE_MS },
    );
    const keyIds = destroyed.flatMap(({ id }) => uuidOfId('dek', id) ?? []);
    return { keyIds, pending: applied?.pending ?? [], hasMore };
  }

  /**
   * Has the owner of a source that fails told: once for as long as it does, however often it is said.
   * @returns whether somebody is to be told by this call. @throws AppError `service.unavailable`, `service.deadline`
   */
  async reportFailingSource(source: RefusedSource): Promise<boolean> {
    const { told } = await this.reports.reportFailingSource(
      {
        tenantId: idOfUuid('ten', source.tenantId),
        sourceId: idOfUuid('src', source.sourceId),
        failingSinceMs: source.firstRefusedAtMs,
        lastAuthenticMs: source.lastAuthenticAtMs,
        refused: source.refused,
        lastCause: source.lastCause,
      },
      { deadlineMs: DEADLINE_MS },
    );
    return told;
  }
}
