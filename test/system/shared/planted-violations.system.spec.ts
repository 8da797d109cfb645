import type pg from 'pg';
import { judge } from '../../src/checker/checker.js';
import { type Evidence, type Violation } from '../../src/checker/evidence.js';
import { EvidenceReader } from '../../src/checker/evidence-reader.js';
import { type Cast, createCast } from '../../src/chaos/cast.js';
import { heal } from '../../src/chaos/healing.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { History } from '../../src/load/history.js';
import { OpenLoop } from '../../src/load/open-loop.js';
import { Workload } from '../../src/load/workload.js';
import { type Receipt, Sink } from '../../src/sink/sink.js';
import { Random } from '../../src/wire/random.js';
import { readKeyFile } from '../../src/wire/sealed.js';

const START_MS = 240_000;
let [platform, sink, cast, db, reader] = [] as unknown as [
  RunningPlatform,
  Sink,
  Cast,
  pg.Client,
  EvidenceReader,
];
const history = new History();

beforeAll(async () => {
  sink = await Sink.start();
  platform = await sharedPlatform();
  cast = await createCast({ platform, sink }, 'planted');
  const random = new Random(11);
  const workload = new Workload(cast.sources, random);
  const load = {
    ratePerSecond: 100,
    durationMs: 4_000,
    duplicateShare: 0.3,
    retry: { delayMs: 200, graceMs: 10_000 },
  };
  await new OpenLoop({ ...load, next: () => workload.next(), history, random }).run();
  const healed = await heal(platform, cast);
  expect(healed.problem).toBeUndefined();
  db = healed.db;
  reader = new EvidenceReader(db, readKeyFile(platform.local.kekFile), cast.tenants);
}, START_MS);

afterAll(async () => {
  await db?.end();
  await sink?.stop();
}, START_MS);

const evidenceNow = (change: Partial<Pick<Evidence, 'sent' | 'receipts'>> = {}): Promise<Evidence> =>
  reader.read(change.sent ?? history.requests, change.receipts ?? sink.receipts, cast.destinations);

/** The checker reads over the same connection, so it sees the damage; nobody else ever does. */
async function damagedBy(...statements: string[]): Promise<readonly Violation[]> {
  await db.query('BEGIN');
  try {
    for (const statement of statements) {
      const { rowCount } = await db.query(
        statement,
        statement.includes('$1') ? [cast.tenants.map(({ uuid }) => uuid)] : [],
      );
      expect(rowCount).toBeGreaterThan(0);
    }
    return judge(await evidenceNow()).violations;
  } finally {
    await db.query('ROLLBACK');
  }
}

const first = (table: string, more = 'true'): string =>
  `ctid = (SELECT min(ctid) FROM ${table} WHERE tenant_id = ANY($1) AND ${more}) AND tableoid = (SELECT tableoid FROM ${table} WHERE tenant_id = ANY($1) AND ${more} LIMIT 1)`;
const MESSAGE_FACT = `SELECT o.* FROM events.outbox o JOIN events.event_log l USING (event_id)
  WHERE l.tenant_id = ANY($1) ORDER BY o.shard, o.sequence LIMIT 1`;

test('the undamaged run is clean', async () => {
  const verdict = judge(await evidenceNow());
  expect(verdict.violations).toEqual([]);
  expect(verdict.acked).toBeGreaterThan(350);
  expect(verdict.delivered).toBeGreaterThan(300);
  expect(verdict.resent).toBeGreaterThan(80);
});

