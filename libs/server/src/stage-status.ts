import { type GetStatusResponse } from '@posthorn/contracts/posthorn/status/v1/status.js';
import { type Health } from './health.js';

/** Something that is wrong with a stage; `api` knows which runbook is about it. */
export interface Trouble {
  readonly kind:
    | 'backlog'
    | 'broker'
    | 'database'
    | 'destination'
    | 'duplicates'
    | 'provider'
    | 'quarantine'
    | 'schema'
    | 'service'
    | 'signatures';
  readonly what: string;
}

/** One stage of the platform as its service sees it; undefined = does not apply, or is not known. */
export interface StageView {
  readonly stage:
    | 'intake'
    | 'append'
    | 'projection'
    | 'unrecognized'
    | 'quarantine'
    | 'publish'
    | 'compliance'
    | 'deliveries'
    | 'sends'
    | 'dead_letters';
  /** What waits, or lies there. */
  readonly depth?: number | undefined;
  /** There are more than `depth`. */
  readonly isMore?: boolean;
  readonly lagMs?: number | undefined;
  /** Unix milliseconds. */
  readonly oldestAtMs?: number | undefined;
  readonly ratePerSecond?: number | undefined;
  readonly troubles: readonly Trouble[];
}

/** One trouble, or none. @param what is read only when it is there. */
export const troubleIf = (isThere: boolean, kind: Trouble['kind'], what: () => string): readonly Trouble[] =>
  isThere ? [{ kind, what: what() }] : [];

/**
 * What a service answers when it is asked for its status.
 * @param isBrokerThere undefined = it needs none. @param factsBehind undefined = it takes none, or cannot tell.
 */
export function statusMessage(
  stages: readonly StageView[],
  health: Pick<Health, 'readiness'>,
  isBrokerThere?: boolean,
  factsBehind?: number,
): GetStatusResponse {
  const checks = Object.entries(health.readiness().checks).map(([name, result]) => ({ name, result }));
  if (isBrokerThere !== undefined)
    checks.push({ name: 'broker', result: isBrokerThere ? 'ok' : 'is not reached' });
  return {
    stages: stages.map(({ isMore = false, depth, troubles, ...stage }) => ({
      ...{ isMore, ...stage, troubles: [...troubles] },
      depth: depth === undefined ? undefined : BigInt(depth),
    })),
    checks,
    factsBehind: factsBehind === undefined ? undefined : BigInt(factsBehind),
  };
}

/** The last fact of every shard, and how far a consumer is in them. */
export interface FactPlaces {
  readonly epoch: string;
  readonly heads: ReadonlyMap<number, bigint>;
  readonly positions: ReadonlyMap<number, { readonly epoch: string; readonly sequence: bigint }>;
}

/** How many facts a consumer has not taken; of a shard whose numbers are of another epoch, all. */
export function factsBehind({ epoch, heads, positions }: FactPlaces): number {
  let behind = 0n;
  for (const [shard, head] of heads) {
    const position = positions.get(shard);
    const done = position?.epoch === epoch ? position.sequence : 0n;
    if (head > done) behind += head - done;
  }
  return Number(behind);
}
