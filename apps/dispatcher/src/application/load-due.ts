import type { Clock } from '@posthorn/clock/clock.js';
import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { wakeSubject } from '@posthorn/jetstream/subjects.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { DeliveryLeases } from '../persistence/delivery-leases.js';
import type { DeliveryStore, DueCursor } from '../persistence/delivery.store.js';
import type { RunDeliveries } from './run-deliveries.js';

const POLL_MS = 500;
const ROWS_PER_SHARD_MAX = 64;
const FIRST = { nextAttemptAt: '-infinity', deliveryId: '00000000-0000-0000-0000-000000000000' };

/**
 * Brings due deliveries from the store into memory: retries whose time has come, what found no room when it
 * was committed, what another process left behind, what somebody put back in line.
 * Each round goes through the due index of the held shards once, in pages, and past what has no room.
 */
export class LoadDue {
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
    private readonly store: Pick<DeliveryStore, 'due'>,
    private readonly leases: Pick<DeliveryLeases, 'held' | 'onChange'>,
    private readonly deliveries: RunDeliveries,
    private readonly link: Pick<NatsLink, 'subscribe'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
  ) {}

  onApplicationBootstrap(): void {
    this.leases.onChange((gained) => gained.length > 0 && this.wake());
    this.deliveries.onRoom(() => this.wake());
    this.link.subscribe(wakeSubject('dispatcher'), () => this.wake());
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
        if (!this.isFailing) this.log.warn({ err: error }, 'due deliveries cannot be read; trying again');
        this.isFailing = true;
        this.isWoken = false;
      }
      if (!hasMore) await this.pause();
    }
  }

  /** @returns whether the round goes on at once. */
  private async loadPage(): Promise<boolean> {
    const held = this.leases.held();
    if (held.size === 0 || this.deliveries.room <= 0) return false;
    if (!this.isRoundOpen) {
      for (const shard of held.keys()) this.cursors.set(shard, { shard, ...FIRST });
      this.isRoundOpen = true;
    }
    for (const shard of this.cursors.keys()) if (!held.has(shard)) this.cursors.delete(shard);
    this.deliveries.beginLoad();
    try {
      const without = this.deliveries.fullDestinations();
      const cursors = [...this.cursors.values()];
      const nowMs = this.clock.nowMs();
      const page = await this.store.due(this.db, held, cursors, without, nowMs, ROWS_PER_SHARD_MAX);
      for (const { shard } of cursors) {
        const isFull = page.rowsOfShard.get(shard) === ROWS_PER_SHARD_MAX;
        if (isFull) this.cursors.set(shard, page.cursors.get(shard)!);
        else this.cursors.delete(shard);
      }
      this.deliveries.offer(page.deliveries);
    } finally {
      this.deliveries.endLoad();
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
