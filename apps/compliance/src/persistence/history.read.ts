import type { Tx } from '@posthorn/postgres/database.js';
import { OPT_OUT_WINS_MS } from '../domain/consent-state.js';
import type { RecordPlace, RecordSeals } from '../domain/record-seals.js';

/** Something that happened to a person. IDs are UUID texts. */
export interface HistoryEntry {
  readonly atMs: number;
  readonly kind: 'signal' | 'suppressed' | 'lifted' | 'decision' | 'permit_closed' | 'linked';
  readonly id: string;
  readonly personHash: Buffer;
  readonly channel: string;
  readonly what: string;
  readonly rule: string;
  readonly detail: string;
  readonly eventId: string | undefined;
  readonly messageId: string | undefined;
  readonly actorId: string;
  /** It rests on events alone that nobody vouches for. */
  readonly isUnverified: boolean;
  /** Where the next page begins: time and key. */
  readonly at: string;
  readonly key: string;
}

interface Row {
  readonly at: Date;
  readonly at_text: string;
  readonly key: string;
  readonly kind: HistoryEntry['kind'];
  readonly id: string;
  readonly person_hash: Buffer;
  readonly channel: string;
  readonly what: string;
  readonly rule: string;
  readonly detail: string;
  readonly event_id: string | null;
  readonly message_id: string | null;
  readonly actor_id: string;
  readonly is_unverified: boolean;
}

/**
 * Why an opt-in may not count, for whoever asks why the person is still out: they would see it, and nothing that it did.
 * A note of staff, where there is one, is shown in its place.
 */
const SIGNAL_DETAIL = `CASE WHEN note = '' AND kind IN ('opt_in', 'grant') AND EXISTS (
      SELECT 1 FROM compliance.consent_signal o
      WHERE o.tenant_id = consent_signal.tenant_id AND o.person_hash = consent_signal.person_hash
        AND o.kind = 'opt_out' AND (o.covers IN ('all', consent_signal.covers) OR consent_signal.covers = 'all')
        AND o.signaled_at BETWEEN consent_signal.signaled_at - interval '${OPT_OUT_WINS_MS} ms'
          AND consent_signal.signaled_at)
    THEN 'does not count: within ${OPT_OUT_WINS_MS / 1_000} s of an opt-out' ELSE note END`;

/** For each table: time, kind, ID, channel, what, rule, detail, event, message, actor, unverified. */
const SOURCES: readonly (readonly [from: string, columns: string])[] = [
  [
    'consent_signal WHERE true',
    `signaled_at AS at, 'signal' AS kind, signal_id AS id, channel, kind AS what, program AS rule, ${SIGNAL_DETAIL} AS detail,
     event_id, NULL::uuid AS message_id, actor_id, is_unverified`,
  ],
  [
    'suppression WHERE true',
    `created_at, 'suppressed', suppression_id, channel, reason, scope, '', event_id, NULL::uuid, actor_id,
     is_unverified`,
  ],
  [
    'suppression WHERE lifted_at IS NOT NULL',
    `lifted_at, 'lifted', suppression_id, channel, reason, scope, coalesce(lifted_reason, ''), lifted_by_event_id, NULL::uuid,
     coalesce(lifted_by_actor_id, ''), false`,
  ],
  [
    'decision WHERE true',
    `decided_at, 'decision', decision_id, channel, kind, rule, detail, NULL::uuid, message_id, '', false`,
  ],
  [
    'permit WHERE closed_at IS NOT NULL',
    `closed_at, 'permit_closed', permit_id, '', coalesce(outcome, ''), '', '', NULL::uuid, NULL::uuid, '', false`,
  ],
  [
    'person_link WHERE true',
    `linked_at, 'linked', group_id, '', '', '', '', NULL::uuid, NULL::uuid, actor_id, false`,
  ],
];

/** A page of each source, merged: each finds the rows of its persons by its own index. */
const PAGES = SOURCES.map(
  ([from, columns]) => `(SELECT * FROM (
      SELECT person_hash, ${columns} FROM compliance.${from} AND tenant_id = $1 AND person_hash = ANY ($2::bytea[])
    ) AS own (person_hash, at, kind, id, channel, what, rule, detail, event_id, message_id, actor_id, is_unverified)
    WHERE $3::timestamptz IS NULL OR (at, kind || id::text) < ($3, $4)
    ORDER BY at DESC, kind || id::text DESC LIMIT $5)`,
);
const TEXT = `SELECT *, at::text AS at_text, kind || id::text AS key FROM (${PAGES.join(' UNION ALL ')}) AS entry
  ORDER BY at DESC, kind || id::text DESC LIMIT $5`;

/** Of which entries the detail is what staff wrote. */
const WRITTEN: Partial<Readonly<Record<HistoryEntry['kind'], RecordPlace>>> = {
  signal: 'signal_note',
  lifted: 'lift_reason',
};

/** Everything about one person that this service knows. */
export class HistoryRead {
  constructor(private readonly seals: RecordSeals) {}

  /**
   * Latest first. @param after time and key of the last one of the page before.
   * @throws AppError `data_key.unavailable` when one says something whose key is not in memory.
   */
  async list(
    tx: Tx,
    tenantId: string,
    hashes: readonly Buffer[],
    after: { readonly at: string; readonly key: string } | undefined,
    limit: number,
  ): Promise<HistoryEntry[]> {
    const values = [tenantId, hashes, after?.at ?? null, after?.key ?? null, limit];
    const { rows } = await tx.query<Row>({ name: 'person_history', text: TEXT }, values);
    return rows.map((row) => ({
      atMs: row.at.getTime(),
      ...{ kind: row.kind, id: row.id, personHash: row.person_hash, channel: row.channel, what: row.what },
      detail: this.detailOf(tenantId, row),
      ...{ rule: row.rule, actorId: row.actor_id, at: row.at_text, key: row.key },
      eventId: row.event_id ?? undefined,
      messageId: row.message_id ?? undefined,
      isUnverified: row.is_unverified,
    }));
  }

  private detailOf(tenantId: string, { kind, id, detail }: Row): string {
    const place = WRITTEN[kind];
    return place === undefined ? detail : this.seals.open({ tenantId, place, rowId: id }, detail);
  }
}
