import type { Clock } from '@posthorn/clock/clock.js';
import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { wakeSubject } from '@posthorn/jetstream/subjects.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { type Command } from '../domain/command.js';
import { type Delivery } from '../domain/delivery.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { DeliveryLeases } from '../persistence/delivery-leases.js';
import type { DueCursor, DuePage } from '../persistence/due-page.js';

const POLL_MS = 500;
const ROWS_PER_SHARD_MAX = 64;
const FIRST = { dueAt: '-infinity', id: '00000000-0000-0000-0000-000000000000' };

/** Where what is due is stored. */
export interface DueStore<Item> {
  /** @param without UUID texts of lanes that take no more for now. @param limit rows per shard. */
  due(
    tx: Pick<Tx, 'query'>,
    held: ReadonlyMap<number, bigint>,
    cursors: readonly DueCursor[],
    without: readonly string[],
    nowMs: number,
    limit: number,
  ): Promise<DuePage<Item>>;
}

/** Where it is worked on. */
export interface DueLine<Item> {
  /** How many more find room at most. */
  readonly room: number;
  /** Lanes (UUID text) that take no more for now. */
  fullLanes(): string[];
  onRoom(listener: () => void): void;
  /** From here until `endLoad` a page may show what is finished meanwhile. */
  beginLoad(): void;
  endLoad(): void;
  offer(items: readonly Item[]): unknown;
}

/** Wakes the loaders of every process; a lost word costs one poll. */
export const DELIVERIES_WAKE = wakeSubject('dispatcher');
export const COMMANDS_WAKE = wakeSubject('dispatcher.commands');

/**
 * Brings what is due from the store into memory: retries whose time has come, what found no room when it
 * was committed, what another process left behind, what somebody put back in line.
 * Each round goes through the due index of the held shards once, in pages, and past what has no room.
 */
class LoadDue<Item> {
  /** Where this round is; a shard that is not in here is through. */
  private readonly cursors = new Map<number, DueCursor>();
  private isRoundOpen = false;
  private wakeUp: (() => void) | undefined;
  private isWoken = false;
  private isStopped = false;
  private isFailing = false;
  private running: Promise<void> | undefined;

  constructor(
    private readonly db: Pick<WorkerDatabase, 'query'>,
    private readonly store: DueStore<Item>,
    private readonly leases: Pick<DeliveryLeases, 'held' | 'onChange'>,
    private readonly line: DueLine<Item>,
    private readonly link: Pick<NatsLink, 'subscribe'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
    private readonly subject: string,
  ) {}

  onApplicationBootstrap(): void {
    this.leases.onChange((gained) => gained.length > 0 && this.wake());
    this.line.onRoom(() => this.wake());
    this.link.subscribe(this.subject, () => this.wake());
    this.running = this.run();
  }

  /** Resolves when the page that is being read is through. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.wake();
    await this.running;
  }

  private wake(): void {
    this.isWoken = true;
    this.wakeUp?.();
  }

  private async run(): Promise<void> {
    while (!this.isStopped) {
      let hasMore = false;
      try {
        hasMore = await this.loadPage();
        this.isFailing = false;
      } catch (error) {
        if (!this.isFailing) this.log.warn({ err: error }, 'what is due cannot be read; trying again');
        this.isFailing = true;
        this.isWoken = false;
      }
      if (!hasMore) await this.pause();
    }
  }

  /** @returns whether the round goes on at once. */
  private async loadPage(): Promise<boolean> {
    const held = this.leases.held();
    if (held.size === 0 || this.line.room <= 0) return false;
    if (!this.isRoundOpen) {
      for (const shard of held.keys()) this.cursors.set(shard, { shard, ...FIRST });
      this.isRoundOpen = true;
    }
    for (const shard of this.cursors.keys()) if (!held.has(shard)) this.cursors.delete(shard);
    this.line.beginLoad();
    try {
      const without = this.line.fullLanes();
      const cursors = [...this.cursors.values()];
      const nowMs = this.clock.nowMs();
      const page = await this.store.due(this.db, held, cursors, without, nowMs, ROWS_PER_SHARD_MAX);
      for (const { shard } of cursors) {
        const isFull = page.rowsOfShard.get(shard) === ROWS_PER_SHARD_MAX;
        if (isFull) this.cursors.set(shard, page.cursors.get(shard)!);
        else this.cursors.delete(shard);
      }
      this.line.offer(page.items);
    } finally {
      this.line.endLoad();
    }
    this.isRoundOpen = this.cursors.size > 0;
    return this.isRoundOpen;
  }

  private async pause(): Promise<void> {
    if (!this.isWoken && !this.isStopped) {
      await new Promise<void>((done) => {
        const timer = setTimeout(done, POLL_MS);
        this.wakeUp = () => {
          clearTimeout(timer);
          done();
        };
      });
    }
    this.wakeUp = undefined;
    this.isWoken = false;
  }
}

/** Brings due deliveries into memory. */
export class LoadDeliveries extends LoadDue<Delivery> {}

/** Brings due commands into memory. */
export class LoadCommands extends LoadDue<Command> {}
