import type { Database, Rows, Statement } from '@posthorn/postgres/database.js';
import {
  INTAKE_SERVICE,
  isAwaited,
  isUnverified,
  NO_SOURCE,
  type IntakeEvent,
  type IntakeRequest,
} from '../domain/intake.js';
import { digestOf, digestsOf, firstOfEachNonce, nameOfNonce } from '../domain/nonce.js';
import { encodeAttributes } from './attributes.codec.js';
import { type AwaitedOptOut, type InForce, inForceOf, inForceQuestion } from './in-force.sql.js';
import {
  boolArray,
  byteaArray,
  int2Array,
  int4Array,
  textArray,
  timeArray,
  uuidArray,
} from '@posthorn/postgres/pg-arrays.js';

/** The part of the database that can only append: its role reads no bodies. */
export type AppendDatabase = Pick<Database, 'query' | 'inOrder'>;

interface Row {
  readonly request: IntakeRequest;
  readonly requestIndex: number;
  readonly event: IntakeEvent;
}

/**
 * Everything of one batch in one statement, so in one transaction and one round trip.
 * - Dedup keys are inserted in their order: two batches that share keys wait for each other in that order
 *   only, and so cannot deadlock. Log rows are inserted as they arrived: that is the order within a lane.
 * - The other rows follow for what is new. `(… IN (…)) IS TRUE` keeps the planner from turning the hashed
 *   subplan into a join: it believes that `unnest` gives ten rows, and a nested loop over 256 costs more than
 *   all the inserts.
 * - It answers with its transaction and the duplicates, so usually with one row.
 */
const insertSql = (more: Parts): string => `
WITH e AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::uuid[], $5::int2[], $6::uuid[], $7::uuid[],
    $8::text[], $9::text[], $10::text[], $11::bytea[], $12::uuid[], $13::timestamptz[], $14::timestamptz[],
    $15::text[], $16::bytea[], $17::uuid[], $18::bytea[]) WITH ORDINALITY
  AS e (tenant_id, source_id, dedup_hash, event_id, shard, request_id, secret_id,
    type, provider, provider_event_id, person_hash, conversation_id, occurred_at, received_at,
    traceparent, attributes, data_key_id, content, ordinal)
)${more.nonces?.table ?? ''}${more.formers?.keys ?? ''}, ${more.formers === undefined ? 'd' : 'claimed'} AS (
  INSERT INTO events.dedup (tenant_id, source_id, dedup_hash, event_id)
  SELECT tenant_id, source_id, dedup_hash, event_id FROM ${more.formers === undefined ? 'e' : 'k'} ${more.nonces?.condition ?? ''}
  ORDER BY tenant_id, source_id, dedup_hash, ordinal
  ON CONFLICT DO NOTHING
  RETURNING event_id
)${more.formers?.unclaimed ?? ''}, l AS (
  INSERT INTO events.event_log (shard, tenant_id, event_id, source_id, request_id, secret_id, type, provider,
    provider_event_id, person_hash, conversation_id, occurred_at, received_at, traceparent, attributes)
  SELECT shard, tenant_id, event_id, source_id, request_id, secret_id, type, provider,
    provider_event_id, person_hash, conversation_id, occurred_at, received_at, traceparent, attributes
  FROM e WHERE (event_id IN (SELECT event_id FROM d)) IS TRUE
), c AS (
  INSERT INTO events.content (tenant_id, event_id, person_hash, data_key_id, body)
  SELECT tenant_id, event_id, person_hash, data_key_id, content
  FROM e WHERE content IS NOT NULL AND (event_id IN (SELECT event_id FROM d)) IS TRUE
), r AS (
  INSERT INTO events.raw (tenant_id, request_id, source_id, data_key_id, received_at, body)
  SELECT tenant_id, request_id, source_id, data_key_id, received_at, body
  FROM unnest($19::uuid[], $20::uuid[], $21::uuid[], $22::uuid[], $23::timestamptz[], $24::bytea[])
    AS r (tenant_id, request_id, source_id, data_key_id, received_at, body)
  WHERE (r.request_id IN (
    SELECT e.request_id FROM e WHERE e.request_id IS NOT NULL AND (e.event_id IN (SELECT event_id FROM d)) IS TRUE
  )) IS TRUE
)${more.optOuts ?? ''}
SELECT 0 AS ordinal, pg_current_xact_id()::text AS xid
UNION ALL
SELECT ordinal::int4, NULL FROM e WHERE NOT (event_id IN (SELECT event_id FROM d))${more.nonces?.answer ?? ''}`;

