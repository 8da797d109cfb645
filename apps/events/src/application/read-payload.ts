import { uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { EventRead } from '../persistence/event.read.js';
import type { OpenSealed } from './open-sealed.js';

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
    private readonly open: OpenSealed,
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
      raw: sealed.raw && (await this.open.run('raw', tenantId, sealed.raw)),
      content: sealed.content && (await this.open.run('content', tenantId, sealed.content)),
    };
  }
}
