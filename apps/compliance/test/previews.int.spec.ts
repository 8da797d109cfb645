import { formatId, newUuid } from '@posthorn/clock/id.js';
import type { PreviewSendsRequest } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, House, type Tenant } from './harness.js';

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;

beforeAll(async () => {
  house = await House.open('compliance previews');
  [acme] = house.tenants.tenants as [Tenant];
  one = await house.start();
  await eventually(async () =>
    expect((await preview('ready@example.test')).classes['transactional']).toMatchObject({
      decision: 'allow',
    }),
  );
});
afterAll(() => house.close());

const request = (address: string, more: Partial<PreviewSendsRequest> = {}): PreviewSendsRequest => ({
  ...{ tenantId: acme.id, personId: formatId('per', acme.hashOf(address)), channel: 'email', address },
  ...{ provider: 'sendgrid', lastInboundAtMs: 0, ...more },
});

/** The answer, with its classes by category. */
async function preview(address: string, more: Partial<PreviewSendsRequest> = {}) {
  const { consentStatus, previews } = await one.previews.previewSends(request(address, more), CALL);
  const classes = Object.fromEntries(
    previews.map(({ category, decision, rule }) => [category, { decision, rule }]),
  );
  return { consentStatus, classes };
}

const consentTo = (address: string, status: string) =>
  one.consents.createConsent(
    {
      ...{ tenantId: acme.id, actorId: 'key_test', address, channel: 'email', program: '', status },
      ...{ proof: undefined, occurredAtMs: 0 },
    },
    CALL,
  );

const rowsOf = async (): Promise<unknown> =>
  (
    await house.db.query(
      `SELECT (SELECT count(*)::int FROM compliance.decision) AS decisions,
              (SELECT count(*)::int FROM compliance.permit) AS permits`,
    )
  ).rows[0];

test('D6 E2 what may be sent is what a permit would say; nothing is permitted, nothing kept', async () => {
  const address = 'anna@example.test';
  const before = await rowsOf();
  expect(await preview(address)).toMatchObject({
    consentStatus: 'unknown',
    classes: { transactional: { decision: 'allow' }, marketing: { decision: 'deny' } },
  });
  await consentTo(address, 'opted_in');
  expect(await preview(address)).toMatchObject({
    consentStatus: 'opted_in',
    classes: { transactional: { decision: 'allow' }, marketing: { decision: 'allow' } },
  });
  expect(await rowsOf()).toEqual(before);
});

test('E1 D6 of who opted out nothing may be sent; without an address the place is not known', async () => {
  const address = 'bert@example.test';
  const signal = {
    ...{ tenantId: acme.uuid, eventId: newUuid(clock.nowMs()), sourceId: newUuid(clock.nowMs()) },
    ...{ personHash: acme.hashOf(address), channel: 'email', signal: 'opt_out', occurredAtMs: 0 },
    ...{ receivedAtMs: clock.nowMs(), provider: 'sendgrid', traceparent: '' },
  };
  await one.signals.applySignals({ signals: [signal] }, CALL);
  const { consentStatus, classes } = await preview(address);
  expect(consentStatus).toBe('opted_out');
  expect(classes['marketing']!.decision).toBe('deny');
  expect(classes['transactional']).toMatchObject({ decision: 'deny', rule: 'suppression.opt_out' });
  const unplaced = await preview('', {
    ...{ personId: formatId('per', acme.hashOf('+436641234567')), channel: 'sms', address: '' },
  });
  expect(unplaced.classes['transactional']).toMatchObject({ decision: 'allow' });
});

test('a preview of nobody, or on no channel, is refused', async () => {
  for (const [more, path] of [
    [{ personId: 'nobody' }, 'personId'],
    [{ channel: 'pigeon' }, 'channel'],
  ] as const)
    await expect(one.previews.previewSends(request('x@example.test', more), CALL)).rejects.toMatchObject({
      code: 'request.invalid',
      fields: [{ path }],
    });
});
