import { formatId, idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import type { RequestPermitRequest } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, House, type Tenant } from './harness.js';

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let phones = 0;
const newPhone = (): string => `+43665${String((phones += 1)).padStart(7, '0')}`;

beforeAll(async () => {
  house = await House.open('compliance answers');
  [acme] = house.tenants.tenants as [Tenant];
  one = await house.start();
  await eventually(async () => expect((await ask(newPhone())).decision).toBe('allow'));
});
afterAll(() => house.close());

const ask = (address: string, more: Partial<RequestPermitRequest> = {}) =>
  one.permits.requestPermit(
    {
      ...{
        tenantId: acme.id,
        messageId: formatId('msg', newUuid(clock.nowMs())),
        sourceId: '',
        channel: 'sms',
      },
      ...{ address, category: 'transactional', program: '', answersEventId: '', timeZone: '', country: '' },
      ...{ postalCode: '', lastInboundAtMs: 0, isReplay: false, provider: 'twilio', isTemplate: false },
      ...{ carrierReplies: [], ...more },
    },
    CALL,
  );

/** What the person wrote, as intake knows it. @param atMs when. */
const wrote = (address: string, signal: string, atMs = clock.nowMs()) => ({
  ...{
    tenantId: acme.uuid,
    eventId: newUuid(atMs),
    sourceId: newUuid(atMs),
    personHash: acme.hashOf(address),
  },
  ...{ channel: 'sms', signal, occurredAtMs: 0, receivedAtMs: atMs, provider: 'twilio', traceparent: '' },
});
type Written = ReturnType<typeof wrote>;
const eventIdOf = ({ eventId }: Written): string => idOfUuid('evt', uuidText(eventId));

/** @returns the event that a confirmation answers. */
async function stops(address: string, atMs = clock.nowMs()): Promise<string> {
  const signal = wrote(address, 'opt_out', atMs);
  await one.signals.applySignals({ signals: [signal] }, CALL);
  return eventIdOf(signal);
}
const tell = (signal: Written): void => house.events.add(1, { ...signal, storedAtMs: signal.receivedAtMs });
const allowed = (answers: { decision: string }[]): number =>
  answers.filter(({ decision }) => decision === 'allow').length;

test('E3 the single confirmation of an opt-out passes once', async () => {
  const address = newPhone();
  const answersEventId = await stops(address);
  const messageId = formatId('msg', newUuid(clock.nowMs()));
  expect((await ask(address)).decision).toBe('deny');
  const answers = await Promise.all([
    ...Array.from({ length: 10 }, () => ask(address, { answersEventId })),
    ask(address, { answersEventId, messageId }),
  ]);
  expect(allowed(answers)).toBe(1);
  // Nobody else is answered with it.
  expect(await ask(newPhone(), { answersEventId })).toMatchObject({ rule: 'category.transactional' });
  const out = newPhone();
  await stops(out);
  expect(await ask(out, { answersEventId })).toMatchObject({ rule: 'suppression.opt_out' });
});

test('E3 STOP twice is confirmed once; after START it is an opt-out of its own', async () => {
  // Would break: each further STOP of somebody who is out already brings a further message.
  const address = newPhone();
  const nowMs = clock.nowMs();
  const [first, second] = [await stops(address, nowMs - 200_000), await stops(address, nowMs - 190_000)];
  const twice = [first, second, first, second].map((answersEventId) => ask(address, { answersEventId }));
  const answers = await Promise.all(twice);
  expect(allowed(answers)).toBe(1);
  expect(answers.filter(({ rule }) => rule === 'opt_out.confirmation_used')).toHaveLength(3);
  // An opt-out that comes late, from before both, changes nothing.
  const late = await stops(address, nowMs - 210_000);
  expect(await ask(address, { answersEventId: late })).toMatchObject({ rule: 'opt_out.confirmation_used' });
  // START within a minute of STOP does not count, so what follows is the same opt-out still.
  tell(wrote(address, 'opt_in', nowMs - 180_000));
  const hasOptIn = async () => {
    const { rows } = await house.db.query(
      `SELECT FROM compliance.consent_signal WHERE person_hash = $1 AND kind = 'opt_in'`,
      [acme.hashOf(address)],
    );
    return rows.length;
  };
  await eventually(async () => expect(await hasOptIn()).toBe(1));
  const third = await stops(address, nowMs - 100_000);
  expect(await ask(address, { answersEventId: third })).toMatchObject({ rule: 'opt_out.confirmation_used' });
  tell(wrote(address, 'opt_in', nowMs - 20_000));
  await eventually(async () => expect(await hasOptIn()).toBe(2));
  const again = await stops(address, nowMs - 10_000);
  expect(await ask(address, { answersEventId: again })).toMatchObject({ rule: 'opt_out.confirmation' });
  expect(await ask(address, { answersEventId: again })).toMatchObject({ rule: 'opt_out.confirmation_used' });
});

