import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { logHashOf, type Person } from '../domain/person.js';
import { DEFAULT_POLICY, storedPolicy, type TenantPolicy } from '../domain/sending-rules/tenant-policy.js';
import { ADDRESS_REASONS } from '../domain/suppression.js';

/** Of one person and those linked: more than that decide nothing else. */
const SUPPRESSIONS_MAX = 100;
const SENT_MAX = 100;

/** The persons asked for, numbered from 1, with those linked to them. */
const GROUPS = `WITH asked AS MATERIALIZED (
    SELECT * FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS asked (tenant_id, person_hash, n)
  ), grouped AS MATERIALIZED (
    SELECT n, tenant_id, person_hash, true AS is_own, NULL::bigint AS lock FROM asked
    UNION ALL
    SELECT asked.n, tenant_id, linked.person_hash, false, linked.lock
    FROM asked JOIN compliance.person_link AS own USING (tenant_id, person_hash)
    JOIN compliance.person_link AS linked USING (tenant_id, group_id)
    WHERE linked.person_hash <> asked.person_hash)`;

/** A suppression as the rules see it. */
export interface SuppressionMarkRow {
  readonly channel: string;
  readonly scope: string;
  readonly reason: string;
}

/** One who is linked. */
export interface LinkedRow {
  readonly lock: bigint;
  readonly personHash: Buffer;
}

/** A tenant's policy. Version 0 is the default. */
export interface VersionedPolicy {
  readonly version: number;
  readonly policy: TenantPolicy;
}

/** What waits to be written about a person: a STOP, which stops everything; or something narrower, such as one program. */
export type PendingOptOut = 'none' | 'part' | 'whole';

/**
 * What a permit depends on, for many persons in few statements. Each list has one entry for each person, in
 * order. Read after the locks, in statements that follow them.
 */
export class SendFactsRead {
  /** Locks and rows' hashes of the persons that are linked with each. */
  async linked(tx: Tx, persons: readonly Person[]): Promise<LinkedRow[][]> {
    const { rows } = await tx.query<{ n: string; lock: string; person_hash: Buffer }>(
      { name: 'linked_locks', text: `${GROUPS} SELECT n, lock, person_hash FROM grouped WHERE NOT is_own` },
      columnsOf(persons),
    );
    return byPerson(persons, rows, ({ lock, person_hash }) => ({
      lock: BigInt(lock),
      personHash: person_hash,
    }));
  }

  async suppressions(tx: Tx, persons: readonly Person[]): Promise<SuppressionMarkRow[][]> {
    const { rows } = await tx.query<SuppressionMarkRow & { n: string }>(
      {
        name: 'send_suppressions',
        text: `${GROUPS}
               SELECT grouped.n, found.channel, found.scope, found.reason FROM grouped CROSS JOIN LATERAL (
                 SELECT channel, scope, reason FROM compliance.suppression AS held
                 WHERE held.tenant_id = grouped.tenant_id AND held.person_hash = grouped.person_hash
                   AND held.lifted_at IS NULL AND (grouped.is_own OR held.reason <> ALL ($3::text[]))
                 LIMIT ${SUPPRESSIONS_MAX}) AS found`,
      },
      [...columnsOf(persons), ADDRESS_REASONS],
    );
    return byPerson(persons, rows, ({ channel, scope, reason }) => ({ channel, scope, reason }));
  }

  /**
   * Whether an opt-out of the person waits to be applied. What waits is named as the log names it.
   * @param areLinked that an address is dead says nothing of those linked with it.
   */
  async pending(tx: Tx, persons: readonly Person[], areLinked = false): Promise<PendingOptOut[]> {
    const { rows } = await tx.query<{ n: string; is_whole: boolean }>(
      {
        name: 'send_pending',
        text: `SELECT asked.n, bool_or(held.signal = 'opt_out' AND held.program = '') AS is_whole
               FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS asked (tenant_id, person_hash, n)
               JOIN compliance.pending_signal AS held USING (tenant_id, person_hash)
               WHERE held.signal <> ALL ($3::text[])
               GROUP BY asked.n`,
      },
      [persons.map(({ tenantId }) => tenantId), persons.map(logHashOf), areLinked ? ADDRESS_REASONS : []],
    );
    return byPerson(persons, rows, ({ is_whole }): PendingOptOut => (is_whole ? 'whole' : 'part')).map(
      ([found = 'none']) => found,
    );
  }

  /** When marketing was permitted, but for permits that were closed unused. @param afterMs Unix milliseconds. */
  async sentRecently(tx: Tx, persons: readonly Person[], afterMs: number): Promise<number[][]> {
    const { rows } = await tx.query<{ n: string; given_at: Date }>(
      {
        name: 'send_recent',
        text: `${GROUPS}
               SELECT grouped.n, recent.given_at FROM grouped CROSS JOIN LATERAL (
                 SELECT given_at FROM compliance.permit AS given
                 WHERE given.tenant_id = grouped.tenant_id AND given.person_hash = grouped.person_hash
                   AND given.permit_id >= $3::uuid AND given.is_marketing
                   AND given.outcome IS DISTINCT FROM 'not_sent'
                 ORDER BY permit_id DESC LIMIT ${SENT_MAX}) AS recent`,
      },
      [...columnsOf(persons), firstUuidOf(afterMs)],
    );
    return byPerson(persons, rows, ({ given_at }) => given_at.getTime());
  }

  /** The policies in force, by tenant. */
  async policies(tx: Tx, tenantIds: readonly string[]): Promise<Map<string, VersionedPolicy>> {
    const { rows } = await tx.query<{ tenant_id: string; version: number; body: TenantPolicy }>(
      {
        name: 'policies_in_force',
        text: `SELECT asked.tenant_id, policy.version, policy.body FROM unnest($1::uuid[]) AS asked (tenant_id)
               CROSS JOIN LATERAL (
                 SELECT version, body FROM compliance.policy WHERE policy.tenant_id = asked.tenant_id
                 ORDER BY version DESC LIMIT 1) AS policy`,
      },
      [tenantIds],
    );
    const found = new Map<string, VersionedPolicy>(
      tenantIds.map((id) => [id, { version: 0, policy: DEFAULT_POLICY }]),
    );
    for (const { tenant_id, version, body } of rows)
      found.set(tenant_id, { version, policy: storedPolicy(body) });
    return found;
  }
}

/** The smallest UUIDv7 of a time: where a range of IDs begins. */
export function firstUuidOf(ms: number): string {
  const uuid = uuidBytes('00000000-0000-0000-0000-000000000000');
  uuid.writeUIntBE(Math.max(0, Math.floor(ms)), 0, 6);
  return uuidText(uuid);
}

const columnsOf = (persons: readonly Person[]): [string[], Buffer[]] => [
  persons.map(({ tenantId }) => tenantId),
  persons.map(({ hash }) => hash),
];

function byPerson<Row extends { readonly n: string }, T>(
  persons: readonly Person[],
  rows: readonly Row[],
  valueOf: (row: Row) => T,
): T[][] {
  const lists = persons.map((): T[] => []);
  for (const row of rows) lists[Number(row.n) - 1]!.push(valueOf(row));
  return lists;
}
