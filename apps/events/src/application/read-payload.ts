import { formatId, uuidBytes, uuidText } from '@posthorn/clock/id.js';
import { sealAad, type SealPurpose, type SealedBox } from '@posthorn/crypto/sealed-box.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { TenantsClient } from '../clients/tenants.client.js';
import type { EventRead, Sealed } from '../persistence/event.read.js';

/** The plaintext of what is kept encrypted; undefined for what an event does not have. */
export interface Payload {
  readonly raw: Buffer | undefined;
  readonly content: Buffer | undefined;
}

/** Opens an event's raw request and personal data. */
export class ReadPayload {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly events: Pick<EventRead, 'payload'>,
    private readonly edge: Pick<EdgeConfig, 'tenant'>,
    private readonly keys: Pick<TenantsClient, 'openDataKey'>,
  ) {}

  /**
   * @param tenantId 16 bytes. @param eventId 16 bytes.
   * @throws AppError `event.not_found`, `data_key.not_found` when the key was destroyed, `service.unavailable`
   * when it is not in memory and tenants is away.
   */
  async run(tenantId: Buffer, eventId: Buffer): Promise<Payload> {
    const tenant = uuidText(tenantId);
    const sealed = await this.db.tenantTransaction(tenant, (tx) =>
      this.events.payload(tx, tenant, uuidText(eventId)),
    );
    if (sealed === undefined) throw new AppError('event.not_found');
    return {
      raw: sealed.raw && (await this.open('raw', tenantId, sealed.raw)),
      content: sealed.content && (await this.open('content', tenantId, sealed.content)),
    };
  }

  private async open(purpose: SealPurpose, tenantId: Buffer, sealed: Sealed): Promise<Buffer> {
    const box = await this.boxOf(tenantId, uuidBytes(sealed.dataKeyId));
    return box.open(sealed.body, sealAad(purpose, tenantId, uuidBytes(sealed.rowId)));
  }

  private async boxOf(tenantId: Buffer, dataKeyId: Buffer): Promise<SealedBox> {
    const inMemory = this.edge.tenant(formatId('ten', tenantId))?.box(dataKeyId);
    return inMemory ?? (await this.keys.openDataKey(tenantId, dataKeyId));
  }
}
