import { uuidBytes } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { MediaRead } from '../persistence/media.read.js';
import type { OpenSealed } from './open-sealed.js';

/** The bytes of a medium, and what its provider said they are. */
export interface OpenedMedium {
  readonly contentType: string;
  readonly body: Buffer;
}

/** Opens a medium that is kept. */
export class ReadMedium {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly media: Pick<MediaRead, 'get'>,
    private readonly open: Pick<OpenSealed, 'run'>,
  ) {}

  /**
   * @param tenantId UUID text. @param eventId UUID text. @param index its place in the message.
   * @throws AppError `media.not_found`, whose detail says what it is if it is not stored; `data_key.not_found` when the
   * key was destroyed, `service.unavailable` when it is not in memory and tenants is away.
   */
  async run(tenantId: string, eventId: string, index: number): Promise<OpenedMedium> {
    const found = await this.db.tenantTransaction(tenantId, (tx) =>
      this.media.get(tx, tenantId, eventId, index),
    );
    if (found === undefined) throw new AppError('media.not_found');
    const { state, contentType, sealed } = found;
    if (sealed === undefined) throw new AppError('media.not_found', { detail: `it is ${state}` });
    return { contentType, body: await this.open.run('media', uuidBytes(tenantId), sealed) };
  }
}
