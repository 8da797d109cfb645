import { uuidBytes, uuidText, uuidTimeMs } from '@posthorn/clock/id.js';
import type { Database, Statement } from '@posthorn/postgres/database.js';

const oldestOf = (table: string, id: string): string =>
  `(SELECT ${id} AS id FROM events.${table} r WHERE r.tenant_id = t.tenant_id ORDER BY ${id} LIMIT 1)`;
/** One statement, one snapshot: what moves from a refusal, or from a step of a hand-off, into the log is in one of them. */
const OLDEST: Statement = {
  name: 'sealed_oldest',
  text: `
SELECT t.tenant_id, k.id FROM unnest($1::uuid[]) AS t (tenant_id) CROSS JOIN LATERAL (
  ${oldestOf('raw', 'request_id')} UNION ALL ${oldestOf('content', 'event_id')}
  UNION ALL ${oldestOf('refusal', 'request_id')} UNION ALL ${oldestOf('media', 'event_id')}
) k
UNION ALL
SELECT tenant_id, event_id FROM events.handoff_step
WHERE NOT is_appended AND content IS NOT NULL AND tenant_id = ANY ($1::uuid[])`,
};

/** What is still sealed with data keys: requests, contents, media, refusals, and notes that are not in the log yet. */
export class SealedRead {
  /**
   * The time in the oldest ID of what is kept of each tenant, Unix milliseconds; tenants that keep nothing are left out.
   * @param tenantIds 16 bytes each. @returns by the ID in hex.
   */
  async oldest(db: Pick<Database, 'query'>, tenantIds: readonly Buffer[]): Promise<Map<string, number>> {
    const { rows } = await db.query<{ tenant_id: string; id: string }>(OLDEST, [tenantIds.map(uuidText)]);
    const oldest = new Map<string, number>();
    for (const { tenant_id, id } of rows) {
      const [name, timeMs] = [uuidBytes(tenant_id).toString('hex'), uuidTimeMs(uuidBytes(id))];
      oldest.set(name, Math.min(timeMs, oldest.get(name) ?? Infinity));
    }
    return oldest;
  }
}
