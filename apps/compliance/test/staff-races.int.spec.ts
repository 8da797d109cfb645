import { setTimeout as delay } from 'node:timers/promises';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, House, type Tenant } from './harness.js';

/** Source: DESIGN, decision 7. Written out here: the test must not believe the code. */
const VALID_MS = 400;
/** At least; more where a busy machine gives few permits. */
const [RACES, RACES_MAX] = [300, 900];
const AT_ONCE = 12;
const ASKERS = 4;
/** Permits are asked for within so long, the entry comes in the middle of it. */
const SPREAD_MS = 120;
const ENTRY_TRIES_MAX = 20;
/** So many permits must have been given, and refused, for a run to say anything. */
const EACH_MIN = 100;

type Service = Awaited<ReturnType<House['start']>>;
type Way = 'suppression' | 'withdrawal' | 'import';
const WAYS: readonly Way[] = ['suppression', 'withdrawal', 'import'];

let house: House;
let acme: Tenant;
let phones = 0;
const newPhone = (): string => `+43664${String((phones += 1)).padStart(7, '0')}`;

beforeAll(async () => {
  house = await House.open('compliance staff races');
  [acme] = house.tenants.tenants as [Tenant];
});
afterAll(() => house.close());

async function start(): Promise<Service> {
  const service = await house.start();
  await eventually(async () => expect((await ask(service, newPhone())).decision).toBe('allow'), {
    timeoutMs: 30_000,
  });
  return service;
}

const ask = (service: Service, address: string) =>
  service.permits.requestPermit(
    {
      ...{ tenantId: acme.id, messageId: formatId('msg', newUuid(clock.nowMs())), sourceId: '', address },
      ...{ channel: 'sms', category: 'transactional', program: '', answersEventId: '', timeZone: '' },
      ...{ country: '', postalCode: '', lastInboundAtMs: 0, isReplay: false, provider: 'twilio' },
      isTemplate: false,
      carrierReplies: [],
    },
    CALL,
  );

/** @returns the last moment at which its send could begin; undefined without a permit. */
async function dispatch(service: Service, address: string): Promise<number | undefined> {
  await delay(Math.random() * SPREAD_MS);
  const askedAtMs = clock.monotonicMs();
  const answer = await ask(service, address).catch(() => undefined); // silence means no
  if (answer?.decision !== 'allow') return undefined;
  if (Math.random() < 0.3) return askedAtMs + VALID_MS;
  await delay(Math.random() * 40);
  const sentAtMs = Math.min(clock.monotonicMs(), askedAtMs + VALID_MS);
  const closing = { tenantId: acme.id, permitId: answer.permitId, outcome: 'sent' };
  await service.permits.closePermit(closing, CALL).catch(() => {});
  return sentAtMs;
}

/** What a member of staff enters; an answer says that it is in force. */
async function enter({ changes, consents }: Service, address: string, way: Way): Promise<void> {
  const by = { tenantId: acme.id, actorId: 'key_test' };
  const about = { address, channel: 'sms', scope: '', reason: 'manual' };
  const withdrawal = { address, channel: '', program: '', status: 'opted_out', proof: undefined };
  if (way === 'suppression') await changes.createSuppression({ ...by, ...about }, CALL);
  if (way === 'withdrawal') await consents.createConsent({ ...by, ...withdrawal, occurredAtMs: 0 }, CALL);
  if (way === 'import') await changes.importSuppressions({ ...by, rows: [{ ...about, personId: '' }] }, CALL);
}

/** Who gets no answer on a busy machine tries again: only an answer is a promise. @returns when it came. */
async function entered(service: Service, address: string, way: Way): Promise<number> {
  await delay((Math.random() * SPREAD_MS) / 2);
  for (let tries = 1; ; tries += 1) {
    try {
      await enter(service, address, way);
      return clock.monotonicMs();
    } catch (error) {
      if (tries === ENTRY_TRIES_MAX) throw error;
      await delay(Math.random() * 100);
    }
  }
}

test('I5 E1 races of permits against what staff enters, on two instances: no send begins after an answer', async () => {
  const [asked, told] = [await start(), await start()];
  const [late, allowed] = [[] as string[], [] as string[]];
  let [permits, refusals, index] = [0, 0, 0];
  const race = async (way: Way): Promise<void> => {
    const address = newPhone();
    const [answeredAtMs, ...sends] = await Promise.all([
      entered(told, address, way),
      ...Array.from({ length: ASKERS }, () => dispatch(asked, address)),
    ]);
    const given = sends.filter((untilMs) => untilMs !== undefined);
    permits += given.length;
    refusals += sends.length - given.length;
    if (given.some((untilMs) => untilMs > answeredAtMs)) late.push(way);
    if ((await ask(asked, address)).decision === 'allow') allowed.push(way);
  };
  const worker = async (): Promise<void> => {
    while (index < RACES || (index < RACES_MAX && Math.min(permits, refusals) <= EACH_MIN))
      await race(WAYS[index++ % WAYS.length]!);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  expect({ late, allowed }).toEqual({ late: [], allowed: [] });
  expect(permits).toBeGreaterThan(EACH_MIN);
  expect(refusals).toBeGreaterThan(EACH_MIN);
  await Promise.all([asked.close(), told.close()]);
}, 180_000);