test('E3 who asks again after a crash has the permit of before, nobody else gets one', async () => {
  const address = newPhone();
  const answersEventId = await stops(address);
  const messageId = formatId('msg', newUuid(clock.nowMs()));
  expect((await ask(address, { answersEventId, messageId })).decision).toBe('allow');
  expect((await ask(address, { answersEventId, messageId })).decision).toBe('allow');
  expect((await ask(address, { answersEventId })).decision).toBe('deny');
});

test('E2 E3 what the carrier answers by itself is not answered again, and the decision says what it rests on', async () => {
  const address = newPhone();
  const answersEventId = await stops(address);
  const answer = await ask(address, { answersEventId, carrierReplies: ['opt_out', 'help'] });
  expect(answer).toMatchObject({ decision: 'deny', rule: 'opt_out.carrier_confirms' });
  const { decisions } = await one.decisions.listDecisions(
    {
      ...{ tenantId: acme.id, limit: 0, cursor: '', personId: formatId('per', acme.hashOf(address)) },
      ...{ messageId: '', decision: '', rule: '', fromMs: 0, toMs: 0 },
    },
    CALL,
  );
  expect(JSON.parse(decisions[0]!.factsJson)).toMatchObject({
    ...{ isAnswer: true, carrierReplies: ['opt_out', 'help'] },
  });
  // The toll-free network answers STOP only.
  const other = newPhone();
  const only = { answersEventId: await stops(other), carrierReplies: ['help'] };
  expect(await ask(other, only)).toMatchObject({ rule: 'opt_out.confirmation' });
  const many = { answersEventId, carrierReplies: Array.from({ length: 9 }, () => 'help') };
  await expect(ask(address, many)).rejects.toMatchObject({ code: 'request.invalid' });
});

test('E3 HELP is answered once, also to somebody who opted out, as soon as it is known here', async () => {
  // Would break: a rule answers faster than the fact gets here, and the answer is refused for good.
  const address = newPhone();
  await stops(address);
  const help = wrote(address, 'help');
  const answersEventId = eventIdOf(help);
  const messageId = formatId('msg', newUuid(clock.nowMs()));
  expect(await ask(address, { answersEventId, messageId })).toMatchObject({
    ...{ decision: 'defer', rule: 'opt_out.answer_unknown' },
  });
  tell(help);
  await eventually(async () =>
    expect(await ask(address, { answersEventId, messageId })).toMatchObject({ rule: 'opt_out.help_answer' }),
  );
  expect((await ask(address, { answersEventId })).decision).toBe('deny');
  expect(await ask(address, { answersEventId, messageId, carrierReplies: ['help'] })).toMatchObject({
    rule: 'opt_out.carrier_answers_help',
  });
  // What nobody told of within five minutes is no HELP.
  const never = formatId('evt', newUuid(clock.nowMs() - 301_000));
  expect(await ask(address, { answersEventId: never })).toMatchObject({ rule: 'suppression.opt_out' });
});

test('E3 the policy shows the texts that answer, with the program and the contact in them', async () => {
  const put = (policy: object, expectedVersion: number) =>
    one.policies.putPolicy(
      {
        ...{ tenantId: acme.id, actorId: 'key_test', expectedVersion, isOperator: false },
        policyJson: JSON.stringify(policy),
      },
      CALL,
    );
  await put({ answers: { program: 'Acme Deals', contact: 'help@acme.example' } }, 0);
  const { policyJson } = await one.policies.getPolicy({ tenantId: acme.id }, CALL);
  const { answers } = JSON.parse(policyJson) as { answers: Record<string, string> };
  for (const text of [answers['optOutText'], answers['helpText']])
    expect(text).toMatch(/^Acme Deals: .*help@acme\.example/);
  await expect(put({ answers: { program: 'Acme Deals' } }, 1)).rejects.toMatchObject({
    fields: [{ path: 'answers.contact' }],
  });
});
