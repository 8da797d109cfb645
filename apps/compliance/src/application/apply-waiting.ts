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

/** So many steps of SIGNALS_MAX for one who asks about a whole tenant; what is beyond them is being written. */
const STEPS_MAX = 8;

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

  private async applyTenant(tenant: string): Promise<void> {
    let page: { readonly asOf: string | undefined; readonly skip: number } = { asOf: undefined, skip: 0 };
    for (let step = 0; step < STEPS_MAX; step += 1) {
      const { rows, asOf } = await this.pending.ofTenant(this.db, tenant, page, SIGNALS_MAX);
      const unwritten = rows.length - (await this.apply(rows));
      if (rows.length < SIGNALS_MAX) return;
      page = { asOf: page.asOf ?? asOf, skip: page.skip + unwritten };
    }
  }

  /** @returns how many were applied; those of persons who cannot be named now stay. @throws AppError `store.*` */
  async apply(rows: readonly PendingSignal[]): Promise<number> {
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
