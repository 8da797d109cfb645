/** What a key may do. Tenant keys carry a subset; operators carry their own. The tenants service keeps the same list. */
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
  'messages:write',
  'conversations:read',
  'conversations:write',
  'deliveries:read',
  'deliveries:write',
  'suppressions:read',
  'suppressions:write',
  'consents:read',
  'consents:write',
  'people:read',
  'people:write',
  'decisions:read',
  'policies:read',
  'policies:write',
  'rules:read',
  'rules:write',
  'replays:read',
  'replays:write',
  'replays:approve',
  'reconciliations:read',
  'reconciliations:write',
  'sends:write',
  'audit:read',
] as const;

export type Scope = (typeof SCOPES)[number];

/**
 * What an operator key may be limited to: the platform (`platform:`), tenants and all that is theirs (`tenants:`),
 * operator keys and the key-encryption key (`keys:`). One that names none of them may do all of it. The tenants service
 * keeps the same list.
 */
const OPERATOR_LIMITS = [
  'platform:read',
  'platform:write',
  'tenants:read',
  'tenants:write',
  'keys:write',
] as const;
export type OperatorScope = (typeof OPERATOR_LIMITS)[number];

/** Reading personal data is not part of running the platform: an operator key needs this scope by name. */
const OPERATOR_EXPLICIT_SCOPES = ['payloads:read'] as const satisfies readonly Scope[];
export const OPERATOR_SCOPES = [...OPERATOR_LIMITS, ...OPERATOR_EXPLICIT_SCOPES] as const;

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
  const isByName = (OPERATOR_EXPLICIT_SCOPES as readonly Scope[]).includes(scope);
  if (principal.kind === 'operator' && !isByName)
    return isOperatorFor(principal, scope.endsWith(':read') ? 'tenants:read' : 'tenants:write');
  return principal.scopes.includes(scope);
}

/** Whether a principal is an operator whose key allows a scope. */
export function isOperatorFor({ kind, scopes }: Principal, scope: OperatorScope): boolean {
  return (
    kind === 'operator' && (scopes.includes(scope) || !OPERATOR_LIMITS.some((each) => scopes.includes(each)))
  );
}

/**
 * Whether an operator may have a key made with these scopes: one that is limited makes no key that may do more. What is
 * had by name only is given by who has it, and by who may do all else: somebody must give it first.
 */
export function mayGive(principal: Principal, scopes: readonly string[]): boolean {
  const isFor = (scope: OperatorScope): boolean => isOperatorFor(principal, scope);
  const given = OPERATOR_LIMITS.filter((scope) => scopes.includes(scope));
  const named = OPERATOR_EXPLICIT_SCOPES.filter((scope) => scopes.includes(scope));
  return (
    (given.length === 0 ? OPERATOR_LIMITS : given).every(isFor) &&
    (named.every((scope) => principal.scopes.includes(scope)) || OPERATOR_LIMITS.every(isFor))
  );
}

/**
 * Those of a new tenant key's scopes that this principal may not give: what its own key has not. An operator who may do
 * all gives all: a tenant that lost its keys has nobody else.
 */
export function scopesNotToGive(principal: Principal, scopes: readonly Scope[]): readonly Scope[] {
  if (OPERATOR_LIMITS.every((limit) => isOperatorFor(principal, limit))) return [];
  return scopes.filter((scope) => !hasScope(principal, scope));
}

/** Whether personal data that an answer has beside other things may be in it: an operator needs the scope for it. */
export const maySeePersonalData = (principal: Principal): boolean =>
  principal.kind === 'tenant' || hasScope(principal, 'payloads:read');

/** Whether a tenant key belongs to the tenant of a path, named by slug or ID. */
export const isOwnTenant = (principal: Principal, tenant: string): boolean =>
  principal.tenant !== undefined && (principal.tenant.slug === tenant || principal.tenant.id === tenant);
