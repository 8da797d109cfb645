import { idOfUuid } from '@posthorn/clock/id.js';
import { PersonKeyServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { type GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';

/** tenants waits up to 2 s for those who watch. */
const call = { deadlineMs: 5_000 };

/** The owner of the keys under which persons are kept. */
export class PersonKeysClient {
  private readonly keys;

  constructor(channel: GrpcChannel) {
    this.keys = grpcClient(PersonKeyServiceService, channel);
  }

  /** Everybody is kept under that generation: the keys before are destroyed. @param tenantId UUID text. */
  async settle(tenantId: string, generation: number): Promise<void> {
    await this.keys.settlePersonKey({ tenantId: idOfUuid('ten', tenantId), generation }, call);
  }
}
