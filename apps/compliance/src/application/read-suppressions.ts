import type { Review } from '../domain/review.js';
import { CHANNELS, isChannel, type Suppression } from '../domain/suppression.js';
import type { ReaderDatabase } from '../persistence/reader-database.js';
import type { ReviewStore } from '../persistence/review.store.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';

/** Reads for one tenant, under row-level security. */
export class ReadSuppressions {
  constructor(
    private readonly db: ReaderDatabase,
    private readonly suppressions: SuppressionStore,
    private readonly reviewStore: ReviewStore,
    private readonly tenants: EdgeTenants,
  ) {}

  /** Newest first. @param before UUID text of the last one of the page before. */
  list(
    request: {
      readonly tenantId: string;
      readonly personId: string;
      readonly reason: string;
      readonly channel: string;
      readonly hasLifted: boolean;
    },
    before: string | undefined,
    limit: number,
  ): Promise<Suppression[]> {
    const { tenantId, personId, reason, channel, hasLifted } = request;
    const tenant = this.tenants.uuidOf(tenantId);
    const personHash = personId === '' ? undefined : this.tenants.personOf(tenantId, personId).hash;
    const filter = { personHash, reason, channel, hasLifted };
    return this.db.tenantTransaction(tenant, (tx) =>
      this.suppressions.list(tx, tenant, filter, before, limit),
    );
  }

  /** Those that stop a message to that address. @param channel empty or `all` = on any channel. */
  async at(tenantId: string, address: string, channel: string): Promise<Suppression[]> {
    const on = channel || 'all';
    if (!isChannel(on)) throw invalid('channel', `must be one of ${CHANNELS.join(', ')}`);
    const person = this.tenants.personAt(tenantId, address);
    return this.db.tenantTransaction(person.tenantId, (tx) => this.suppressions.inForce(tx, person, on));
  }

  /** What waits for a person's judgement, and what was judged. @param state empty = any. */
  reviews(tenantId: string, state: string, before: string | undefined, limit: number): Promise<Review[]> {
    const tenant = this.tenants.uuidOf(tenantId);
    return this.db.tenantTransaction(tenant, (tx) => this.reviewStore.list(tx, tenant, state, before, limit));
  }
}
