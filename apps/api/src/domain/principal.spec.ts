import {
  hasScope,
  isOperatorFor,
  mayGive,
  OPERATOR_SCOPES,
  type Principal,
  SCOPES,
  scopesNotToGive,
} from './principal.js';

const operator = (...scopes: string[]): Principal => ({
  ...{ keyId: 'key_1', kind: 'operator', scopes, tenant: undefined },
});
const limits = OPERATOR_SCOPES.filter((scope) => scope !== 'payloads:read');

test('B9 an operator key that names no limit may do all but read payloads', () => {
  for (const key of [operator(), operator('payloads:read')]) {
    for (const scope of limits) expect(isOperatorFor(key, scope)).toBe(true);
    expect([hasScope(key, 'events:read'), hasScope(key, 'sources:write')]).toEqual([true, true]);
  }
  expect(hasScope(operator(), 'payloads:read')).toBe(false);
  expect(hasScope(operator('payloads:read'), 'payloads:read')).toBe(true);
});

test('B9 one that names some may do those, and nothing else', () => {
  for (const scope of limits) {
    const key = operator(scope, 'payloads:read');
    expect(limits.filter((each) => isOperatorFor(key, each))).toEqual([scope]);
    expect(hasScope(key, 'events:read')).toBe(scope === 'tenants:read');
    expect(hasScope(key, 'replays:approve')).toBe(scope === 'tenants:write');
  }
  expect(isOperatorFor({ ...operator('platform:read'), kind: 'tenant' }, 'platform:read')).toBe(false);
  expect(isOperatorFor({ ...operator(), kind: 'tenant' }, 'platform:read')).toBe(false);
});

test('B9 a limited key makes none that may do more', () => {
  const keys = operator('keys:write', 'platform:read');
  expect(mayGive(keys, ['platform:read'])).toBe(true);
  expect(mayGive(keys, ['platform:read', 'tenants:write'])).toBe(false);
  for (const unlimited of [[], ['payloads:read']]) {
    expect(mayGive(keys, unlimited)).toBe(false);
    expect(mayGive(operator(), unlimited)).toBe(true);
  }
});

test('B9 who may not read payloads makes no key that may, unless it may do all else', () => {
  const wanted = ['platform:read', 'payloads:read'];
  expect(mayGive(operator('keys:write', 'platform:read'), wanted)).toBe(false);
  expect(mayGive(operator('keys:write', ...wanted), wanted)).toBe(true);
  for (const all of [operator(), operator(...limits)]) expect(mayGive(all, wanted)).toBe(true);
});

test('B9 a key gives what it has and nothing else, an operator who may do all any scope', () => {
  const key: Principal = { ...operator('api-keys:write', 'events:read'), kind: 'tenant' };
  expect(scopesNotToGive(key, ['events:read'])).toEqual([]);
  expect(scopesNotToGive(key, ['events:read', 'payloads:read', 'audit:read'])).toEqual([
    'payloads:read',
    'audit:read',
  ]);
  expect(scopesNotToGive({ ...key, scopes: SCOPES }, SCOPES)).toEqual([]);
  expect(scopesNotToGive(operator(), SCOPES)).toEqual([]);
  expect(scopesNotToGive(operator('tenants:read', 'tenants:write'), SCOPES)).toEqual(['payloads:read']);
  expect(
    scopesNotToGive(operator('tenants:write', 'payloads:read'), ['payloads:read', 'events:read']),
  ).toEqual(['events:read']);
});
