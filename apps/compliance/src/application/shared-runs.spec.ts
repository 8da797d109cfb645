import fc from 'fast-check';
import { SharedRuns } from './shared-runs.js';

/** Work that ends when it is told to. */
function heldWork() {
  const held: { key: string; end: (error?: Error) => void }[] = [];
  const runs = new SharedRuns(
    (key) =>
      new Promise((resolve, reject) => {
        held.push({ key, end: (error) => (error === undefined ? resolve() : reject(error)) });
      }),
  );
  return { runs, held };
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('E1 all who ask during a run share the next one, and none the one under way', async () => {
  const { runs, held } = heldWork();
  const seen: string[] = [];
  const ask = (name: string) => void runs.run('a').then(() => seen.push(name));
  ask('first');
  ask('second');
  ask('third');
  await turn();
  expect(held).toHaveLength(1);
  held[0]!.end();
  await turn();
  expect([seen, held.length]).toEqual([['first'], 2]);
  held[1]!.end();
  await turn();
  expect([seen, held.length]).toEqual([['first', 'second', 'third'], 2]);
});

test('E1 a run that fails is told to those who share it, and to nobody else', async () => {
  const { runs, held } = heldWork();
  const [failing, other] = [runs.run('a'), runs.run('b')];
  const next = runs.run('a');
  held[0]!.end(new Error('gone'));
  await expect(failing).rejects.toThrow('gone');
  await turn();
  expect(held.map(({ key }) => key)).toEqual(['a', 'b', 'a']);
  held[1]!.end();
  held[2]!.end();
  await expect(Promise.all([other, next])).resolves.toEqual([undefined, undefined]);
});

test('E1 in any order of asking and ending, each sees a run that began after it asked, and one of a key works at a time', async () => {
  const step = fc.oneof(
    fc.record({ ask: fc.constantFrom('a', 'b') }),
    fc.record({ end: fc.nat(3), isFailure: fc.boolean() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      let [time, asked, settled] = [0, 0, 0];
      const working = new Map<string, { beganAt: number; end: (error?: Error) => void }>();
      const runs = new SharedRuns(async (key) => {
        expect(working.has(key)).toBe(false);
        const beganAt = (time += 1);
        await new Promise<void>((resolve, reject) =>
          working.set(key, {
            beganAt,
            end: (error) => (error === undefined ? resolve() : reject(error)),
          }),
        ).finally(() => working.delete(key));
      });
      const lastBegun = new Map<string, number>();
      const end = async (key: string, error?: Error): Promise<void> => {
        const run = working.get(key);
        if (run === undefined) return;
        lastBegun.set(key, run.beganAt);
        run.end(error);
        await turn();
      };
      for (const now of steps) {
        if ('ask' in now) {
          const askedAt = (time += 1);
          asked += 1;
          const check = (): void => {
            settled += 1;
            expect(lastBegun.get(now.ask)).toBeGreaterThan(askedAt);
          };
          void runs.run(now.ask).then(check, check);
        } else await end(now.end % 2 === 0 ? 'a' : 'b', now.isFailure ? new Error('gone') : undefined);
      }
      for (let rest = 0; rest < 3; rest += 1) for (const key of ['a', 'b']) await end(key);
      expect(settled).toBe(asked);
    }),
  );
});
