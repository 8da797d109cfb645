import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Statement, Tx } from '@posthorn/postgres/database.js';
import { mediumRowId, type MediumState, type MediumView } from '../domain/media.js';
import type { Sealed } from './event.read.js';

/** What nobody asks for any more has failed, whether or not somebody has said so. */
const STATE = `CASE WHEN state = 'pending' AND expires_at <= clock_timestamp() THEN 'failed' ELSE state END AS state`;
const LIST: Statement = {
  name: 'media_list',
  text: `SELECT place, ${STATE}, reason, content_type, size_bytes, attempts,
           date_part('epoch', settled_at) * 1000 AS settled
         FROM events.media WHERE tenant_id = $1 AND event_id = $2 ORDER BY place`,
};
const GET: Statement = {
  name: 'media_get',
  text: `SELECT ${STATE}, content_type, data_key_id, body FROM events.media
         WHERE tenant_id = $1 AND event_id = $2 AND place = $3::int2`,
};

/** One with its bytes, as far as they are there. */
export interface KeptMedium {
  readonly state: MediumState;
  readonly contentType: string;
  readonly sealed: Sealed | undefined;
}

/** Reads media of one tenant; every transaction must have that tenant set. IDs are UUID texts. */
export class MediaRead {
  /** In the order of the message. */
  async ofEvent(tx: Tx, tenantId: string, eventId: string): Promise<MediumView[]> {
    const { rows } = await tx.query<{
      place: number;
      state: MediumState;
      reason: string;
      content_type: string;
      size_bytes: number;
      attempts: number;
      settled: number | null;
    }>(LIST, [tenantId, eventId]);
    return rows.map((row) => ({
      ...{ index: row.place, state: row.state, reason: row.reason, contentType: row.content_type },
      ...{ bytes: row.size_bytes, attempts: row.attempts, settledAtMs: row.settled ?? 0 },
    }));
  }

  async get(tx: Tx, tenantId: string, eventId: string, index: number): Promise<KeptMedium | undefined> {
    const { rows } = await tx.query<{
      state: MediumState;
      content_type: string;
      data_key_id: string | null;
      body: Buffer | null;
    }>(GET, [tenantId, eventId, index]);
    const row = rows[0];
    if (row === undefined) return undefined;
    const { state, content_type, data_key_id, body } = row;
    const rowId = uuidText(mediumRowId({ eventId: uuidBytes(eventId), index }));
    const sealed =
      data_key_id === null || body === null ? undefined : { rowId, dataKeyId: data_key_id, body };
    return { state, contentType: content_type, sealed };
  }
}
