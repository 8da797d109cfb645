import { FactRun } from '@posthorn/contracts/posthorn/events/v1/events.js';
import {
  DestinationConfig,
  SourceConfig,
  TenantConfig,
  WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import { ConfigState } from '@posthorn/edge-config/config-state.js';
import { ProtoFields } from '../src/wire/protobuf.js';

const NOW_MS = 1_700_000_000_000;
const DAY_MS = 86_400_000;
/** Numbers that no message of ours uses: fields of a version to come. */
const [TEXT_TO_COME, NUMBER_TO_COME, MESSAGE_TO_COME] = [901, 902, 903];
const [TENANTS, SOURCES, DESTINATIONS] = [3, 4, 5];
const FACTS = 3;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
const field = (number: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
/** The same message as a newer neighbour would write it. */
const newer = (bytes: Uint8Array): Buffer =>
  Buffer.concat([
    bytes,
    field(TEXT_TO_COME, Buffer.from('a word of tomorrow')),
    varint(NUMBER_TO_COME << 3),
    varint(7),
    field(MESSAGE_TO_COME, field(1, Buffer.from('nested'))),
  ]);
/** The same message as a version wrote it that knew fields up to `last` only. */
function older(bytes: Uint8Array, last: number): Buffer {
  const kept: Buffer[] = [];
  const all = Buffer.from(bytes);
  for (let at = 0; at < all.length;) {
    const start = at;
    const read = (): number => {
      let [value, scale] = [0, 1];
      for (;;) {
        const byte = all[at++]!;
        value += (byte & 0x7f) * scale;
        if (byte < 0x80) return value;
        scale *= 0x80;
      }
    };
    const tag = read();
    const wire = tag % 8;
    if (wire === 0) read();
    else if (wire === 1) at += 8;
    else if (wire === 5) at += 4;
    else {
      const length = read();
      at += length;
    }
    if (Math.floor(tag / 8) <= last) kept.push(all.subarray(start, at));
  }
  return Buffer.concat(kept);
}

const id = (prefix: 'ten' | 'src' | 'dst'): string => formatId(prefix, newUuid(NOW_MS));
const [TENANT, SOURCE, DESTINATION] = [id('ten'), id('src'), id('dst')] as const;
const empty = Buffer.alloc(0);
const KEY_ID = newUuid(1);
const tenant = (over: Partial<TenantConfig> = {}): TenantConfig => ({
  ...TenantConfig.decode(empty),
  ...{ id: TENANT, slug: 'acme', status: 'active', shards: [1, 9], hashKey: Buffer.alloc(32, 3) },
  dataKeys: [
    { id: KEY_ID, key: Buffer.alloc(32, 7), weekStartDay: Math.floor(NOW_MS / DAY_MS), generation: 1 },
  ],
  ...over,
});
const secret = { id: 'sec_1', value: 'whsec_x', status: 'current', expiresAtMs: 0 };
const source = (over: Partial<SourceConfig> = {}): SourceConfig => ({
  ...SourceConfig.decode(empty),
  ...{
    id: SOURCE,
    tenantId: TENANT,
    provider: 'hmac',
    settingsJson: '{}',
    status: 'active',
    secrets: [secret],
  },
  ...over,
});
const destination = (over: Partial<DestinationConfig> = {}): DestinationConfig => ({
  ...DestinationConfig.decode(empty),
  ...{
    id: DESTINATION,
    tenantId: TENANT,
    name: 'crm',
    url: 'https://example.test',
    ordering: 'key',
    status: 'active',
  },
  ...over,
});

/** What an edge knows after a snapshot of these bytes. */
function edgeOf(bytes: Buffer): { state: ConfigState; invalid: string[] } {
  const invalid: string[] = [];
  const state = new ConfigState(
    () => true,
    (which) => invalid.push(which),
  );
  state.replace([WatchResponse.decode(bytes)]);
  return { state, invalid };
}
const snapshot = (tenantBytes: Uint8Array, sourceBytes: Uint8Array, destinationBytes: Uint8Array): Buffer =>
  Buffer.concat([
    WatchResponse.encode({ ...WatchResponse.decode(empty), version: 4n, snapshotComplete: true }).finish(),
    field(TENANTS, tenantBytes),
    field(SOURCES, sourceBytes),
    field(DESTINATIONS, destinationBytes),
  ]);
const encoded = {
  tenant: (over: Partial<TenantConfig> = {}) => TenantConfig.encode(tenant(over)).finish(),
  source: (over: Partial<SourceConfig> = {}) => SourceConfig.encode(source(over)).finish(),
  destination: (over: Partial<DestinationConfig> = {}) =>
    DestinationConfig.encode(destination(over)).finish(),
};

test('I6 the configuration of tomorrow is taken: fields and words that are not known yet change nothing else', () => {
  // Would break: with the first new tenants every ingress, dispatcher and compliance of before would lose its tenants.
  const { state, invalid } = edgeOf(
    newer(
      snapshot(
        newer(encoded.tenant({ status: 'hibernating' })),
        newer(encoded.source({ secrets: [secret, { ...secret, id: 'sec_2', status: 'escrowed' }] })),
        newer(
          encoded.destination({
            ordering: 'causal',
            include: ['hologram'],
            eventTypes: ['message.teleported'],
            filterJson: '{"mood":["fine"]}',
          }),
        ),
      ),
    ),
  );
  expect(invalid).toEqual([]);
  expect(state.tenantBySlug('acme')).toMatchObject({ id: TENANT, isSuspended: false, shards: [1, 9] });
  expect(state.tenant(TENANT)!.boxFor(NOW_MS)).toBeDefined();
  expect(
    state
      .source(SOURCE)!
      .secretsAt(NOW_MS)
      .map((each) => each.id),
  ).toContain('sec_1');
  expect(state.destinationsOf(TENANT)).toMatchObject([{ id: DESTINATION, ordering: 'none' }]);
  expect(state.destination(DESTINATION)!.eventTypes!.has('message.teleported')).toBe(true);
});

test('I6 the configuration of yesterday is taken: what it does not say has the meaning that it had', () => {
  const { state, invalid } = edgeOf(
    snapshot(
      older(encoded.tenant({ sendsPaused: true, media: { maxBytes: 9 } }), 6),
      older(encoded.source({ credentialsJson: '{"a":1}' }), 6),
      older(encoded.destination({ include: ['raw'], filterJson: '{"channel":["sms"]}' }), 13),
    ),
  );
  expect(invalid).toEqual([]);
  expect(state.tenant(TENANT)).toMatchObject({
    ...{ isSendingPaused: false, intakeQuota: undefined, media: undefined, personKeyGeneration: 0 },
  });
  expect(state.tenant(TENANT)!.boxFor(NOW_MS)).toBeDefined();
  expect(state.source(SOURCE)!.credentials).toBeUndefined();
  expect(state.destination(DESTINATION)!).toMatchObject({ include: new Set(), filter: [] });
  expect(state.isSendingPaused).toBe(false);
});

test('I6 a change of a field that is not known yet is seen as a change, and seen once', () => {
  const { state } = edgeOf(snapshot(encoded.tenant(), encoded.source(), encoded.destination()));
  const page = (bytes: Uint8Array): WatchResponse => WatchResponse.decode(field(TENANTS, bytes));
  expect(state.change(page(newer(encoded.tenant()))).tenants).toEqual([TENANT]);
  expect(state.change(page(newer(encoded.tenant()))).tenants).toEqual([]);
});

test('I6 facts of a newer neighbour are read whole: their unknown types and fields neither end the run nor are lost', () => {
  const known = { ...FactRun.decode(field(FACTS, empty)).facts[0]!, sequence: 5n, type: 'message.delivered' };
  const bytes = (type: string, sequence: bigint): Uint8Array => {
    const run = FactRun.encode({ epoch: '', shard: 0, facts: [{ ...known, type, sequence }] }).finish();
    return new ProtoFields(Buffer.from(run)).bytes(FACTS);
  };
  const run = FactRun.decode(
    newer(
      Buffer.concat([
        FactRun.encode({ epoch: 'e', shard: 3, facts: [] }).finish(),
        field(FACTS, bytes('message.delivered', 5n)),
        field(FACTS, newer(bytes('message.teleported', 6n))),
        field(FACTS, bytes('message.read', 7n)),
      ]),
    ),
  );
  expect(run).toMatchObject({ epoch: 'e', shard: 3 });
  expect(run.facts.map(({ sequence, type }) => [sequence, type])).toEqual([
    [5n, 'message.delivered'],
    [6n, 'message.teleported'],
    [7n, 'message.read'],
  ]);
  // Handed on as it came: what is between two newer services keeps what it does not know.
  const again = new ProtoFields(Buffer.from(FactRun.encode(run).finish()));
  expect(again.text(TEXT_TO_COME)).toBe('a word of tomorrow');
  expect(again.number(NUMBER_TO_COME)).toBe(7);
});
