import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database, Tx } from './database.js';
import type { LoggerLike } from './logger-like.js';

/** Lanes of the log, fixed for life. */
export const SHARD_COUNT = 64;
const TTL_MS = 5_000;
const RENEW_MS = 1_000;
const NONE: ReadonlyMap<number, bigint> = new Map();

/** Whose leases, and how long they last. `ttlMs` must be the same in all workers of a schema. */
export interface ShardLeaseOptions {
  readonly schema: string;
  /** UUID text, new for every process. */
  readonly instanceId: string;
  /** What no two living processes have at once and the successor of a killed one has again; undefined: nothing such. */
  readonly seat: string | undefined;
  readonly ttlMs?: number;
  readonly renewMs?: number;
}

/** Told which shards came and which went. Must not throw. */
export type ShardListener = (gained: number[], lost: number[]) => void;

/**
 * Statements that make `<schema>.shard`, one row per shard, and `<schema>.worker`, one row per live worker.
 * A shard is free when its owner is nobody or no live worker.
 * @param moreColumns such as `cursor_position bigint NOT NULL DEFAULT 0`, or empty.
 */
export const SHARD_TABLE_SQL = (schema: string, moreColumns: string): string[] => [
  `CREATE TABLE ${schema}.shard (
     shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND ${SHARD_COUNT - 1}),
     epoch bigint NOT NULL DEFAULT 0,
     owner uuid${moreColumns.trim() === '' ? '' : `,\n     ${moreColumns}`}
   ) WITH (fillfactor = 50)`,
  `INSERT INTO ${schema}.shard (shard) SELECT generate_series(0, ${SHARD_COUNT - 1})`,
  `CREATE TABLE ${schema}.worker (instance_id uuid PRIMARY KEY, lease_until timestamptz NOT NULL)`,
];

/** The statement that gives `<schema>.worker` the seats of its workers, after `SHARD_TABLE_SQL`. */
export const WORKER_SEAT_SQL = (schema: string): string =>
  `ALTER TABLE ${schema}.worker ADD COLUMN seat text`;

/** What the role of the workers needs on those two tables. */
export const shardGrantsSql = (schema: string, role: string): string[] => [
  `GRANT SELECT, UPDATE ON ${schema}.shard TO ${role}`,
  `GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.worker TO ${role}`,
];

/**
 * The first statement of a transaction that works on shards: locks their rows, in shard order.
 * @param shards shard → lease epoch, as `held()` gave them when the work began.
 * @throws AppError `lease.lost` unless every shard still has that epoch. Until the transaction ends no other
 * worker can take them.
 */
export async function fence(tx: Tx, schema: string, shards: ReadonlyMap<number, bigint>): Promise<void> {
  const { rows } = await tx.query<{ shard: number; epoch: string }>(
    {
      name: `${schema}_fence`,
      text: `SELECT shard, epoch FROM ${schema}.shard WHERE shard = ANY ($1::smallint[])
             ORDER BY shard FOR NO KEY UPDATE`,
    },
    [[...shards.keys()]],
  );
  const isMine = rows.every(({ shard, epoch }) => shards.get(shard) === BigInt(epoch));
  if (rows.length !== shards.size || !isMine) throw new AppError('lease.lost');
}

/**
 * Spreads the shards fairly over the live workers of a schema.
 * Guarantee: a shard's epoch grows with every change of its owner, so `fence` stops whoever lost it. A worker that
 * does not renew in time stops counting itself as owner before anybody else can take its shards.
 * A killed worker's shards are taken by others within `ttlMs` + `renewMs`, by its successor on the same seat at once; a
 * stopped worker's within `renewMs`.
 */
export class ShardLeases {
  private readonly ttlMs: number;
  private readonly renewMs: number;
  private readonly listeners: ShardListener[] = [];
  private shards = NONE;
  private validUntilMs = 0;
  private timer: NodeJS.Timeout | undefined;
  private expiry: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private isStopped = false;
  private isFailing = false;

  constructor(
    private readonly db: Pick<Database, 'query' | 'transaction'>,
    private readonly clock: Clock,
    private readonly log: LoggerLike,
    private readonly options: ShardLeaseOptions,
  ) {
    this.ttlMs = options.ttlMs ?? TTL_MS;
    this.renewMs = options.renewMs ?? RENEW_MS;
  }

  onApplicationBootstrap(): void {
    this.running = this.loop();
  }

