import { serverFault } from './server-check.js';

const GOOD = { version: '160000', fsync: 'on', pages: 'on', commit: 'on' };

test('a server older than the one that is asked for is refused, whatever else it says', () => {
  expect(serverFault(GOOD)).toBeUndefined();
  expect(serverFault({ ...GOOD, version: '180004' })).toBeUndefined();
  expect(serverFault({ ...GOOD, version: '150017' })).toBe(
    'Postgres is of version 15; 16 or newer is needed',
  );
});

test('a server that may forget what it acknowledged is refused, by the settings that let it', () => {
  expect(serverFault({ ...GOOD, commit: 'remote_apply' })).toBeUndefined();
  expect(serverFault({ ...GOOD, fsync: 'off', pages: 'off', commit: 'local' })).toBe(
    'Postgres runs with fsync=off, full_page_writes=off, synchronous_commit=local',
  );
});
