import { FieldErrors, isName, NAME_RULE } from './field-errors.js';

/** What a tenant's key may do. The REST API knows the same list and enforces it. */
export const TENANT_SCOPES = [
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

/** A tenant's key, without its token. */
export interface ApiKey {
  readonly apiKeyId: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly expiresAtMs: number | null;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | null;
}

/** Whose token it was. */
export interface Principal {
  readonly keyId: string;
  readonly kind: 'operator' | 'tenant';
  readonly scopes: readonly string[];
  readonly tenant:
    { readonly tenantId: string; readonly slug: string; readonly status: 'active' | 'suspended' } | undefined;
}

const READ_SCOPE = /:read$/;

/** What a key may do now: of a suspended tenant's only what changes nothing. */
export const usableScopes = ({ scopes, tenant }: Pick<Principal, 'scopes' | 'tenant'>): readonly string[] =>
  tenant?.status === 'suspended' ? scopes.filter((scope) => READ_SCOPE.test(scope)) : scopes;

export const API_KEY_PREFIX = 'phk_';
/** Keys of one tenant. */
export const API_KEYS_MAX = 100;

/** @throws AppError `request.invalid` that names every wrong field. */
export function checkApiKey(
  name: string,
  scopes: readonly string[],
  expiresAtMs: number | null,
  nowMs: number,
): void {
  const errors = new FieldErrors();
  errors.require(isName(name), 'name', NAME_RULE);
  errors.require(scopes.length > 0, 'scopes', 'at least one scope');
  errors.require(scopes.length <= TENANT_SCOPES.length, 'scopes', `at most ${TENANT_SCOPES.length} scopes`);
  scopes
    .slice(0, TENANT_SCOPES.length)
    .forEach((scope, index) =>
      errors.require(
        (TENANT_SCOPES as readonly string[]).includes(scope),
        `scopes.${index}`,
        'there is no such scope',
      ),
    );
  errors.require(
    expiresAtMs === null || (Number.isFinite(expiresAtMs) && expiresAtMs > nowMs),
    'expiresAt',
    'must lie in the future',
  );
  errors.throwIfAny();
}
