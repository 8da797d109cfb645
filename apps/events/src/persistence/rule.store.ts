import type { Database, Tx } from '@posthorn/postgres/database.js';
import { uuidBytes } from '@posthorn/clock/id.js';
import type { RuleDefinition, RuleVersion } from '../domain/rule.js';
import { int4Array, textArray, timeArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';

/** A rule and its version now, as it is written. IDs are UUID texts. */
export interface RuleWrite {
  readonly tenantId: string;
  readonly ruleId: string;
  readonly name: string;
  readonly version: number;
  readonly isEnabled: boolean;
  readonly definition: RuleDefinition;
  readonly cost: number;
  readonly changedBy: string;
}

/** What happened to a rule since the last time this was told. */
export interface RuleTally {
  readonly tenantId: Buffer;
  readonly ruleId: Buffer;
  readonly fired: number;
  /** Unix milliseconds, 0 = not. */
  readonly firedAtMs: number;
  readonly errors: number;
  readonly lastError: string;
  readonly lastErrorAtMs: number;
}

const VERSION = {
  name: 'rule_version_add',
  text: `INSERT INTO events.rule_version (tenant_id, rule_id, version, name, is_enabled, definition, changed_at,
           changed_by)
         VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp(), $7)`,
};
const CREATE = {
  name: 'rule_create',
  text: `INSERT INTO events.rule (tenant_id, rule_id, name, version, is_enabled, cost, effective_at, created_at,
           changed_xid)
         VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp(), clock_timestamp(), pg_current_xact_id())`,
};
/** A rule that was off sees what is stored from now on. */
const UPDATE = {
  name: 'rule_update',
  text: `UPDATE events.rule SET name = $3, version = $4, is_enabled = $5, cost = $6,
           effective_at = CASE WHEN is_enabled THEN effective_at ELSE clock_timestamp() END,
           changed_xid = pg_current_xact_id()
         WHERE tenant_id = $1 AND rule_id = $2`,
};
const REMOVE = {
  name: 'rule_remove',
  text: `UPDATE events.rule SET is_deleted = true, is_enabled = false, changed_xid = pg_current_xact_id()
         WHERE tenant_id = $1 AND rule_id = $2 AND NOT is_deleted`,
};
const LOCK_TENANT = {
  name: 'rule_lock_tenant',
  text: `SELECT pg_advisory_xact_lock(hashtextextended('events.rule:' || $1, 0))`,
};
const OTHERS = {
  name: 'rule_others',
  text: `SELECT count(*)::int AS rules, COALESCE(sum(cost) FILTER (WHERE is_enabled), 0)::int AS cost
         FROM events.rule WHERE tenant_id = $1 AND rule_id <> $2 AND NOT is_deleted`,
};
const CHANGED = {
  name: 'rule_changed',
  text: `SELECT r.tenant_id, r.rule_id, r.version, r.is_enabled,
           date_part('epoch', r.effective_at) * 1000 AS effective, v.definition
         FROM events.rule r
         JOIN events.rule_version v ON v.tenant_id = r.tenant_id AND v.rule_id = r.rule_id AND v.version = r.version
         WHERE r.changed_xid >= $1::text::xid8 AND (r.is_enabled OR $2::bool)`,
};
const HORIZON = {
  name: 'rule_horizon',
  text: `SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin`,
};
const TALLY = {
  name: 'rule_tally',
  text: `WITH t AS (
           SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int4[], $4::timestamptz[], $5::int4[], $6::text[],
             $7::timestamptz[]) AS t (tenant_id, rule_id, fired, fired_at, errors, last_error, last_error_at)
         ), r AS (
           SELECT tenant_id, rule_id FROM events.rule r WHERE (tenant_id, rule_id) IN (SELECT tenant_id, rule_id FROM t)
           ORDER BY tenant_id, rule_id FOR UPDATE
         )
         UPDATE events.rule u SET fired_count = u.fired_count + t.fired,
           last_fired_at = GREATEST(u.last_fired_at, t.fired_at), error_count = u.error_count + t.errors,
           last_error = CASE WHEN t.errors > 0 THEN t.last_error ELSE u.last_error END,
           last_error_at = GREATEST(u.last_error_at, t.last_error_at)
         FROM t, r
         WHERE r.tenant_id = t.tenant_id AND r.rule_id = t.rule_id
           AND u.tenant_id = r.tenant_id AND u.rule_id = r.rule_id`,
};

/** Rules that changed; `before` is what the next question goes on from. */
export interface ChangedRules {
  readonly before: string;
  readonly inForce: readonly RuleVersion[];
  readonly gone: readonly Pick<RuleVersion, 'tenantId' | 'ruleId'>[];
}

/** Writes rules, and tells what changed. */
export class RuleStore {
  /** Waits for whoever changes rules of this tenant now. @returns what its other rules are and cost. */
  async lockOthers(tx: Tx, tenantId: string, ruleId: string): Promise<{ rules: number; cost: number }> {
    await tx.query(LOCK_TENANT, [tenantId]);
    const { rows } = await tx.query<{ rules: number; cost: number }>(OTHERS, [tenantId, ruleId]);
    return rows[0]!;
  }

  async create(tx: Tx, rule: RuleWrite): Promise<void> {
    const { tenantId, ruleId, name, version, isEnabled, cost } = rule;
    await tx.query(CREATE, [tenantId, ruleId, name, version, isEnabled, cost]);
    await this.addVersion(tx, rule);
  }

  async update(tx: Tx, rule: RuleWrite): Promise<void> {
    const { tenantId, ruleId, name, version, isEnabled, cost } = rule;
    await tx.query(UPDATE, [tenantId, ruleId, name, version, isEnabled, cost]);
    await this.addVersion(tx, rule);
  }

  /** @returns whether there was one. */
  async remove(tx: Tx, tenantId: string, ruleId: string): Promise<boolean> {
    const { rowCount } = await tx.query(REMOVE, [tenantId, ruleId]);
    return rowCount > 0;
  }

  /** What was changed since; some of it perhaps again. @param since of an earlier answer, or '0' for everything. */
  async changed(db: Pick<Database, 'query'>, since: string): Promise<ChangedRules> {
    // Asked first: whatever commits after this snapshot has a transaction that is not below it.
    const { rows: horizon } = await db.query<{ xmin: string }>(HORIZON);
    const { rows } = await db.query<{
      tenant_id: string;
      rule_id: string;
      version: number;
      is_enabled: boolean;
      effective: number;
      definition: RuleDefinition;
    }>(CHANGED, [since, since !== '0']);
    const keyed = rows.map((row) => ({
      row,
      key: { tenantId: uuidBytes(row.tenant_id), ruleId: uuidBytes(row.rule_id) },
    }));
    return {
      before: horizon[0]!.xmin,
      gone: keyed.filter(({ row }) => !row.is_enabled).map(({ key }) => key),
      inForce: keyed
        .filter(({ row }) => row.is_enabled)
        .map(({ key, row }) => ({
          ...key,
          version: row.version,
          effectiveAtMs: row.effective,
          definition: row.definition,
        })),
    };
  }

  /** Adds to the counts of rules, each once. */
  async tally(db: Pick<Database, 'query'>, tallies: readonly RuleTally[]): Promise<void> {
    await db.query(TALLY, [
      uuidArray(tallies.map(({ tenantId }) => tenantId)),
      uuidArray(tallies.map(({ ruleId }) => ruleId)),
      int4Array(tallies.map(({ fired }) => fired)),
      timeArray(tallies.map(({ firedAtMs }) => firedAtMs)),
      int4Array(tallies.map(({ errors }) => errors)),
      textArray(tallies.map(({ lastError }) => lastError)),
      timeArray(tallies.map(({ lastErrorAtMs }) => lastErrorAtMs)),
    ]);
  }

  private async addVersion(tx: Tx, rule: RuleWrite): Promise<void> {
    const { tenantId, ruleId, version, name, isEnabled, definition, changedBy } = rule;
    const json = JSON.stringify(definition);
    await tx.query(VERSION, [tenantId, ruleId, version, name, isEnabled, json, changedBy]);
  }
}
