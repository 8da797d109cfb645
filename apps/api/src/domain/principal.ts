/** What a key may do. Tenant keys carry a subset; operators carry their own. */
export const SCOPES = [
  'tenant:read',
  'tenant:write',
  'api-keys:read',
  'api-keys:write',
  'sources:read',
  'sources:write',
  'destinations:read',
  'destinations:write',
  'events:read',
  'payloads:read',
  'messages:read',
  'deliveries:read',
  'deliveries:write',
  'suppressions:read',
  'suppressions:write',
  'audit:read',
] as const;

export type Scope = (typeof SCOPES)[number];

/** Reading personal data is not part of running the platform: an operator key needs this scope by name. */
const OPERATOR_EXPLICIT_SCOPES: readonly Scope[] = ['payloads:read'];

/** Who calls. */
export interface Principal {
  /** `key_…` */
  readonly keyId: string;
  readonly kind: 'operator' | 'tenant';
  readonly scopes: readonly string[];
  /** Only for tenant keys. */
  readonly tenant: TenantRef | undefined;
}

/** A tenant by both of its names. */
export interface TenantRef {
  /** `ten_…` */
  readonly id: string;
  readonly slug: string;
}

/** Whether a principal's key allows a scope. */
export function hasScope(principal: Principal, scope: Scope): boolean {
  if (principal.kind === 'operator' && !OPERATOR_EXPLICIT_SCOPES.includes(scope)) return true;
  return principal.scopes.includes(scope);
}

/** Whether a tenant key belongs to the tenant of a path, named by slug or ID. */
export const isOwnTenant = (principal: Principal, tenant: string): boolean =>
  principal.tenant !== undefined && (principal.tenant.slug === tenant || principal.tenant.id === tenant);
