import type { Duplex } from 'node:stream';
import { formatId } from '@posthorn/clock/id.js';
import { ConfigKind, ConfigServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { SealedBox } from '@posthorn/crypto/sealed-box.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { GrpcChannel, grpcClient, openStream } from '@posthorn/server/grpc-client.js';

/** What this service keeps in memory of the configuration. */
export const EVENTS_CONFIG_KINDS: readonly ConfigKind[] = [
  ConfigKind.CONFIG_KIND_TENANTS,
  ConfigKind.CONFIG_KIND_DATA_KEYS,
  ConfigKind.CONFIG_KIND_SOURCE_SETTINGS,
];

const DEADLINE_MS = 2_000;

/** The connection to tenants. */
export class TenantsChannel extends GrpcChannel {}

/** Configuration and keys. */
export class TenantsClient {
  private readonly config;

  constructor(private readonly channel: TenantsChannel) {
    this.config = grpcClient(ConfigServiceService, channel);
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
}
