import { uuidOfId } from '@posthorn/clock/id.js';
import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, CommandHouse, contentOf, type requestOf, type Running } from './commands.fixture.js';
import { ERASURE_PAGE_MAX } from '../src/persistence/erasure.store.js';
import { FakeEndpoint } from './provider-fakes.fixture.js';

let house: CommandHouse;
let dispatcher: Running;
let provider: FakeEndpoint;
let tenant: { id: string };
let sourceId: string;
const [PERSON, LINKED, OTHER] = ['+15550001111', '+15550002222', '+15550003333'] as const;
const hashOf = (address: string): string => keyedHash(Buffer.alloc(32, 7), 'person', address).toString('hex');

beforeAll(async () => {
  house = await CommandHouse.open('erasure');
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

const send = async (fields: Parameters<typeof requestOf>[0], by = tenant.id): Promise<string> => {
  const { command } = await dispatcher.create({ tenantId: by, sourceId, ...fields });
  return command!.id;
};
const reached = (id: string, state: string) =>
  eventually(
    async () => {
      const command = await dispatcher.get(tenant.id, id);
      expect(command.state).toBe(state);
      return command;
    },
    { timeoutMs: 15_000 },
  );
const erase = async (personHashes: string[], tenantId = tenant.id) => {
  const request = { tenantId, actorId: 'key_1', personHashes };
  const { erased } = await dispatcher.erasures.erasePerson(request, CALL);
  return Object.fromEntries(erased.map(({ table, rows }) => [table, Number(rows)]));
};
const contents = async (): Promise<number> => {
  const { rows } = await house.db.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM dispatch.command_content',
  );
  return rows[0]!.n;
};
const contentsOf = async (id: string): Promise<number> => {
  const { rows } = await house.db.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM dispatch.command_content WHERE message_id = '${uuidOfId('msg', id)}'`,
  );
  return rows[0]!.n;
};

test('E6 an erasure takes what commands to a person and those linked say, and nobody else’s; again, it finds nothing', async () => {
  const sent = [await send({ to: PERSON }), await send({ to: LINKED }), await send({ to: OTHER })];
  for (const id of sent) await reached(id, 'sent');
  expect(await contents()).toBe(3);
  // Attempts whose permit came too late say so: a machine that is full has some.
  const { rows } = await house.db.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM dispatch.command_attempt
     WHERE detail <> '' AND message_id <> '${uuidOfId('msg', sent[2]!)}'`,
  );
  expect(await erase([hashOf(PERSON), hashOf(LINKED)])).toEqual({
    ...{ command_content: 2, command: 0, command_attempt: rows[0]!.n },
  });
  expect(await contents()).toBe(1);
  expect(await erase([hashOf(PERSON), hashOf(LINKED)])).toMatchObject({ command_content: 0 });
  // What became of them is told as before.
  const { attempts } = await dispatcher.get(tenant.id, sent[0]!);
  expect(attempts.filter(({ outcome }) => outcome === 'sent')).toHaveLength(1);
});

test('E6 what has not left when it is erased never leaves', async () => {
  const notBeforeMs = clock.nowMs() + 1_500;
  const id = await send({ to: PERSON, content: contentOf('too late'), notBeforeMs });
  expect((await erase([hashOf(PERSON)]))['command_content']).toBe(1);
  expect(await reached(id, 'failed')).toMatchObject({ errorCode: 'message.erased' });
  expect(provider.accepted.map(({ text }) => text)).not.toContain('too late');
});

test('E6 an erasure ends after what was on its way into the log is there', async () => {
  const release = house.events.hold();
  const { asked } = house.events.held!;
  const id = await send({ to: PERSON, content: contentOf('on its way') });
  await eventually(() => expect(asked.flat().some(({ content }) => content.length > 0)).toBe(true));
  const answered = erase([hashOf(PERSON)]).then((erased) => ({ erased, inLog: house.events.of(id).length }));
  await eventually(async () => expect(await contentsOf(id)).toBe(0));
  // Long enough for an answer that does not wait.
  for (let turn = 0; turn < 10; turn += 1) await dispatcher.get(tenant.id, id);
  release();
  expect((await answered).erased).toMatchObject({ command_content: 1 });
  expect((await answered).inLog).toBeGreaterThan(0);
  // Whoever erases the log from here on finds it.
  expect(house.events.of(id)[0]).toMatchObject({ type: 'message.accepted', content: expect.any(Buffer) });
});

