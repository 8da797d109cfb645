import { AppError } from '@posthorn/errors/app-error.js';
import type { LoggerLike, PostgresLogFields } from './logger-like.js';

const PAGE_MAX = 500;
const POLL_MS = 250;
/** So long at least after all was relayed: what is told meanwhile shares the four round trips of a page. */
const INTERVAL_MS = 25;
const BACKOFF_MS_MIN = 100;
const BACKOFF_MS_MAX = 5_000;

/** A service's outgoing rows, and the log that they go to. */
export interface OutgoingLink<Row extends { readonly number: bigint }> {
  /** Whether this process relays. Two at once would do no harm: the log knows each number. */
  isMine(): boolean;
  counters(): Promise<{ readonly numbered: bigint; readonly relayed: bigint }>;
  /** The rows after a number, in order. */
  page(after: bigint, limit: number): Promise<readonly Row[]>;
  /**
   * @returns the number up to which everything is in the log.
   * @throws AppError `request.invalid` when the first one can never be.
   */
  append(rows: readonly Row[]): Promise<bigint>;
  /** Everything up to that number is in the log. */
  relayed(through: bigint): Promise<void>;
  /** Rows that wait; 0 where this process does not relay. */
  onDepth(rows: number): void;
  onRefusedRow(): void;
}

/** The part of the house's logger that a relay uses. */
export interface RelayLogger extends Pick<LoggerLike, 'warn'> {
  error(fields: PostgresLogFields, message: string): void;
}

interface Rest {
  readonly end: () => void;
  readonly timer: NodeJS.Timeout;
  readonly isShortened: boolean;
}

/** Appends what a service did to the log, in the order of the numbers, each at least once. */
export class OutgoingRelay<Row extends { readonly number: bigint }> {
  private isClosed = false;
  private failures = 0;
  private running: Promise<void> | undefined;
  private rest: Rest | undefined;
  private isWoken = false;

  constructor(
    private readonly link: OutgoingLink<Row>,
    private readonly wake: { onWake(listener: () => void): void },
    private readonly log: RelayLogger,
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
        if (!hasMore) {
          await this.pause(INTERVAL_MS, false);
          await this.pause(POLL_MS, true);
        }
      } catch (err) {
        if (this.failures === 0) this.log.warn({ err, stage: 'relay' }, 'outgoing events were not relayed');
        const ceiling = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(this.failures, 10));
        this.failures += 1;
        await this.pause(ceiling * (0.5 + Math.random() / 2), false);
      }
    }
  }

  /** @returns whether more is known to wait. */
  private async relayPage(): Promise<boolean> {
    if (!this.link.isMine()) {
      this.link.onDepth(0); // counted where it is relayed
      return false;
    }
    const { numbered, relayed } = await this.link.counters();
    this.link.onDepth(Number(numbered - relayed));
    if (numbered === relayed) return false;
    const page = await this.link.page(relayed, PAGE_MAX);
    if (page.length === 0) return false;
    try {
      const through = await this.link.append(page);
      await this.link.relayed(through);
      return through < numbered;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'request.invalid') throw error;
      await this.skip(page[0]!.number, error);
      return true;
    }
  }

  /** The first of a page can never be stored: without this step nothing after it would be, either. */
  private async skip(number: bigint, err: AppError): Promise<void> {
    this.link.onRefusedRow();
    this.log.error({ err, stage: 'relay', sequence: number }, 'the log refuses an outgoing event for good');
    await this.link.relayed(number);
  }

  private stir(): void {
    this.isWoken = true;
    if (this.rest === undefined || !(this.rest.isShortened || this.isClosed)) return;
    clearTimeout(this.rest.timer);
    this.rest.end();
  }

  /** @param isShortened whether a wake ends it, a past one too; others are only ended by the shutdown. */
  private async pause(ms: number, isShortened: boolean): Promise<void> {
    if (this.isClosed || (isShortened && this.isWoken)) return;
    await new Promise<void>((end) => {
      const timer = setTimeout(end, ms);
      this.rest = { end, timer, isShortened };
    });
    this.rest = undefined;
  }
}
