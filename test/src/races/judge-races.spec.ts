import { type Violation } from '../checker/evidence.js';
import { FakeTwilio } from '../fakes/twilio.js';
import { type SeenSend } from '../fakes/fake-provider.js';
import { LoopClock, type Moment } from '../wire/loop-clock.js';
import { monotonicMs, pause } from '../wire/time.js';
import { judgeRaces } from './judge-races.js';
import { type Race, type RaceEvidence, type Send, type StoredCommand } from './race.js';

const at = (ms: number): Moment => ({ earliestMs: ms - 2, latestMs: ms });
const RACES = 40;

/** A run in which every second message was first, every second STOP, and each tenth contact says nothing. */
function cleanRun() {
  const races: Race[] = [];
  const sends: Send[] = [];
  const commands: StoredCommand[] = [];
  const suppressed = new Set<string>();
  for (let n = 0; n < RACES; n++) {
    const [messageId, contact, person] = [`msg_${n}`, `+6580000${n}`, `tenant person${n}`];
    const [isControl, startMs] = [n % 10 === 9, 1_000 * n];
    const stop = isControl ? undefined : { postedMs: startMs, acked: at(startMs + 60) };
    races.push({
      ...{ contact, tenant: 'tenant', category: 'marketing', messageId, stop },
    });
    if (!isControl) suppressed.add(person);
    const providerMessageId = `SM${n}`;
    const isSent = isControl || n % 2 === 0;
    if (isSent)
      sends.push({ contact, messageId, providerMessageId, isTaken: true, firstByte: at(startMs + 30) });
    commands.push({
      ...{
        messageId,
        person,
        state: isSent ? 'sent' : 'blocked',
        sinceMs: startMs + 70,
        rule: 'suppression.opt_out',
      },
      providerMessageId: isSent ? providerMessageId : '',
    });
  }
  return { races, sends, commands, suppressed, pendingSignals: 0 };
}

type Run = ReturnType<typeof cleanRun>;

test('a clean run has no violation, and its races are counted', () => {
  expect(judgeRaces(cleanRun())).toEqual({
    violations: [],
    ...{
      races: RACES,
      sentFirst: 20,
      refused: 16,
      close: 36,
      unclear: 0,
      controls: 4,
      controlsSent: 4,
      controlsOpen: 0,
      open: 0,
    },
  });
});

const change = <T extends object>(list: T[], n: number, fields: Partial<T>): void =>
  void (list[n] = { ...list[n]!, ...fields });
const send = (n: number, ms: number, fields: Partial<Send> = {}): Send => ({
  ...{ contact: `+6580000${n}`, messageId: `msg_${n}`, providerMessageId: `SM${n}`, isTaken: true },
  ...{ firstByte: at(ms), ...fields },
});

test('one that left us and never arrived waits for a person, and is no message that the rules withheld', () => {
  const run = cleanRun();
  change(run.commands, 9, { state: 'indeterminate', providerMessageId: '' });
  run.sends = run.sends.filter(({ messageId }) => messageId !== 'msg_9');
  expect(judgeRaces(run)).toMatchObject({ violations: [], open: 1, controlsSent: 3, controlsOpen: 1 });
});

test('E1 each of several messages to one contact is a race with the same STOP', () => {
  // Would break: of the messages of a contact only the first would be looked at.
  const run = cleanRun();
  const [race] = run.races;
  const command = { ...run.commands[0]!, messageId: 'msg_again', providerMessageId: 'SMagain' };
  run.races.push({ ...race!, messageId: 'msg_again' });
  run.commands.push(command);
  run.sends.push(send(0, 40, { messageId: 'msg_again', providerMessageId: 'SMagain' }));
  expect(judgeRaces(run)).toMatchObject({ violations: [], races: RACES + 1, sentFirst: 21, close: 37 });
  change(run.sends, run.sends.length - 1, { firstByte: at(63) });
  expect(judgeRaces(run).violations).toEqual([
    expect.objectContaining({ invariant: 'I5', subject: expect.stringContaining('msg_again') }),
  ]);
});

