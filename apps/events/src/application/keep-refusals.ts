import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import { firstKeptDay, keepWithin, type Refusal } from '../domain/refusal.js';
import type { RefusalStore } from '../persistence/refusal.store.js';

const REFUSALS_MAX = 64;
const ID_BYTES = 16;
const HEADERS_MAX = 256;
const TEXT_LENGTH_MAX = 128;

/** Keeps requests that were refused for their signature, as far as each source's budget goes. */
export class KeepRefusals {
  constructor(
    private readonly db: Pick<Database, 'transaction'>,
    private readonly store: RefusalStore,
    private readonly clock: Clock,
  ) {}

  /**
   * @param refusals of a source in the order in which they came.
   * @returns for each whether it is kept, now or since before.
   * @throws AppError `request.invalid`
   */
  async run(refusals: readonly Refusal[]): Promise<boolean[]> {
    if (refusals.length > REFUSALS_MAX || refusals.some((refusal) => !isPossible(refusal)))
      throw new AppError('request.invalid', {
        detail: `at most ${REFUSALS_MAX} refusals with all of their IDs`,
      });
    if (refusals.length === 0) return [];
    const nowMs = this.clock.nowMs();
    return this.db.transaction(async (tx) => {
      const used = await this.store.lockBudgets(tx, refusals, firstKeptDay(nowMs));
      const known = await this.store.known(tx, refusals);
      const isKnown = (refusal: Refusal): boolean => known.has(nameOf(refusal));
      const fresh = new Map(
        refusals.filter((refusal) => !isKnown(refusal)).map((refusal) => [nameOf(refusal), refusal]),
      );
      const added = keepWithin([...fresh.values()], used, nowMs);
      await this.store.add(tx, added);
      const kept = new Set(added.map(nameOf));
      return refusals.map((refusal) => kept.has(nameOf(refusal)) || isKnown(refusal));
    });
  }
}

const nameOf = ({ requestId }: Refusal): string => requestId.toString('hex');

function isPossible(refusal: Refusal): boolean {
  const { requestId, tenantId, sourceId, dataKeyId, headers, raw, cause, provider } = refusal;
  return (
    [requestId, tenantId, sourceId, dataKeyId].every(({ length }) => length === ID_BYTES) &&
    headers.length <= HEADERS_MAX &&
    headers.every((text) => !text.includes('\0')) &&
    raw.length > 0 &&
    [cause, provider].every(({ length }) => length > 0 && length <= TEXT_LENGTH_MAX)
  );
}
