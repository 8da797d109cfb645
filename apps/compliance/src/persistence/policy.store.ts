import type { Tx } from '@posthorn/postgres/database.js';
import { DEFAULT_POLICY, storedPolicy, type TenantPolicy } from '../domain/sending-rules/tenant-policy.js';

/** One version of a tenant's policy. Version 0 is the default: nobody wrote it. */
export interface StoredPolicy {
  readonly version: number;
  readonly policy: TenantPolicy;
  readonly actorId: string;
  readonly createdAtMs: number;
}

/** What of a policy intake has to know. */
export interface PolicyKeywords {
  readonly version: number;
  readonly keywords: TenantPolicy['keywords'];
}

const DEFAULT: StoredPolicy = { version: 0, policy: DEFAULT_POLICY, actorId: '', createdAtMs: 0 };

/** Policies, every version of them: a decision names the one it was made by. */
export class PolicyStore {
  async inForce(tx: Tx, tenantId: string): Promise<StoredPolicy> {
    const { rows } = await tx.query<{
      version: number;
      body: TenantPolicy;
      actor_id: string;
      created_at: Date;
    }>(
      {
        name: 'policy_in_force',
        text: `SELECT version, body, actor_id, created_at FROM compliance.policy
               WHERE tenant_id = $1 ORDER BY version DESC LIMIT 1`,
      },
      [tenantId],
    );
    const row = rows[0];
    if (row === undefined) return DEFAULT;
    const { version, body, actor_id, created_at } = row;
    return { version, policy: storedPolicy(body), actorId: actor_id, createdAtMs: created_at.getTime() };
  }

  /** The version and the keywords in force, of those of these tenants that have a policy. @param tenantIds UUID texts. */
  async keywordsInForce(
    db: Pick<Tx, 'query'>,
    tenantIds: readonly string[],
  ): Promise<ReadonlyMap<string, PolicyKeywords>> {
    const { rows } = await db.query<PolicyKeywords & { tenantId: string }>(
      {
        name: 'policy_keywords_in_force',
        text: `SELECT DISTINCT ON (tenant_id) tenant_id AS "tenantId", version, body -> 'keywords' AS keywords
               FROM compliance.policy WHERE tenant_id = ANY ($1::uuid[]) ORDER BY tenant_id, version DESC`,
      },
      [tenantIds],
    );
    return new Map(rows.map(({ tenantId, version, keywords }) => [tenantId, { version, keywords }]));
  }

  /** @returns false when that version is there already. */
  async add(
    tx: Tx,
    tenantId: string,
    { version, policy, actorId, createdAtMs }: StoredPolicy,
  ): Promise<boolean> {
    const { rowCount } = await tx.query(
      {
        name: 'add_policy',
        text: `INSERT INTO compliance.policy (tenant_id, version, body, actor_id, created_at)
               VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, version) DO NOTHING`,
      },
      [tenantId, version, JSON.stringify(policy), actorId, new Date(createdAtMs)],
    );
    return rowCount === 1;
  }
}
