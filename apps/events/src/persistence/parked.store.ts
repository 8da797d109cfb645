import { uuidBytes } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database, Statement, Tx } from '@posthorn/postgres/database.js';
import type { LoggedEvent } from '../domain/project-event.js';
import { LOG_COLUMNS, loggedEvent, type LogRow } from './log.read.js';
import { int2Array, int8Array, uuidArray } from '@posthorn/postgres/pg-arrays.js';

/** A source of which events of one lane wait. */
export interface WaitingSource {
  readonly shard: number;
  /** 16 bytes. */
  readonly sourceId: Buffer;
}

/** Sources that wait, of all lanes; the rest is seen once some of these are done. */
const SOURCES_MAX = 10_000;

const PARK: Statement = {
  name: 'parked_add',
  text: `INSERT INTO events.parked (tenant_id, event_id, source_id, shard, xid, position)
         SELECT tenant_id, event_id, source_id, shard, xid::text::xid8, position
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int2[], $5::int8[], $6::int8[])
           AS p (tenant_id, event_id, source_id, shard, xid, position)`,
};
const UNPARK: Statement = {
  name: 'parked_remove',
  text: `DELETE FROM events.parked p USING unnest($1::uuid[], $2::uuid[]) AS k (tenant_id, event_id)
         WHERE p.tenant_id = k.tenant_id AND p.event_id = k.event_id`,
};
/** One index step each: the sources are few, their events may be millions. */
const SOURCES: Statement = {
  name: 'parked_sources',
  text: `
WITH RECURSIVE w AS (
  (SELECT shard, source_id FROM events.parked ORDER BY shard, source_id LIMIT 1)
  UNION ALL
  SELECT n.shard, n.source_id FROM w CROSS JOIN LATERAL (
    SELECT p.shard, p.source_id FROM events.parked p WHERE (p.shard, p.source_id) > (w.shard, w.source_id)
    ORDER BY p.shard, p.source_id LIMIT 1
  ) n
)
SELECT shard, source_id FROM w LIMIT ${SOURCES_MAX}`,
};
const NEXT: Statement = {
  name: 'parked_next',
  text: `
SELECT ${LOG_COLUMNS}
FROM unnest($1::int2[], $2::uuid[]) WITH ORDINALITY AS w (shard, source_id, ordinal)
CROSS JOIN LATERAL (
  SELECT p.tenant_id, p.event_id, p.xid, p.position FROM events.parked p
  WHERE p.shard = w.shard AND p.source_id = w.source_id ORDER BY p.xid, p.position LIMIT $3::int
) p
JOIN events.event_log e ON e.tenant_id = p.tenant_id AND e.event_id = p.event_id
ORDER BY w.ordinal, p.xid, p.position
LIMIT $4::int`,
};

/** Lets events wait beside their lane's cursor. Within the transaction that moves it past them. */
export async function park(tx: Pick<Tx, 'query'>, events: readonly LoggedEvent[]): Promise<void> {
  await tx.query(PARK, [
    ...nameColumns(events),
    uuidArray(events.map(({ sourceId }) => sourceId)),
    int2Array(events.map(({ shard }) => shard)),
    int8Array(events.map(({ xid }) => xid)),
    int8Array(events.map(({ position }) => position)),
  ]);
}

/** @throws AppError `lease.lost` unless every one of them still waited: whoever took one has projected it. */
export async function unpark(tx: Pick<Tx, 'query'>, events: readonly LoggedEvent[]): Promise<void> {
  const { rowCount } = await tx.query(UNPARK, nameColumns(events));
  if (rowCount !== events.length)
    throw new AppError('lease.lost', { detail: 'an event does not wait any more' });
}

/** What waits beside the cursors. */
export class ParkedRead {
  constructor(private readonly db: Pick<Database, 'query'>) {}

  /** Of which sources events wait, in every lane. */
  async sources(): Promise<WaitingSource[]> {
    const { rows } = await this.db.query<{ shard: number; source_id: string }>(SOURCES);
    return rows.map(({ shard, source_id }) => ({ shard, sourceId: uuidBytes(source_id) }));
  }

  /** The oldest events of these, each source's in the order of the log. */
  async next(
    sources: readonly WaitingSource[],
    perSourceMax: number,
    eventsMax: number,
  ): Promise<LoggedEvent[]> {
    const { rows } = await this.db.query<LogRow>(NEXT, [
      int2Array(sources.map(({ shard }) => shard)),
      uuidArray(sources.map(({ sourceId }) => sourceId)),
      perSourceMax,
      eventsMax,
    ]);
    return rows.map((row) => ({ ...loggedEvent(row), parking: 'out' as const }));
  }
}

const nameColumns = (events: readonly LoggedEvent[]): Buffer[] => [
  uuidArray(events.map(({ tenantId }) => tenantId)),
  uuidArray(events.map(({ eventId }) => eventId)),
];