test('E6 an erasure does not wait for the log for ever, and the same again goes on', async () => {
  const release = house.events.hold();
  const id = await send({ to: PERSON });
  await expect(erase([hashOf(PERSON)])).rejects.toMatchObject({
    code: 'service.deadline',
    entry: { retryable: true },
  });
  expect(await contentsOf(id)).toBe(0);
  release();
  expect(await erase([hashOf(PERSON)])).toMatchObject({ command_content: 0 });
  expect(house.events.of(id)).not.toEqual([]);
}, 20_000);

test('E6 what somebody wrote about a message goes, its outcome stays', async () => {
  const id = await send({ to: PERSON });
  await reached(id, 'sent');
  const written = 'sent says key_1: Jo told me on the phone';
  for (const table of ['command', 'command_attempt'])
    await house.db.query(
      `UPDATE dispatch.${table} SET detail = '${written}' WHERE message_id = '${uuidOfId('msg', id)}'`,
    );
  expect(await erase([hashOf(PERSON)])).toMatchObject({ command_content: 1 });
  const command = await dispatcher.get(tenant.id, id);
  expect(command).toMatchObject({ state: 'sent', detail: '', attempts: [{ outcome: 'sent', detail: '' }] });
});

test('E6 an erasure of more commands than one transaction takes leaves none', async () => {
  await reached(await send({ to: PERSON }), 'sent');
  for (const table of ['command', 'command_content'])
    await house.db.query(
      `INSERT INTO dispatch.${table} SELECT (jsonb_populate_record(NULL::dispatch.${table},
         to_jsonb(t) || jsonb_build_object('message_id',
           overlay(t.message_id::text PLACING lpad(to_hex(n), 12, '0') FROM 25)))).*
       FROM (SELECT * FROM dispatch.${table} WHERE person_hash = '\\x${hashOf(PERSON)}'
             ORDER BY message_id DESC LIMIT 1) t, generate_series(1, ${2 * ERASURE_PAGE_MAX}) n`,
    );
  expect((await erase([hashOf(PERSON)]))['command_content']).toBe(2 * ERASURE_PAGE_MAX + 1);
});

test('B10 E6 the hashes of a person of one tenant erase nothing of another', async () => {
  const id = await send({ to: OTHER });
  await reached(id, 'sent');
  const before = await contents();
  const other = house.addTenant('other');
  expect(await erase([hashOf(OTHER)], other.id)).toMatchObject({ command_content: 0 });
  expect(await contents()).toBe(before);
});

test('E6 no hash, too many, and what is none are refused', async () => {
  for (const personHashes of [[], Array.from({ length: 33 }, () => hashOf(OTHER)), ['xyz']])
    await expect(erase(personHashes)).rejects.toMatchObject({ code: 'request.invalid' });
  await expect(
    dispatcher.erasures.erasePerson(
      { tenantId: tenant.id, actorId: '', personHashes: [hashOf(OTHER)] },
      CALL,
    ),
  ).rejects.toMatchObject({ code: 'request.invalid' });
});

test('E5 commands are listed for all linked addresses of a person at once', async () => {
  const none = { cursor: '', state: '', sourceId: '', campaign: '', fromMs: 0, toMs: 0 };
  const personHashes = [PERSON, LINKED].map(hashOf);
  const list = async (limit: number, cursor = '') =>
    dispatcher.query.listMessageCommands(
      { ...none, tenantId: tenant.id, limit, cursor, personHash: '', personHashes },
      CALL,
    );
  for (const to of [LINKED, PERSON]) await send({ to });
  const all = await list(3);
  expect(new Set(all.commands.map(({ personHash }) => personHash))).toEqual(new Set(personHashes));
  const first = await list(1);
  const rest = await list(2, first.nextCursor);
  expect([...first.commands, ...rest.commands].map(({ id }) => id)).toEqual(all.commands.map(({ id }) => id));
  await expect(
    dispatcher.query.listMessageCommands(
      { ...none, tenantId: tenant.id, limit: 1, personHash: 'zz', personHashes: [] },
      CALL,
    ),
  ).rejects.toMatchObject({ code: 'request.invalid' });
});
