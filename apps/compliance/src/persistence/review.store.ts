import { BatchInsert } from '@posthorn/postgres/batch-insert.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { Person } from '../domain/person.js';
import type { RecordSeals } from '../domain/record-seals.js';
import type { Review, ReviewState } from '../domain/review.js';

/** Reviews of one transaction. */
const REVIEWS_MAX = 512;

interface Row {
  readonly event_id: string;
  readonly person_hash: Buffer;
  readonly channel: string;
  readonly confidence: 'high' | 'low';
  readonly state: ReviewState;
  readonly created_at: Date;
  readonly decided_at: Date | null;
  readonly decided_by: string | null;
}

const COLUMNS = 'event_id, person_hash, channel, confidence, state, created_at, decided_at, decided_by';

/** A review that is to be made. */
export interface NewReview {
  readonly person: Person;
  readonly eventId: string;
  readonly channel: string;
  readonly confidence: 'high' | 'low';
  readonly createdAtMs: number;
}

const insert = new BatchInsert<NewReview>({
  name: 'review',
  into: 'compliance.review',
  columns: [
    { name: 'tenant_id', type: 'uuid' },
    { name: 'event_id', type: 'uuid' },
    { name: 'person_hash', type: 'bytea' },
    { name: 'channel', type: 'text' },
    { name: 'confidence', type: 'text' },
    { name: 'created_at', type: 'timestamptz' },
  ],
  suffix: 'ON CONFLICT (tenant_id, event_id) DO NOTHING',
  rowsMax: REVIEWS_MAX,
});

/** What the phrase tier took for an opt-out, and what a person said to that. */
export class ReviewStore {
  constructor(private readonly seals: RecordSeals) {}

  async add(tx: Tx, reviews: readonly NewReview[]): Promise<void> {
    await insert.run(tx, reviews, (one) => [
      ...[one.person.tenantId, one.eventId, one.person.hash, one.channel, one.confidence],
      new Date(one.createdAtMs),
    ]);
  }

  async find(tx: Tx, tenantId: string, eventId: string): Promise<Review | undefined> {
    const { rows } = await tx.query<Row>(
      {
        name: 'find_review',
        text: `SELECT ${COLUMNS} FROM compliance.review WHERE tenant_id = $1 AND event_id = $2`,
      },
      [tenantId, eventId],
    );
    return rows.map(reviewOf)[0];
  }

  /**
   * The note is sealed. @returns the review as it is now, or undefined when somebody has decided it before.
   * @throws AppError `data_key.unavailable`.
   */
  async decide(
    tx: Tx,
    key: { readonly tenantId: string; readonly eventId: string },
    by: {
      readonly state: ReviewState;
      readonly actorId: string;
      readonly note: string;
      readonly atMs: number;
    },
  ): Promise<Review | undefined> {
    const at = { tenantId: key.tenantId, place: 'review_note', rowId: key.eventId } as const;
    const note = this.seals.seal(at, by.note);
    const { rows } = await tx.query<Row>(
      {
        name: 'decide_review',
        text: `UPDATE compliance.review SET state = $3, decided_by = $4, note = $5, decided_at = $6
               WHERE tenant_id = $1 AND event_id = $2 AND state = 'open' RETURNING ${COLUMNS}`,
      },
      [key.tenantId, key.eventId, by.state, by.actorId, note, new Date(by.atMs)],
    );
    return rows.map(reviewOf)[0];
  }

  /** Newest first. @param before UUID text of the last one of the page before. */
  async list(
    tx: Tx,
    tenantId: string,
    state: string,
    before: string | undefined,
    limit: number,
  ): Promise<Review[]> {
    const { rows } = await tx.query<Row>(
      {
        name: 'list_reviews',
        text: `SELECT ${COLUMNS} FROM compliance.review
               WHERE tenant_id = $1 AND ($2 = '' OR state = $2) AND ($3::uuid IS NULL OR event_id < $3)
               ORDER BY event_id DESC LIMIT $4`,
      },
      [tenantId, state, before ?? null, limit],
    );
    return rows.map(reviewOf);
  }
}

const reviewOf = (row: Row): Review => ({
  eventId: row.event_id,
  personHash: row.person_hash,
  channel: row.channel,
  confidence: row.confidence,
  state: row.state,
  createdAtMs: row.created_at.getTime(),
  decidedAtMs: row.decided_at?.getTime() ?? 0,
  decidedBy: row.decided_by ?? '',
});
