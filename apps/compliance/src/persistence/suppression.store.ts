import { BatchInsert } from '@posthorn/postgres/batch-insert.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { personKey, type Person } from '../domain/person.js';
import type { RecordSeals } from '../domain/record-seals.js';
import { ADDRESS_REASONS, type Suppression } from '../domain/suppression.js';

/** Of one person and those linked. */
const IN_FORCE_MAX = 500;
/** Of one transaction: each signal makes few. */
const INSERTED_MAX = 4_096;

/** A suppression that is to be made. */
export interface NewSuppression {
  readonly person: Person;
  readonly suppression: Suppression;
  /** `key_…`; empty when an event caused it. */
  readonly actorId: string;
}

/** Why one ended. */
export interface Lift {
  readonly eventId: string | undefined;
  readonly actorId: string;
  readonly reason: string;
  /** By somebody, and so sealed. Otherwise it is a word of ours, and needs no key: no signal waits for one. */
  readonly isReasonWritten: boolean;
  readonly atMs: number;
}

/** Which of a tenant's suppressions are listed; empty texts stand for any. */
export interface SuppressionFilter {
  readonly personHash: Buffer | undefined;
  readonly reason: string;
  readonly channel: string;
  readonly hasLifted: boolean;
}

const COLUMNS =
  'suppression_id, person_hash, channel, scope, reason, event_id, created_at, lifted_at, lifted_reason, is_unverified';

interface Row {
  readonly suppression_id: string;
  readonly person_hash: Buffer;
  readonly channel: string;
  readonly scope: string;
  readonly reason: string;
  readonly event_id: string | null;
  readonly created_at: Date;
  readonly lifted_at: Date | null;
  readonly lifted_reason: string | null;
  readonly is_unverified: boolean;
}

const insert = new BatchInsert<NewSuppression>({
  name: 'insert_suppressions',
  into: 'compliance.suppression',
  columns: [
    { name: 'tenant_id', type: 'uuid' },
    { name: 'suppression_id', type: 'uuid' },
    { name: 'person_hash', type: 'bytea' },
    { name: 'channel', type: 'text' },
    { name: 'scope', type: 'text' },
    { name: 'reason', type: 'text' },
    { name: 'event_id', type: 'uuid' },
    { name: 'actor_id', type: 'text' },
    { name: 'created_at', type: 'timestamptz' },
    { name: 'is_unverified', type: 'boolean' },
  ],
  suffix: 'ON CONFLICT (tenant_id, person_hash, channel, scope, reason) WHERE lifted_at IS NULL DO NOTHING',
  rowsMax: INSERTED_MAX,
});

/** Suppressions. One is never deleted: it is lifted, and says by whom and why. */
export class SuppressionStore {
  constructor(private readonly seals: RecordSeals) {}

  /** The persons' own that are in force, whatever the reason, by `personKey`. */
  async held(tx: Tx, persons: readonly Person[]): Promise<Map<string, Suppression[]>> {
    const { rows } = await tx.query<Row & { n: string }>(
      {
        name: 'held_suppressions',
        text: `SELECT person.n, ${COLUMNS}
               FROM unnest($1::uuid[], $2::bytea[]) WITH ORDINALITY AS person (tenant_id, person_hash, n)
               JOIN compliance.suppression USING (tenant_id, person_hash)
               WHERE suppression.lifted_at IS NULL`,
      },
      [persons.map(({ tenantId }) => tenantId), persons.map(({ hash }) => hash)],
    );
    const found = new Map<string, Suppression[]>(persons.map((person) => [personKey(person), []]));
    for (const row of rows) found.get(personKey(persons[Number(row.n) - 1]!))!.push(suppressionOf(row));
    return found;
  }

  /** Those that stop a message to a person, newest first. @param channel `all` = whatever the channel. */
  async inForce(tx: Tx, person: Person, channel: string): Promise<Suppression[]> {
    const { rows } = await tx.query<Row>(
      {
        name: 'suppressions_of_person',
        text: `SELECT ${COLUMNS} FROM compliance.suppression
               WHERE tenant_id = $1 AND lifted_at IS NULL AND ($3 = 'all' OR channel IN ('all', $3))
                 AND (person_hash = $2 OR reason <> ALL ($4::text[]) AND person_hash IN (
                   SELECT linked.person_hash FROM compliance.person_link AS own
                   JOIN compliance.person_link AS linked USING (tenant_id, group_id)
                   WHERE own.tenant_id = $1 AND own.person_hash = $2))
               ORDER BY suppression_id DESC LIMIT ${IN_FORCE_MAX}`,
      },
      [person.tenantId, person.hash, channel, ADDRESS_REASONS],
    );
    return rows.map(suppressionOf);
  }

  /** @returns the one that is in force already for the same cause, or else the new one. */
  async insert(tx: Tx, { person, suppression, actorId }: NewSuppression): Promise<Suppression> {
    const { id, channel, scope, reason, eventId, createdAtMs } = suppression;
    const { rows } = await tx.query<Row>(
      {
        name: 'insert_suppression',
        text: `INSERT INTO compliance.suppression
                 (tenant_id, suppression_id, person_hash, channel, scope, reason, event_id, actor_id, created_at,
                  is_unverified)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
               ON CONFLICT (tenant_id, person_hash, channel, scope, reason) WHERE lifted_at IS NULL DO NOTHING
               RETURNING ${COLUMNS}`,
      },
      [
        ...[person.tenantId, id, person.hash, channel, scope, reason],
        ...[eventId ?? null, actorId, new Date(createdAtMs), suppression.isUnverified === true],
      ],
    );
    if (rows.length > 0) return suppressionOf(rows[0]!);
    const known = await tx.query<Row>(
      {
        name: 'suppression_of_cause',
        text: `SELECT ${COLUMNS} FROM compliance.suppression
               WHERE tenant_id = $1 AND person_hash = $2 AND channel = $3 AND scope = $4 AND reason = $5
                 AND lifted_at IS NULL`,
      },
      [person.tenantId, person.hash, channel, scope, reason],
    );
    return suppressionOf(known.rows[0]!);
  }

