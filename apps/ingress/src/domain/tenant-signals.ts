import type { Signal } from '@posthorn/providers/opt-out-keywords.js';
import type { ProviderEvent } from '@posthorn/providers/provider.js';
import { tenantSignal } from '@posthorn/providers/tenant-keywords.js';

/**
 * The events, with what the tenant's own words in them ask for.
 * @param words folded; without any the events are the same objects.
 */
export function withTenantSignals(
  events: readonly ProviderEvent[],
  words: ReadonlyMap<string, Signal>,
): readonly ProviderEvent[] {
  if (words.size === 0) return events;
  return events.map((event) => {
    const signal = tenantSignal(event, words);
    return signal === undefined ? event : { ...event, signal };
  });
}
