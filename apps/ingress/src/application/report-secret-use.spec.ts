import { ReportSecretUse } from './report-secret-use.js';
import type { SecretUse } from '../clients/usage.client.js';

function reporter() {
  const calls: (readonly SecretUse[])[] = [];
  const state = { isDown: false };
  const report = async (uses: readonly SecretUse[]): Promise<void> => {
    if (state.isDown) throw new Error('away');
    calls.push(uses);
  };
  return { calls, state, uses: new ReportSecretUse({ report }, { warn: () => {} }) };
}

test('B7 a thousand matches of a secret are one report, of the last of them', async () => {
  const { calls, uses } = reporter();
  for (let atMs = 1; atMs <= 1_000; atMs++) uses.matched('ten_1', 'sec_1', atMs);
  uses.matched('ten_1', 'sec_2', 5);
  uses.matched('ten_1', 'https://sender.example/jwks.json', 6);
  await uses.onApplicationShutdown();
  expect(calls).toEqual([
    [
      { tenantId: 'ten_1', secretId: 'sec_1', matchedAtMs: 1_000 },
      { tenantId: 'ten_1', secretId: 'sec_2', matchedAtMs: 5 },
    ],
  ]);
});

test('B7 what could not be reported is reported with what came since, the later time of both', async () => {
  const { calls, state, uses } = reporter();
  state.isDown = true;
  uses.matched('ten_1', 'sec_1', 7);
  await uses.onApplicationShutdown();
  state.isDown = false;
  uses.matched('ten_1', 'sec_1', 6);
  await uses.onApplicationShutdown();
  await uses.onApplicationShutdown();
  expect(calls).toEqual([[{ tenantId: 'ten_1', secretId: 'sec_1', matchedAtMs: 7 }]]);
});

test('I8 a report holds a thousand secrets at most', async () => {
  const { calls, uses } = reporter();
  for (let index = 0; index < 30_000; index++) uses.matched('ten_1', `sec_${index}`, 1);
  await uses.onApplicationShutdown();
  expect(calls.map(({ length }) => length)).toEqual(Array(20).fill(1_000));
});
