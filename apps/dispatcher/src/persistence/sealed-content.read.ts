import { uuidTimeMs, uuidBytes } from '@posthorn/clock/id.js';
import type { WorkerDatabase } from './databases.js';

/** The oldest content of a tenant. */
export interface OldestContent {
  /** UUID text. */
  readonly tenantUuid: string;
  /** Unix milliseconds. */
  readonly madeAtMs: number;
}

const OLDEST = {
  name: 'sealed_content_oldest',
  text: `SELECT t.tenant_id, c.message_id FROM unnest($1::uuid[]) AS t (tenant_id) CROSS JOIN LATERAL (
           SELECT message_id FROM dispatch.command_content k WHERE k.tenant_id = t.tenant_id ORDER BY message_id LIMIT 1
         ) c`,
};

/** What is still sealed of commands. */
export class SealedContentRead {
  constructor(private readonly db: Pick<WorkerDatabase, 'query'>) {}

  /**
   * The oldest content of each of these tenants that has any.
   * Why the rows are asked and not the policy: what is open, or not in the log yet, is kept beyond it.
   */
  async oldest(tenantUuids: readonly string[]): Promise<OldestContent[]> {
    const { rows } = await this.db.query<{ tenant_id: string; message_id: string }>(OLDEST, [tenantUuids]);
    return rows.map(({ tenant_id, message_id }) => ({
      tenantUuid: tenant_id,
      madeAtMs: uuidTimeMs(uuidBytes(message_id)),
    }));
  }
}
