import { type DeliverableFact } from './delivery.js';

/** What is told of a hand-off. The JSON is versioned and read by nobody on its way. */
export interface HandoffPackage {
  /** `evt_…`; empty when there is none any more. */
  readonly handoffId: string;
  readonly isErased: boolean;
  readonly packageJson: string;
  readonly flatJson: string;
}

/** Of a destination's `include`: the context package, in full and flat. */
const FULL = 'handoff';
const FLAT = 'handoff.flat';
const HANDOFF_TYPES: ReadonlySet<string> = new Set([
  ...['conversation.escalated', 'conversation.claimed', 'conversation.accepted', 'conversation.released'],
  ...['conversation.offer_expired', 'conversation.closed'],
]);

/** Whether a delivery carries what is told of a hand-off. @param include of the destination. */
export const wantsHandoff = (
  include: ReadonlySet<string>,
  { type }: Pick<DeliverableFact, 'type'>,
): boolean => (include.has(FULL) || include.has(FLAT)) && HANDOFF_TYPES.has(type);

/** The part of a body: what the destination asked for, or in a word why it is not there. */
export function handoffPart(include: ReadonlySet<string>, told: HandoffPackage): object {
  const { handoffId, isErased, packageJson, flatJson } = told;
  if (handoffId === '') return { omitted: 'not_found' };
  if (isErased) return { id: handoffId, omitted: 'erased' };
  return {
    id: handoffId,
    ...(include.has(FULL) && { package: JSON.parse(packageJson) as unknown }),
    ...(include.has(FLAT) && { flat: JSON.parse(flatJson) as unknown }),
  };
}
