import { AppError } from '@posthorn/errors/app-error.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { EventsClient } from '../clients/events.client.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { DeliveryLeases } from '../persistence/delivery-leases.js';
import type { OutgoingStore } from '../persistence/outgoing.store.js';
import type { CommandMetrics } from './command-metrics.js';
import type { RelayWake } from './relay-wake.js';

/** Whoever holds this shard relays. Two at once would do no harm: the log knows each number. */
const RELAY_SHARD = 0;
const PAGE_MAX = 500;
const POLL_MS = 250;
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 5_000;

/** Appends what this service did to the log, in the order of the numbers, each at least once. */
export class RelayOutgoing {
  private isClosed = false;
  private failures = 0;
  private running: Promise<void> | undefined;
  private rest: { readonly end: () => void; readonly timer: NodeJS.Timeout } | undefined;
  private isWoken = false;

  constructor(
    private readonly db: Pick<WorkerDatabase, 'query' | 'transaction'>,
    private readonly store: OutgoingStore,
    private readonly events: Pick<EventsClient, 'append'>,
    private readonly leases: Pick<DeliveryLeases, 'held'>,
    private readonly wake: RelayWake,
    private readonly metrics: CommandMetrics,
    private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.wake.onWake(() => this.stir());
    this.running = this.run();
  }

  /** Ends after the page that is being relayed. */
  async stop(): Promise<void> {
    this.isClosed = true;
    this.stir();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.isClosed) {
      this.isWoken = false;
      try {
        const hasMore = await this.relayPage();
        this.failures = 0;
        if (!hasMore) await this.pause(POLL_MS, true);
      } catch (err) {
        if (this.failures === 0) this.log.warn({ err, stage: 'relay' }, 'outgoing events were not relayed');
        const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(this.failures, 10));
        this.failures += 1;
        await this.pause(ceiling * (0.5 + Math.random() / 2), false);
      }
    }
  }

  private async relayPage(): Promise<boolean> {
    if (!this.leases.held().has(RELAY_SHARD)) {
      this.metrics.setOutgoing(0); // counted where it is relayed
      return false;
    }
    const { numbered, relayed } = await this.store.counters(this.db);
    this.metrics.setOutgoing(Number(numbered - relayed));
    if (numbered === relayed) return false;
    const page = await this.store.page(this.db, relayed, PAGE_MAX);
    if (page.length === 0) return false;
    try {
      await this.done(await this.events.append(page));
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'request.invalid') throw error;
      await this.skip(page[0]!.number, error);
    }
    return true;
  }

  /** The first of a page can never be stored: without this step nothing after it would be, either. */
  private async skip(number: bigint, err: AppError): Promise<void> {
    this.metrics.onRefusedRow();
    this.log.error({ err, stage: 'relay', sequence: number }, 'the log refuses an outgoing event for good');
    await this.done(number);
  }

  private async done(through: bigint): Promise<void> {
    await this.db.transaction((tx) => this.store.relayed(tx, through));
  }

  private stir(): void {
    this.isWoken = true;
    if (this.rest === undefined) return;
    clearTimeout(this.rest.timer);
    this.rest.end();
  }

  /** @param isShortened whether a wake ends it; a pause after a failure is only ended by the shutdown. */
  private async pause(ms: number, isShortened: boolean): Promise<void> {
    if (this.isClosed || (isShortened && this.isWoken)) return;
    await new Promise<void>((end) => {
      const timer = setTimeout(end, ms);
      if (isShortened) this.rest = { end, timer };
    });
    this.rest = undefined;
  }
}
