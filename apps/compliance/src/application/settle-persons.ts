import type { Database } from '@posthorn/postgres/database.js';
import type { Person } from '../domain/person.js';
import type { PersonStore } from '../persistence/person.store.js';

/**
 * Brings persons to where they are looked for, for those who only read them or lock them shared. Nothing, unless the key of
 * their tenant is changed now.
 */
export class SettlePersons {
  constructor(
    private readonly db: Database,
    private readonly persons: PersonStore,
  ) {}

  async run(persons: readonly Person[]): Promise<void> {
    const moving = this.persons.movingAmong(persons);
    if (moving.length > 0) await this.db.transaction((tx) => this.persons.settle(tx, moving));
  }

  /** The same with those linked. */
  async group(person: Person): Promise<void> {
    if (this.persons.movingAmong([person]).length === 0) return;
    await this.run([person]);
    await this.run(await this.db.transaction((tx) => this.persons.linked(tx, person)));
  }
}
