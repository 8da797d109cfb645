import { idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import type { IntakeSignal } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import type { Database } from '@posthorn/postgres/database.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, House, type Tenant } from './harness.js';
import { permitRequest, storeWaiting } from './requests.js';

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;
let intake: Database;
let people = 0;
const newMail = (): string => `u${(people += 1)}@example.test`;

beforeAll(async () => {
  house = await House.open('compliance unsubscribes');
  [acme] = house.tenants.tenants as [Tenant];
  intake = await house.intake();
  one = await house.start();
  await eventually(async () => expect(await decided(newMail(), 'a')).toBe('allow'));
});
afterAll(() => house.close());

/** What is said to a message of no marketing: what stops it, stops marketing too. */
async function decided(address: string, program: string, channel = 'email'): Promise<string> {
  const request = permitRequest(acme, address, { program, channel, country: 'AT', provider: 'sendgrid' });
  const permit = await one.permits.requestPermit(request, CALL);
  if (permit.decision === 'allow')
    await one.permits.closePermit({ tenantId: acme.id, permitId: permit.permitId, outcome: 'sent' }, CALL);
  return permit.decision === 'allow' ? 'allow' : permit.rule;
}

const unsubscribed = (address: string, program: string | undefined): IntakeSignal => ({
  ...{ tenantId: acme.uuid, eventId: newUuid(clock.nowMs()), sourceId: Buffer.alloc(16) },
  ...{ personHash: acme.hashOf(address), channel: 'email', signal: 'opt_out', program, occurredAtMs: 0 },
  ...{ receivedAtMs: clock.nowMs(), provider: 'ingress', traceparent: '' },
});
const suppressionsOf = async (address: string) =>
  (await one.query.checkAddress({ tenantId: acme.id, address, channel: '' }, CALL)).suppressions.map(
    ({ channel, scope, reason, eventId }) => [channel, scope, reason, eventId],
  );

test('E1 a link takes the person off the program of its mail, by mail: what else they get goes on', async () => {
  const address = newMail();
  const signal = unsubscribed(address, 'news');
  expect(await one.signals.applySignals({ signals: [signal] }, CALL)).toEqual({ isInForce: [true] });
  expect(await decided(address, 'news')).toBe('suppression.opt_out');
  // Nobody knows which program it is of.
  expect(await decided(address, '')).toBe('suppression.opt_out');
  expect(await decided(address, 'receipts')).toBe('allow');
  expect(await decided(address, 'news', 'push')).toBe('allow');
  const event = idOfUuid('evt', uuidText(signal.eventId));
  expect(await suppressionsOf(address)).toEqual([['email', 'news', 'opt_out', event]]);
});

test('E1 a link of a mail without a program takes the person off all mails; STOP still is for everything', async () => {
  const [address, stopped] = [newMail(), newMail()];
  await one.signals.applySignals(
    { signals: [unsubscribed(address, 'all'), unsubscribed(stopped, undefined)] },
    CALL,
  );
  expect(await decided(address, 'receipts')).toBe('suppression.opt_out');
  expect(await decided(address, 'receipts', 'push')).toBe('allow');
  expect(await decided(stopped, 'receipts', 'push')).toBe('suppression.opt_out');
});

test('E1 the same opt-out by its fact, before or after, has the same scope and is told once', async () => {
  for (const isFactFirst of [true, false]) {
    const address = newMail();
    const signal = unsubscribed(address, 'news');
    const fact = { ...signal, type: 'person.unsubscribed', storedAtMs: signal.receivedAtMs };
    const apply = () => one.signals.applySignals({ signals: [signal] }, CALL);
    if (!isFactFirst) await apply();
    house.events.add(1, fact);
    await eventually(async () => expect(await suppressionsOf(address)).toHaveLength(1));
    await apply();
    // A later one by the same link.
    await one.signals.applySignals({ signals: [unsubscribed(address, 'news')] }, CALL);
    expect((await suppressionsOf(address)).map(([channel, scope]) => [channel, scope])).toEqual([
      ['email', 'news'],
    ]);
    const told = () =>
      [...house.events.appended.values()].filter(({ personHash }) => personHash.equals(signal.personHash));
    await eventually(() => expect(told()).toHaveLength(1));
    expect(told()[0]).toMatchObject({ type: 'consent.opted_out', attributes: { causedBy: signal.eventId } });
  }
});

test('E1 one that is not written yet stops what it is about, and nothing else', async () => {
  const address = newMail();
  await storeWaiting(intake, unsubscribed(address, 'news'));
  expect(await decided(address, 'receipts')).toBe('allow');
  expect(await decided(address, 'news')).not.toBe('allow');
});

test('E1 one that nobody asked for is applied by itself, with its scope', async () => {
  const address = newMail();
  const signal = unsubscribed(address, 'news');
  await storeWaiting(intake, signal);
  const left = 'SELECT FROM compliance.pending_signal WHERE person_hash = $1';
  await eventually(async () => expect((await house.db.query(left, [signal.personHash])).rowCount).toBe(0), {
    timeoutMs: 10_000,
  });
  const event = idOfUuid('evt', uuidText(signal.eventId));
  expect(await suppressionsOf(address)).toEqual([['email', 'news', 'opt_out', event]]);
});
