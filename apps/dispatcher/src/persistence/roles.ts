/** Login roles, one for each trust. */
export const ROLES = {
  /** Feeds, sends, records; all tenants. */
  worker: 'posthorn_dispatch',
  /** Answers the API: one tenant at a time, under forced row-level security. */
  reader: 'posthorn_dispatch_reader',
} as const;