interface Parts {
  readonly optOuts: string | undefined;
  readonly nonces: NoncesSql | undefined;
  readonly formers: FormersSql | undefined;
}

/**
 * The same for a batch with opt-outs: from this commit on no permit can be given to these people until compliance
 * has applied what they said. An address that a provider calls dead counts as one. The one write into another schema;
 * its role may insert there, nothing else.
 * Why a statement of its own: a batch without opt-outs must not pay for it.
 * @param first number of the first of five parameters.
 */
const optOutsSql = (first: number): string => `, o AS (
  INSERT INTO compliance.pending_signal (tenant_id, person_hash, event_id, channel, signal, program, is_unverified,
    occurred_at, provider, traceparent)
  SELECT e.tenant_id, e.person_hash, e.event_id, o.channel, o.signal, o.program, o.is_unverified, e.occurred_at,
    e.provider, e.traceparent
  FROM unnest($${first}::uuid[], $${first + 1}::text[], $${first + 2}::text[], $${first + 3}::text[],
    $${first + 4}::bool[]) AS o (event_id, channel, signal, program, is_unverified)
  JOIN e ON e.event_id = o.event_id
  WHERE (e.event_id IN (SELECT event_id FROM d)) IS TRUE
)`;

interface NoncesSql {
  readonly table: string;
  readonly condition: string;
  readonly answer: string;
}

/**
 * The same for a batch with nonces: of a request whose nonce is taken nothing is stored. Nonces come before dedup
 * keys in every statement, and in their order, so these cannot deadlock either. The update changes nothing: it makes
 * the row that was there, or that another batch commits meanwhile, come back.
 * Its answer has a row below zero for each nonce that is another request's, with that one's digest as its xid.
 * @param first number of the first of six parameters.
 */
const noncesSql = (first: number): NoncesSql => ({
  table: `, n AS (
  INSERT INTO events.nonce AS n (tenant_id, source_id, nonce_hash, request_id, digest)
  SELECT * FROM unnest($${first}::uuid[], $${first + 1}::uuid[], $${first + 2}::bytea[], $${first + 3}::uuid[],
    $${first + 4}::bytea[]) AS k (tenant_id, source_id, nonce_hash, request_id, digest)
  ORDER BY tenant_id, source_id, nonce_hash
  ON CONFLICT (tenant_id, source_id, nonce_hash) DO UPDATE SET nonce_hash = n.nonce_hash
  RETURNING n.tenant_id, n.source_id, n.nonce_hash, n.request_id, n.digest
)`,
  condition: `WHERE (request_id IN (SELECT request_id FROM n)) IS TRUE
    OR (request_id = ANY ($${first + 5}::uuid[])) IS NOT TRUE`,
  answer: `
UNION ALL
SELECT -k.ordinal::int4, encode(n.digest, 'hex')
FROM unnest($${first}::uuid[], $${first + 1}::uuid[], $${first + 2}::bytea[], $${first + 3}::uuid[])
  WITH ORDINALITY AS k (tenant_id, source_id, nonce_hash, request_id, ordinal)
JOIN n ON n.tenant_id = k.tenant_id AND n.source_id = k.source_id AND n.nonce_hash = k.nonce_hash
WHERE n.request_id <> k.request_id`,
});
interface FormersSql {
  readonly keys: string;
  readonly unclaimed: string;
}