  /** The same for many, of causes that are not in force. */
  async insertAll(tx: Tx, made: readonly NewSuppression[]): Promise<void> {
    await insert.run(tx, made, ({ person, suppression, actorId }) => [
      ...[person.tenantId, suppression.id, person.hash, suppression.channel, suppression.scope],
      ...[suppression.reason, suppression.eventId ?? null, actorId, new Date(suppression.createdAtMs)],
      suppression.isUnverified === true,
    ]);
  }

  /** Lets suppressions of one tenant, which nobody vouched for, rest on an event that is authentic. */
  async vouch(tx: Tx, tenantId: string, ids: readonly string[], eventId: string | undefined): Promise<void> {
    await tx.query(
      {
        name: 'vouch_for_suppressions',
        text: `UPDATE compliance.suppression SET is_unverified = false, event_id = $3
               WHERE tenant_id = $1 AND suppression_id = ANY ($2::uuid[])`,
      },
      [tenantId, ids, eventId ?? null],
    );
  }

  /**
   * Ends suppressions of one tenant. @returns how many of them were in force.
   * @throws AppError `data_key.unavailable` where the reason is to be sealed.
   */
  async lift(tx: Tx, tenantId: string, ids: readonly string[], lift: Lift): Promise<number> {
    const { reason } = lift;
    // Each by itself: what is sealed for one row opens in no other.
    const reasons = ids.map((rowId) =>
      lift.isReasonWritten ? this.seals.seal({ tenantId, place: 'lift_reason', rowId }, reason) : reason,
    );
    const { rowCount } = await tx.query(
      {
        name: 'lift_suppressions',
        text: `UPDATE compliance.suppression AS held
               SET lifted_at = $4, lifted_by_event_id = $5, lifted_by_actor_id = $6, lifted_reason = ended.reason
               FROM unnest($2::uuid[], $3::text[]) AS ended (suppression_id, reason)
               WHERE held.tenant_id = $1 AND held.suppression_id = ended.suppression_id AND held.lifted_at IS NULL`,
      },
      [
        ...[tenantId, ids, reasons, new Date(lift.atMs)],
        ...[lift.eventId ?? null, lift.actorId === '' ? null : lift.actorId],
      ],
    );
    return rowCount;
  }

  /** One that is in force, or undefined. */
  async find(tx: Tx, tenantId: string, id: string): Promise<Suppression | undefined> {
    const { rows } = await tx.query<Row>(
      {
        name: 'find_suppression',
        text: `SELECT ${COLUMNS} FROM compliance.suppression
               WHERE tenant_id = $1 AND suppression_id = $2 AND lifted_at IS NULL`,
      },
      [tenantId, id],
    );
    return rows.map(suppressionOf)[0];
  }

  /**
   * Newest first. @param before UUID text of the last one of the page before.
   * @throws AppError `data_key.unavailable` when a reason's key is not in memory.
   */
  async list(
    tx: Tx,
    tenantId: string,
    filter: SuppressionFilter,
    before: string | undefined,
    limit: number,
  ): Promise<Suppression[]> {
    const { rows } = await tx.query<Row>(
      {
        name: 'list_suppressions',
        text: `SELECT ${COLUMNS} FROM compliance.suppression
               WHERE tenant_id = $1 AND ($2::uuid IS NULL OR suppression_id < $2)
                 AND ($4 OR lifted_at IS NULL) AND ($5::bytea IS NULL OR person_hash = $5)
                 AND ($6 = '' OR reason = $6) AND ($7 = '' OR channel = $7)
               ORDER BY suppression_id DESC LIMIT $3`,
      },
      [
        ...[tenantId, before ?? null, limit],
        ...[filter.hasLifted, filter.personHash ?? null, filter.reason, filter.channel],
      ],
    );
    return rows.map((row) => this.opened(tenantId, suppressionOf(row)));
  }

  private opened(tenantId: string, suppression: Suppression): Suppression {
    const { id, lifted } = suppression;
    if (lifted === undefined) return suppression;
    const reason = this.seals.open({ tenantId, place: 'lift_reason', rowId: id }, lifted.reason);
    return { ...suppression, lifted: { ...lifted, reason } };
  }
}

/** With the reason of its end as it is kept: only lists have ended ones. */
const suppressionOf = (row: Row): Suppression => ({
  id: row.suppression_id,
  personHash: row.person_hash,
  channel: row.channel,
  scope: row.scope,
  reason: row.reason,
  eventId: row.event_id ?? undefined,
  createdAtMs: row.created_at.getTime(),
  lifted:
    row.lifted_at === null ? undefined : { atMs: row.lifted_at.getTime(), reason: row.lifted_reason ?? '' },
  ...(row.is_unverified && { isUnverified: true }),
});
