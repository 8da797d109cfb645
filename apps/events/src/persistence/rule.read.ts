import type { Tx } from '@posthorn/postgres/database.js';
import type { RuleDefinition } from '../domain/rule.js';

/** A rule in one of its versions. IDs are UUID texts; times Unix milliseconds, 0 = never. */
export interface RuleView {
  readonly ruleId: string;
  readonly name: string;
  readonly version: number;
  readonly isEnabled: boolean;
  readonly definition: RuleDefinition;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  readonly changedBy: string;
  readonly firedCount: bigint;
  readonly lastFiredAtMs: number;
  readonly errorCount: bigint;
  readonly lastError: string;
  readonly lastErrorAtMs: number;
}

interface Row {
  rule_id: string;
  name: string;
  version: number;
  is_enabled: boolean;
  definition: RuleDefinition;
  created: number;
  changed: number;
  changed_by: string;
  fired_count: string;
  last_fired: number | null;
  error_count: string;
  last_error: string;
  last_error_at: number | null;
}

const ms = (column: string): string => `date_part('epoch', ${column}) * 1000`;
const COLUMNS = `r.rule_id, v.name, v.version, v.is_enabled, v.definition, ${ms('r.created_at')} AS created,
  ${ms('v.changed_at')} AS changed, v.changed_by, r.fired_count, ${ms('r.last_fired_at')} AS last_fired,
  r.error_count, r.last_error, ${ms('r.last_error_at')} AS last_error_at`;
const JOIN = `FROM events.rule r JOIN events.rule_version v ON v.tenant_id = r.tenant_id AND v.rule_id = r.rule_id`;

/** A tenant has no more rules than one page. */
const LIST = {
  name: 'rule_list',
  text: `SELECT ${COLUMNS} ${JOIN} AND v.version = r.version
         WHERE r.tenant_id = $1 AND NOT r.is_deleted ORDER BY r.rule_id`,
};
/** An old version can be read after the rule is gone: effects name it. */
const GET = {
  name: 'rule_get',
  text: `SELECT ${COLUMNS} ${JOIN} AND v.version = CASE WHEN $3::int = 0 THEN r.version ELSE $3 END
         WHERE r.tenant_id = $1 AND r.rule_id = $2 AND (NOT r.is_deleted OR $3 <> 0)`,
};

/** Deleted ones too. */
const KNOWN = {
  name: 'rule_known',
  text: `SELECT EXISTS (SELECT FROM events.rule WHERE tenant_id = $1 AND rule_id = $2) AS is_known`,
};

/** Reads rules of one tenant; every transaction must have that tenant set. */
export class RuleRead {
  /** In the order in which they were made. */
  async list(tx: Tx, tenantId: string): Promise<RuleView[]> {
    const { rows } = await tx.query<Row>(LIST, [tenantId]);
    return rows.map(viewOf);
  }

  /** @param version 0 = as it is now. */
  async get(tx: Tx, tenantId: string, ruleId: string, version = 0): Promise<RuleView | undefined> {
    const { rows } = await tx.query<Row>(GET, [tenantId, ruleId, version]);
    return rows[0] && viewOf(rows[0]);
  }

  /** Whether there is, or was, such a rule. */
  async isKnown(tx: Tx, tenantId: string, ruleId: string): Promise<boolean> {
    return (await tx.query<{ is_known: boolean }>(KNOWN, [tenantId, ruleId])).rows[0]!.is_known;
  }
}

const viewOf = (row: Row): RuleView => ({
  ruleId: row.rule_id,
  name: row.name,
  version: row.version,
  isEnabled: row.is_enabled,
  definition: row.definition,
  createdAtMs: row.created,
  changedAtMs: row.changed,
  changedBy: row.changed_by,
  firedCount: BigInt(row.fired_count),
  lastFiredAtMs: row.last_fired ?? 0,
  errorCount: BigInt(row.error_count),
  lastError: row.last_error,
  lastErrorAtMs: row.last_error_at ?? 0,
});
