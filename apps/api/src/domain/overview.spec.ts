import { mergeStages, type Report } from './overview.js';

const report = (over: Partial<Report> = {}): Report => ({
  ...{ stages: [], checks: [{ name: 'database', result: 'ok' }], factsBehind: undefined },
  ...over,
});
const reported = (stage: string, over = {}) => ({
  ...{
    stage,
    depth: undefined,
    isMore: false,
    lagMs: undefined,
    oldestAtMs: undefined,
    ratePerSecond: undefined,
  },
  ...{ troubles: [], ...over },
});
const all = { tenants: report(), events: report(), compliance: report(), dispatcher: report() };
const stageIn = (stages: ReturnType<typeof mergeStages>, name: string) =>
  stages.find(({ stage }) => stage === name)!;

test('H4 each stage is there, in the order of an event, also when nobody says anything of it', () => {
  const stages = mergeStages(all, 1_500);
  expect(stages.map(({ stage }) => stage)).toEqual([
    ...['intake', 'append', 'projection', 'unrecognized', 'quarantine', 'publish', 'compliance'],
    ...['deliveries', 'dead_letters', 'sends', 'stores'],
  ]);
  expect(stages.flatMap(({ wrong }) => wrong)).toEqual([]);
});

test('H4 a service that does not answer is wrong in each of its stages, and in the stores', () => {
  const stages = mergeStages({ ...all, dispatcher: undefined }, 1_500);
  const wrong = stages.filter((stage) => stage.wrong.length > 0);
  expect(wrong.map(({ stage }) => stage)).toEqual(['deliveries', 'dead_letters', 'sends', 'stores']);
  for (const { wrong: troubles } of wrong)
    expect(troubles).toEqual([
      { what: 'dispatcher did not answer within 1500 ms', runbook: 'docs/runbooks/queue-backlog.md' },
    ]);
});

test('H4 what a service finds wrong names its runbook; a kind that is not known here leads to the list of them', () => {
  const troubles = [
    { kind: 'destination', what: 'it keeps failing' },
    { kind: 'of tomorrow', what: 'something new' },
  ];
  const stages = mergeStages(
    { ...all, dispatcher: report({ stages: [reported('deliveries', { depth: 7, troubles })] }) },
    1_500,
  );
  expect(stageIn(stages, 'deliveries')).toMatchObject({
    depth: 7,
    wrong: [
      { what: 'it keeps failing', runbook: 'docs/runbooks/destination-outage.md' },
      { what: 'something new', runbook: 'docs/runbooks/README.md' },
    ],
  });
});

test('H4 a check that fails is wrong with the stores; a fact is out when all who act on facts have it', () => {
  const stages = mergeStages(
    {
      ...all,
      events: report({ checks: [{ name: 'broker', result: 'is not reached' }] }),
      compliance: report({ factsBehind: 3 }),
      dispatcher: report({ factsBehind: 40 }),
    },
    1_500,
  );
  expect(stageIn(stages, 'stores').wrong).toEqual([
    { what: 'events: broker is not reached', runbook: 'docs/runbooks/broker-loss.md' },
  ]);
  expect(stageIn(stages, 'publish').depth).toBe(40);
  expect(stageIn(mergeStages(all, 1_500), 'publish').depth).toBeUndefined();
});

test('H4 several services may speak of one stage: the front door speaks to tenants, its rate is in the log', () => {
  const stages = mergeStages(
    {
      ...all,
      tenants: report({
        stages: [reported('intake', { troubles: [{ kind: 'service', what: 'no ingress' }] })],
      }),
      events: report({ stages: [reported('intake', { ratePerSecond: 12 })] }),
    },
    1_500,
  );
  expect(stageIn(stages, 'intake')).toMatchObject({ ratePerSecond: 12, wrong: [{ what: 'no ingress' }] });
});
