import { eventually } from '@posthorn/testing/eventually.js';
import { clock, CommandHouse, contentOf, type Running } from './commands.fixture.js';
import { FakeEndpoint } from './provider-fakes.fixture.js';

const HOUR_MS = 3_600_000;

let house: CommandHouse;
let dispatcher: Running;
let provider: FakeEndpoint;
let tenant: { id: string; uuid: Buffer };
let sourceId: string;

beforeAll(async () => {
  house = await CommandHouse.open('first answer');
  provider = await new FakeEndpoint().start();
  tenant = house.addTenant('acme');
  sourceId = house.addSource(tenant.id, provider);
  dispatcher = await house.start();
  await house.config.settled();
}, 60_000);
afterAll(async () => {
  await house.close();
  await provider.stop();
});

type Fields = Parameters<Running['create']>[0];
const create = (fields: Fields) => dispatcher.create({ tenantId: tenant.id, sourceId, ...fields });
const stored = (id: string) => dispatcher.get(tenant.id, id);
const isSent = (id: string): Promise<void> =>
  eventually(async () => expect((await stored(id)).state).toBe('sent'), { timeoutMs: 10_000 });

test('D1 who asks for a message is told what is stored of it', async () => {
  // Would break: the answer is made without reading the row, and could say another thing than GET.
  const later = await create({ notBeforeMs: clock.nowMs() + HOUR_MS, campaign: 'spring', program: 'p' });
  expect(later.command).toEqual(await stored(later.command!.id));
  expect(later.command).toMatchObject({ state: 'scheduled', campaign: 'spring' });
});

test.each([
  ['at once', {}],
  ['later', { notBeforeMs: clock.nowMs() + HOUR_MS }],
])(
  'C5 the first answer is given again, whatever became of the message: asked for %s',
  async (name, fields) => {
    const request = { ...fields, idempotencyKey: `again ${name}` };
    const first = await create(request);
    const { id } = first.command!;
    if (name === 'at once') await isSent(id);
    else
      await dispatcher.commands.cancelMessage(
        { tenantId: tenant.id, id, actorId: 'key_1' },
        { deadlineMs: 5_000 },
      );
    expect((await stored(id)).state).not.toBe(first.command!.state);
    expect(await create(request)).toEqual({ ...first, isRepeated: true });
  },
);

test('C5 a request that would be refused by now gets its first answer, and another body its refusal', async () => {
  // Would break: who did not get the answer to a message that was sent would hear that it never will be.
  const notAfterMs = clock.nowMs() + 1_500;
  const short = { notAfterMs, idempotencyKey: 'short' };
  const first = await create(short);
  await isSent(first.command!.id);
  await eventually(() => expect(clock.nowMs()).toBeGreaterThan(notAfterMs), { timeoutMs: 5_000 });
  expect(await create(short)).toEqual({ ...first, isRepeated: true });
  const invalid = { code: 'request.invalid', fields: [{ path: 'notAfter' }] };
  await expect(create({ ...short, content: contentOf('other') })).rejects.toMatchObject(invalid);
  await expect(create({ ...short, idempotencyKey: 'never used' })).rejects.toMatchObject(invalid);
  expect(provider.accepted.filter(({ text }) => text === 'other')).toEqual([]);
});

test('C5 the first answer is given also when nothing can be sent through the source any more', async () => {
  const own = house.addSource(tenant.id, provider);
  await house.config.settled();
  const request = { sourceId: own, idempotencyKey: 'gone' };
  const first = await create(request);
  await isSent(first.command!.id);

  house.config.setSource({ id: own, tenantId: tenant.id, provider: 'generic', status: 'disabled' });
  await house.config.settled();
  expect(await create(request)).toEqual({ ...first, isRepeated: true });
  await expect(create({ ...request, idempotencyKey: 'other' })).rejects.toMatchObject({
    code: 'source.cannot_send',
  });
});
