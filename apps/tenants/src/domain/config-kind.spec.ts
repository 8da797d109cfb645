import { AppError } from '@posthorn/errors/app-error.js';
import { checkKinds, kindsFor, type ConfigKind } from './config-kind.js';

const KINDS: ConfigKind[] = [
  ...(['tenants', 'hash_keys', 'person_keys', 'record_keys', 'data_keys'] as const),
  ...(['sources', 'source_settings'] as const),
  ...(['send_credentials', 'destinations'] as const),
];

/** What a caller may hold. */
const allowed = (caller: string): ConfigKind[] =>
  KINDS.filter((kind) => {
    try {
      checkKinds(caller, [kind]);
      return true;
    } catch (error) {
      if (error instanceof AppError && error.code === 'caller.forbidden') return false;
      throw error;
    }
  });

test('B9 each service may hold what its work needs, and nothing else', () => {
  // A service that could ask for more would widen what its capture gives away.
  expect(allowed('ingress')).toEqual(['tenants', 'hash_keys', 'data_keys', 'sources', 'source_settings']);
  expect(allowed('events')).toEqual(['tenants', 'hash_keys', 'data_keys', 'source_settings']);
  expect(allowed('compliance')).toEqual([
    ...['tenants', 'hash_keys', 'person_keys', 'record_keys', 'source_settings'],
  ]);
  expect(allowed('dispatcher')).toEqual([
    ...['tenants', 'hash_keys', 'data_keys', 'source_settings', 'send_credentials', 'destinations'],
  ]);
  expect(allowed('api')).toEqual([]);
  expect(allowed('')).toEqual([]);
});

test('one forbidden kind among allowed ones refuses all of them', () => {
  expect(() => checkKinds('compliance', ['tenants', 'data_keys'])).toThrow('caller.forbidden');
});

test('B9 E6 keys of persons come with the hash keys for compliance, and with nothing for anybody else', () => {
  const got = (service: string, asked: ConfigKind[]) => kindsFor(service, asked).includes('person_keys');
  expect(got('compliance', ['tenants', 'hash_keys'])).toBe(true);
  expect(got('compliance', ['tenants'])).toBe(false);
  for (const other of ['ingress', 'events', 'dispatcher', 'api', ''])
    expect(got(other, ['tenants', 'hash_keys', 'data_keys'])).toBe(false);
});
