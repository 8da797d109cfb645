import type { Logger } from '@posthorn/server/logger.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { Erased, ErasureStore } from '../persistence/erasure.store.js';

const FIRST = '00000000-0000-0000-0000-000000000000';

/** Erases what commands to a person say. */
export class ErasePerson {
  constructor(
    private readonly db: Pick<WorkerDatabase, 'transaction'>,
    private readonly store: ErasureStore,
    private readonly log: Pick<Logger, 'info'>,
  ) {}

  /**
   * Page after page, each for good. Again, it finds only what came since.
   * @param tenantUuid UUID text. @param personHashes of the person's linked addresses.
   * @returns what went, by table.
   * @throws AppError `store.unavailable`: a part may be gone; the same again goes on.
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
    const erased = [...counts].map(([table, rows]) => ({ table, rows }));
    const count = erased.reduce((sum, { rows }) => sum + rows, 0);
    this.log.info({ stage: 'erasure', actorId, count, outcome: 'erased' }, 'a person is erased');
    return erased;
  }
}
