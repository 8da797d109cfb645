import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { newUuid, uuidBytes, uuidText } from '@posthorn/clock/id.js';
import { SealedBox } from '@posthorn/crypto/sealed-box.js';
import { AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import { Database } from '@posthorn/postgres/database.js';
import { ProviderRequest } from '@posthorn/providers/provider-request.js';
import { providerEvent, type ProviderContent } from '@posthorn/providers/provider.js';
import { RequestHeaders } from '@posthorn/providers/request-headers.js';
import { ROOT } from '../house/running-platform.js';
import { monotonicMs } from '../wire/time.js';
import { serve } from './child.js';
import { type CostAnswer, type CostCommand, type CostPart } from './cost-cells.js';
import { BODY_BYTES } from './signed-requests.js';

const BATCH_REQUESTS = 64;
const BATCHES_EACH = 16;
const TEXT_BYTES = 160;
const QUOTA_EACH = 10_000;
const TENANTS = 8;
const NO_LIMIT = { ratePerSecond: 1_000_000_000, burst: 1_000_000_000 };
const READER_ROLE = 'posthorn_events_reader';
/** Below the prefilled ones: what goes again afterwards. */
const TENANT = uuidBytes('00000000-0000-7000-8000-000000000001');
const APPEND_ROLE = 'posthorn_events_append';

/** Built code of a service: what runs in production, reached by its file, since nothing may import a service. */
const built = (file: string): Promise<Record<string, never>> =>
  import(pathToFileURL(join(ROOT, 'apps', file)).href) as Promise<Record<string, never>>;

type Work = () => Promise<number> | number;
/** A pair: the same work, with the part and without. */
type Pair = readonly [on: Work, off: Work];

const [url, password, bypassRole] = process.argv.slice(2) as [string, string, string];
const id = (): Buffer => newUuid(Date.now());
const database = (role: string): Database =>
  new Database({ url, role, password, poolMax: 1, applicationName: 'bench-costs' });

/** Sealing a request of the size that the other cells send, as ingress does; the other box only copies. */
async function encryption(): Promise<Pair> {
  const { sealRequest } = (await built('ingress/dist/application/seal-request.js')) as unknown as {
    sealRequest: (judged: object) => unknown;
  };
  const real = new SealedBox(id(), randomBytes(32));
  const copying = { keyId: real.keyId, seal: (plain: Uint8Array): Buffer => Buffer.from(plain) };
  const headers = new RequestHeaders(['content-type', 'application/json', 'user-agent', 'bench']);
  const body = Buffer.alloc(BODY_BYTES, 'x');
  const request = new ProviderRequest('POST', '/in/acme/src', 'https://x.test/in/acme/src', headers, body);
  const content: ProviderContent = {
    ...{ from: '+43660123456', to: '+431000000', subject: '', mediaUrls: [] },
    text: 'x'.repeat(TEXT_BYTES),
  };
  const sealing = (box: object): Work => {
    const tenant = { uuid: id(), shards: [1], hashKey: randomBytes(32), boxFor: () => box };
    const source = { uuid: id(), provider: 'standard-webhooks' };
    return () => {
      for (let n = 0; n < BATCH_REQUESTS; n++) {
        const event = {
          type: 'message.received',
          dedupKey: String(n),
          person: content.from,
          content,
        } as const;
        sealRequest({
          ...{ request, requestUuid: id(), tenant, source, secretId: undefined, nonce: undefined },
          ...{ unauthenticCause: undefined, receivedAtMs: Date.now(), traceparent: '' },
          events: [providerEvent(event)],
        });
      }
      return BATCH_REQUESTS;
    };
  };
  return [sealing(real), sealing(copying)];
}

/** Appending a batch as the role of the append, which row-level security binds, and as one that it does not. */
async function rls(): Promise<Pair> {
  const { AppendStore } = (await built('events/dist/persistence/append.store.js')) as unknown as {
    AppendStore: new (db: Database) => { insert: (requests: readonly object[]) => Promise<unknown> };
  };
  const appending = (role: string): Work => {
    const store = new AppendStore(database(role));
    return async () => {
      for (let n = 0; n < BATCHES_EACH; n++)
        await store.insert(Array.from({ length: BATCH_REQUESTS }, newRequest));
      return BATCHES_EACH * BATCH_REQUESTS;
    };
  };
  return [appending(APPEND_ROLE), appending(bypassRole)];
}

/** Asking a tenant's quota, and not asking. */
async function quota(): Promise<Pair> {
  const { IntakeQuotas } = (await built('ingress/dist/domain/intake-quotas.js')) as unknown as {
    IntakeQuotas: new () => { take: (tenant: string, quota: object, nowMs: number) => number };
  };
  const [quotas, tenants] = [new IntakeQuotas(), Array.from({ length: TENANTS }, () => uuidText(id()))];
  const admitting =
    (take: (tenant: string, nowMs: number) => number): Work =>
    () => {
      let refused = 0;
      for (let n = 0; n < QUOTA_EACH; n++) if (take(tenants[n % TENANTS]!, monotonicMs()) > 0) refused++;
      if (refused > 0) throw new Error('a quota without a limit refused');
      return QUOTA_EACH;
    };
  return [admitting((tenant, nowMs) => quotas.take(tenant, NO_LIMIT, nowMs)), admitting(() => 0)];
}

/** Making a rule, with its entry for the audit log in the same transaction, and without. */
async function audit(): Promise<Pair> {
  const { RuleStore } = (await built('events/dist/persistence/rule.store.js')) as unknown as {
    RuleStore: new () => { create: (tx: object, rule: object) => Promise<void> };
  };
  const [store, outgoing, db] = [new RuleStore(), new AuditOutgoing('events'), database(READER_ROLE)];
  const actor = { id: 'key_bench', kind: 'operator', remoteAddress: '127.0.0.1' };
  const definition = { when: { types: ['message.received'] }, then: { action: 'none' } };
  const making =
    (isAudited: boolean): Work =>
    async () => {
      for (let n = 0; n < BATCHES_EACH; n++) {
        const [tenantId, ruleId] = [uuidText(id()), uuidText(id())];
        await db.tenantTransaction(tenantId, async (tx) => {
          const rule = { tenantId, ruleId, name: 'bench', version: 1, isEnabled: true, cost: 1, definition };
          await store.create(tx, { ...rule, changedBy: 'key_bench' });
          const act = {
            tenantId,
            actor,
            action: 'rule.created',
            target: `rul_${ruleId}`,
            detail: definition,
          };
          if (isAudited) await outgoing.add(tx, [act]);
        });
      }
      return BATCHES_EACH;
    };
  return [making(true), making(false)];
}

function newRequest(): object {
  const attributes = {
    ...{ providerEventId: '', providerMessageId: randomBytes(17).toString('hex'), channel: 'sms' },
    ...{
      direction: 'outbound',
      status: 'delivered',
      providerStatus: 'delivered',
      errorCode: '',
      campaign: '',
    },
    ...{
      signal: '',
      conversationHash: randomBytes(16),
      providerType: '',
      causedBy: Buffer.alloc(0),
      note: '',
    },
    ...{ messageId: Buffer.alloc(0), replyToProviderMessageId: '' },
  };
  const event = {
    ...{
      eventId: id(),
      dedupHash: randomBytes(16),
      formerDedupHashes: [],
      type: 'message.delivered',
      shard: 7,
    },
    ...{ personHash: randomBytes(16), occurredAtMs: 0, content: randomBytes(TEXT_BYTES), attributes },
  };
  return {
    ...{ requestId: id(), tenantId: TENANT, sourceId: id(), provider: 'bench', secretId: id() },
    ...{ receivedAtMs: Date.now(), dataKeyId: id(), raw: randomBytes(BODY_BYTES), traceparent: '' },
    events: [event],
  };
}

const MAKERS: Readonly<Record<CostPart, () => Promise<Pair>>> = { encryption, rls, quota, audit };
const pairs = new Map<CostPart, Pair>();

serve<CostCommand, CostAnswer>(async ({ part, isOn, durationMs }) => {
  if (!pairs.has(part)) pairs.set(part, await MAKERS[part]());
  const work = pairs.get(part)![isOn ? 0 : 1];
  const endMs = monotonicMs() + durationMs;
  let events = 0;
  while (monotonicMs() < endMs) events += await work();
  return { events };
});
