import type { Tx } from '@posthorn/postgres/database.js';
import type { Person } from '../domain/person.js';
import type { Review } from '../domain/review.js';
import { CHANNELS, isChannel, type Suppression } from '../domain/suppression.js';
import type { PersonKeyStore } from '../persistence/person-key.store.js';
import type { ReaderDatabase } from '../persistence/reader-database.js';
import type { ReviewStore } from '../persistence/review.store.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';
import type { ApplyWaiting } from './apply-waiting.js';
import type { SettlePersons } from './settle-persons.js';

/** Reads for one tenant, under row-level security. */
export class ReadSuppressions {
  constructor(
    private readonly db: ReaderDatabase,
    private readonly waiting: ApplyWaiting,
    private readonly settle: SettlePersons,
    private readonly keyStore: PersonKeyStore,
    private readonly suppressions: SuppressionStore,
    private readonly reviewStore: ReviewStore,
    private readonly tenants: EdgeTenants,
  ) {}

  /** Newest first. @param before UUID text of the last one of the page before. */
  async list(
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
    const person = personId === '' ? undefined : this.tenants.personOf(tenantId, personId);
    if (person === undefined) await this.waiting.ofTenant(tenantId);
    const filter = { personHash: person?.hash, reason, channel, hasLifted };
    return this.named(tenant, person, (tx) => this.suppressions.list(tx, tenant, filter, before, limit));
  }

  /** Those that stop a message to that address. @param channel empty or `all` = on any channel. */
  async at(tenantId: string, address: string, channel: string): Promise<Suppression[]> {
    const on = channel || 'all';
    if (!isChannel(on)) throw invalid('channel', `must be one of ${CHANNELS.join(', ')}`);
    const person = this.tenants.personAt(tenantId, address, on);
    return this.named(person.tenantId, person, (tx) => this.suppressions.inForce(tx, person, on));
  }

  /** What waits for a person's judgement, and what was judged. @param state empty = any. */
  reviews(tenantId: string, state: string, before: string | undefined, limit: number): Promise<Review[]> {
    const tenant = this.tenants.uuidOf(tenantId);
    return this.named(tenant, undefined, (tx) => this.reviewStore.list(tx, tenant, state, before, limit));
  }

  /** Reads about one person, or everybody, with each named as others name it. */
  private async named<Row extends { readonly personHash: Buffer }>(
    tenant: string,
    person: Person | undefined,
    read: (tx: Tx) => Promise<readonly Row[]>,
  ): Promise<Row[]> {
    const about = person === undefined ? [] : [person];
    await this.settle.run(about);
    if (person !== undefined) await this.waiting.of(person);
    return this.db.tenantTransaction(tenant, async (tx) => {
      await this.keyStore.check(tx, about);
      return this.keyStore.named(tx, tenant, () => read(tx));
    });
  }
}
