import { ERASURE, nowMs } from './played-things.js';

/** An erasure under the ID that is asked for, as far as the world has it. */
export const erasureAsItIs = (
  { id }: { readonly id: Buffer },
  { erasure }: { readonly erasure: { readonly completedAtMs: number } },
) => ({ erasure: { ...ERASURE, ...erasure, id } });

/** Done with a deleted tenant, whoever it was. */
export const purged = (removed: readonly object[]) => {
  const answer = { state: 'done', completedAtMs: nowMs + 7, removed };
  return { own: () => answer, other: answer };
};
