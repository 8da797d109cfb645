import { formatId, uuidBytes } from '@posthorn/clock/id.js';
import { sealAad, type SealPurpose, type SealedBox } from '@posthorn/crypto/sealed-box.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { TenantsClient } from '../clients/tenants.client.js';
import type { Sealed } from '../persistence/event.read.js';

/** Opens what is kept encrypted, with the tenant's key of the week in which it was sealed. */
export class OpenSealed {
  constructor(
    private readonly edge: Pick<EdgeConfig, 'tenant'>,
    private readonly keys: Pick<TenantsClient, 'openDataKey'>,
  ) {}

  /**
   * @param tenantId 16 bytes.
   * @throws AppError `data_key.not_found` when the key was destroyed, `service.unavailable` when it is not in
   * memory and tenants is away.
   */
  async run(purpose: SealPurpose, tenantId: Buffer, sealed: Sealed): Promise<Buffer> {
    const box = await this.boxOf(tenantId, uuidBytes(sealed.dataKeyId));
    return box.open(sealed.body, sealAad(purpose, tenantId, uuidBytes(sealed.rowId)));
  }

  /** The same; undefined when its key was destroyed: what was erased is no reason to withhold the rest. */
  async ifKept(purpose: SealPurpose, tenantId: Buffer, sealed: Sealed): Promise<Buffer | undefined> {
    try {
      return await this.run(purpose, tenantId, sealed);
    } catch (error) {
      if (error instanceof AppError && error.code === 'data_key.not_found') return undefined;
      throw error;
    }
  }

  private async boxOf(tenantId: Buffer, dataKeyId: Buffer): Promise<SealedBox> {
    const inMemory = this.edge.tenant(formatId('ten', tenantId))?.box(dataKeyId);
    return inMemory ?? (await this.keys.openDataKey(tenantId, dataKeyId));
  }
}