/**
 * The same for a batch with former dedup keys: an event takes all of its keys, former ones too, and is new when it got
 * every one. So it is known to who still derives the former key, and who did so before is known to it.
 * Why counted: the role reads of a key no more than its event. Distinct: a batch may hold one event twice.
 * @param first number of the first of two parameters.
 */
const formersSql = (first: number): FormersSql => ({
  keys: `, k AS MATERIALIZED (
  SELECT tenant_id, source_id, dedup_hash, event_id, request_id, ordinal FROM e
  UNION ALL
  SELECT e.tenant_id, e.source_id, f.dedup_hash, e.event_id, e.request_id, e.ordinal
  FROM unnest($${first}::int4[], $${first + 1}::bytea[]) AS f (ordinal, dedup_hash) JOIN e ON e.ordinal = f.ordinal
)`,
  unclaimed: `, d AS MATERIALIZED (
  SELECT event_id FROM (
    SELECT event_id, 1 AS got FROM claimed
    UNION ALL
    SELECT event_id, -1 FROM (SELECT DISTINCT tenant_id, source_id, dedup_hash, event_id FROM k) AS needed
  ) AS keys
  GROUP BY event_id HAVING sum(got) = 0
)`,
});

const EVENT_PARAMETERS = 24;
const OPT_OUT_PARAMETERS = 5;
const NONCE_PARAMETERS = 6;

/** What of the rarer things a batch has. */
interface Kind {
  readonly hasOptOuts: boolean;
  readonly hasNonces: boolean;
  readonly hasFormers: boolean;
}

/** Its parameters: of events and raw requests, then of each rarer thing that it has. */
function statementOf({ hasOptOuts, hasNonces, hasFormers }: Kind): Statement {
  const optOuts = EVENT_PARAMETERS + 1;
  const nonces = optOuts + (hasOptOuts ? OPT_OUT_PARAMETERS : 0);
  const formers = nonces + (hasNonces ? NONCE_PARAMETERS : 0);
  const parts = [hasOptOuts && 'opt_outs', hasNonces && 'nonces', hasFormers && 'formers'];
  const text = insertSql({
    optOuts: hasOptOuts ? optOutsSql(optOuts) : undefined,
    nonces: hasNonces ? noncesSql(nonces) : undefined,
    formers: hasFormers ? formersSql(formers) : undefined,
  });
  return { name: ['append', ...parts.filter((part) => part !== false)].join('_'), text };
}

const keyOfKind = ({ hasOptOuts, hasNonces, hasFormers }: Kind): number =>
  Number(hasOptOuts) + 2 * Number(hasNonces) + 4 * Number(hasFormers);
const STATEMENTS: readonly Statement[] = Array.from({ length: 8 }, (_, key) =>
  statementOf({ hasOptOuts: (key & 1) > 0, hasNonces: (key & 2) > 0, hasFormers: (key & 4) > 0 }),
);

/** What one transaction of intake did. */
export interface Inserted {
  readonly xid: bigint;
  /** For each request how many of its events were there before. */
  readonly duplicates: readonly number[];
  /** Requests, by their place, that are another one than the first with their nonce. */
  readonly forgeries: ReadonlySet<number>;
  /** Missing: no request has an opt-out that its sender waits for. */
  readonly inForce?: InForce | undefined;
}

const NONE: ReadonlySet<number> = new Set();

/** Writes requests and their events, each event once. */
export class AppendStore {
  constructor(private readonly db: AppendDatabase) {}

