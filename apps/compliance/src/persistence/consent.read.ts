import type { Tx } from '@posthorn/postgres/database.js';
import type { ConsentProof } from '../domain/consent-proof.js';
import type { KeptProof, RecordSeals } from '../domain/record-seals.js';
import { scopedSignal, type ScopedSignal, type StoredSignal } from '../domain/person-consent.js';
import type { SuppressionMark } from '../domain/consent-status.js';

/** One entry of the history of consent, and what its person's status follows from. */
export interface ConsentEntry {
  readonly id: string;
  readonly personHash: Buffer;
  readonly kind: string;
  readonly covers: string;
  readonly program: string;
  /** The channel it came by, for entries of events. */
  readonly channel: string;
  readonly signaledAtMs: number;
  readonly recordedAtMs: number;
  readonly eventId: string | undefined;
  readonly actorId: string;
  readonly proof: ConsentProof | undefined;
  readonly counting: readonly ScopedSignal[];
  readonly suppressions: readonly SuppressionMark[];
  /** When that was so. */
  readonly readAtMs: number;
  /** Where the next page begins. */
  readonly at: string;
}

interface Row {
  readonly signal_id: string;
  readonly person_hash: Buffer;
  readonly kind: string;
  readonly covers: string;
  readonly program: string;
  readonly channel: string;
  readonly signaled_at: Date;
  readonly recorded_at: Date;
  readonly event_id: string | null;
  readonly actor_id: string;
  readonly proof: KeptProof | null;
  readonly counting: StoredSignal[] | null;
  readonly suppressions: SuppressionMark[] | null;
  readonly read_at: Date;
  readonly at: string;
}

/** Reads of the history. */
export class ConsentRead {
  constructor(private readonly seals: RecordSeals) {}

  /**
   * Latest recorded first. @param after time and ID of the last one of the page before.
   * @throws AppError `data_key.unavailable` when one has a proof whose key is not in memory.
   */
  async list(
    tx: Tx,
    tenantId: string,
    filter: { readonly personHash?: Buffer; readonly id?: string },
    after: { readonly at: string; readonly id: string } | undefined,
    limit: number,
  ): Promise<ConsentEntry[]> {
    const { rows } = await tx.query<Row>(
      {
        name: 'list_consents',
        text: `SELECT signal.signal_id, signal.person_hash, signal.kind, signal.covers, signal.program, signal.channel,
                      signal.signaled_at, signal.recorded_at, signal.recorded_at::text AS at, signal.event_id,
                      signal.actor_id, proof.proof, person.signals AS counting, held.suppressions,
                      clock_timestamp() AS read_at
               FROM compliance.consent_signal AS signal
               LEFT JOIN compliance.consent_proof AS proof USING (tenant_id, signal_id)
               LEFT JOIN compliance.person ON person.tenant_id = signal.tenant_id
                 AND person.person_hash = signal.person_hash
               LEFT JOIN LATERAL (
                 SELECT jsonb_agg(jsonb_build_object('channel', channel, 'scope', scope, 'reason', reason)) AS suppressions
                 FROM compliance.suppression WHERE suppression.tenant_id = signal.tenant_id
                   AND suppression.person_hash = signal.person_hash AND lifted_at IS NULL) AS held ON true
               WHERE signal.tenant_id = $1 AND ($2::bytea IS NULL OR signal.person_hash = $2)
                 AND ($3::uuid IS NULL OR signal.signal_id = $3)
                 AND ($4::timestamptz IS NULL OR (signal.recorded_at, signal.signal_id) < ($4, $5::uuid))
               ORDER BY signal.recorded_at DESC, signal.signal_id DESC LIMIT $6`,
      },
      [
        ...[tenantId, filter.personHash ?? null, filter.id ?? null],
        ...[after?.at ?? null, after?.id ?? null, limit],
      ],
    );
    return rows.map((row) =>
      entryOf(row, row.proof === null ? undefined : this.seals.openProof(tenantId, row.signal_id, row.proof)),
    );
  }
}

const entryOf = (row: Row, proof: ConsentProof | undefined): ConsentEntry => ({
  id: row.signal_id,
  personHash: row.person_hash,
  ...{ kind: row.kind, covers: row.covers, program: row.program, channel: row.channel, at: row.at },
  signaledAtMs: row.signaled_at.getTime(),
  recordedAtMs: row.recorded_at.getTime(),
  eventId: row.event_id ?? undefined,
  actorId: row.actor_id,
  proof,
  counting: (row.counting ?? []).map(scopedSignal),
  suppressions: row.suppressions ?? [],
  readAtMs: row.read_at.getTime(),
});
