import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { SystemClock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { RuleMetrics } from '../src/application/rule-metrics.js';
import { RuleTallies } from '../src/application/rule-tallies.js';
import { RunRuleEffects } from '../src/application/run-rule-effects.js';
import type { Performed } from '../src/application/perform-rule-effect.js';
import type { EventAttributes } from '../src/domain/intake.js';
import type { RuleDefinition } from '../src/domain/rule.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { FIRED_PER_DAY_MAX, RuleEffectStore, type DueEffect } from '../src/persistence/rule-effect.store.js';
import { RuleStore } from '../src/persistence/rule.store.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { projectorOf } from './projector.fixture.js';
import { sending, tagging } from './rule.builder.js';

let database: TestDatabase;
let append: AppendStore;
const [tenantId, sourceId] = [id(), id()];
beforeEach(async () => {
  database = await createTestDatabase('rule effects', [EVENTS_SCHEMA]);
  append = new AppendStore(database.database(ROLES.append));
});
afterEach(() => database.drop());

async function addRule(over: Partial<RuleDefinition> = {}): Promise<string> {
  const ruleId = uuidText(newUuid(new SystemClock().nowMs()));
  const definition = {
    types: ['message.*'],
    expression: '',
    once: 'event',
    action: tagging,
    ...over,
  } as const;
  const tenant = uuidText(tenantId);
  const rule = {
    tenantId: tenant,
    ruleId,
    name: 'r',
    version: 1,
    isEnabled: true,
    definition,
    cost: 1,
    changedBy: 'k',
  };
  await database.database(ROLES.reader).tenantTransaction(tenant, (tx) => new RuleStore().create(tx, rule));
  return ruleId;
}

const conversationHash = id();
const message = (attributes: Partial<EventAttributes> = {}) =>
  requestOf([eventOf({ shard: 3, attributes: { conversationHash, ...attributes } })], { tenantId, sourceId });
const inbound = () =>
  message({ direction: 'inbound', status: 'received', providerMessageId: `IN${uuidText(id())}` });

async function effects() {
  const { rows } = await database.query<{
    state: string;
    attempt_count: number;
    arguments: string;
    result: string;
  }>(`SELECT state, attempt_count, arguments, result FROM events.rule_effect ORDER BY effect_id`);
  return rows;
}

/** A process that carries effects out, one round at a time. */
function runner(perform: (effect: DueEffect) => Promise<Performed>) {
  const { clock, log } = testProcess('events');
  const metrics = new RuleMetrics(new Metrics());
  const db = database.database(ROLES.worker);
  return new RunRuleEffects(
    ...([db, new RuleEffectStore(), { run: perform }, new RuleTallies(clock), clock, log, metrics] as const),
  );
}
const leasesEnd = () =>
  database.query(`UPDATE events.rule_effect SET next_attempt_at = now() WHERE state = 'pending'`);

test('D4 C3 a projection that breaks off at its commit leaves no effect, and the next try fires once', async () => {
  await addRule();
  await append.insert([inbound()]);
  await database.query(
    `CREATE FUNCTION events.break_off() RETURNS trigger LANGUAGE plpgsql
     AS $$ BEGIN RAISE EXCEPTION 'broken off' USING ERRCODE = '57P01'; END $$`,
  );
  // Runs at COMMIT, and only when the effect was written.
  await database.query(
    `CREATE CONSTRAINT TRIGGER break_off AFTER INSERT ON events.rule_effect
     DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION events.break_off()`,
  );
  const broken = await projectorOf(database);
  await expect(broken.drain()).rejects.toMatchObject({ code: 'store.unavailable' });
  expect(await effects()).toEqual([]);
  expect(broken.published).toEqual([]);
  await database.query('DROP TRIGGER break_off ON events.rule_effect');
  const next = await projectorOf(database);
  await next.drain();
  expect(await effects()).toHaveLength(1);
});

test('D4 C3 a log that is projected again fires nothing again', async () => {
  // Would break: a cursor that is set back by an operator would send every message of the past once more.
  await addRule({ action: sending('x'), once: 'message' });
  await append.insert([inbound()]);
  await (await projectorOf(database)).drain();
  await database.query('UPDATE events.shard SET cursor_xid = $1, cursor_position = 0', ['0']);
  await database.query('DELETE FROM events.transition');
  await database.query('DELETE FROM events.outbox');
  await (await projectorOf(database)).drain();
  expect(await effects()).toHaveLength(1);
});

test('D4 F8 a message whose callback came first, in another transaction, fires once', async () => {
  await addRule({ once: 'message' });
  const command = id();
  const projector = await projectorOf(database);
  await append.insert([message({ status: 'delivered', providerMessageId: 'SM9' })]);
  await projector.drain();
  const sent = message({ status: 'sent', providerMessageId: 'SM9', messageId: command });
  await append.insert([sent]);
  await projector.drain();
  await append.insert([message({ status: 'read', providerMessageId: 'SM9' })]);
  await projector.drain();
  expect(await effects()).toHaveLength(1);
});

test('D4 E1 a rule sees what compliance said, also in the same batch', async () => {
  await addRule({ expression: '!consent.isOptedOut' });
  const personHash = id();
  const optOut = requestOf(
    [
      eventOf({
        shard: 3,
        type: 'consent.opted_out',
        personHash,
        attributes: { status: '', conversationHash: Buffer.alloc(0) },
      }),
    ],
    { tenantId, sourceId: Buffer.alloc(16), provider: 'compliance' },
  );
  const reply = requestOf([eventOf({ shard: 3, personHash, attributes: { conversationHash } })], {
    tenantId,
    sourceId,
  });
  const projector = await projectorOf(database);
  await append.insert([reply, optOut]);
  await projector.drain();
  expect(await effects()).toEqual([]);
  await append.insert([
    requestOf([eventOf({ shard: 3, personHash, attributes: { conversationHash } })], { tenantId, sourceId }),
  ]);
  await projector.drain();
  expect(await effects()).toEqual([]);
  await append.insert([message()]);
  await projector.drain();
  expect(await effects()).toHaveLength(1);
});

test('D4 F3 two machines that answer each other stop: a rule sends so often in one conversation and no more', async () => {
  await addRule({ action: sending('Danke für Ihre Nachricht') });
  await addRule({ action: tagging });
  const projector = await projectorOf(database);
  for (let batch = 0; batch < 4; batch += 1) {
    await append.insert(Array.from({ length: 10 }, inbound));
    await projector.drain();
  }
  const { rows } = await database.query(
    `SELECT action, count(*)::int AS n FROM events.rule_effect GROUP BY action ORDER BY action`,
  );
  expect(rows).toEqual([
    { action: 'send', n: FIRED_PER_DAY_MAX },
    { action: 'tag', n: 40 },
  ]);
  await projector.book.changed();
  const { rows: told } = await database.query(
    `SELECT fired_count::int AS fired, error_count::int AS errors, last_error FROM events.rule ORDER BY rule_id`,
  );
  expect(told[0]).toMatchObject({
    fired: 20,
    errors: 20,
    last_error: 'it fired too often for one conversation',
  });
});

test('D4 C3 a process that dies between commit and execution, or in it, leaves the effect to the next', async () => {
  await addRule({ action: sending('{{ event.channel }}') });
  await append.insert([inbound()]);
  await (await projectorOf(database)).drain();
  expect(await effects()).toEqual([{ state: 'pending', attempt_count: 0, arguments: '["sms"]', result: '' }]);
  const keys = new Set<string>();
  const done = new Set<string>();
  const perform = (effect: DueEffect): Promise<Performed> => {
    keys.add(`${effect.ruleId} ${effect.triggerEventId}`);
    done.add(effect.effectId);
    return Promise.resolve({ result: 'msg_1' });
  };
  // Claimed and never heard of again: nobody takes it before its lease has ended.
  await new RuleEffectStore().claim(database.database(ROLES.worker), 10, 60_000);
  expect(await runner(perform).run()).toBe(0);
  await leasesEnd();
  const both = await Promise.all([runner(perform).run(), runner(perform).run()]);
  expect(both.sort()).toEqual([0, 1]);
  expect(await effects()).toMatchObject([{ state: 'done', attempt_count: 2, result: 'msg_1' }]);
  expect([keys.size, done.size]).toEqual([1, 1]);
  await leasesEnd();
  expect(await runner(perform).run()).toBe(0);
});

test('D4 what can succeed later is tried again, a bounded number of times; what cannot ends at once', async () => {
  await addRule({ action: sending('x') });
  await append.insert([inbound()]);
  await (await projectorOf(database)).drain();
  let tries = 0;
  const away = runner(() => {
    tries += 1;
    return Promise.reject(new AppError('service.unavailable'));
  });
  for (let round = 1; round <= 3; round += 1) {
    await away.run();
    expect(await away.run()).toBe(0); // not before its pause is over
    expect(await effects()).toMatchObject([{ state: 'pending', attempt_count: round }]);
    await leasesEnd();
  }
  await database.query('UPDATE events.rule_effect SET attempt_count = 299');
  await away.run();
  await leasesEnd();
  expect(await away.run()).toBe(0);
  expect(tries).toBe(4);
  expect(await effects()).toMatchObject([{ state: 'failed', attempt_count: 300 }]);
  await append.insert([inbound()]);
  await (await projectorOf(database)).drain();
  await runner(() => Promise.reject(new AppError('source.cannot_send', { detail: 'no credentials' }))).run();
  const { rows } = await database.query(
    `SELECT state, error_code, detail FROM events.rule_effect WHERE attempt_count = 1`,
  );
  expect(rows).toEqual([{ state: 'failed', error_code: 'source.cannot_send', detail: 'no credentials' }]);
  await append.insert([inbound()]);
  await (await projectorOf(database)).drain();
  await database.query(
    `UPDATE events.rule_effect SET fired_at = now() - interval '25 h' WHERE state = 'pending'`,
  );
  expect(await away.run()).toBe(1);
  expect(tries).toBe(4); // too late: not even tried
});

test('D4 nothing is projected before the rules are known', async () => {
  // Would break: at a start with a slow database, events would go by rules unseen, and for ever.
  await addRule();
  const projector = await projectorOf(database);
  await database.query(`REVOKE SELECT ON events.rule FROM ${ROLES.worker}`);
  await append.insert([inbound()]);
  await expect(projector.drain()).rejects.toMatchObject({ code: 'store.unavailable' });
  await database.query(`GRANT SELECT ON events.rule TO ${ROLES.worker}`);
  await projector.drain();
  expect(await effects()).toHaveLength(1);
});
