import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Erased, ErasureStore } from '../persistence/erasure.store.js';
import type { PersonStore } from '../persistence/person.store.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';

/** Erases what this service knows of a person and those linked, but that they must not be contacted. */
export class ErasePerson {
  constructor(
    private readonly db: Database,
    private readonly persons: PersonStore,
    private readonly erasure: ErasureStore,
    private readonly tenants: EdgeTenants,
    private readonly log: Logger,
  ) {}

  /** Again, it finds nothing. @throws AppError `request.invalid`. */
  async run(request: {
    readonly tenantId: string;
    readonly actorId: string;
    readonly personId: string;
  }): Promise<Erased[]> {
    if (request.actorId === '') throw invalid('actorId', 'is missing');
    const person = this.tenants.personOf(request.tenantId, request.personId);
    const erased = await this.db.transaction(async (tx) => {
      await this.persons.settle(tx, [person]);
      const group = await this.persons.linked(tx, person);
      await this.persons.lock(tx, group);
      return this.erasure.erase(
        tx,
        person.tenantId,
        group.map(({ hash }) => hash),
      );
    });
    const count = erased.reduce((sum, { rows }) => sum + rows, 0);
    this.log.info({ actorId: request.actorId, count, outcome: 'erased' }, 'person by hand');
    return erased;
  }
}
