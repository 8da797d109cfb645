import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { Erased, ErasureStore } from '../persistence/erasure.store.js';
import type { OutgoingStore } from '../persistence/outgoing.store.js';

const FIRST = '00000000-0000-0000-0000-000000000000';
/** As long as one page of the relay may take. */
const RELAYED_WITHIN_MS = 5_000;
const RELAYED_POLL_MS = 25;

/** Erases what commands to a person say. */
export class ErasePerson {
  constructor(
    private readonly db: Pick<WorkerDatabase, 'query' | 'transaction'>,
    private readonly store: ErasureStore,
    private readonly outgoing: Pick<OutgoingStore, 'counters'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'info'>,
  ) {}

  /**
   * Page after page, each for good. Again, it finds only what came since.
   * Once it has answered, no content that it took away is on its way into the log: who erases the log next finds all.
   * @param tenantUuid UUID text. @param personHashes of the person's linked addresses.
   * @returns what went, by table.
   * @throws AppError `store.unavailable`: a part may be gone; the same again goes on. `service.deadline`: all is gone
   * here, but the log does not have in time what was numbered before; the same again waits for it.
   */
  async run(tenantUuid: string, personHashes: readonly Buffer[], actorId: string): Promise<Erased[]> {
    const counts = new Map<string, number>();
    let after: string | undefined = FIRST;
    while (after !== undefined) {
      const from: string = after;
      const page = await this.db.transaction((tx) =>
        this.store.erasePage(tx, tenantUuid, personHashes, from),
      );
      for (const { table, rows } of page.erased) counts.set(table, (counts.get(table) ?? 0) + rows);
      after = page.after;
    }
    await this.untilRelayed();
    const erased = [...counts].map(([table, rows]) => ({ table, rows }));
    const count = erased.reduce((sum, { rows }) => sum + rows, 0);
    this.log.info({ stage: 'erasure', actorId, count, outcome: 'erased' }, 'a person is erased');
    return erased;
  }
  /** The relay may have read a content just before it went. What is numbered from here on has none of them. */
  private async untilRelayed(): Promise<void> {
    const { numbered } = await this.outgoing.counters(this.db);
    const untilMs = this.clock.monotonicMs() + RELAYED_WITHIN_MS;
    while ((await this.outgoing.counters(this.db)).relayed < numbered) {
      if (this.clock.monotonicMs() >= untilMs)
        throw new AppError('service.deadline', { detail: 'the log does not have yet what was sent before' });
      await delay(RELAYED_POLL_MS);
    }
  }
}