  /**
   * Commits all requests, or none.
   * @throws AppError `store.unavailable`, with detail `outcome unknown` when it may be committed all the same.
   * @throws the error of pg, class 22 or 23, when a row is refused.
   */
  async insert(requests: readonly IntakeRequest[]): Promise<Inserted> {
    const rows = rowsOf(requests);
    const optOuts = rows.filter(isOptOut);
    const hasNonces = requests.some(({ nonceHash }) => nonceHash !== undefined);
    const withNonces = hasNonces ? requests.filter(({ nonceHash }) => nonceHash !== undefined) : NO_REQUESTS;
    const firsts = hasNonces ? firstOfEachNonce(withNonces) : NO_REQUESTS;
    const hasFormers = rows.some(hasFormerHashes);
    const kind = { hasOptOuts: optOuts.length > 0, hasNonces, hasFormers };
    const statement = STATEMENTS[keyOfKind(kind)]!;
    const values = [
      ...eventColumns(rows),
      ...rawColumns(requests.filter(({ raw }) => raw.length > 0)),
      ...(optOuts.length === 0 ? [] : optOutColumns(optOuts)),
      ...(hasNonces ? nonceColumns(firsts, withNonces) : []),
      ...(hasFormers ? formerColumns(rows) : []),
    ];
    const awaited = optOuts.filter(({ event }) => isAwaited(event)).map(awaitedOf);
    const { found, inForce } =
      awaited.length === 0
        ? { found: (await this.db.query<AnswerRow>(statement, values)).rows, inForce: undefined }
        : await this.appendAndAsk({ statement, values }, awaited);
    const duplicates = requests.map(() => 0);
    const takenBy = new Map<IntakeRequest, string>();
    let xid = 0n;
    for (const { ordinal, xid: text } of found) {
      if (ordinal > 0) duplicates[rows[ordinal - 1]!.requestIndex]! += 1;
      else if (ordinal === 0) xid = BigInt(text!);
      else takenBy.set(firsts[-ordinal - 1]!, text!);
    }
    const forgeries = hasNonces ? forgeriesOf(requests, takenBy) : NONE;
    return { xid, duplicates, forgeries, inForce };
  }

  /** What is asked once the append has committed travels with it. */
  private async appendAndAsk(
    append: { readonly statement: Statement; readonly values: readonly unknown[] },
    awaited: readonly AwaitedOptOut[],
  ): Promise<{ found: AnswerRow[]; inForce: InForce }> {
    const [appended, asked] = await this.db.inOrder([append, inForceQuestion(awaited)]);
    if (appended!.status === 'rejected') throw appended!.reason;
    const { rows } = appended!.value as Rows<AnswerRow>;
    return { found: rows, inForce: inForceOf(asked!, awaited) };
  }
}

interface AnswerRow {
  ordinal: number;
  xid: string | null;
}

const NO_REQUESTS: readonly IntakeRequest[] = [];

/** @param takenBy of the first request with a nonce: the digest of the one that has it already. */
function forgeriesOf(
  requests: readonly IntakeRequest[],
  takenBy: ReadonlyMap<IntakeRequest, string>,
): ReadonlySet<number> {
  const genuine = new Map<string, readonly string[]>();
  const forgeries = new Set<number>();
  requests.forEach((request, index) => {
    if (request.nonceHash === undefined) return;
    const name = nameOfNonce(request);
    const digests = digestsOf(request).map((digest) => digest.toString('hex'));
    const taken = takenBy.get(request);
    if (!genuine.has(name)) genuine.set(name, taken === undefined ? digests : [taken]);
    if (!genuine.get(name)!.some((digest) => digests.includes(digest))) forgeries.add(index);
  });
  return forgeries;
}

const rowsOf = (requests: readonly IntakeRequest[]): Row[] =>
  requests.flatMap((request, requestIndex) =>
    request.events.map((event) => ({ request, requestIndex, event })),
  );

