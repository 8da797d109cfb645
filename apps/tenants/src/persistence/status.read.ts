import { type Statement, type Tx } from '@posthorn/postgres/database.js';
import { msOf, timeOf } from './time.sql.js';

/** Something that was stopped by hand. IDs are UUID texts, null where it is of no one. */
export interface StopView {
  readonly kind: 'tenant_suspended' | 'tenant_sends_paused' | 'source_paused' | 'platform_sends_paused';
  readonly tenantId: string | null;
  readonly tenantSlug: string | null;
  readonly sourceId: string | null;
}

/** A source and whose it is. IDs are UUID texts; time Unix milliseconds. */
export interface NewSourceView {
  readonly sourceId: string;
  readonly tenantId: string;
  readonly tenantSlug: string;
  readonly name: string;
  readonly provider: string;
  readonly createdAtMs: number;
}

/** Processes of one service that were in contact within the last minute. */
export interface LiveWatchers {
  readonly count: number;
  /** Of those, how many have not confirmed what sources were ten seconds ago. */
  readonly unconfirmed: number;
}

const STOPS: Statement = {
  name: 'status_stops',
  text: `
SELECT 'platform_sends_paused' AS kind, NULL::text AS "tenantId", NULL::text AS "tenantSlug", NULL::text AS "sourceId"
FROM tenants.platform WHERE sends_paused
UNION ALL
SELECT 'tenant_suspended', tenant_id::text, slug, NULL FROM tenants.tenant WHERE status = 'suspended'
UNION ALL
SELECT 'tenant_sends_paused', tenant_id::text, slug, NULL FROM tenants.tenant WHERE sends_paused AND status <> 'deleted'
UNION ALL
SELECT 'source_paused', s.tenant_id::text, t.slug, s.source_id::text
FROM tenants.source s JOIN tenants.tenant t USING (tenant_id) WHERE s.status = 'paused' AND t.status <> 'deleted'
ORDER BY 1, 3, 4 LIMIT $1`,
};
/** Sources have IDs of their time. */
const NEW_SOURCES: Statement = {
  name: 'status_new_sources',
  text: `SELECT s.source_id AS "sourceId", s.tenant_id AS "tenantId", t.slug AS "tenantSlug", s.name, s.provider,
      ${msOf('s.created_at')} AS "createdAtMs"
    FROM tenants.source s JOIN tenants.tenant t USING (tenant_id)
    WHERE s.created_at >= ${timeOf('$1')} AND t.status <> 'deleted' ORDER BY s.source_id DESC LIMIT $2`,
};
const WATCHERS: Statement = {
  name: 'status_watchers',
  text: `SELECT count(*)::int AS count, (count(*) FILTER (WHERE w.confirmed_version < c.version))::int AS unconfirmed
    FROM tenants.watcher w, (SELECT COALESCE(max(version), 0) AS version FROM tenants.config_change
      WHERE object = 'source' AND created_at < now() - interval '10 seconds') c
    WHERE w.service = $1 AND w.seen_at > now() - interval '60 seconds'`,
};
/** Acts of people on what came through sources: what nobody had to touch is what is left. */
const MANUAL_STEPS: Statement = {
  name: 'status_manual_steps',
  text: `SELECT w.tenant_id AS "tenantId", count(a.*)::int AS count
    FROM unnest($1::uuid[], $2::float8[]) AS w (tenant_id, since)
    LEFT JOIN LATERAL (
      SELECT FROM tenants.audit a WHERE a.tenant_id = w.tenant_id AND a.at >= ${timeOf('w.since')}
        AND a.actor_kind <> 'service' AND a.action = ANY ($3::text[]) ORDER BY a.number DESC LIMIT $4
    ) a ON true GROUP BY w.tenant_id`,
};

/** What people do when something was not handled by itself. */
const MANUAL_ACTIONS = [
  ...['delivery.retried', 'dead_letters.redriven', 'quarantine.retried', 'refusals.reverified'],
  ...['drift.reprocessed', 'message.resolved'],
];
/** More of one tenant say nothing more. */
const STEPS_MAX = 10_000;

/** Reads what operators see of all tenants: names and states, no secrets. */
export class StatusRead {
  async stops(tx: Pick<Tx, 'query'>, limit: number): Promise<StopView[]> {
    return (await tx.query<StopView>(STOPS, [limit])).rows;
  }

  /** Newest first. @param sinceMs Unix milliseconds. */
  async newSources(tx: Pick<Tx, 'query'>, sinceMs: number, limit: number): Promise<NewSourceView[]> {
    return (await tx.query<NewSourceView>(NEW_SOURCES, [sinceMs, limit])).rows;
  }

  async watchers(tx: Pick<Tx, 'query'>, service: string): Promise<LiveWatchers> {
    return (await tx.query<LiveWatchers>(WATCHERS, [service])).rows[0]!;
  }

  /** @param since Unix milliseconds by tenant, UUID texts. @returns acts of people by tenant. */
  async manualSteps(
    tx: Pick<Tx, 'query'>,
    since: ReadonlyMap<string, number>,
  ): Promise<ReadonlyMap<string, number>> {
    const values = [[...since.keys()], [...since.values()], MANUAL_ACTIONS, STEPS_MAX];
    const { rows } = await tx.query<{ tenantId: string; count: number }>(MANUAL_STEPS, values);
    return new Map(rows.map(({ tenantId, count }) => [tenantId, count]));
  }
}
