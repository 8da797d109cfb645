import { derivedUuid, formatId, idOfUuid, uuidBytes, uuidOfId, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { decodeCursor, encodeCursor } from '@posthorn/postgres/cursor.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { type DeliveryState } from '../domain/delivery-state.js';
import { type AttemptView, type DeliveryView } from '../domain/delivery-view.js';
import type { ReaderDatabase } from './databases.js';

/** What to list; undefined = any. Times in Unix milliseconds, of the fact's event; `toMs` does not belong to it. */
export interface DeliveryFilter {
  readonly eventUuid: string | undefined;
  readonly destinationUuid: string | undefined;
  /** Of dead letters only: nothing but the fact itself names it. */
  readonly sourceUuid?: string | undefined;
  readonly state: DeliveryState | undefined;
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
}

/** One page, newest first. */
export interface DeliveryPage {
  readonly deliveries: DeliveryView[];
  readonly nextCursor: string;
}

interface ViewRow {
  readonly delivery_id: string;
  readonly fact_id: string;
  readonly event_id: string;
  readonly destination_id: string;
  readonly type: string;
  readonly state: DeliveryState;
  readonly attempt_count: number;
  readonly next_attempt_at: Date | number;
  readonly created_at: Date;
  readonly finished_at: Date | null;
}

interface AttemptRow {
  readonly delivery_id: string;
  readonly number: number;
  readonly started_at: Date;
  readonly duration_ms: number;
  readonly status_code: number;
  readonly outcome: string;
  readonly detail: string;
}

const COLUMNS = `delivery_id, fact_id, event_id, destination_id, type, state, attempt_count, next_attempt_at,
  created_at, finished_at`;
const ATTEMPTS_MAX = 1_000;
/** Of each delivery of a page, the latest; all of them stand beside the single delivery. */
const LISTED_ATTEMPTS_MAX = 20;

/** Of a message, a field of bytes: its number and kind, their length. */
const SOURCE_ID_TAG = (6 << 3) | 2;
const UUID_BYTES = 16;

/**
 * A source's ID as it stands in the bytes of a fact: 18 bytes, of which no other place has 16 by chance.
 * Why not a column: every delivery would pay for what is asked of dead letters only.
 */
export const sourceField = (uuid: string): Buffer =>
  Buffer.concat([Buffer.from([SOURCE_ID_TAG, UUID_BYTES]), uuidBytes(uuid)]);

/** The lowest ID of a moment: a bound on it is a bound on the time, and lets Postgres skip other days. */
export function firstUuidOf(ms: number): string {
  const uuid = Buffer.alloc(16);
  uuid.writeUIntBE(Math.max(0, Math.floor(ms)), 0, 6);
  return uuidText(uuid);
}

/** Reads for the API, each in a transaction in which row-level security shows one tenant only. */
export class DeliveryRead {
  constructor(private readonly db: Pick<ReaderDatabase, 'tenantTransaction'>) {}

  /** @param tenantUuid UUID text. @param limit rows. @param cursor empty = from the newest. */
  async list(
    tenantUuid: string,
    filter: DeliveryFilter,
    limit: number,
    cursor: string,
  ): Promise<DeliveryPage> {
    const values: unknown[] = [tenantUuid];
    const where = ['tenant_id = $1::uuid'];
    const add = (condition: string, value: unknown): void => {
      values.push(value);
      where.push(condition.replace('?', `$${values.length}`));
    };
    if (filter.eventUuid !== undefined) add('event_id = ?::uuid', filter.eventUuid);
    if (filter.destinationUuid !== undefined) add('destination_id = ?::uuid', filter.destinationUuid);
    if (filter.sourceUuid !== undefined)
      add('position(?::bytea in fact) > 0', sourceField(filter.sourceUuid));
    // Written out, not a parameter: only then the partial index of dead letters can be used.
    if (filter.state === 'dead') where.push("state = 'dead'");
    else if (filter.state !== undefined) add('state = ?', filter.state);
    if (filter.fromMs !== undefined) add('delivery_id >= ?::uuid', firstUuidOf(filter.fromMs));
    if (filter.toMs !== undefined) add('delivery_id < ?::uuid', firstUuidOf(filter.toMs));
    if (cursor !== '') add('delivery_id < ?::uuid', uuidOfCursor(cursor));
    values.push(limit + 1);
    return this.db.tenantTransaction(tenantUuid, async (tx) => {
      const { rows } = await tx.query<ViewRow>(
        `SELECT ${COLUMNS} FROM dispatch.delivery WHERE ${where.join(' AND ')}
         ORDER BY delivery_id DESC LIMIT $${values.length}`,
        values,
      );
      const page = rows.slice(0, limit);
      const attempts = await attemptsOf(
        tx,
        tenantUuid,
        page.map(({ delivery_id }) => delivery_id),
      );
      const deliveries = page.map((row) => viewOf(row, attempts.get(row.delivery_id) ?? []));
      const nextCursor = rows.length > limit ? encodeCursor([deliveries.at(-1)!.id]) : '';
      return { deliveries, nextCursor };
    });
  }

  /** With every attempt. @throws AppError `delivery.not_found` */
  async get(tenantUuid: string, deliveryUuid: string): Promise<DeliveryView> {
    return this.db.tenantTransaction(tenantUuid, async (tx) => {
      const [delivery, attempts] = await Promise.all([
        tx.query<ViewRow>(
          {
            name: 'get_delivery',
            text: `SELECT ${COLUMNS} FROM dispatch.delivery WHERE tenant_id = $1::uuid AND delivery_id = $2::uuid`,
          },
          [tenantUuid, deliveryUuid],
        ),
        attemptsOf(tx, tenantUuid, [deliveryUuid]),
      ]);
      const row = delivery.rows[0];
      if (row === undefined) throw new AppError('delivery.not_found');
      return viewOf(row, attempts.get(deliveryUuid) ?? []);
    });
  }
}

/** The latest attempts of each delivery, oldest first. @param deliveryUuids newest first. */
async function attemptsOf(
  tx: Tx,
  tenantUuid: string,
  deliveryUuids: readonly string[],
): Promise<ReadonlyMap<string, AttemptView[]>> {
  const attempts = new Map<string, AttemptView[]>();
  if (deliveryUuids.length === 0) return attempts;
  const { rows } = await tx.query<AttemptRow>(
    {
      name: 'get_attempts',
      text: `SELECT a.delivery_id, a.number, a.started_at, a.duration_ms, a.status_code, a.outcome, a.detail
             FROM unnest($2::uuid[]) d (delivery_id) CROSS JOIN LATERAL (
               SELECT delivery_id, number, started_at, duration_ms, status_code, outcome, detail
               FROM dispatch.attempt
               WHERE tenant_id = $1::uuid AND delivery_id = d.delivery_id ORDER BY number DESC LIMIT $3
             ) a ORDER BY a.delivery_id, a.number`,
    },
    [tenantUuid, deliveryUuids, deliveryUuids.length === 1 ? ATTEMPTS_MAX : LISTED_ATTEMPTS_MAX],
  );
  for (const row of rows) {
    const known = attempts.get(row.delivery_id);
    if (known === undefined) attempts.set(row.delivery_id, [attemptOf(row)]);
    else known.push(attemptOf(row));
  }
  return attempts;
}

const attemptOf = (row: AttemptRow): AttemptView => ({
  id: formatId('att', derivedUuid(row.started_at.getTime(), uuidBytes(row.delivery_id), String(row.number))),
  number: row.number,
  startedAtMs: row.started_at.getTime(),
  durationMs: row.duration_ms,
  statusCode: row.status_code,
  outcome: row.outcome,
  detail: row.detail,
});

const viewOf = (row: ViewRow, attempts: readonly AttemptView[]): DeliveryView => ({
  id: idOfUuid('dlv', row.delivery_id),
  factId: idOfUuid('fct', row.fact_id),
  eventId: idOfUuid('evt', row.event_id),
  destinationId: idOfUuid('dst', row.destination_id),
  type: row.type,
  state: row.state,
  attemptCount: row.attempt_count,
  // Nothing is planned for what is finished, nor a time for what waits behind another of its key (infinity).
  nextAttemptAtMs:
    row.finished_at === null && row.next_attempt_at instanceof Date ? row.next_attempt_at.getTime() : 0,
  createdAtMs: row.created_at.getTime(),
  finishedAtMs: row.finished_at?.getTime() ?? 0,
  attempts,
});

function uuidOfCursor(cursor: string): string {
  const uuid = uuidOfId('dlv', decodeCursor(cursor, 1)[0]!);
  if (uuid === undefined) {
    throw new AppError('request.invalid', {
      fields: [{ path: 'query.cursor', message: 'must be the next_cursor of an earlier answer' }],
    });
  }
  return uuid;
}
