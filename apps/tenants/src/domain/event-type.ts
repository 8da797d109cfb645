/** The types of facts that destinations can subscribe to. Source: API.md, "Canonical event types". */
const EVENT_TYPES: Readonly<Record<string, readonly string[]>> = {
  message: [
    ...['accepted', 'scheduled', 'queued', 'sending', 'sent', 'delivered', 'read', 'undelivered', 'failed'],
    ...['expired', 'canceled', 'received', 'deferred', 'blocked', 'indeterminate', 'unknown'],
  ],
  conversation: ['replied', 'escalated', 'claimed', 'accepted', 'released', 'offer_expired', 'closed'],
  consent: ['opted_out', 'opted_in'],
  event: ['unrecognized'],
  destination: ['disabled'],
  endpoint: ['test'],
};

const KNOWN = new Set(
  Object.entries(EVENT_TYPES).flatMap(([noun, verbs]) => [
    `${noun}.*`,
    ...verbs.map((verb) => `${noun}.${verb}`),
  ]),
);

/** Whether a destination may subscribe to it: a type, or all types of a noun (`message.*`). */
export const isEventType = (type: string): boolean => KNOWN.has(type);

/** A subscription with every `noun.*` written out, each type once. */
export function expandEventTypes(types: readonly string[]): string[] {
  const expanded = types.flatMap((type) => {
    const noun = type.endsWith('.*') ? type.slice(0, -2) : undefined;
    return noun === undefined ? [type] : (EVENT_TYPES[noun] ?? []).map((verb) => `${noun}.${verb}`);
  });
  return [...new Set(expanded)];
}
