import { formatId } from '@posthorn/clock/id.js';
import { type DeliverableFact } from './delivery.js';

type TextField = 'provider' | 'channel' | 'state' | 'previousState' | 'signal' | 'campaign' | 'errorCode';
const TEXT_FIELDS: ReadonlySet<string> = new Set<TextField>([
  ...(['provider', 'channel', 'state', 'previousState', 'signal', 'campaign', 'errorCode'] as const),
]);

/**
 * Whether a fact has one of the values in a field, named as in the body of a delivery. What is empty there has none.
 * A field that only a later version knows leaves nothing out: a delivery too many is better than one that is missing.
 */
export function hasValue(fact: DeliverableFact, field: string, values: ReadonlySet<string>): boolean {
  if (field === 'sourceId') return fact.sourceId.length > 0 && values.has(formatId('src', fact.sourceId));
  return !TEXT_FIELDS.has(field) || values.has(fact[field as TextField]);
}
