import { uuidBytes } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import { logHashOf } from '../domain/person.js';

/** An opt-out, or a dead address, that intake stored and nobody has applied. IDs are 16 bytes. */
export interface PendingSignal {
  readonly tenantId: Buffer;
  readonly personHash: Buffer;
  readonly eventId: Buffer;
  readonly channel: string;
  readonly signal: string;
  /** What of the channel it is about: a program, or `all`; empty = every channel. */
  readonly program: string;
  /** 0 = the provider did not say. */
  readonly occurredAtMs: number;
  readonly storedAtMs: number;
  readonly unverified: boolean;
  /** Empty, like the next: stored by an events of before. */
  readonly provider: string;
  readonly traceparent: string;
}

interface Row {
  readonly tenant_id: string;
  readonly person_hash: Buffer;
  readonly event_id: string;
  readonly channel: string;
  readonly signal: string;
  readonly program: string;
  readonly occurred_at: Date | null;
  readonly stored_at: Date;
  readonly is_unverified: boolean;
  readonly provider: string;
  readonly traceparent: string;
}

const COLUMNS =
  'tenant_id, person_hash, event_id, channel, signal, program, occurred_at, stored_at, is_unverified, provider, traceparent';

/** Opt-outs between their append and their application; while one is here, its person gets no permit. */
export class PendingStore {
  /** Those of these signals are applied, in the same transaction. */
  async remove(tx: Tx, signals: readonly ObservedSignal[]): Promise<void> {
    const ofEvents = signals.filter(({ eventId }) => eventId !== undefined);
    await tx.query(
      {
        name: 'remove_pending',
        text: `DELETE FROM compliance.pending_signal AS pending
               USING unnest($1::uuid[], $2::bytea[], $3::uuid[]) AS applied (tenant_id, person_hash, event_id)
               WHERE pending.tenant_id = applied.tenant_id AND pending.person_hash = applied.person_hash
                 AND pending.event_id = applied.event_id`,
      },
      [
        ofEvents.map(({ person }) => person.tenantId),
        ofEvents.map(({ person }) => logHashOf(person)),
        ofEvents.map(({ eventId }) => eventId),
      ],
    );
  }

  /** Those that have waited longer; oldest first, so many of the oldest not. */
  async late(
    tx: Pick<Tx, 'query'>,
    afterMs: number,
    { skip, limit }: { readonly skip: number; readonly limit: number },
  ): Promise<PendingSignal[]> {
    const { rows } = await tx.query<Row>(
      {
        name: 'late_pending',
        text: `SELECT ${COLUMNS} FROM compliance.pending_signal
               WHERE stored_at < clock_timestamp() - $1 * interval '1 millisecond'
               ORDER BY stored_at OFFSET $2 LIMIT $3`,
      },
      [afterMs, skip, limit],
    );
    return rows.map(signalOfRow);
  }

  /** Those of persons of a tenant, by their hashes in the log; oldest first. */
  async of(
    db: Pick<Tx, 'query'>,
    tenantId: string,
    logHashes: readonly Buffer[],
    limit: number,
  ): Promise<PendingSignal[]> {
    const { rows } = await db.query<Row>(
      {
        name: 'pending_of_persons',
        text: `SELECT ${COLUMNS} FROM compliance.pending_signal
               WHERE tenant_id = $1 AND person_hash = ANY ($2::bytea[]) ORDER BY stored_at LIMIT $3`,
      },
      [tenantId, logHashes, limit],
    );
    return rows.map(signalOfRow);
  }

  /**
   * Those of a tenant; oldest first.
   * @param page `asOf`: those only that were stored by then, as an answer said; undefined: by now. `skip`: so many of the
   * oldest not.
   */
  async ofTenant(
    db: Pick<Tx, 'query'>,
    tenantId: string,
    page: { readonly asOf: string | undefined; readonly skip: number },
    limit: number,
  ): Promise<{ readonly rows: PendingSignal[]; readonly asOf: string | undefined }> {
    const { rows } = await db.query<Row & { readonly as_of: string }>(
      {
        name: 'pending_of_tenant',
        text: `SELECT ${COLUMNS}, statement_timestamp()::text AS as_of FROM compliance.pending_signal
               WHERE tenant_id = $1 AND stored_at <= COALESCE($2::timestamptz, statement_timestamp())
               ORDER BY stored_at OFFSET $3 LIMIT $4`,
      },
      [tenantId, page.asOf ?? null, page.skip, limit],
    );
    return { rows: rows.map(signalOfRow), asOf: rows[0]?.as_of };
  }
}

const signalOfRow = (row: Row): PendingSignal => ({
  tenantId: uuidBytes(row.tenant_id),
  personHash: row.person_hash,
  eventId: uuidBytes(row.event_id),
  channel: row.channel,
  signal: row.signal,
  program: row.program,
  occurredAtMs: row.occurred_at?.getTime() ?? 0,
  storedAtMs: row.stored_at.getTime(),
  unverified: row.is_unverified,
  provider: row.provider,
  traceparent: row.traceparent,
});
