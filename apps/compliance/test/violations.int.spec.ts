import { formatId, idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import { RequestPermitRequest } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { WORKER_ROLE } from '../src/persistence/roles.js';
import { CALL, clock, House, type Tenant } from './harness.js';
import { storeWaiting } from './requests.js';

/** Later than the clocks of two processes may be apart. */
const LATER_MS = 5_000;

let house: House;
let one: Awaited<ReturnType<House['start']>>;
let acme: Tenant;

beforeAll(async () => {
  house = await House.open('compliance violations');
  [acme] = house.tenants.tenants as [Tenant];
  one = await house.start();
  // From its first permit on it has made its partitions.
  await eventually(async () =>
    expect((await one.permits.requestPermit(request('+436601110000'), CALL)).decision).toBe('allow'),
  );
});
afterAll(() => house.close());

const request = (address: string): RequestPermitRequest => ({
  ...RequestPermitRequest.decode(Buffer.alloc(0)),
  ...{ tenantId: acme.id, messageId: formatId('msg', newUuid(clock.nowMs())), channel: 'sms', address },
  ...{ category: 'transactional', provider: 'twilio' },
});

async function violations(): Promise<number> {
  const text = await one.process.metrics.text();
  return Number(/^posthorn_opt_out_violations_total (\d+)$/m.exec(text)![1]);
}

const optOut = (address: string) =>
  one.signals.applySignals(
    {
      signals: [
        {
          ...{ tenantId: acme.uuid, eventId: newUuid(clock.nowMs()), sourceId: newUuid(clock.nowMs()) },
          ...{ personHash: acme.hashOf(address), channel: 'sms', signal: 'opt_out', occurredAtMs: 0 },
          ...{ receivedAtMs: clock.nowMs(), provider: 'twilio', traceparent: '' },
        },
      ],
    },
    CALL,
  );

/** A decision that was never made: the mistake that is to be found. @returns the permit's ID. */
async function plant(address: string, rule: string, afterMs: number): Promise<string> {
  const id = uuidText(newUuid(clock.nowMs()));
  await house.db.query(
    `INSERT INTO compliance.decision (tenant_id, decision_id, person_hash, message_id, channel, category, program, kind,
       rule, detail, is_replay, policy_version, facts, decided_at)
     VALUES ($1, $2, $3, $2, 'sms', 'transactional', '', 'allow', $4, '', false, 1, '{}', $5)`,
    [acme.uuidText, id, acme.hashOf(address), rule, new Date(clock.nowMs() + afterMs)],
  );
  await house.db.query(
    `INSERT INTO compliance.permit (tenant_id, permit_id, person_hash, is_marketing, given_at, expires_at)
     VALUES ($1, $2, $3, false, now(), now() + interval '1 second')`,
    [acme.uuidText, id, acme.hashOf(address)],
  );
  return id;
}
const close = (permitId: string, outcome: string) =>
  one.permits.closePermit({ tenantId: acme.id, permitId: idOfUuid('evt', permitId), outcome }, CALL);

test('H2 E1 a message that left under a permit of somebody who had opted out is counted; others are not', async () => {
  const [gone, staying] = ['+436601110001', '+436601110002'];
  const earlier = await plant(gone, 'category.transactional', -LATER_MS);
  await optOut(gone);
  await close(earlier, 'sent'); // permitted before the opt-out
  await close(await plant(gone, 'category.transactional', LATER_MS), 'not_sent');
  await close(await plant(gone, 'opt_out.confirmation', LATER_MS), 'sent');
  await close(await plant(staying, 'category.transactional', LATER_MS), 'sent');
  expect(await violations()).toBe(0);
  await close(await plant(gone, 'category.transactional', LATER_MS), 'sent');
  await close(await plant(gone, 'consent.opted_in', LATER_MS), 'unknown');
  await eventually(async () => expect(await violations()).toBe(2));
});

test('H2 E1 an opt-out that waits to be written counts from its commit', async () => {
  // Would break: while the log is away it is in force for seconds, and a mistake of that time would not be seen.
  const [gone, programOnly] = ['+436601110003', '+436601110004'];
  const before = await violations();
  await house.db.query(`REVOKE INSERT ON compliance.consent_signal FROM ${WORKER_ROLE}`);
  try {
    const intake = await house.intake();
    await storeWaiting(intake, { tenantId: acme.uuid, personHash: acme.hashOf(gone) });
    const ofProgram = { personHash: acme.hashOf(programOnly), program: 'offers' };
    await storeWaiting(intake, { tenantId: acme.uuid, ...ofProgram });
    await close(await plant(gone, 'category.transactional', -LATER_MS), 'sent');
    await close(await plant(gone, 'category.transactional', LATER_MS), 'not_sent');
    await close(await plant(programOnly, 'category.transactional', LATER_MS), 'sent');
    expect(await violations()).toBe(before);
    await close(await plant(gone, 'category.transactional', LATER_MS), 'sent');
    await eventually(async () => expect(await violations()).toBe(before + 1));
  } finally {
    await house.db.query(`GRANT INSERT ON compliance.consent_signal TO ${WORKER_ROLE}`);
  }
});
