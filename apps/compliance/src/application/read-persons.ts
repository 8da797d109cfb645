import type { Suppression } from '../domain/suppression.js';
import type { ConsentEntry, ConsentRead } from '../persistence/consent.read.js';
import type { DecisionFilter, DecisionRead, DecisionRecord } from '../persistence/decision.read.js';
import type { HistoryEntry, HistoryRead } from '../persistence/history.read.js';
import type { PersonStore } from '../persistence/person.store.js';
import type { PolicyStore, StoredPolicy } from '../persistence/policy.store.js';
import type { ReaderDatabase } from '../persistence/reader-database.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';
import type { EdgeTenants } from './edge-tenants.js';

type After = { readonly at: string; readonly key: string } | undefined;

/** Reads about persons, for one tenant, under row-level security. */
export class ReadPersons {
  constructor(
    private readonly db: ReaderDatabase,
    private readonly persons: PersonStore,
    private readonly suppressions: SuppressionStore,
    private readonly consentRead: ConsentRead,
    private readonly decisionRead: DecisionRead,
    private readonly historyRead: HistoryRead,
    private readonly policies: PolicyStore,
    private readonly tenants: EdgeTenants,
  ) {}

  /** The person at an address, or of a `per_…`, those linked (its own hash first), and what stops messages to it. */
  lookup(
    tenantId: string,
    who: { readonly address: string; readonly personId: string },
  ): Promise<{ hashes: Buffer[]; suppressions: Suppression[] }> {
    const { address, personId } = who;
    const person =
      personId === '' ? this.tenants.personAt(tenantId, address) : this.tenants.personOf(tenantId, personId);
    return this.db.tenantTransaction(person.tenantId, async (tx) => ({
      hashes: await this.persons.linked(tx, person),
      suppressions: await this.suppressions.inForce(tx, person, 'all'),
    }));
  }

  /** What happened to a person and those linked, latest first. */
  history(tenantId: string, personId: string, after: After, limit: number): Promise<HistoryEntry[]> {
    const person = this.tenants.personOf(tenantId, personId);
    return this.db.tenantTransaction(person.tenantId, async (tx) => {
      const hashes = await this.persons.linked(tx, person);
      return this.historyRead.list(tx, person.tenantId, hashes, after, limit);
    });
  }

  /** @param personId empty = everybody. */
  consents(tenantId: string, personId: string, after: After, limit: number): Promise<ConsentEntry[]> {
    const tenant = this.tenants.uuidOf(tenantId);
    const filter = personId === '' ? {} : { personHash: this.tenants.personOf(tenantId, personId).hash };
    const position = after === undefined ? undefined : { at: after.at, id: after.key };
    return this.db.tenantTransaction(tenant, (tx) =>
      this.consentRead.list(tx, tenant, filter, position, limit),
    );
  }

  /** One entry of the history of consent. @param id UUID text of one that is there. */
  consent(tenantId: string, id: string): Promise<ConsentEntry | undefined> {
    const tenant = this.tenants.uuidOf(tenantId);
    return this.db.tenantTransaction(tenant, async (tx) =>
      (await this.consentRead.list(tx, tenant, { id }, undefined, 1)).at(0),
    );
  }

  decisions(
    tenantId: string,
    filter: Omit<DecisionFilter, 'personHash'> & { readonly personId: string },
    before: string | undefined,
    limit: number,
  ): Promise<DecisionRecord[]> {
    const tenant = this.tenants.uuidOf(tenantId);
    const { personId } = filter;
    const personHash = personId === '' ? undefined : this.tenants.personOf(tenantId, personId).hash;
    return this.db.tenantTransaction(tenant, (tx) =>
      this.decisionRead.list(tx, tenant, { ...filter, personHash }, before, limit),
    );
  }

  policy(tenantId: string): Promise<StoredPolicy> {
    const tenant = this.tenants.uuidOf(tenantId);
    return this.db.tenantTransaction(tenant, (tx) => this.policies.inForce(tx, tenant));
  }
}
