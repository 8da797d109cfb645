import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import {
  type AuditAct,
  AuditOutgoing,
  auditOutgoingSql,
  type NumberedAct,
} from '@posthorn/postgres/audit-outgoing.js';
import { AuditRelay } from '@posthorn/postgres/audit-relay.js';
import type { Database } from '@posthorn/postgres/database.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';

const SCHEMA = 'platform_audit';
const [WORKER, READER] = ['platform_audit_worker', 'platform_audit_reader'];
const TENANTS = [uuidText(newUuid(1)), uuidText(newUuid(2))] as const;
const silent = { warn: () => undefined, error: () => undefined };
const outgoing = new AuditOutgoing(SCHEMA);

let testDb: TestDatabase;
let db: Database;
let reader: Database;
const relays: AuditRelay[] = [];
beforeAll(async () => {
  const roles = { workers: [WORKER], readers: [READER] };
  const up = [
    ...auditOutgoingSql(SCHEMA, roles),
    `CREATE TABLE ${SCHEMA}.thing (name text PRIMARY KEY)`,
    `GRANT SELECT, INSERT ON ${SCHEMA}.thing TO ${WORKER}`,
  ];
  const migrations = [{ name: '0001_first', up }];
  testDb = await createTestDatabase('audit outgoing', [
    { schema: SCHEMA, roles: [WORKER, READER], migrations },
  ]);
  [db, reader] = [testDb.database(WORKER), testDb.database(READER)];
});
afterEach(async () => {
  for (const relay of relays.splice(0)) await relay.stop();
});
afterAll(() => testDb.drop());

const actOf = (target: string, tenantId: string = TENANTS[0]): AuditAct => ({
  ...{ tenantId, action: 'thing.made', target, detail: { after: { target } } },
  actor: { id: 'key_1', kind: 'tenant', remoteAddress: '192.0.2.1' },
});
const make = (name: string, end: () => void = () => undefined) =>
  db.transaction(async (tx) => {
    await tx.query(`INSERT INTO ${SCHEMA}.thing (name) VALUES ($1)`, [name]);
    await outgoing.add(tx, [actOf(name)]);
    end();
  });

/** The audit log: each number once, and whatever goes wrong on the way. */
class Log {
  readonly taken = new Map<bigint, NumberedAct>();
  calls = 0;
  fail: (acts: readonly NumberedAct[]) => readonly NumberedAct[] = (acts) => acts;

  append = (acts: readonly NumberedAct[]): Promise<void> => {
    this.calls += 1;
    const stored = this.fail(acts);
    for (const act of stored) if (!this.taken.has(act.number)) this.taken.set(act.number, act);
    return stored === acts ? Promise.resolve() : Promise.reject(new AppError('service.unavailable'));
  };
  onDepth = () => undefined;
  onRefusedRow = () => undefined;
}
const relayTo = (log: Log, held = new Map([[0, 1n]])): AuditRelay => {
  const relay = new AuditRelay(db, outgoing, log, { held: () => held }, silent);
  relays.push(relay);
  relay.onApplicationBootstrap();
  return relay;
};
const relayed = (log: Log, count: number) =>
  eventually(async () => {
    expect(log.taken.size).toBe(count);
    const { numbered, relayed: through } = await outgoing.counters(db);
    expect(through).toBe(numbered);
  });

test('B8 an act and its entry are committed together: what is rolled back leaves neither, and no gap', async () => {
  await make('one');
  await expect(
    make('two', () => {
      throw new Error('after the entry');
    }),
  ).rejects.toThrow('after the entry');
  await expect(make('one')).rejects.toMatchObject({ code: '23505' });
  await Promise.all(['three', 'four', 'five'].map((name) => make(name)));
  const page = await outgoing.page(db, 0n, 10);
  expect(page.map(({ number }) => number)).toEqual([1n, 2n, 3n, 4n]);
  const { rows } = await db.query<{ name: string }>(`SELECT name FROM ${SCHEMA}.thing`);
  expect(page.map(({ target }) => target).sort()).toEqual(rows.map(({ name }) => name).sort());
  const { detail, ...rest } = actOf('one');
  expect(page[0]).toMatchObject({ ...rest, detailJson: JSON.stringify(detail) });
});

test('B8 a detail that the audit log would refuse refuses the act', async () => {
  await expect(
    db.transaction((tx) => outgoing.add(tx, [{ ...actOf('big'), detail: { text: 'x'.repeat(17_000) } }])),
  ).rejects.toThrow('too large');
});

test('B8 each act is in the log once, in order: answers that are lost, relays that end between, two at once', async () => {
  const log = new Log();
  let told = 0;
  // Half of a page is stored, then no answer: the relay cannot know which half.
  log.fail = (acts) => ((told += 1) < 4 ? acts.slice(0, Math.ceil(acts.length / 2)) : acts);
  const first = relayTo(log);
  await eventually(() => expect(log.calls).toBeGreaterThan(0));
  await first.stop();
  for (let at = 0; at < 600; at += 1) await make(`many-${at}`);
  relayTo(log);
  relayTo(log);
  await relayed(log, 604);
  expect([...log.taken.keys()].sort((a, b) => Number(a - b))).toEqual(
    Array.from({ length: 604 }, (_, index) => BigInt(index + 1)),
  );
  const { rows } = await db.query(`SELECT number FROM ${SCHEMA}.audit_outgoing`);
  expect(rows).toEqual([]);
});

test('whoever does not hold the lane relays nothing', async () => {
  const [idle, busy] = [new Log(), new Log()];
  relayTo(idle, new Map());
  relayTo(busy);
  await make('another');
  await relayed(busy, 1);
  expect(idle.calls).toBe(0);
});

test('B10 a reader adds acts of its own tenant, and reads and takes away none', async () => {
  const add = (tenantId: string) =>
    reader.tenantTransaction(TENANTS[0], (tx) => outgoing.add(tx, [actOf('own', tenantId)]));
  await add(TENANTS[0]);
  await expect(add(TENANTS[1])).rejects.toMatchObject({ code: '42501' });
  for (const statement of ['SELECT number FROM', 'DELETE FROM'])
    await expect(
      reader.tenantTransaction(TENANTS[0], (tx) => tx.query(`${statement} ${SCHEMA}.audit_outgoing`)),
    ).rejects.toMatchObject({ code: '42501' });
});
