import fc from 'fast-check';
import { type ConfigKind } from './config-kind.js';
import { type ConfigPage, emptyPage, PAGE_OBJECTS_MAX, pageFor, splitPage } from './config-page.js';

const tenant = (tenantId: string): ConfigPage['tenants'][number] => ({
  tenantId,
  slug: tenantId,
  status: 'active',
  isSendingPaused: false,
  intakeQuota: null,
  media: null,
  shards: [1, 2, 3, 4],
  hashKey: Buffer.from('hash key'),
  keywords: { optOut: [], optIn: [], help: [] },
  dataKeys: [{ keyId: 'k', key: Buffer.from('data key'), weekStartDay: 4, generation: 0 }],
  personKeys: [{ generation: 1, key: Buffer.from('person key') }],
  recordKey: { keyId: 'r', key: Buffer.from('record key') },
});
const source = (sourceId: string): ConfigPage['sources'][number] => ({
  sourceId,
  tenantId: 't',
  provider: 'hmac',
  settingsJson: '{}',
  status: 'active',
  secrets: [{ secretId: 's', value: 'a secret', status: 'current', expiresAtMs: null }],
  credentialsJson: 'api credentials',
});
const page: ConfigPage = {
  ...emptyPage(7n),
  platform: { isSendingPaused: true },
  tenants: [tenant('t')],
  sources: [source('s')],
  deletedSourceIds: ['x'],
  deletedDestinationIds: ['y'],
};

test('a watcher gets what it asked for and no key beside it', () => {
  const text = (kinds: Parameters<typeof pageFor>[0]): string =>
    JSON.stringify(pageFor(kinds, page), (_, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
  expect(pageFor(['tenants'], page)).toEqual({
    ...emptyPage(7n),
    platform: { isSendingPaused: true },
    tenants: [{ ...tenant('t'), hashKey: undefined, dataKeys: [], personKeys: [], recordKey: undefined }],
  });
  expect(pageFor(['tenants', 'hash_keys', 'person_keys'], page).tenants[0]!.recordKey).toBeUndefined();
  expect(pageFor(['tenants', 'record_keys'], page).tenants[0]).toMatchObject({ recordKey: { keyId: 'r' } });
  expect(pageFor(['tenants', 'hash_keys'], page).tenants[0]).toMatchObject({ dataKeys: [] });
  expect(pageFor(['data_keys'], page).tenants[0]).toMatchObject({ hashKey: undefined });
  expect([pageFor(['tenants'], page).platform, pageFor(['sources'], page).platform]).toEqual([
    { isSendingPaused: true },
    undefined,
  ]);
  expect(text(['destinations'])).not.toContain('a secret');
  expect(pageFor(['destinations'], page).deletedDestinationIds).toEqual(['y']);
  const sourcesFor = (kind: ConfigKind) => pageFor([kind], page);
  expect(sourcesFor('sources')).toEqual({
    ...emptyPage(7n),
    sources: [{ ...source('s'), credentialsJson: undefined }],
    deletedSourceIds: ['x'],
  });
  expect(sourcesFor('send_credentials').sources).toEqual([{ ...source('s'), secrets: [] }]);
  expect(sourcesFor('source_settings').sources).toEqual([
    { ...source('s'), secrets: [], credentialsJson: undefined },
  ]);
  expect(sourcesFor('source_settings').deletedSourceIds).toEqual(['x']);
});

test('however large a change is, its parts are bounded, lose nothing, and only the last confirms', () => {
  const ids = fc.integer({ min: 0, max: 350 });
  fc.assert(
    fc.property(ids, ids, (tenants, sources) => {
      const whole: ConfigPage = {
        ...page,
        tenants: Array.from({ length: tenants }, (_, index) => tenant(String(index))),
        sources: Array.from({ length: sources }, (_, index) => source(String(index))),
      };
      const parts = splitPage(whole, 6n);
      expect(parts.flatMap((part) => part.tenants)).toEqual(whole.tenants);
      expect(parts.flatMap((part) => part.sources)).toEqual(whole.sources);
      expect(parts.flatMap((part) => part.deletedSourceIds)).toEqual(['x']);
      expect(parts.every((part) => part.sources.length <= PAGE_OBJECTS_MAX)).toBe(true);
      expect(parts.map((part) => part.version)).toEqual([...parts.slice(1).map(() => 6n), 7n]);
    }),
    { numRuns: 30 },
  );
});
