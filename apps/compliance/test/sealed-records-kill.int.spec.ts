import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { SealedBox } from '@posthorn/crypto/sealed-box.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { type KeptProof, RECORD_PLACES, RecordSeals } from '../src/domain/record-seals.js';
import { ClearRecordStore } from '../src/persistence/clear-record.store.js';
import { WORKER_ROLE } from '../src/persistence/roles.js';
import { House, type Tenant } from './harness.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
/** More than a process seals in the time until it is killed. */
const ROWS = 20_000;
const KILLS = 2;
const TIMEOUT = { timeoutMs: 60_000 };

let house: House;
let acme: Tenant;
const children: ChildProcess[] = [];
beforeAll(async () => {
  house = await House.open('compliance sealed kill');
  [acme] = house.tenants.tenants as [Tenant];
}, 60_000);
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await house.close();
});

function live(): ChildProcess {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, ...house.environment() },
    stdio: 'inherit',
  });
  children.push(child);
  return child;
}

const clearRows = async (): Promise<number> => {
  const { rows } = await house.db.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM compliance.consent_proof WHERE NOT proof ? 'sealed'`,
  );
  return rows[0]!.count;
};

test('B6 I1 the sealing of what is there goes on after each kill, and every row opens to what it said', async () => {
  await house.db.query(
    `INSERT INTO compliance.consent_proof (tenant_id, signal_id, person_hash, proof)
     SELECT $1, gen_random_uuid(), $2, jsonb_build_object('eventId', '', 'wording', 'wording ' || n, 'wordingVersion', '',
       'method', '', 'url', '', 'ip', '', 'note', '')
     FROM generate_series(1, ${ROWS}) AS n`,
    [acme.uuidText, acme.hashOf('+436641111111')],
  );
  let left = ROWS;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const child = live();
    await eventually(async () => expect(await clearRows()).toBeLessThan(left), TIMEOUT);
    child.kill('SIGKILL');
    await once(child, 'exit');
    // What it was about to commit ends with its connection.
    left = await eventually(async () => {
      const before = await clearRows();
      expect(await clearRows()).toBe(before);
      return before;
    });
    expect(left).toBeGreaterThan(0);
  }
  live();
  await eventually(async () => expect(await clearRows()).toBe(0), TIMEOUT);
  const { id, key } = acme.recordKey!;
  const seals = new RecordSeals(() => new SealedBox(id, key));
  const { rows } = await house.db.query<{ signal_id: string; proof: KeptProof }>(
    'SELECT signal_id, proof FROM compliance.consent_proof WHERE tenant_id = $1',
    [acme.uuidText],
  );
  const wordings = rows.map((row) => seals.openProof(acme.uuidText, row.signal_id, row.proof).wording);
  expect(new Set(wordings)).toEqual(new Set(Array.from({ length: ROWS }, (_, at) => `wording ${at + 1}`)));
}, 180_000);

test('B6 once all is sealed the look for what is in the clear reads no row', async () => {
  // Would break: every process would read all proofs, signals and suppressions every two seconds.
  for (const child of children) child.kill('SIGKILL');
  await house.db.query(
    `INSERT INTO compliance.consent_signal (tenant_id, signal_id, person_hash, kind, signaled_at, channel, provider, actor_id)
     SELECT tenant_id, signal_id, person_hash, 'grant', now(), 'sms', '', '' FROM compliance.consent_proof`,
  );
  const TABLES = ['consent_proof', 'consent_signal', 'suppression', 'review'];
  for (const table of TABLES) await house.db.query(`ANALYZE compliance.${table}`);
  const store = new ClearRecordStore();
  const read = await house.db.database(WORKER_ROLE, { poolMax: 1 }).transaction(async (tx) => {
    const soFar = async (): Promise<number> => {
      const { rows } = await tx.query<{ count: number }>(
        `SELECT sum(seq_tup_read + idx_tup_fetch)::int AS count FROM pg_stat_xact_user_tables
         WHERE schemaname = 'compliance' AND relname = ANY ($1::text[])`,
        [TABLES],
      );
      return rows[0]!.count;
    };
    const before = await soFar();
    expect(await store.count(tx)).toBe(0);
    for (const place of RECORD_PLACES)
      expect(await store.claim(tx, place, [acme.uuidText], ROWS)).toEqual([]);
    return (await soFar()) - before;
  });
  expect(read).toBe(0);
});
