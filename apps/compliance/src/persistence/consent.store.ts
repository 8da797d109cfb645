import { BatchInsert } from '@posthorn/postgres/batch-insert.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { SignalKind } from '../domain/consent-state.js';
import type { ConsentProof } from '../domain/consent-proof.js';
import type { RecordSeals } from '../domain/record-seals.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import { personKey, type Person } from '../domain/person.js';
import type { ScopedSignal } from '../domain/person-consent.js';

/** Signals of one transaction. */
export const SIGNALS_MAX = 512;
/** Signals of one person that are read when a phrase is taken back. */
const HISTORY_MAX = 10_000;

interface Row {
  readonly signal_id: string;
  readonly tenant_id: string;
}

const insert = new BatchInsert<ObservedSignal, Row>({
  name: 'consent_signal',
  into: 'compliance.consent_signal',
  columns: [
    { name: 'tenant_id', type: 'uuid' },
    { name: 'signal_id', type: 'uuid' },
    { name: 'person_hash', type: 'bytea' },
    { name: 'kind', type: 'text' },
    { name: 'signaled_at', type: 'timestamptz' },
    { name: 'channel', type: 'text' },
    { name: 'provider', type: 'text' },
    { name: 'event_id', type: 'uuid' },
    { name: 'actor_id', type: 'text' },
    { name: 'covers', type: 'text' },
    { name: 'program', type: 'text' },
    { name: 'open_until', type: 'timestamptz' },
    { name: 'is_unverified', type: 'boolean' },
  ],
  suffix: 'ON CONFLICT (tenant_id, signal_id) DO NOTHING RETURNING tenant_id, signal_id',
  rowsMax: SIGNALS_MAX,
});

/** A signal of the history, as far as it can be answered. */
export interface KnownSignal {
  readonly kind: string;
  /** Unix milliseconds. */
  readonly atMs: number;
  readonly isOwn: boolean;
}

/** The history of consent: append-only. */
export class ConsentStore {
  constructor(private readonly seals: RecordSeals) {}

  /** Records signals. @returns those that were not known. */
  async record(tx: Tx, signals: readonly ObservedSignal[]): Promise<ObservedSignal[]> {
    const rows = await insert.run(tx, signals, (signal) => [
      signal.person.tenantId,
      signal.id,
      signal.person.hash,
      signal.kind,
      new Date(signal.atMs),
      signal.channel,
      signal.provider,
      signal.eventId ?? null,
      signal.actorId,
      signal.covers,
      signal.program,
      signal.openUntilMs === undefined ? null : new Date(signal.openUntilMs),
      signal.isUnverified === true,
    ]);
    const added = new Set(rows.map((row) => `${row.tenant_id}:${row.signal_id}`));
    // The same event may be there twice, by two facts: it is new once.
    return signals.filter((signal) => added.delete(`${signal.person.tenantId}:${signal.id}`));
  }

  /**
   * Records that a member of staff took the opt-outs of that scope up to that time back; the note is sealed.
   * @throws AppError `data_key.unavailable`.
   */
  async recordLift(
    tx: Tx,
    person: Person,
    lift: ScopedSignal,
    by: { readonly actorId: string; readonly note: string },
  ): Promise<void> {
    const note = this.seals.seal(
      { tenantId: person.tenantId, place: 'signal_note', rowId: lift.id },
      by.note,
    );
    await tx.query(
      {
        name: 'record_lift',
        text: `INSERT INTO compliance.consent_signal
                 (tenant_id, signal_id, person_hash, kind, signaled_at, channel, provider, actor_id, note, covers, program)
               VALUES ($1, $2, $3, 'lift', $4, '', '', $5, $6, $7, $8)`,
      },
      [
        ...[person.tenantId, lift.id, person.hash, new Date(lift.atMs), by.actorId, note],
        ...[lift.covers, lift.program],
      ],
    );
  }

  /** Keeps what proves a consent, sealed. @throws AppError `data_key.unavailable`. */
  async addProof(tx: Tx, person: Person, signalId: string, proof: ConsentProof): Promise<void> {
    const kept = this.seals.sealProof(person.tenantId, signalId, proof);
    await tx.query(
      {
        name: 'add_consent_proof',
        text: `INSERT INTO compliance.consent_proof (tenant_id, signal_id, person_hash, proof) VALUES ($1, $2, $3, $4)`,
      },
      [person.tenantId, signalId, person.hash, JSON.stringify(kept)],
    );
  }

  /** All of a person's signals that count, but the phrases that were judged to be no opt-outs. */
  async history(tx: Tx, person: Person): Promise<ScopedSignal[]> {
    const { rows } = await tx.query<{
      signal_id: string;
      kind: SignalKind;
      signaled_at: Date;
      covers: string;
      program: string;
      open_until: Date | null;
    }>(
      {
        name: 'consent_history',
        text: `SELECT signal_id, kind, signaled_at, covers, program, open_until FROM compliance.consent_signal AS signal
               WHERE tenant_id = $1 AND person_hash = $2 AND kind IN ('opt_out', 'opt_in', 'lift', 'pending', 'grant')
                 AND NOT EXISTS (SELECT FROM compliance.review
                                 WHERE review.tenant_id = signal.tenant_id AND review.event_id = signal.signal_id
                                   AND review.state = 'lifted')
               ORDER BY signaled_at DESC LIMIT ${HISTORY_MAX}`,
      },
      [person.tenantId, person.hash],
    );
    return rows.map(({ signal_id, kind, signaled_at, covers, program, open_until }) => ({
      ...{ id: signal_id, kind, atMs: signaled_at.getTime(), covers, program },
      ...(open_until === null ? {} : { openUntilMs: open_until.getTime() }),
    }));
  }

  /**
   * Which of these are in the history, by ID.
   * @returns kind, time and whether it is about the person that was asked for, by `<personKey>:<id>`.
   */
  async known(
    tx: Pick<Tx, 'query'>,
    asked: readonly { readonly person: Person; readonly id: string }[],
  ): Promise<Map<string, KnownSignal>> {
    const { rows } = await tx.query<{ n: string; kind: string; signaled_at: Date; is_own: boolean }>(
      {
        name: 'known_signals',
        text: `SELECT asked.n, signal.kind, signal.signaled_at, signal.person_hash = asked.person_hash AS is_own
               FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) WITH ORDINALITY AS asked (tenant_id, signal_id, person_hash, n)
               JOIN compliance.consent_signal AS signal USING (tenant_id, signal_id)`,
      },
      [
        asked.map(({ person }) => person.tenantId),
        asked.map(({ id }) => id),
        asked.map(({ person }) => person.hash),
      ],
    );
    return new Map(
      rows.map(({ n, kind, signaled_at, is_own }) => {
        const { person, id } = asked[Number(n) - 1]!;
        return [`${personKey(person)}:${id}`, { kind, atMs: signaled_at.getTime(), isOwn: is_own }];
      }),
    );
  }
}
