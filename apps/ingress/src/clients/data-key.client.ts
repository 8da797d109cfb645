import { ConfigServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { SealedBox } from '@posthorn/crypto/sealed-box.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { grpcClient, type GrpcChannel } from '@posthorn/server/grpc-client.js';

const DEADLINE_MS = 2_000;

/** Keys that are not in memory any more: of weeks before the last. */
export class DataKeyClient {
  private readonly config;

  constructor(channel: GrpcChannel) {
    this.config = grpcClient(ConfigServiceService, channel);
  }

  /**
   * @param tenantId `ten_…`. @param dataKeyId 16 bytes.
   * @throws AppError `data_key.not_found` when it was destroyed, `service.unavailable` when tenants is away.
   */
  async open(tenantId: string, dataKeyId: Buffer): Promise<SealedBox> {
    const { dataKey } = await this.config.getDataKey({ tenantId, dataKeyId }, { deadlineMs: DEADLINE_MS });
    if (dataKey === undefined) throw new AppError('data_key.not_found');
    return new SealedBox(dataKey.id, dataKey.key);
  }
}
