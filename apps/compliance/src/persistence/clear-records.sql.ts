import { type RecordPlace, SEALED_PREFIX } from '../domain/record-seals.js';

/** Where words about persons are, and which of them stand in the clear. */
interface ClearPlace {
  readonly table: string;
  /** Follows tenant_id in the primary key. */
  readonly id: string;
  readonly column: string;
  /** SQL. Indexes are made of it, in migrations: it is never changed. */
  readonly isClear: string;
}

const isText = (column: string): string => `${column} <> '' AND ${column} NOT LIKE '${SEALED_PREFIX}%'`;

/** Reasons that are words of ours: what signal ended it, or that a mail came through. */
const OUR_REASONS = ['opt_out', 'opt_in', 'lift', 'pending', 'grant', 'delivered'];

/** Why not NOT and `?`: the planner would take nearly every row for one, and read the table instead of its index. */
const IS_CLEAR_PROOF = `proof ->> 'sealed' IS NULL`;

export const CLEAR_RECORDS: Readonly<Record<RecordPlace, ClearPlace>> = {
  proof: { table: 'consent_proof', id: 'signal_id', column: 'proof', isClear: IS_CLEAR_PROOF },
  signal_note: { table: 'consent_signal', id: 'signal_id', column: 'note', isClear: isText('note') },
  lift_reason: {
    ...{ table: 'suppression', id: 'suppression_id', column: 'lifted_reason' },
    isClear: `${isText('lifted_reason')} AND lifted_reason NOT IN (${OUR_REASONS.map((one) => `'${one}'`).join(', ')})`,
  },
  review_note: { table: 'review', id: 'event_id', column: 'note', isClear: isText('note') },
};
