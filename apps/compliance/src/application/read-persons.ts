import type { Tx } from '@posthorn/postgres/database.js';
import { logHashOf, type Person } from '../domain/person.js';
import { isChannel, type Suppression } from '../domain/suppression.js';
import type { ConsentEntry, ConsentRead } from '../persistence/consent.read.js';
import type { DecisionFilter, DecisionRead, DecisionRecord } from '../persistence/decision.read.js';
import type { HistoryEntry, HistoryRead } from '../persistence/history.read.js';
import type { KeyChange, PersonKeyStore } from '../persistence/person-key.store.js';
import type { PersonStore } from '../persistence/person.store.js';
import type { PolicyStore, StoredPolicy } from '../persistence/policy.store.js';
import type { ReaderDatabase } from '../persistence/reader-database.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';
import type { ApplyWaiting } from './apply-waiting.js';
import type { SettlePersons } from './settle-persons.js';

/** A change of the key of persons, as far as it is. */
export interface KeyChangeState extends Pick<KeyChange, 'generation' | 'moved' | 'isFormerDestroyed'> {
  readonly state: 'none' | 'waiting' | 'moving' | 'settled';
  readonly startedAtMs: number;
  readonly completedAtMs: number | undefined;
}

const NO_CHANGE: KeyChangeState = {
  ...{ state: 'none', generation: 0, moved: 0, startedAtMs: 0, completedAtMs: undefined },
  isFormerDestroyed: true,
};

type After = { readonly at: string; readonly key: string } | undefined;

/** Reads about persons, for one tenant, under row-level security. */
export class ReadPersons {
  constructor(
    private readonly db: ReaderDatabase,
    private readonly waiting: ApplyWaiting,
    private readonly settle: SettlePersons,
    private readonly persons: PersonStore,
    private readonly keyStore: PersonKeyStore,
    private readonly suppressions: SuppressionStore,
    private readonly consentRead: ConsentRead,
    private readonly decisionRead: DecisionRead,
    private readonly historyRead: HistoryRead,
    private readonly policies: PolicyStore,
    private readonly tenants: EdgeTenants,
  ) {}

  /**
   * The person at an address, or of a `per_…`, those linked (its own hash first), and what stops messages to it.
   * @param who of the channel: on which they are stopped; empty: on any. Who is at an address does not depend on it.
   * @throws AppError `request.invalid`
   */
  lookup(
    tenantId: string,
    who: { readonly address: string; readonly personId: string; readonly channel: string },
  ): Promise<{ hashes: Buffer[]; suppressions: Suppression[] }> {
    const { address, personId } = who;
    const channel = who.channel || 'all';
    if (!isChannel(channel)) throw invalid('channel', 'must be sms, email, chat, push or all');
    const person =
      personId === ''
        ? this.tenants.personAt(tenantId, address, '')
        : this.tenants.personOf(tenantId, personId);
    return this.about(person, async (tx) => ({
      hashes: (await this.persons.linked(tx, person)).map(logHashOf),
      suppressions: await this.keyStore.named(tx, person.tenantId, () =>
        this.suppressions.inForce(tx, person, channel),
      ),
    }));
  }

  /** Reads about one person, once it is where it is looked for, with all that it has said. */
  private async about<T>(person: Person, read: (tx: Tx) => Promise<T>): Promise<T> {
    await this.settle.group(person);
    await this.waiting.of(person);
    return this.db.tenantTransaction(person.tenantId, async (tx) => {
      await this.keyStore.check(tx, [person]);
      return read(tx);
    });
  }

  /** Reads a list about one person, or everybody, with each named as others name it. */
  private list<Row extends { readonly personHash: Buffer }>(
    tenantId: string,
    personId: string,
    read: (tx: Tx, tenant: string, personHash: Buffer | undefined) => Promise<readonly Row[]>,
  ): Promise<Row[]> {
    const tenant = this.tenants.uuidOf(tenantId);
    const named = (tx: Tx, hash: Buffer | undefined): Promise<Row[]> =>
      this.keyStore.named(tx, tenant, () => read(tx, tenant, hash));
    if (personId === '') return this.db.tenantTransaction(tenant, (tx) => named(tx, undefined));
    const person = this.tenants.personOf(tenantId, personId);
    return this.about(person, (tx) => named(tx, person.hash));
  }

  /** What happened to a person and those linked, latest first. */
  history(tenantId: string, personId: string, after: After, limit: number): Promise<HistoryEntry[]> {
    const person = this.tenants.personOf(tenantId, personId);
    return this.about(person, async (tx) => {
      const hashes = (await this.persons.linked(tx, person)).map(({ hash }) => hash);
      return this.keyStore.named(tx, person.tenantId, () =>
        this.historyRead.list(tx, person.tenantId, hashes, after, limit),
      );
    });
  }

  /** @param personId empty = everybody. */
  async consents(tenantId: string, personId: string, after: After, limit: number): Promise<ConsentEntry[]> {
    if (personId === '') await this.waiting.ofTenant(tenantId);
    const position = after === undefined ? undefined : { at: after.at, id: after.key };
    return this.list(tenantId, personId, (tx, tenant, personHash) =>
      this.consentRead.list(tx, tenant, personHash === undefined ? {} : { personHash }, position, limit),
    );
  }

  /** One entry of the history of consent. @param id UUID text of one that is there. */
  async consent(tenantId: string, id: string): Promise<ConsentEntry | undefined> {
    const found = await this.list(tenantId, '', (tx, tenant) =>
      this.consentRead.list(tx, tenant, { id }, undefined, 1),
    );
    return found.at(0);
  }

  decisions(
    tenantId: string,
    filter: Omit<DecisionFilter, 'personHash'> & { readonly personId: string },
    before: string | undefined,
    limit: number,
  ): Promise<DecisionRecord[]> {
    return this.list(tenantId, filter.personId, (tx, tenant, personHash) =>
      this.decisionRead.list(tx, tenant, { ...filter, personHash }, before, limit),
    );
  }

  /** How far a change of the key of persons is. */
  async keyChange(tenantId: string): Promise<KeyChangeState> {
    const newest = this.tenants.personKeyGenerationOf(tenantId);
    const tenant = this.tenants.uuidOf(tenantId);
    const change = await this.db.tenantTransaction(tenant, (tx) => this.keyStore.find(tx, tenant));
    if (change?.former !== undefined) return { ...change, state: 'moving' };
    if (newest > (change?.generation ?? 0)) return { ...NO_CHANGE, ...change, state: 'waiting' };
    return change === undefined ? NO_CHANGE : { ...change, state: 'settled' };
  }

  policy(tenantId: string): Promise<StoredPolicy> {
    const tenant = this.tenants.uuidOf(tenantId);
    return this.db.tenantTransaction(tenant, (tx) => this.policies.inForce(tx, tenant));
  }
}
