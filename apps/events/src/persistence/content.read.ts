import type { Tx } from '@posthorn/postgres/database.js';
import type { Sealed } from './event.read.js';

interface Row {
  event_id: string;
  data_key_id: string;
  body: Buffer;
}

/** Reads encrypted personal data of one tenant; every transaction must have that tenant set. */
export class ContentRead {
  /** Those of the events that have content. @param eventIds UUID texts. */
  async contents(tx: Tx, tenantId: string, eventIds: readonly string[]): Promise<Sealed[]> {
    const { rows } = await tx.query<Row>(
      {
        name: 'content_of_events',
        text: `SELECT event_id, data_key_id, body FROM events.content
               WHERE tenant_id = $1 AND event_id = ANY ($2::uuid[])`,
      },
      [tenantId, eventIds],
    );
    return rows.map(({ event_id, data_key_id, body }) => ({ rowId: event_id, dataKeyId: data_key_id, body }));
  }

  /** The first content of each message that has one, by the message's ID. @param messageIds UUID texts. */
  async ofMessages(tx: Tx, tenantId: string, messageIds: readonly string[]): Promise<Map<string, Sealed>> {
    const { rows } = await tx.query<Row & { message_id: string }>(
      {
        name: 'content_of_messages',
        text: `SELECT k.message_id, c.event_id, c.data_key_id, c.body FROM unnest($2::uuid[]) AS k (message_id)
               CROSS JOIN LATERAL (
                 SELECT c.event_id, c.data_key_id, c.body FROM events.transition t
                 JOIN events.content c ON c.tenant_id = t.tenant_id AND c.event_id = t.event_id
                 WHERE t.tenant_id = $1 AND t.message_id = k.message_id
                 ORDER BY t.event_id LIMIT 1
               ) c`,
      },
      [tenantId, messageIds],
    );
    return new Map(
      rows.map(({ message_id, event_id, data_key_id, body }) => [
        message_id,
        { rowId: event_id, dataKeyId: data_key_id, body },
      ]),
    );
  }
}