  /** Gives everything back at once. */
  async onApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    await this.running;
    clearTimeout(this.expiry);
    this.replace(NONE);
    try {
      await this.release();
      await this.db.query(`DELETE FROM ${this.options.schema}.worker WHERE instance_id = $1`, [
        this.options.instanceId,
      ]);
    } catch (error) {
      this.log.warn({ err: error }, 'shards not released, they expire');
    }
  }

  /** Shard → lease epoch; empty when the lease was not renewed in time by this process' own clock. */
  held(): ReadonlyMap<number, bigint> {
    return this.clock.monotonicMs() < this.validUntilMs ? this.shards : NONE;
  }

  onChange(listener: ShardListener): void {
    this.listeners.push(listener);
  }

  /** One round: renew, give back what is too much, take what is free. Called by the loop. */
  async renew(): Promise<void> {
    const { schema, instanceId } = this.options;
    const ttl = `${this.ttlMs} ms`;
    // Before the request is sent: the server's lease begins later and ends later than ours.
    const untilMs = this.clock.monotonicMs() + this.ttlMs;
    const { rowCount } = await this.db.query(
      `UPDATE ${schema}.worker SET lease_until = clock_timestamp() + $2::interval WHERE instance_id = $1`,
      [instanceId, ttl],
    );
    if (rowCount === 0) await this.register(ttl);
    // Whoever's lease ran out is no worker any more: its renewal finds no row, so it cannot miss that it lost.
    await this.db.query(`DELETE FROM ${schema}.worker WHERE lease_until < clock_timestamp()`);
    const { rows } = await this.db.query<{ workers: number; shard: number | null; epoch: string }>(
      `SELECT (SELECT count(*)::int FROM ${schema}.worker) AS workers, s.shard, s.epoch
       FROM (SELECT 1) AS always LEFT JOIN ${schema}.shard s ON s.owner = $1`,
      [instanceId],
    );
    const own = new Map(rows.flatMap(({ shard, epoch }) => (shard === null ? [] : [[shard, BigInt(epoch)]])));
    const share = Math.ceil(SHARD_COUNT / Math.max(1, rows[0]!.workers));
    const surplus = [...own.keys()].sort((a, b) => a - b).slice(share);
    for (const shard of surplus) own.delete(shard);
    if (surplus.length > 0) {
      this.accept(own, untilMs); // nobody here works on them any more before they are free
      await this.release(surplus);
    }
    if (own.size < share && !this.isStopped) {
      for (const { shard, epoch } of await this.take(share - own.size)) own.set(shard, BigInt(epoch));
    }
    this.accept(own, untilMs);
  }

  private async loop(): Promise<void> {
    try {
      await this.renew();
      if (this.isFailing) this.log.info({ count: this.shards.size }, 'shard leases are renewed again');
      this.isFailing = false;
    } catch (error) {
      if (!this.isFailing) this.log.warn({ err: error }, 'shard leases could not be renewed');
      this.isFailing = true;
    }
    if (this.isStopped) return;
    this.timer = setTimeout(() => {
      this.running = this.loop();
    }, this.renewMs);
  }

  private async register(ttl: string): Promise<void> {
    const { schema, instanceId, seat } = this.options;
    this.replace(NONE);
    await this.db.transaction(async (tx) => {
      // Whoever had this seat is dead, so it does not count itself as owner of anything either.
      if (seat !== undefined)
        await tx.query(`DELETE FROM ${schema}.worker WHERE seat = $1 AND instance_id <> $2`, [
          seat,
          instanceId,
        ]);
      await tx.query(
        `INSERT INTO ${schema}.worker (instance_id, seat, lease_until) VALUES ($1, $3, clock_timestamp() + $2::interval)
         ON CONFLICT (instance_id) DO UPDATE SET lease_until = excluded.lease_until`,
        [instanceId, ttl, seat ?? null],
      );
      // What it owned before its lease ran out is taken anew, under a new epoch, by whoever is first.
      await tx.query(this.releaseSql, [instanceId, null]);
    });
  }

  private async release(shards?: readonly number[]): Promise<void> {
    await this.db.query(this.releaseSql, [this.options.instanceId, shards ?? null]);
  }

  private get releaseSql(): string {
    const { schema } = this.options;
    return `UPDATE ${schema}.shard SET owner = NULL WHERE shard IN (
              SELECT shard FROM ${schema}.shard
              WHERE owner = $1 AND ($2::smallint[] IS NULL OR shard = ANY ($2)) ORDER BY shard FOR NO KEY UPDATE)`;
  }

  private async take(count: number): Promise<{ shard: number; epoch: string }[]> {
    const { schema, instanceId } = this.options;
    const { rows } = await this.db.query<{ shard: number; epoch: string }>(
      `UPDATE ${schema}.shard SET owner = $1, epoch = epoch + 1 WHERE shard = ANY (ARRAY(
         SELECT s.shard FROM ${schema}.shard s
         WHERE s.owner IS NULL OR NOT EXISTS (SELECT FROM ${schema}.worker w WHERE w.instance_id = s.owner)
         ORDER BY s.shard LIMIT $2 FOR NO KEY UPDATE OF s SKIP LOCKED))
       RETURNING shard, epoch`,
      [instanceId, count],
    );
    return rows;
  }

  private accept(shards: ReadonlyMap<number, bigint>, untilMs: number): void {
    this.validUntilMs = untilMs;
    this.replace(shards);
    this.watchExpiry();
  }

  private watchExpiry(): void {
    clearTimeout(this.expiry);
    const leftMs = this.validUntilMs - this.clock.monotonicMs();
    if (leftMs <= 0) return this.replace(NONE);
    this.expiry = setTimeout(() => this.watchExpiry(), Math.ceil(leftMs)).unref();
  }

  private replace(shards: ReadonlyMap<number, bigint>): void {
    const before = this.shards;
    this.shards = shards.size === 0 ? NONE : new Map(shards);
    const gained = [...shards]
      .filter(([shard, epoch]) => before.get(shard) !== epoch)
      .map(([shard]) => shard);
    const lost = [...before].filter(([shard, epoch]) => shards.get(shard) !== epoch).map(([shard]) => shard);
    if (gained.length === 0 && lost.length === 0) return;
    for (const listener of this.listeners) listener(gained, lost);
  }
}
