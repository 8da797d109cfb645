import { uuidText, uuidTimeMs } from '@posthorn/clock/id.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { signalOf, type PersonOf } from '../domain/observed-signal.js';
import { logHashOf, type Person } from '../domain/person.js';
import type { PersonKeys } from '../domain/person-keys.js';
import { SIGNALS_MAX } from '../persistence/consent.store.js';
import type { PendingSignal, PendingStore } from '../persistence/pending.store.js';
import type { PersonStore } from '../persistence/person.store.js';
import type { ApplySignals } from './apply-signals.js';
import type { EdgeTenants } from './edge-tenants.js';
import { SharedRuns } from './shared-runs.js';

/** So many times SIGNALS_MAX for one who asks about a whole tenant; what is beyond them is being written. */
const PAGES_MAX = 8;

/**
 * Writes what waits, for whoever reads it or acts on it. An opt-out is in force with its commit and acknowledged at once;
 * it is written a moment later, with others (ADR 0010). Nobody is to see the moment between.
 */
export class ApplyWaiting {
  private readonly tenantRuns = new SharedRuns((tenant) => this.applyTenant(tenant));

  constructor(
    private readonly db: Database,
    private readonly pending: PendingStore,
    private readonly persons: PersonStore,
    private readonly signals: ApplySignals,
    private readonly keys: PersonKeys,
    private readonly tenants: EdgeTenants,
    private readonly log: Logger,
  ) {}

  /** What a person, and those linked with it, have said before. @throws AppError `store.*` */
  async of(person: Person): Promise<void> {
    const hashes = (await this.persons.linked(this.db, person)).map(logHashOf);
    await this.apply(await this.pending.of(this.db, person.tenantId, hashes, SIGNALS_MAX));
  }

  /** The same of everybody of a tenant. @param tenantId `ten_…`. @throws AppError `store.*`, and of EdgeTenants. */
  async ofTenant(tenantId: string): Promise<void> {
    await this.tenantRuns.run(this.tenants.uuidOf(tenantId));
  }

  /**
   * Page after page, until one is not full, so many at most; past those of persons who cannot be named now.
   * @param read at most SIGNALS_MAX, the oldest first, so many of them not. @throws AppError `store.*`
   */
  async applyPages(
    read: (skip: number) => Promise<readonly PendingSignal[]>,
    pagesMax: number,
  ): Promise<void> {
    let skip = 0;
    for (let page = 0; page < pagesMax; page += 1) {
      const rows = await read(skip);
      skip += rows.length - (await this.apply(rows));
      if (rows.length < SIGNALS_MAX) return;
    }
  }

  private async applyTenant(tenant: string): Promise<void> {
    let asOf: string | undefined;
    await this.applyPages(async (skip) => {
      const page = await this.pending.ofTenant(this.db, tenant, { asOf, skip }, SIGNALS_MAX);
      asOf ??= page.asOf;
      return page.rows;
    }, PAGES_MAX);
  }

  /** @returns how many were applied; those of persons who cannot be named now stay. @throws AppError `store.*` */
  private async apply(rows: readonly PendingSignal[]): Promise<number> {
    const found = rows.filter(({ tenantId }) => this.keys.canName(uuidText(tenantId)));
    const who: PersonOf = (tenantId, logHash) => this.keys.person(tenantId, logHash);
    const signals = found.flatMap((row) => signalOf(factOf(row), who) ?? []);
    if (signals.length > 0) await this.signals.write(signals);
    if (signals.length < found.length)
      this.log.error(
        { count: found.length - signals.length, stage: 'pending' },
        'a waiting signal is none we know',
      );
    return signals.length;
  }
}

/**
 * The same as the fact of that event will say, so that it does not matter which comes first: an event's ID
 * holds the time at which it was received.
 */
const factOf = (row: PendingSignal) => ({
  ...row,
  ...{ type: '', receivedAtMs: uuidTimeMs(row.eventId) },
});
