import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { formatId } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { type AppendStream, CALL, Rig } from './service.rig.js';

const NO_SOURCE = Buffer.alloc(16);

let rig: Rig;
let service: Awaited<ReturnType<Rig['start']>>;
let stream: AppendStream;
beforeAll(async () => {
  rig = await Rig.open();
  const dir = await mkdtemp(join(tmpdir(), 'posthorn-unsubscribed-'));
  await writeFile(join(dir, 'password'), rig.database.password);
  // Another service's schema comes from its own program, as it does everywhere else.
  await promisify(execFile)(process.execPath, [resolve('apps/compliance/dist/migrate.js')], {
    env: { DATABASE_ADMIN_URL: rig.database.url, DATABASE_PASSWORD_FILE: join(dir, 'password') },
  });
  await rm(dir, { recursive: true });
  service = await rig.start();
  await eventually(() => expect(service.process.health.readiness()).toMatchObject({ isReady: true }));
  stream = await service.stream();
});
afterAll(() => rig.close());

test('E1 E5 who unsubscribes by a link: the story of the person names the message, whose state stays what it was', async () => {
  const [tenant] = rig.tenants;
  const tenantId = formatId('ten', tenant.uuid);
  const [personHash, conversationHash, messageId] = [randomBytes(16), randomBytes(16), id()];
  const shard = tenant.shards[0]!;
  const append = async (sent: Parameters<typeof requestOf>) => {
    await stream.send([requestOf(...sent)]);
    const eventId = formatId('evt', sent[0]![0]!.eventId);
    await eventually(async () => {
      const { event } = await service.query.getEvent({ tenantId, id: eventId }, CALL);
      expect(event!.state).toBe('projected');
    });
    return eventId;
  };
  const mail = { channel: 'email', messageId, conversationHash, providerMessageId: '' };
  const keys = { tenantId: tenant.uuid, dataKeyId: tenant.dataKey.id };
  await append([[eventOf({ shard, personHash, attributes: { ...mail, status: 'delivered' } })], keys]);
  const link = {
    ...{ channel: 'email', messageId, signal: 'opt_out', program: 'news', direction: '', status: '' },
    ...{ providerStatus: '', providerMessageId: '', conversationHash: Buffer.alloc(0) },
  };
  const unsubscribed = eventOf({
    ...{ type: 'person.unsubscribed', shard, personHash, content: Buffer.alloc(0), attributes: link },
  });
  const eventId = await append([[unsubscribed], { ...keys, sourceId: NO_SOURCE, provider: 'ingress' }]);

  const { events } = await service.conversations.listPersonEvents(
    { tenantId, personHashes: [personHash], limit: 50, cursor: '', fromMs: 0, toMs: 0 },
    CALL,
  );
  expect(events.map(({ type, messageId: of }) => [type, of])).toEqual([
    ['person.unsubscribed', formatId('msg', messageId)],
    ['message.delivered', formatId('msg', messageId)],
  ]);
  expect(events[0]).toMatchObject({ eventId, sourceId: '', signal: 'opt_out', channel: 'email' });
  const { message } = await service.query.getMessage({ tenantId, id: formatId('msg', messageId) }, CALL);
  expect(message).toMatchObject({ state: 'delivered' });
  expect(message!.transitions.map(({ toState }) => toState)).toEqual(['delivered']);
  const { events: ofMessage } = await service.query.listEvents(
    {
      ...{ tenantId, limit: 10, cursor: '', type: '', sourceId: '', messageId: formatId('msg', messageId) },
      ...{ conversationId: '', providerEventId: '', fromMs: 0, toMs: 0, state: '' },
    },
    CALL,
  );
  expect(ofMessage.map(({ type }) => type)).toEqual(['person.unsubscribed', 'message.delivered']);

  const { facts } = await service.facts.listFacts({ shard, afterSequence: 0n, limit: 1_000 }, CALL);
  expect(facts.filter(({ eventId: of }) => of.equals(unsubscribed.eventId))).toMatchObject([
    {
      type: 'person.unsubscribed',
      signal: 'opt_out',
      channel: 'email',
      program: 'news',
      messageId,
      personHash,
    },
  ]);
  const { rows: pending } = await rig.database.query(
    'SELECT channel, signal, program, person_hash FROM compliance.pending_signal',
  );
  expect(pending).toEqual([
    { channel: 'email', signal: 'opt_out', program: 'news', person_hash: personHash },
  ]);
  const { rows } = await rig.database.query('SELECT FROM events.source_tally WHERE source_id = $1', [
    '00000000-0000-0000-0000-000000000000',
  ]);
  expect(rows).toEqual([]);
});