// Each is planted into a run without any; the judge must name exactly it.
test.each<[Violation['invariant'], string, (run: Run) => void]>([
  ['I5', 'a send began after an acknowledged STOP', (run) => change(run.sends, 0, { firstByte: at(63) })],
  [
    'I5',
    'a send began after an acknowledged STOP',
    // Another message to the same person, which nobody raced.
    (run) => {
      run.commands.push({ ...run.commands[0]!, messageId: 'msg_more' });
      run.sends.push(send(0, 500, { messageId: 'msg_more' }));
    },
  ],
  [
    'I5',
    'a send began after an acknowledged STOP',
    // The provider said no; it was asked all the same.
    (run) => run.sends.push(send(1, 1_500, { isTaken: false })),
  ],
  [
    'I5',
    'a STOP was acknowledged and is not on the list',
    (run) => void run.suppressed.delete('tenant person3'),
  ],
  ['I2', 'a message was handed to the provider twice', (run) => run.sends.push(send(9, 9_500))],
  [
    'I2',
    'said to be sent, but the provider never had it',
    (run) => change(run.commands, 1, { state: 'sent' }),
  ],
  ['I2', "sent, with another message's ID", (run) => change(run.commands, 2, { providerMessageId: 'SM4' })],
  [
    'I2',
    'the provider took it, but it is said not to be sent',
    (run) => change(run.commands, 4, { state: 'failed' }),
  ],
  ['I2', 'refused without a rule', (run) => change(run.commands, 3, { rule: '' })],
  [
    'I2',
    'refused by quiet_hours.gb, not for the STOP',
    (run) => change(run.commands, 3, { rule: 'quiet_hours.gb' }),
  ],
  [
    'I2',
    'a contact who said nothing did not get the message',
    (run) => {
      change(run.commands, 9, { state: 'blocked' });
      run.sends = run.sends.filter(({ messageId }) => messageId !== 'msg_9');
    },
  ],
  ['I1', 'taken by the API, but not stored', (run) => void run.commands.splice(1, 1)],
  [
    'I3',
    'a send that nobody asked for',
    (run) => run.sends.push(send(9, 9_030, { messageId: '', contact: '+65999' })),
  ],
  ['I3', 'a send to somebody else', (run) => change(run.sends, 2, { contact: '+65999' })],
  ['I3', 'suppressed without a STOP', (run) => run.suppressed.add('tenant person9')],
  ['I7', 'a message is still on its way', (run) => change(run.commands, 5, { state: 'deferred' })],
  [
    'I7',
    'the provider has it and was not asked, or not believed',
    (run) => change(run.commands, 6, { state: 'indeterminate' }),
  ],
  ['I7', 'opt-outs were stored and never applied', (run) => (run.pendingSignals = 2)],
])('planted: %s %s', (invariant, what, damage) => {
  const run = cleanRun();
  damage(run);
  const { violations } = judgeRaces(run satisfies RaceEvidence);
  expect(violations.map((each) => [each.invariant, each.what])).toEqual([[invariant, what]]);
});

test('C3 what the provider did not take may be handed to it again; what left and never arrived is for a person', () => {
  const run = cleanRun();
  change(run.commands, 1, { state: 'indeterminate' });
  run.sends.unshift(send(9, 9_010, { isTaken: false }));
  expect(judgeRaces(run)).toMatchObject({ violations: [], open: 1, refused: 15 });
});

test('what cannot be told apart is no violation, and is counted', () => {
  const run = cleanRun();
  change(run.sends, 0, { firstByte: { earliestMs: 59, latestMs: 70 } });
  expect(judgeRaces(run)).toMatchObject({ violations: [], unclear: 1, sentFirst: 19 });
});

test('far races are not close', () => {
  const run = cleanRun();
  change(run.races, 0, { stop: { postedMs: 400, acked: at(450) } });
  expect(judgeRaces(run)).toMatchObject({ violations: [], close: 35 });
});

test('E1 a real send to a real provider after a real moment is seen as later, one before it as earlier', async () => {
  const fake = await new FakeTwilio().start();
  const clock = new LoopClock();
  const seen: SeenSend[] = [];
  fake.onSend = (each) => seen.push(each);
  const post = async (): Promise<void> => {
    const basic = Buffer.from(`${fake.accountSid}:${fake.authToken}`).toString('base64');
    const response = await fetch(`${fake.url}/2010-04-01/Accounts/${fake.accountSid}/Messages.json`, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ To: '+6580000000', From: '+15005550006', Body: 'x' }),
    });
    expect(response.status).toBe(201);
  };
  await post();
  await pause(10);
  const acked = clock.now();
  await pause(10);
  await post();
  // A stalled loop makes it unclear, never wrong.
  const stalled = post();
  for (const endMs = monotonicMs() + 30; monotonicMs() < endMs;);
  const during = monotonicMs();
  await stalled;
  clock.stop();
  await fake.stop();
  const [before, after, late] = seen.map(({ firstByte }) => firstByte);
  const run = cleanRun();
  change(run.races, 0, { stop: { postedMs: 0, acked } });
  change(run.sends, 0, { firstByte: before! });
  expect(judgeRaces(run).violations).toEqual([]);
  change(run.sends, 0, { firstByte: after! });
  expect(judgeRaces(run).violations).toMatchObject([{ invariant: 'I5' }]);
  expect(late!.earliestMs).toBeLessThan(during);
  expect(late!.latestMs).toBeGreaterThan(during);
});
