import type { Database } from '@posthorn/postgres/database.js';
import type { PermitClosing, PermitStore } from '../persistence/permit.store.js';
import { ClosePermit } from './close-permit.js';

const closing = (outcome: PermitClosing['outcome']): PermitClosing => ({
  ...{ tenantId: 'acme', permitId: 'one', outcome },
});

function setUp(check: () => Promise<number>) {
  const seen = { closed: [] as string[], checked: 0, violations: 0, warnings: 0 };
  const permits = {
    close: (_db: unknown, closings: readonly { outcome: string }[]) => {
      seen.closed.push(...closings.map(({ outcome }) => outcome));
      return Promise.resolve();
    },
    givenDespiteOptOut: () => {
      seen.checked += 1;
      return check();
    },
  } as unknown as PermitStore;
  const metrics = { violated: (messages: number) => (seen.violations += messages) };
  const log = { warn: () => (seen.warnings += 1) };
  return { seen, close: new ClosePermit({} as Database, permits, metrics, log) };
}

test('E1 H2 what was sent is checked once more, what was not sent is not', async () => {
  const { seen, close } = setUp(() => Promise.resolve(1));
  await close.run(closing('not_sent'));
  expect(seen).toMatchObject({ checked: 0, violations: 0 });
  await close.run(closing('sent'));
  await close.run(closing('unknown'));
  expect(seen).toMatchObject({ checked: 2, violations: 2, warnings: 0 });
});

test('E1 H2 a check that cannot be made is told, and leaves the permit closed', async () => {
  const { seen, close } = setUp(() => Promise.reject(new Error('away')));
  await close.run(closing('sent'));
  expect(seen).toEqual({ closed: ['sent'], checked: 1, violations: 0, warnings: 1 });
});