test.each<[Violation['invariant'], string, string[]]>([
  ['I1', 'a raw request is gone', [`DELETE FROM events.raw WHERE ${first('events.raw')}`]],
  [
    'I1',
    'one bit of a raw request flipped',
    [`UPDATE events.raw SET body = set_byte(body, 60, get_byte(body, 60) # 1) WHERE ${first('events.raw')}`],
  ],
  [
    'I1',
    'an event is gone from the log',
    [`DELETE FROM events.event_log WHERE ${first('events.event_log')}`],
  ],
  [
    'I2',
    'an event is twice in the log',
    [
      `INSERT INTO events.event_log SELECT shard, xid, position, tenant_id, gen_random_uuid(), source_id, request_id,
         secret_id, type, provider, provider_event_id, person_hash, conversation_id, occurred_at, received_at, stored_at,
         traceparent, attributes FROM events.event_log WHERE tenant_id = ANY($1) AND request_id IS NOT NULL LIMIT 1`,
    ],
  ],
  ['I2', 'a deduplication key is gone', [`DELETE FROM events.dedup WHERE ${first('events.dedup')}`]],
  [
    'I2',
    'a message has another state',
    [`UPDATE events.message SET state = 'expired' WHERE ${first('events.message')}`],
  ],
  ['I2', 'a message is gone', [`DELETE FROM events.message WHERE ${first('events.message')}`]],
  [
    'I2',
    'a fact is gone',
    [
      `DELETE FROM events.outbox WHERE (shard, sequence) IN (SELECT shard, sequence FROM (${MESSAGE_FACT}) f)`,
    ],
  ],
  [
    'I2',
    'a fact is written twice',
    [
      `INSERT INTO events.outbox (shard, sequence, event_id, fact)
       SELECT shard, (SELECT head_sequence + 1 FROM events.shard s WHERE s.shard = f.shard), event_id, fact FROM (${MESSAGE_FACT}) f`,
    ],
  ],
  ['I2', 'a delivery is gone', [`DELETE FROM dispatch.delivery WHERE ${first('dispatch.delivery')}`]],
  [
    'I6',
    'an event is under another tenant',
    [
      `UPDATE events.event_log SET tenant_id = ($1::uuid[])[2] WHERE ${first('events.event_log', 'tenant_id = ($1::uuid[])[1]')}`,
    ],
  ],
  [
    'I6',
    'a delivery is under another tenant',
    [
      `UPDATE dispatch.delivery SET tenant_id = ($1::uuid[])[2] WHERE ${first('dispatch.delivery', 'tenant_id = ($1::uuid[])[1]')}`,
    ],
  ],
  [
    'I7',
    'an effect is missing',
    [`DELETE FROM events.transition WHERE ${first('events.transition', 'NOT is_applied')}`],
  ],
  [
    'I7',
    'a delivery is stuck',
    [`UPDATE dispatch.delivery SET state = 'retrying' WHERE ${first('dispatch.delivery')}`],
  ],
])('planted in the database → %s: %s', async (invariant, _what, statements) => {
  // A checker that cannot see this damage would call a platform that does it correct.
  const violations = await damagedBy(...statements);
  expect(violations.map((violation) => violation.invariant)).toContain(invariant);
});

const keyed = (receipts: readonly Receipt[]): Receipt[] => receipts.map((receipt) => ({ ...receipt }));

test('planted in the receivers’ log: gone, foreign, forged, reordered', async () => {
  const invariants = async (receipts: Receipt[]): Promise<string[]> =>
    judge(await evidenceNow({ receipts })).violations.map(({ invariant }) => invariant);
  const taken = sink.receipts.findIndex(
    ({ status, webhookId }) =>
      status === 204 && sink.receipts.filter((other) => other.webhookId === webhookId).length === 1,
  );
  expect(await invariants(keyed(sink.receipts).filter((_receipt, at) => at !== taken))).toContain('I2');
  expect(
    await invariants([...keyed(sink.receipts), { ...sink.receipts[taken]!, webhookId: 'fct_x' }]),
  ).toContain('I3');
  expect(await invariants(keyed(sink.receipts).map((each) => ({ ...each, isSigned: false })))).toContain(
    'I3',
  );
  expect(await invariants(keyed(sink.receipts).map((each) => ({ ...each, order: -each.order })))).toContain(
    'I4',
  );
});

test('planted in the sender’s history: something stored that was never sent, or was refused', async () => {
  const sent = history.requests.filter(({ isForged }) => !isForged);
  expect(
    judge(await evidenceNow({ sent: sent.slice(1) })).violations.map(({ invariant }) => invariant),
  ).toContain('I3');
  const refused = {
    ...sent[0]!,
    attempts: sent[0]!.attempts.map((attempt) => ({ ...attempt, status: 403 })),
  };
  const violations = judge(await evidenceNow({ sent: [refused, ...sent.slice(1)] })).violations;
  expect(violations.map(({ invariant }) => invariant)).toContain('I3');
});
