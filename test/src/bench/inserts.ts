import { randomFillSync } from 'node:crypto';
import pg from 'pg';
import { uuidText } from '../wire/ids.js';
import { monotonicMs } from '../wire/time.js';

const RAW_EXTRA_BYTES = 400; // method, target, headers and the seal around a body
const CONTENT_BYTES = 140;
const ATTRIBUTES_BYTES = 90;
const SHARDS = 64;
const TENANTS = 8;
const BATCH_ROWS = 64;
const BATCH_CLIENTS = 4;
const SINGLE_CLIENTS = 64;
const RAW = ['tenant_id', 'request_id', 'source_id', 'data_key_id', 'received_at', 'body'];
const CONTENT = ['tenant_id', 'event_id', 'person_hash', 'data_key_id', 'body'];
const DEDUP = ['tenant_id', 'source_id', 'dedup_hash', 'event_id'];
const LOG = [
  ...['shard', 'tenant_id', 'event_id', 'source_id', 'request_id', 'type', 'provider', 'provider_event_id'],
  ...['person_hash', 'received_at', 'traceparent', 'attributes'],
];

const pool = Buffer.alloc(65_536);
let poolAt = pool.length;

function randomBytes(count: number): Buffer {
  if (poolAt + count > pool.length) {
    randomFillSync(pool);
    poolAt = 0;
  }
  poolAt += count;
  return Buffer.from(pool.subarray(poolAt - count, poolAt));
}

/** A UUID of now: time first, as all our keys are. */
function newUuid(): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return uuidText(bytes);
}

const tenantOf = (n: number): string => `00000000-0000-7000-8000-00000000000${n % TENANTS}`;

interface EventRows {
  readonly dedup: unknown[];
  readonly raw: unknown[];
  readonly content: unknown[];
  readonly log: unknown[];
}

/** The four rows of one event, of the sizes that ours have. */
function rowsOf(n: number, body?: Buffer): EventRows {
  const [tenant, event, request, source] = [tenantOf(n), newUuid(), newUuid(), tenantOf(n)];
  const [person, now, key] = [randomBytes(16), new Date(), tenantOf(n)];
  const raw = Buffer.concat([randomBytes(RAW_EXTRA_BYTES), body ?? randomBytes(1_024)]);
  const trace = `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`;
  return {
    dedup: [tenant, source, randomBytes(16), event],
    raw: [tenant, request, source, key, now, raw],
    content: [tenant, event, person, key, randomBytes(CONTENT_BYTES)],
    log: [
      ...[n % SHARDS, tenant, event, source, request, 'message.sent', 'standard-webhooks', `evt-${n}`],
      ...[person, now, trace, randomBytes(ATTRIBUTES_BYTES)],
    ],
  };
}

function insertText(table: string, columns: readonly string[], rows: number, first = 1): string {
  let parameter = first;
  const tuple = (): string => `(${columns.map(() => `$${parameter++}`).join(',')})`;
  return `INSERT INTO events.${table} (${columns.join(',')}) VALUES ${Array.from({ length: rows }, tuple).join(',')}`;
}

const CONFLICT = ' ON CONFLICT DO NOTHING';
const ONE = {
  name: 'bench_one',
  text: `WITH d AS (${insertText('dedup', DEDUP, 1)}${CONFLICT}),
    r AS (${insertText('raw', RAW, 1, 5)}), c AS (${insertText('content', CONTENT, 1, 11)})
    ${insertText('event_log', LOG, 1, 16)}`,
};
const BATCH = {
  dedup: { name: 'bench_dedup', text: insertText('dedup', DEDUP, BATCH_ROWS) + CONFLICT },
  raw: { name: 'bench_raw', text: insertText('raw', RAW, BATCH_ROWS) },
  content: { name: 'bench_content', text: insertText('content', CONTENT, BATCH_ROWS) },
  log: { name: 'bench_log', text: insertText('event_log', LOG, BATCH_ROWS) },
};

/** One event in a transaction of its own: one statement, one commit. */
export async function insertOne(db: pg.Pool | pg.ClientBase, n: number, body?: Buffer): Promise<void> {
  const { dedup, raw, content, log } = rowsOf(n, body);
  await (db as pg.ClientBase).query({ ...ONE, values: [...dedup, ...raw, ...content, ...log] });
}

async function insertBatch(db: pg.ClientBase, first: number): Promise<void> {
  const rows = Array.from({ length: BATCH_ROWS }, (_value, at) => rowsOf(first + at));
  rows.sort((a, b) => Buffer.compare(a.dedup[2] as Buffer, b.dedup[2] as Buffer));
  await db.query('BEGIN');
  for (const table of ['dedup', 'raw', 'content', 'log'] as const)
    await db.query({ ...BATCH[table], values: rows.flatMap((row) => row[table]) });
  await db.query('COMMIT');
}

/** What inserting alone reaches. */
export interface InsertResult {
  readonly rowsPerSecond: number;
  readonly rows: number;
}

/** 64 rows a transaction, 4 clients: what the batches of the platform come to, without the platform. */
export const insertBatches = (url: string, durationMs: number): Promise<InsertResult> =>
  inParallel(url, BATCH_CLIENTS, durationMs, BATCH_ROWS, insertBatch);

/** One commit an event, 64 clients. */
export const insertSingly = (url: string, durationMs: number): Promise<InsertResult> =>
  inParallel(url, SINGLE_CLIENTS, durationMs, 1, (db, n) => insertOne(db, n));

async function inParallel(
  url: string,
  clients: number,
  durationMs: number,
  rowsEach: number,
  insert: (db: pg.ClientBase, n: number) => Promise<void>,
): Promise<InsertResult> {
  const connections = Array.from({ length: clients }, () => new pg.Client({ connectionString: url }));
  await Promise.all(connections.map((client) => client.connect()));
  const startMs = monotonicMs();
  let rows = 0;
  await Promise.all(
    connections.map(async (client) => {
      while (monotonicMs() - startMs < durationMs) {
        const first = rows;
        rows += rowsEach;
        await insert(client, first);
      }
    }),
  );
  const rowsPerSecond = (rows * 1000) / (monotonicMs() - startMs);
  await Promise.all(connections.map((client) => client.end()));
  return { rowsPerSecond, rows };
}
