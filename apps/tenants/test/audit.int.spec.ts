import { generateKeyPairSync } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newUuid, uuidOfId, uuidText } from '@posthorn/clock/id.js';
import { FileKeyWrapper, generateKeyFile } from '@posthorn/crypto/file-key-wrapper.js';
import { type Database } from '@posthorn/postgres/database.js';
import { migrate } from '@posthorn/postgres/migrate.js';
import { createTestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import fc from 'fast-check';
import { CheckpointAudit } from '../src/application/checkpoint-audit.js';
import { CheckpointSigner } from '../src/application/checkpoint-signer.js';
import { CheckpointFile } from '../src/clients/checkpoint-file.js';
import { type ChainHead, GENESIS, problemAfter } from '../src/domain/audit-chain.js';
import { checkpointLine, signCheckpoint } from '../src/domain/audit-checkpoint.js';
import { AuditRead } from '../src/persistence/audit.read.js';
import { AuditStore } from '../src/persistence/audit.store.js';
import { CheckpointStore } from '../src/persistence/checkpoint.store.js';
import { FIRST } from '../src/persistence/migrations/0001-first.js';
import { MIGRATIONS } from '../src/persistence/migrations/migrations.js';
import { WORKER_ROLE } from '../src/persistence/roles.js';
import { CALL, House, type Instance, makeSource, makeTenant } from './harness.js';

let house: House;
let tenants: Instance;
let worker: Database;
beforeAll(async () => {
  house = await House.open('audit');
  tenants = await house.start();
  worker = house.db.database(WORKER_ROLE);
});
afterAll(() => house.close());

const directory = () => join(house.dir, 'checkpoints');
const signer = () =>
  new CheckpointSigner(
    worker,
    new CheckpointStore(),
    FileKeyWrapper.load(join(house.dir, 'kek.json')),
    tenants.process.clock,
  );
const checkpoint = async (): Promise<{ made: number; broken: string }> => {
  const { log, metrics } = testProcess('tenants');
  const file = new CheckpointFile(directory());
  const store = new CheckpointStore();
  const made = await new CheckpointAudit(worker, new AuditRead(), store, signer(), file, log, metrics).run();
  return { made, broken: /posthorn_audit_broken_logs (\d+)/.exec(await metrics.text())![1]! };
};
const verify = (tenant: string, afterNumber = 0n) => tenants.audit.verifyAudit({ tenant, afterNumber }, CALL);

/** As somebody who owns the database would: the trigger that refuses changes is switched off first. */
async function tamper(table: string, statement: string, values: readonly unknown[] = []): Promise<void> {
  await house.db.query(`ALTER TABLE tenants.${table} DISABLE TRIGGER ${table}_append_only`);
  try {
    await house.db.query(statement, values);
  } finally {
    await house.db.query(`ALTER TABLE tenants.${table} ENABLE TRIGGER ${table}_append_only`);
  }
}

/** A tenant with a log of `length` entries. */
async function tenantWithLog(length: number): Promise<{ id: string; uuid: string }> {
  const { id } = await makeTenant(tenants);
  for (let made = 1; made < length; made += 1) await makeSource(tenants, id);
  return { id, uuid: uuidOfId('ten', id)! };
}

/** Rewrites the chain from an entry on, so that it follows again: what the best of forgers would do. */
async function rechain(uuid: string, from: number): Promise<void> {
  await tamper(
    'audit',
    `DO $$ DECLARE entry tenants.audit; former bytea;
      BEGIN
        SELECT hash INTO former FROM tenants.audit WHERE tenant_id = '${uuid}' AND number = ${from - 1};
        FOR entry IN SELECT * FROM tenants.audit WHERE tenant_id = '${uuid}' AND number >= ${from} ORDER BY number LOOP
          former := tenants.audit_hash(former, entry);
          UPDATE tenants.audit SET hash = former WHERE tenant_id = '${uuid}' AND number = entry.number;
          UPDATE tenants.audit_counter SET hash = former WHERE tenant_id = '${uuid}';
        END LOOP;
      END $$`,
  );
}

describe('B8 I9 the audit log proves itself', () => {
  test('a log that nobody touched verifies, with and without checkpoints', async () => {
    const { id } = await tenantWithLog(4);
    expect(await verify(id)).toMatchObject({
      ...{ valid: true, entries: 4n, firstBadNumber: 0n, problem: '', nextAfterNumber: 0n },
      ...{ checkpoints: 0, outsideCheckpoints: 0 },
    });
    expect((await checkpoint()).made).toBeGreaterThan(0);
    await makeSource(tenants, id);
    await checkpoint();
    expect(await verify(id)).toMatchObject({
      valid: true,
      entries: 5n,
      checkpoints: 2,
      outsideCheckpoints: 2,
    });
    expect(await checkpoint()).toEqual({ made: 0, broken: '0' });
    expect(await verify('')).toMatchObject({ valid: true });
    expect(await verify(id, 2n)).toMatchObject({ valid: true, entries: 3n });
  });

  test('an entry that was edited is named, with the very column it was edited in', async () => {
    const { id, uuid } = await tenantWithLog(4);
    for (const change of [
      `action = 'source.deleted'`,
      `actor_id = 'key_other'`,
      `at = at + interval '1 millisecond'`,
      `detail_json = detail_json || ' '`,
      `remote_address = ''`,
      `target = 'src_other'`,
      `audit_id = gen_random_uuid()`,
      `origin = 'events:1'`,
      `hash = sha256(hash)`,
    ]) {
      const { rows } = await house.db.query(
        `SELECT * FROM tenants.audit WHERE tenant_id = $1 AND number = 3`,
        [uuid],
      );
      await tamper('audit', `UPDATE tenants.audit SET ${change} WHERE tenant_id = $1 AND number = 3`, [uuid]);
      expect([change, await verify(id)]).toMatchObject([
        change,
        { valid: false, firstBadNumber: 3n, problem: 'changed', entries: 2n },
      ]);
      const row = rows[0]!;
      await tamper(
        'audit',
        `UPDATE tenants.audit SET action = $2, actor_id = $3, at = $4, detail_json = $5, remote_address = $6,
           target = $7, audit_id = $8, origin = $9, hash = $10 WHERE tenant_id = $1 AND number = 3`,
        [
          ...[uuid, row['action'], row['actor_id'], row['at'], row['detail_json'], row['remote_address']],
          ...[row['target'], row['audit_id'], row['origin'], row['hash']],
        ],
      );
      expect((await verify(id)).valid).toBe(true);
    }
  });

  test('an entry that was deleted is named, in the middle and at the end', async () => {
    const { id, uuid } = await tenantWithLog(4);
    await tamper('audit', 'DELETE FROM tenants.audit WHERE tenant_id = $1 AND number = 4', [uuid]);
    expect(await verify(id)).toMatchObject({ valid: false, firstBadNumber: 4n, problem: 'missing' });
    await tamper('audit', 'DELETE FROM tenants.audit WHERE tenant_id = $1 AND number = 2', [uuid]);
    expect(await verify(id)).toMatchObject({ valid: false, firstBadNumber: 2n, problem: 'missing' });
  });

  test('a forger who rewrites the whole chain is found by the checkpoint that he cannot sign', async () => {
    const { id, uuid } = await tenantWithLog(3);
    await checkpoint();
    await makeSource(tenants, id);
    await tamper('audit', `UPDATE tenants.audit SET actor_id = 'key_x' WHERE tenant_id = $1 AND number = 2`, [
      uuid,
    ]);
    await rechain(uuid, 2);
    expect(await verify(id)).toMatchObject({ valid: false, firstBadNumber: 3n, problem: 'checkpoint' });
    // The signed copy in the database goes, too; the one outside stays.
    await tamper('audit_checkpoint', 'DELETE FROM tenants.audit_checkpoint WHERE tenant_id = $1', [uuid]);
    expect(await verify(id)).toMatchObject({ valid: false, firstBadNumber: 3n, problem: 'checkpoint' });
  });

  test('a log that was cut off, counter and checkpoints included, is found by the copy outside of the database', async () => {
    const { id, uuid } = await tenantWithLog(4);
    await checkpoint();
    await tamper('audit_checkpoint', 'DELETE FROM tenants.audit_checkpoint WHERE tenant_id = $1', [uuid]);
    await tamper('audit', 'DELETE FROM tenants.audit WHERE tenant_id = $1 AND number > 2', [uuid]);
    await house.db.query(
      `UPDATE tenants.audit_counter c SET number = 2, hash = a.hash FROM tenants.audit a
        WHERE c.tenant_id = $1 AND a.tenant_id = $1 AND a.number = 2`,
      [uuid],
    );
    expect(await verify(id)).toMatchObject({ valid: false, firstBadNumber: 3n, problem: 'missing' });
  });

  test('a round of checkpoints reports a log that was changed since the last one, and does not sign it', async () => {
    const { id, uuid } = await tenantWithLog(2);
    const before = Number((await checkpoint()).broken);
    await makeSource(tenants, id);
    await tamper('audit', `UPDATE tenants.audit SET target = 'src_x' WHERE tenant_id = $1 AND number = 3`, [
      uuid,
    ]);
    expect(await checkpoint()).toEqual({ made: 0, broken: String(before + 1) });
    const { rows } = await house.db.query('SELECT FROM tenants.audit_checkpoint WHERE tenant_id = $1', [
      uuid,
    ]);
    expect(rows).toHaveLength(1);
    await tamper('audit', 'DELETE FROM tenants.audit WHERE tenant_id = $1 AND number = 3', [uuid]);
    expect(await checkpoint()).toEqual({ made: 0, broken: String(before + 1) });
  });

  test('checkpoints of others count for nothing: neither keys nor signatures can be made without the key file', async () => {
    const { id, uuid } = await tenantWithLog(2);
    await checkpoint();
    const stranger = generateKeyPairSync('ed25519').privateKey;
    const keyId = uuidText(newUuid(tenants.process.clock.nowMs()));
    generateKeyFile(join(house.dir, 'other-kek.json'));
    const wrapped = FileKeyWrapper.load(join(house.dir, 'other-kek.json')).wrap(
      stranger.export({ format: 'der', type: 'pkcs8' }),
      Buffer.alloc(0),
    );
    await house.db.query("INSERT INTO tenants.audit_key VALUES ($1, $2, now() - interval '1 day')", [
      keyId,
      wrapped,
    ]);
    const forged = signCheckpoint(
      { tenantId: uuid, number: 1n, hash: Buffer.alloc(32, 1), atMs: 1, keyId },
      stranger,
    );
    await new CheckpointStore().insert(worker, forged);
    appendFileSync(join(directory(), `${id}.jsonl`), `${checkpointLine(forged)}\n{"half a li`);
    expect(await verify(id)).toMatchObject({ valid: true, checkpoints: 1, outsideCheckpoints: 1 });
    await house.db.query('DELETE FROM tenants.audit_key WHERE key_id = $1', [keyId]);
    // The next line does not grow onto the half one.
    await makeSource(tenants, id);
    await checkpoint();
    expect(await verify(id)).toMatchObject({ valid: true, outsideCheckpoints: 2 });
    const lines = readFileSync(join(directory(), `${id}.jsonl`), 'utf8').split('\n');
    expect(lines.filter((line) => line === '{"half a li')).toHaveLength(1);
  });
});

test('B8 I9 Postgres hashes whatever is written as it is verified', async () => {
  const { id } = await makeTenant(tenants);
  const uuid = uuidOfId('ten', id)!;
  const text = fc.string({ unit: 'binary', maxLength: 40 }).map((value) => value.replaceAll('\0', ''));
  const entry = fc.record({
    auditId: fc.uuid(),
    atMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
    actor: fc.record({
      ...{ id: text, remoteAddress: text },
      kind: fc.constantFrom('operator' as const, 'tenant' as const, 'service' as const),
    }),
    ...{ action: text, target: text, detailJson: text },
  });
  const entries = fc.sample(entry, 300).map((each, index) => ({ ...each, origin: `events:${index}` }));
  await worker.transaction((tx) => new AuditStore().append(tx, uuid, entries.slice(0, 263)));
  await worker.transaction((tx) => new AuditStore().append(tx, uuid, entries.slice(260)));
  let head: ChainHead = GENESIS;
  for (const each of await new AuditRead().page(worker, uuid, 0n, 500)) {
    expect(problemAfter(head, uuid, each)).toBeUndefined();
    head = each;
  }
  expect(head.number).toBe(301n);
  expect((await verify(id)).valid).toBe(true);
});

test('B8 I9 entries of before the chain are chained by the migration', async () => {
  const db = await createTestDatabase('audit-before', [{ ...MIGRATIONS, migrations: [FIRST] }]);
  try {
    const uuid = uuidText(newUuid(1));
    for (const tenant of [uuid, uuidText(newUuid(2))]) {
      for (let number = 1; number <= 3; number += 1)
        await db.query(
          `INSERT INTO tenants.audit (tenant_id, number, audit_id, at, actor_id, actor_kind, remote_address, action,
             target, detail_json)
           VALUES ($1, $2, gen_random_uuid(), date_trunc('milliseconds', now()), 'key_1', 'tenant', '', 'a.b', 'ü', '{}')`,
          [tenant, number],
        );
      await db.query('INSERT INTO tenants.audit_counter VALUES ($1, 3)', [tenant]);
    }
    const { applied } = await migrate({ ...MIGRATIONS, adminUrl: db.url, password: db.password });
    expect(applied).toContain('0002_trust');
    const own = db.database(WORKER_ROLE);
    const [entries, end] = [
      await new AuditRead().page(own, uuid, 0n, 10),
      await new AuditRead().head(own, uuid),
    ];
    let head: ChainHead = GENESIS;
    for (const each of entries) {
      expect(problemAfter(head, uuid, each)).toBeUndefined();
      head = each;
    }
    expect(head).toMatchObject({ number: 3n, hash: end!.hash });
    await expect(db.query('DELETE FROM tenants.audit')).rejects.toThrow('append-only');
  } finally {
    await db.drop();
  }
});

// The last one: nothing is left after it.
test('B8 I9 a log that was truncated is found, with everything else in the database gone, too', async () => {
  const { id } = await tenantWithLog(3);
  await checkpoint();
  const backup = await house.db.query('SELECT * FROM tenants.audit_counter');
  await tamper('audit', 'TRUNCATE tenants.audit');
  expect(await verify(id)).toMatchObject({
    valid: false,
    firstBadNumber: 1n,
    problem: 'missing',
    entries: 0n,
  });
  await house.db.query('DELETE FROM tenants.audit_counter');
  await tamper('audit_checkpoint', 'TRUNCATE tenants.audit_checkpoint');
  expect(await verify(id)).toMatchObject({ valid: false, firstBadNumber: 1n, problem: 'missing' });
  writeFileSync(join(directory(), `${id}.jsonl`), '');
  expect(await verify(id)).toMatchObject({ valid: false, firstBadNumber: 1n, problem: 'missing' });
  expect(backup.rowCount).toBeGreaterThan(0);
});
