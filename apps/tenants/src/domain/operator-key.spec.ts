import { AppError } from '@posthorn/errors/app-error.js';
import { checkOperatorKey, isLastKey, type OperatorKey } from './operator-key.js';
import { usableScopes } from './scope.js';

const key = (operatorKeyId: string, expiresAtMs: number | null = null): OperatorKey => ({
  ...{ operatorKeyId, expiresAtMs, name: 'x', scopes: [], origin: 'api' },
  ...{ createdAtMs: 0, lastUsedAtMs: null },
});

test('B9 the last key that does not run out by itself cannot be deleted', () => {
  expect(isLastKey([key('a')], 'a')).toBe(true);
  expect(isLastKey([key('a'), key('b', 1)], 'a')).toBe(true);
  expect(isLastKey([key('a'), key('b')], 'a')).toBe(false);
  expect(isLastKey([key('a'), key('b', 1)], 'b')).toBe(false);
});

test('B9 an operator key names scopes of the operators’ list, not of tenants’', () => {
  for (const scopes of [[], ['payloads:read'], ['platform:read', 'tenants:write', 'keys:write']])
    expect(() => checkOperatorKey('on call', scopes, null, 0)).not.toThrow();
  const refused = (...given: Parameters<typeof checkOperatorKey>): string[] => {
    try {
      checkOperatorKey(...given);
    } catch (error) {
      if (error instanceof AppError) return error.fields.map(({ path }) => path);
    }
    return [];
  };
  expect(refused('', ['sources:write'], 5, 5)).toEqual(['name', 'scopes.0', 'expiresAt']);
});

test('I8 keys of a suspended tenant only read', () => {
  const scopes = ['sources:read', 'sources:write', 'payloads:read', 'replays:approve'];
  const of = (status: 'active' | 'suspended') =>
    usableScopes({ scopes, tenant: { tenantId: '', slug: '', status } });
  expect(of('active')).toEqual(scopes);
  expect(of('suspended')).toEqual(['sources:read', 'payloads:read']);
  expect(usableScopes({ scopes, tenant: undefined })).toEqual(scopes);
});