function eventColumns(rows: readonly Row[]): Buffer[] {
  const received = timeArray(rows.map(({ request }) => request.receivedAtMs));
  return [
    uuidArray(rows.map(({ request }) => request.tenantId)),
    uuidArray(rows.map(({ request }) => request.sourceId)),
    byteaArray(rows.map(({ event }) => event.dedupHash)),
    uuidArray(rows.map(({ event }) => event.eventId)),
    int2Array(rows.map(({ event }) => event.shard)),
    uuidArray(rows.map(({ request }) => request.requestId)),
    uuidArray(rows.map(({ request }) => request.secretId)),
    textArray(rows.map(({ event }) => event.type)),
    textArray(rows.map(({ request }) => request.provider)),
    textArray(rows.map(({ event }) => event.attributes?.providerEventId ?? '')),
    byteaArray(rows.map(({ event }) => event.personHash)),
    uuidArray(rows.map(({ event }) => event.attributes?.conversationHash)),
    timeArray(rows.map(({ event }) => event.occurredAtMs)),
    received,
    textArray(rows.map(({ request }) => request.traceparent)),
    byteaArray(rows.map(({ event }) => encodeAttributes(event.attributes))),
    uuidArray(rows.map(({ request }) => request.dataKeyId)),
    byteaArray(rows.map(({ event }) => event.content)),
  ];
}

const OPT_OUTS: ReadonlySet<string> = new Set(['opt_out', 'complaint', 'hard_bounce']);

/** What a person said through a source, or by a link of ours; what compliance itself made of it comes without both. */
const isOptOut = ({ event, request }: Row): boolean =>
  OPT_OUTS.has(event.attributes?.signal ?? '') &&
  event.personHash.length > 0 &&
  (!request.sourceId.equals(NO_SOURCE) || request.provider === INTAKE_SERVICE);

const optOutColumns = (rows: readonly Row[]): Buffer[] => [
  uuidArray(rows.map(({ event }) => event.eventId)),
  textArray(rows.map(({ event }) => event.attributes!.channel)),
  textArray(rows.map(({ event }) => event.attributes!.signal)),
  textArray(rows.map(({ event }) => event.attributes!.program ?? '')),
  boolArray(rows.map(({ event }) => isUnverified(event.attributes!))),
];

const awaitedOf = ({ requestIndex, request, event }: Row): AwaitedOptOut => ({
  requestIndex,
  tenantId: request.tenantId,
  personHash: event.personHash,
});

const hasFormerHashes = ({ event }: Row): boolean => (event.formerDedupHashes?.length ?? 0) > 0;

/** The place of the event, from 1, beside each of its former hashes. */
function formerColumns(rows: readonly Row[]): Buffer[] {
  const formers = rows.flatMap(({ event: { formerDedupHashes = [] } }, index) =>
    formerDedupHashes.map((hash) => ({ ordinal: index + 1, hash })),
  );
  return [int4Array(formers.map(({ ordinal }) => ordinal)), byteaArray(formers.map(({ hash }) => hash))];
}

/** The nonces, each once, and every request that has one: only those whose nonce is theirs are stored. */
const nonceColumns = (firsts: readonly IntakeRequest[], all: readonly IntakeRequest[]): Buffer[] => [
  uuidArray(firsts.map(({ tenantId }) => tenantId)),
  uuidArray(firsts.map(({ sourceId }) => sourceId)),
  byteaArray(firsts.map(({ nonceHash }) => nonceHash)),
  uuidArray(firsts.map(({ requestId }) => requestId)),
  byteaArray(firsts.map(digestOf)),
  uuidArray(all.map(({ requestId }) => requestId)),
];

const rawColumns = (requests: readonly IntakeRequest[]): Buffer[] => [
  uuidArray(requests.map(({ tenantId }) => tenantId)),
  uuidArray(requests.map(({ requestId }) => requestId)),
  uuidArray(requests.map(({ sourceId }) => sourceId)),
  uuidArray(requests.map(({ dataKeyId }) => dataKeyId)),
  timeArray(requests.map(({ receivedAtMs }) => receivedAtMs)),
  byteaArray(requests.map(({ raw }) => raw)),
];
