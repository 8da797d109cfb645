import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RACE_FAULTS } from './race-faults.js';
import { countedOf, type FaultTally, RaceJournal, type RaceRound, TOO_FAR } from './race-journal.js';
import { planRaces, RACES_MAX } from './race-plan.js';
import { RaceProgress } from './race-progress.js';

const tally = (fields: Partial<FaultTally> = {}): FaultTally => ({
  ...{ id: 'C0', races: 1_000, sentFirst: 480, refused: 470, afterStop: 0, others: 0 },
  ...{ close: 900, unclear: 0, strikes: 0, problems: [] },
  ...fields,
});

test('E1 a million races are rounds of bounded size, none left out, and each fault has its turn in each', () => {
  const rounds = planRaces(RACE_FAULTS, 1_000_000);
  const races = rounds.flat().reduce((sum, planned) => sum + planned.races, 0);
  expect(races).toBe(1_000_000);
  for (const round of rounds) {
    expect(round.map(({ fault }) => fault.id)).toEqual(RACE_FAULTS.map(({ id }) => id));
    for (const planned of round) {
      expect(planned.races).toBeGreaterThan(100);
      expect(planned.races).toBeLessThanOrEqual(planned.fault.racesMax ?? RACES_MAX);
    }
  }
  const [quiet] = RACE_FAULTS;
  expect(planRaces([quiet!], RACES_MAX + 1).map(([one]) => one!.races)).toEqual([
    RACES_MAX / 2,
    RACES_MAX / 2 + 1,
  ]);
  expect(planRaces(RACE_FAULTS, 1_000)).toEqual([RACE_FAULTS.map((fault) => ({ fault, races: 200 }))]);
  expect(planRaces(RACE_FAULTS, 0)).toEqual([]);
  expect(planRaces([], 1_000)).toEqual([]);
});

test('E1 one late send among all rounds is said at the end, and so is a round that proves nothing', () => {
  const progress = new RaceProgress(4_000);
  progress.add(tally());
  expect(progress.isClean).toBe(true);
  progress.add(tally({ afterStop: 1, others: 1 }));
  progress.add(tally());
  expect(progress.isClean).toBe(false);
  expect(progress.left).toBe(1_000);
  expect(progress.line(123.4)).toBe(
    'so far 3,000 of 4,000 races (75.0 %)  sent first 1,440  refused 1,410  after STOP 1  other violations 1  memory 123 MB',
  );
  const empty = new RaceProgress(1);
  empty.add(tally({ races: 1, problems: ['only 1.0 % were close'] }));
  expect(empty.isClean).toBe(false);
  expect(empty.left).toBe(0);
});

test('E1 of earlier rounds races that were not close are run again, and what else went wrong is never left out', () => {
  const far = [TOO_FAR.close('1.0 %'), TOO_FAR.first('message', '0.0 %'), TOO_FAR.first('STOP', '0.5 %')];
  const [whole, empty] = [tally(), tally({ id: 'C1', problems: far })];
  const kept = [
    ...far.map((problem) => tally({ id: 'C2', afterStop: 1, problems: [problem] })),
    tally({ id: 'C3', others: 1, problems: far }),
    tally({ id: 'C4', problems: [...far, 'not healed'] }),
  ];
  const round = {
    at: '2026-11-26T17:00:00.000Z',
    revision: 'abcdef0',
    seed: 1,
    faults: [whole, empty, ...kept],
  };
  expect(countedOf([round, round])).toEqual([whole, ...kept, whole, ...kept]);
});

test('E1 a journal gives back its rounds, and says which line is none', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-journal-'));
  try {
    const file = join(folder, 'races.jsonl');
    const journal = new RaceJournal(file);
    expect(await journal.read()).toEqual([]);
    const round = (seed: number): RaceRound => ({
      ...{ at: '2026-11-26T17:00:00.000Z', revision: 'abcdef0', seed },
      faults: [tally(), tally({ id: 'C1', problems: ['not healed'] })],
    });
    await journal.append(round(1));
    await journal.append(round(1_001));
    expect(await journal.read()).toEqual([round(1), round(1_001)]);
    for (const broken of ['{"faults":[{"id":"C0"}]}', '{"at":', '[]']) {
      await writeFile(file, `${JSON.stringify(round(1))}\n${broken}\n`);
      await expect(journal.read()).rejects.toThrow(`${file}: line 2 is not a round of races`);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
