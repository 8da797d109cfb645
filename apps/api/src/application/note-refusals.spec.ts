import { type Actor } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Principal } from '../domain/principal.js';
import { NoteRefusals } from './note-refusals.js';

type Entry = readonly [Actor, string, string, string, object?];
const tenant = { id: 'ten_1', slug: 'acme' };
const keyOf = (keyId: string): Principal => ({ keyId, kind: 'tenant', scopes: [], tenant });

let entries: Entry[];
let isAway: boolean;
let notes: NoteRefusals;
beforeEach(() => {
  [entries, isAway] = [[], false];
  const recordAccess = (...entry: Entry): Promise<string> => {
    if (isAway) return Promise.reject(new Error('away'));
    entries.push(entry);
    return Promise.resolve('aud_1');
  };
  notes = new NoteRefusals({ recordAccess }, { warn: () => undefined }, new Metrics());
});
/** What is written at the end of a period is written at the end of the process, too. */
const write = () => notes.beforeApplicationShutdown();

test('B8 a thousand callers without a key are one entry, which counts them all and names some', async () => {
  for (let at = 0; at < 1_000; at += 1) notes.onUnauthenticated(`192.0.2.${at % 100}`);
  await write();
  const [[actor, tenantId, action, , detail]] = entries as [Entry];
  expect([entries.length, actor.id, tenantId, action]).toEqual([
    1,
    'service:api',
    '',
    'authentication.refused',
  ]);
  const { attempts, addresses } = detail as { attempts: number; addresses: Record<string, number> };
  expect(attempts).toBe(1_000);
  expect(Object.entries(addresses)).toHaveLength(20);
  expect(addresses['192.0.2.3']).toBe(10);
  await write();
  expect(entries).toHaveLength(1);
});

test('B8 a key that may not is one entry in its tenant’s log, with what it tried', async () => {
  for (let at = 0; at < 40; at += 1) notes.onForbidden(keyOf('key_1'), '192.0.2.1', `GET /${at}`);
  notes.onForbidden({ ...keyOf('key_2'), kind: 'operator', tenant: undefined }, '192.0.2.2', 'POST /x');
  for (let at = 0; at < 200; at += 1) notes.onForbidden(keyOf(`key_more${at}`), '', 'GET /');
  await write();
  expect(entries).toHaveLength(100);
  expect(entries[0]).toMatchObject([
    { id: 'key_1', kind: 'tenant', remoteAddress: '192.0.2.1' },
    ...['ten_1', 'authorization.refused', 'key_1'],
    { attempts: 40 },
  ]);
  expect((entries[0]![4] as { operations: string[] }).operations).toHaveLength(10);
  expect(entries[1]).toMatchObject([
    { kind: 'operator' },
    '',
    'authorization.refused',
    'key_2',
    { attempts: 1 },
  ]);
});

test('B8 what cannot be written now is counted with what comes next', async () => {
  notes.onUnauthenticated('192.0.2.1');
  notes.onForbidden(keyOf('key_1'), '192.0.2.1', 'GET /');
  isAway = true;
  await write();
  isAway = false;
  notes.onUnauthenticated('192.0.2.1');
  await write();
  expect(entries.map(([, , action, , detail]) => [action, detail])).toEqual([
    ['authentication.refused', { attempts: 2, addresses: { '192.0.2.1': 2 } }],
    ['authorization.refused', { attempts: 1, operations: ['GET /'] }],
  ]);
});
