import { CHANNELS, isChannel, type Suppression } from '../domain/suppression.js';
import type { ReaderDatabase } from '../persistence/reader-database.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';

/** Reads for one tenant, under row-level security. */
export class ReadSuppressions {
  constructor(
    private readonly db: ReaderDatabase,
    private readonly suppressions: SuppressionStore,
    private readonly tenants: EdgeTenants,
  ) {}

  /** Those in force, newest first. @param before UUID text of the last one of the page before. */
  list(tenantId: string, before: string | undefined, limit: number): Promise<Suppression[]> {
    const tenant = this.tenants.uuidOf(tenantId);
    return this.db.tenantTransaction(tenant, (tx) => this.suppressions.list(tx, tenant, before, limit));
  }

  /** Those that stop a message to that address. @param channel empty or `all` = on any channel. */
  async at(tenantId: string, address: string, channel: string): Promise<Suppression[]> {
    const on = channel || 'all';
    if (!isChannel(on)) throw invalid('channel', `must be one of ${CHANNELS.join(', ')}`);
    const person = this.tenants.personAt(tenantId, address);
    return this.db.tenantTransaction(person.tenantId, (tx) => this.suppressions.inForce(tx, person, on));
  }
}
