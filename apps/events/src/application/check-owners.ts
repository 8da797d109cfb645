import { Batcher } from '@posthorn/postgres/batcher.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { OwnerAnswer, OwnerQuestion, OwnerRead } from '../persistence/owner.read.js';

const LIMITS = { itemsMax: 256, lanesMax: 2, waitingMax: 4_000 };

/** Tells who may write into conversations now: asked before every send, so one statement answers all that ask together. */
export class CheckOwners {
  private readonly batcher = new Batcher<OwnerQuestion, OwnerAnswer>(
    (questions) => this.read.owners(this.db, questions),
    LIMITS,
  );

  constructor(
    private readonly db: Pick<WorkerDatabase, 'query'>,
    private readonly read: OwnerRead,
  ) {}

  /** @throws AppError `store.unavailable`, `store.overloaded`. */
  run(question: OwnerQuestion): Promise<OwnerAnswer> {
    return this.batcher.add(question);
  }
}
