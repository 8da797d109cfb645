import type { Clock } from '@posthorn/clock/clock.js';
import { uuidText } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import type { PersonKeysClient } from '../clients/person-keys.client.js';
import type { PersonKeys } from '../domain/person-keys.js';
import { MOVE_STEPS, type KeyChange, type PersonKeyStore } from '../persistence/person-key.store.js';
import type { PersonStore } from '../persistence/person.store.js';

const INTERVAL_MS = 1_000;
/** Persons of one transaction; fewer where it takes longer, never more than this. */
const PERSONS_MAX = 64;
/** Half of what a transaction may take: the next one has as many as fit in it. */
const TRANSACTION_MS = 500;
const FORGOTTEN_MAX = 1_000;

/**
 * Moves the persons of a tenant to its newest key, a few in each transaction, and has the key before destroyed when all have
 * moved. Whoever needs a person in between moves it first. Every process does it; one at a time for each tenant.
 */
export class MovePersons {
  private readonly rounds = new Rounds(INTERVAL_MS, () =>
    this.look().catch((err: unknown) => this.warn(err)),
  );
  private personsMax = PERSONS_MAX;

  constructor(
    private readonly db: Database,
    private readonly persons: PersonStore,
    private readonly store: PersonKeyStore,
    private readonly keys: PersonKeys,
    private readonly edge: Pick<EdgeConfig, 'isReady' | 'tenants'>,
    private readonly client: Pick<PersonKeysClient, 'settle'>,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.keys.whenStale(() => void this.learn().catch(() => undefined));
    await this.learn().catch((err: unknown) => this.warn(err));
    this.rounds.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** Goes on with every change as far as it goes; what fails is tried again at the next look. */
  async look(): Promise<void> {
    let changes = await this.learn();
    if (!this.edge.isReady) return;
    for (const tenant of this.edge.tenants()) {
      const [tenantId, generation] = [uuidText(tenant.uuid), tenant.personKeyGeneration];
      try {
        if (mayBegin(generation, changes.get(tenantId))) {
          await this.begin(tenantId, generation);
          changes = await this.learn();
        }
        const change = changes.get(tenantId);
        if (change !== undefined && !change.isFormerDestroyed) await this.goOn(tenantId, change);
      } catch (err) {
        this.warn(err, tenant.id);
      }
    }
  }

  private async learn(): Promise<Map<string, KeyChange>> {
    const changes = await this.store.all(this.db);
    this.keys.learn(changes);
    return changes;
  }

  private async begin(tenantId: string, generation: number): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.persons.lockKey(tx, tenantId);
      await this.store.begin(tx, tenantId, generation);
    });
    this.log.info(
      { version: String(generation), stage: 'person_key', outcome: 'begun' },
      'persons move to a new key',
    );
  }

  private async goOn(tenantId: string, { generation, former, isKnown }: KeyChange): Promise<void> {
    if (former !== undefined) {
      while (!this.rounds.isStopped && (await this.moveSome(tenantId))) continue;
      await this.learn();
      return;
    }
    if (!isKnown) return;
    while (!this.rounds.isStopped) {
      if ((await this.store.forgetMoved(this.db, tenantId, FORGOTTEN_MAX)) < FORGOTTEN_MAX) break;
    }
    if (this.rounds.isStopped) return;
    await this.client.settle(tenantId, generation);
    await this.store.destroyed(this.db, tenantId, generation);
    this.log.info(
      { version: String(generation), stage: 'person_key', outcome: 'settled' },
      'persons have a new key',
    );
  }

  /** @returns whether there may be more. */
  private async moveSome(tenantId: string): Promise<boolean> {
    const startMs = this.clock.monotonicMs();
    const hasMore = await this.db.transaction(async (tx) => {
      const move = await this.store.claim(tx, tenantId);
      if (move === undefined) return false;
      const hashes = await this.store.unmoved(tx, tenantId, move, this.personsMax);
      const persons = hashes.map((hash) => this.keys.ofRow(tenantId, hash, move.former));
      await this.persons.settle(tx, persons);
      if (hashes.length > 0) {
        await this.store.advance(tx, tenantId, { step: move.step, after: hashes.at(-1)! }, hashes.length);
        return true;
      }
      if (move.step + 1 < MOVE_STEPS) {
        await this.store.advance(tx, tenantId, { step: move.step + 1, after: Buffer.alloc(0) }, 0);
        return true;
      }
      await this.store.complete(tx, tenantId);
      return false;
    });
    const isSlow = this.clock.monotonicMs() - startMs > TRANSACTION_MS;
    this.personsMax = isSlow ? Math.max(1, this.personsMax >> 1) : Math.min(PERSONS_MAX, this.personsMax + 1);
    return hasMore;
  }

  private warn(err: unknown, tenantId = ''): void {
    this.log.warn({ err, tenantId, stage: 'person_key' }, 'the keys of persons were not looked after');
  }
}

const mayBegin = (generation: number, change: KeyChange | undefined): boolean =>
  generation > (change?.generation ?? 0) && change?.isFormerDestroyed !== false;
