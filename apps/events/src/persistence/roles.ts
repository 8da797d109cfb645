/** Login roles, one for each trust. */
export const ROLES = {
  /** Inserts for all tenants; cannot read a body. */
  append: 'posthorn_events_append',
  /** Projector, relay, facts, leases; no access to personal data. */
  worker: 'posthorn_events',
  /** Answers the API: one tenant at a time, under forced row-level security. */
  reader: 'posthorn_events_reader',
  /** Keeps refused requests, and takes away what may not be kept any longer; cannot read an event's body. */
  keeper: 'posthorn_events_keeper',
} as const;
