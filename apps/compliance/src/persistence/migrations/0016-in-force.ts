import type { Migration } from '@posthorn/postgres/migrate.js';
import { INTAKE_ROLE } from '../roles.js';

/** Permits are named by the clock of compliance, and searched by that of the store: they are never so far apart. */
const OPEN_SEARCH_MS = 3_600_000;
const LOCK = `('x' || left(encode(sha256(convert_to(asked.tenant_id::text || ':' || encode(asked.person_hash, 'hex'),
  'UTF8')), 'hex'), 16))::bit(64)::bigint`;

/**
 * Tells intake which opt-outs are in force as soon as they are committed: ADR 0010 has the argument.
 * Why here and not where it is called: what is locked and what counts as open is this schema's own. Why no lock is waited
 * for: somebody who holds one is giving a permit, or writing what the person said, and intake does not wait for either;
 * nor, for longer than a moment, for who changes a table.
 */
export const IN_FORCE: Migration = {
  name: '0016_in_force',
  up: [
    // Whoever reads before compliance was told writes what waits, for good: so a row knows all that its event says.
    ...['provider', 'traceparent'].map(
      (column) =>
        `ALTER TABLE compliance.pending_signal ADD COLUMN ${column} text COLLATE "C" NOT NULL DEFAULT ''`,
    ),
    ...['permit', 'person_link', 'person_key'].map(
      (table) => `CREATE POLICY in_force ON compliance.${table} FOR SELECT TO ${INTAKE_ROLE} USING (true)`,
    ),
    `GRANT SELECT (tenant_id, permit_id, person_hash, expires_at, closed_at) ON compliance.permit TO ${INTAKE_ROLE}`,
    `GRANT SELECT (tenant_id, person_hash, group_id) ON compliance.person_link TO ${INTAKE_ROLE}`,
    `GRANT SELECT (tenant_id) ON compliance.person_key TO ${INTAKE_ROLE}`,
    `CREATE FUNCTION compliance.opt_outs_in_force(tenant_ids uuid[], person_hashes bytea[]) RETURNS int[]
       LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog SET plan_cache_mode = force_generic_plan
       SET lock_timeout = '50ms' SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
       DECLARE
         since uuid := (lpad(to_hex((date_part('epoch', clock_timestamp()) * 1000)::bigint - ${OPEN_SEARCH_MS}), 12, '0')
           || '00000000000000000000')::uuid;
         locked int[];
         in_force int[];
       BEGIN
         -- Under any other level both statements below see what was committed before the locks: nothing can be said then.
         IF current_setting('transaction_isolation') <> 'read committed' THEN RETURN '{}'; END IF;
         SELECT array_agg(asked.place) INTO locked
         FROM unnest(tenant_ids, person_hashes) WITH ORDINALITY AS asked (tenant_id, person_hash, place)
         WHERE pg_try_advisory_xact_lock(${LOCK});
         -- A statement of its own: its snapshot is later than the locks, so it sees every permit given before them.
         SELECT array_agg(asked.place) INTO in_force
         FROM unnest(tenant_ids, person_hashes) WITH ORDINALITY AS asked (tenant_id, person_hash, place)
         WHERE asked.place = ANY (locked)
           -- Persons of a tenant whose key was changed have other names and other locks here.
           AND NOT EXISTS (SELECT FROM compliance.person_key AS key WHERE key.tenant_id = asked.tenant_id)
           AND NOT EXISTS (
             SELECT FROM compliance.permit
             WHERE permit.tenant_id = asked.tenant_id AND permit.person_hash = asked.person_hash
               AND permit.permit_id >= since AND permit.closed_at IS NULL AND permit.expires_at > clock_timestamp())
           AND NOT EXISTS (
             SELECT FROM compliance.person_link AS own
             JOIN compliance.person_link AS linked
               ON linked.tenant_id = own.tenant_id AND linked.group_id = own.group_id
             JOIN compliance.permit
               ON permit.tenant_id = linked.tenant_id AND permit.person_hash = linked.person_hash
             WHERE own.tenant_id = asked.tenant_id AND own.person_hash = asked.person_hash
               AND permit.permit_id >= since AND permit.closed_at IS NULL AND permit.expires_at > clock_timestamp());
         RETURN COALESCE(in_force, '{}');
       END $$`,
    `REVOKE ALL ON FUNCTION compliance.opt_outs_in_force(uuid[], bytea[]) FROM PUBLIC`,
    `GRANT EXECUTE ON FUNCTION compliance.opt_outs_in_force(uuid[], bytea[]) TO ${INTAKE_ROLE}`,
  ],
};
