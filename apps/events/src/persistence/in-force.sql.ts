import type { Rows, Statement } from '@posthorn/postgres/database.js';
import { byteaArray, uuidArray } from '@posthorn/postgres/pg-arrays.js';

/** Which opt-outs of a batch were found to be in force. */
export interface InForce {
  /** Places in the batch of requests of which every opt-out is; a duplicate may be among them, and says nothing. */
  readonly requests: ReadonlySet<number>;
  /** Why that is not known; the append is committed all the same. */
  readonly fault?: unknown;
}

/** An opt-out of a batch. */
export interface AwaitedOptOut {
  readonly requestIndex: number;
  readonly tenantId: Buffer;
  readonly personHash: Buffer;
}

/** Compliance owns what is looked at, and says it in this function of its schema. */
const IN_FORCE: Statement = {
  name: 'opt_outs_in_force',
  text: 'SELECT compliance.opt_outs_in_force($1::uuid[], $2::bytea[]) AS places',
};

/** Asks whether a permit that was given before the append may still be in use. Only after the append has committed. */
export const inForceQuestion = (
  awaited: readonly AwaitedOptOut[],
): { readonly statement: Statement; readonly values: readonly Buffer[] } => ({
  statement: IN_FORCE,
  values: [
    uuidArray(awaited.map(({ tenantId }) => tenantId)),
    byteaArray(awaited.map(({ personHash }) => personHash)),
  ],
});

/** @param asked what became of the question about these. */
export function inForceOf(
  asked: PromiseSettledResult<Rows<unknown>>,
  awaited: readonly AwaitedOptOut[],
): InForce {
  if (asked.status === 'rejected') return { requests: new Set(), fault: asked.reason };
  const [{ places }] = asked.value.rows as [{ readonly places: readonly number[] }];
  const found = new Set(places);
  const requests = new Set(awaited.map(({ requestIndex }) => requestIndex));
  awaited.forEach(({ requestIndex }, index) => {
    if (!found.has(index + 1)) requests.delete(requestIndex);
  });
  return { requests };
}
