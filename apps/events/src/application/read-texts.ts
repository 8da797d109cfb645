import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import { decodeContent } from '../persistence/content.codec.js';
import type { ContentRead } from '../persistence/content.read.js';
import type { OpenSealed } from './open-sealed.js';

const EVENTS_MAX = 256;
const ID_BYTES = 16;

/** What one event says in words. */
export interface EventWords {
  readonly eventId: Buffer;
  readonly subject: string;
  readonly text: string;
}

/** Opens the texts of events, for the service that looks for opt-outs in them. */
export class ReadTexts {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly contents: ContentRead,
    private readonly open: OpenSealed,
  ) {}

  /**
   * @param tenantId 16 bytes. @param eventIds 16 bytes each, 256 at most.
   * @returns those that have words and whose key is kept.
   * @throws AppError `request.invalid`, `service.unavailable` when a key cannot be asked for.
   */
  async run(tenantId: Buffer, eventIds: readonly Buffer[]): Promise<EventWords[]> {
    if (eventIds.length > EVENTS_MAX || [tenantId, ...eventIds].some((id) => id.length !== ID_BYTES))
      throw new AppError('request.invalid', {
        detail: `a tenant and at most ${EVENTS_MAX} events, 16 bytes each`,
      });
    const tenant = uuidText(tenantId);
    const sealed = await this.db.tenantTransaction(tenant, (tx) =>
      this.contents.contents(tx, tenant, eventIds.map(uuidText)),
    );
    const words: EventWords[] = [];
    for (const one of sealed) {
      const bytes = await this.open.ifKept('content', tenantId, one);
      if (bytes === undefined) continue;
      const { subject, text } = decodeContent(bytes);
      if (subject !== '' || text !== '') words.push({ eventId: uuidBytes(one.rowId), subject, text });
    }
    return words;
  }
}
