import type { Clock } from '@posthorn/clock/clock.js';
import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { ErasureJournal } from '../clients/erasure-journal.js';
import type { Erasure, ErasureOrder } from '../domain/erasure.js';
import { firstUuidOf } from '../domain/page.js';
import type { ErasureStore } from '../persistence/erasure.store.js';

const ID_BYTES = 16;
const HASHES_MAX = 32;
const ACTOR_LENGTH_MAX = 128;
const PAGE_MAX = 2_000;
/** The caller waits for 5 s; what is not done by then is done afterwards. */
const WITHIN_MS = 3_500;
const OPEN_MAX = 20;

/** Takes away what requests, contents and notes say of a person; the hash stays, so that they stay suppressed. */
export class ErasePerson {
  constructor(
    private readonly db: Pick<Database, 'query' | 'transaction'>,
    private readonly store: ErasureStore,
    private readonly journal: ErasureJournal,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'info'>,
  ) {}

  /**
   * In the journal first: an erasure that is only half begun is done again after a restore or a start.
   * @returns the erasure as far as it is. The same ID again goes on with it.
   * @throws AppError `request.invalid`
   */
  async run(request: Omit<ErasureOrder, 'requestedAtMs' | 'through'>): Promise<Erasure> {
    check(request);
    const name = [uuidText(request.tenantId), uuidText(request.erasureId)] as const;
    if ((await this.store.get(this.db, ...name)) === undefined) {
      const nowMs = this.clock.nowMs();
      const order: ErasureOrder = {
        ...request,
        requestedAtMs: nowMs,
        through: uuidBytes(firstUuidOf(nowMs + 1)),
      };
      await this.journal.append(order);
      await this.store.order(this.db, order);
    }
    await this.goOn(request, this.clock.monotonicMs() + WITHIN_MS);
    return (await this.store.get(this.db, ...name))!;
  }

  /** Goes on with what is not complete, oldest first. @returns whether anything was not. */
  async finish(withinMs: number): Promise<boolean> {
    const untilMs = this.clock.monotonicMs() + withinMs;
    const open = await this.store.open(this.db, OPEN_MAX);
    for (const erasure of open) await this.goOn(erasure, untilMs);
    return open.length > 0;
  }

  private async goOn(order: Pick<ErasureOrder, 'tenantId' | 'erasureId'>, untilMs: number): Promise<void> {
    let isComplete = false;
    while (!isComplete && this.clock.monotonicMs() < untilMs)
      isComplete = await this.db.transaction((tx) => this.store.step(tx, order, PAGE_MAX));
    this.log.info({ stage: 'erasure', outcome: isComplete ? 'erased' : 'begun' }, 'a person is erased');
  }
}

function check({
  erasureId,
  tenantId,
  personHashes,
  actor,
}: Omit<ErasureOrder, 'requestedAtMs' | 'through'>): void {
  const isId = ({ length }: Buffer): boolean => length === ID_BYTES;
  if (![erasureId, tenantId, ...personHashes].every(isId))
    throw new AppError('request.invalid', { detail: 'IDs and hashes have 16 bytes' });
  if (personHashes.length === 0 || personHashes.length > HASHES_MAX)
    throw new AppError('request.invalid', { detail: `1 to ${HASHES_MAX} hashes` });
  if (actor === '' || actor.length > ACTOR_LENGTH_MAX)
    throw new AppError('request.invalid', { fields: [{ path: 'actor', message: 'must be given' }] });
}
