import { type Tx } from '@posthorn/postgres/database.js';
import { NO_STORED_KEYWORDS, type StoredKeywords } from '../domain/tenant-words.js';

const GET = {
  name: 'keywords_get',
  text: `SELECT policy_version::int AS "policyVersion", opt_out AS "optOut", opt_in AS "optIn", help
    FROM tenants.tenant_keywords WHERE tenant_id = $1`,
};
const SET = {
  name: 'keywords_set',
  text: `INSERT INTO tenants.tenant_keywords (tenant_id, policy_version, opt_out, opt_in, help)
    VALUES ($1, $2, $3::text[], $4::text[], $5::text[])
    ON CONFLICT (tenant_id) DO UPDATE SET policy_version = excluded.policy_version, opt_out = excluded.opt_out,
      opt_in = excluded.opt_in, help = excluded.help`,
};
const DELETE = {
  name: 'keywords_delete',
  text: `DELETE FROM tenants.tenant_keywords WHERE tenant_id = $1`,
};

/** Tenants' own words, as the edge gets them. */
export class KeywordStore {
  async get(tx: Pick<Tx, 'query'>, tenantId: string): Promise<StoredKeywords> {
    const { rows } = await tx.query<StoredKeywords>(GET, [tenantId]);
    return rows[0] ?? NO_STORED_KEYWORDS;
  }

  async set(tx: Tx, tenantId: string, keywords: StoredKeywords): Promise<void> {
    const { policyVersion, optOut, optIn, help } = keywords;
    await tx.query(SET, [tenantId, policyVersion, optOut, optIn, help]);
  }

  async delete(tx: Tx, tenantId: string): Promise<void> {
    await tx.query(DELETE, [tenantId]);
  }
}
