/** Who asks for a change; goes to the audit log. */
export interface Actor {
  /** `key_…`, or `service:<name>`. */
  readonly id: string;
  readonly kind: 'operator' | 'tenant' | 'service';
  readonly remoteAddress: string;
}

/** This service itself: what it does at its start or by the clock. */
export const SELF: Actor = { id: 'service:tenants', kind: 'service', remoteAddress: '' };

/** The audit log of what belongs to no tenant is kept under this ID. */
export const PLATFORM_ID = '00000000-0000-0000-0000-000000000000';
