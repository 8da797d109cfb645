import { Health } from './health.js';
import { factsBehind, statusMessage, troubleIf } from './stage-status.js';

const places = (heads: [number, bigint][], positions: [number, string, bigint][]) => ({
  epoch: 'now',
  heads: new Map(heads),
  positions: new Map(positions.map(([shard, epoch, sequence]) => [shard, { epoch, sequence }])),
});

test('H4 behind is what a consumer has not taken, over all shards', () => {
  const level = places(
    [
      [1, 10n],
      [2, 7n],
      [3, 0n],
    ],
    [
      [1, 'now', 10n],
      [2, 'now', 4n],
    ],
  );
  expect(factsBehind(level)).toBe(3);
});

test('H4 numbers of another life of the database say nothing: all facts of the shard are to be taken', () => {
  expect(factsBehind(places([[1, 10n]], [[1, 'before', 900n]]))).toBe(10);
  expect(factsBehind(places([[1, 10n]], [[1, 'now', 12n]]))).toBe(0);
});

test('H4 a status has the checks of readiness, and whether the broker is reached', () => {
  const health = new Health();
  health.add('database', () => true);
  health.add('config', () => 'no snapshot yet');
  const stage = {
    stage: 'sends',
    depth: 2,
    troubles: troubleIf(true, 'provider', () => 'it is away'),
  } as const;
  expect(statusMessage([stage], health, false, 3)).toMatchObject({
    stages: [
      { stage: 'sends', depth: 2n, isMore: false, troubles: [{ kind: 'provider', what: 'it is away' }] },
    ],
    checks: [
      { name: 'database', result: 'ok' },
      { name: 'config', result: 'no snapshot yet' },
      { name: 'broker', result: 'is not reached' },
    ],
    factsBehind: 3n,
  });
  const unknown = statusMessage([], health);
  expect(unknown.factsBehind).toBeUndefined();
  expect(unknown.checks.map(({ name }) => name)).not.toContain('broker');
});
