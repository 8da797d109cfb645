import { randomBytes } from 'node:crypto';
import { SystemClock } from '@posthorn/clock/clock.js';
import { newUuid } from '@posthorn/clock/id.js';
import { SealedBox } from '@posthorn/crypto/sealed-box.js';
import { ProviderRequest } from '@posthorn/providers/provider-request.js';
import { providerEvent, type ProviderEvent } from '@posthorn/providers/provider.js';
import { RequestHeaders } from '@posthorn/providers/request-headers.js';
import { sealRequest } from './seal-request.js';

const nowMs = new SystemClock().nowMs();
const id = (): Buffer => newUuid(nowMs);
const box = new SealedBox(id(), randomBytes(32));
const tenantWith = (hashKey: Buffer) => ({ uuid: id(), shards: [1], hashKey, boxFor: () => box });
const tenant = tenantWith(randomBytes(32));
const source = { uuid: id(), provider: 'sendgrid' };

function sealed(
  event: Omit<Parameters<typeof providerEvent>[0], 'type'>,
  over: { readonly tenant?: typeof tenant; readonly unauthenticCause?: string } = {},
) {
  const events: ProviderEvent[] = [
    { ...providerEvent({ ...event, type: 'message.delivered' }), ...(event.part && { part: event.part }) },
  ];
  const request = new ProviderRequest(
    ...(['POST', '/in/acme', 'https://x.test/in/acme', new RequestHeaders([]), Buffer.alloc(0)] as const),
  );
  return sealRequest({
    ...{ request, requestUuid: id(), tenant, source, secretId: undefined, nonce: undefined },
    ...{ unauthenticCause: undefined, events, receivedAtMs: nowMs, traceparent: '', ...over },
  }).events[0]!;
}

test('A9 the log says how many media can be fetched of an authentic message, and of nothing else', () => {
  // Would break: a forged request would say what is fetched from where, with the credentials of the source.
  const countOf = (media: number, over: Partial<ProviderEvent> = {}, unauthenticCause?: string) => {
    const mediaUrls = Array.from({ length: media }, (_, at) => `https://api.twilio.com/${at}`);
    const content = { from: '+431', to: '+432', text: '', subject: '', mediaUrls };
    const event = providerEvent({ dedupKey: 'd', type: 'message.received', content, ...over });
    const request = new ProviderRequest(
      ...(['POST', '/in/acme', 'https://x.test/in/acme', new RequestHeaders([]), Buffer.alloc(0)] as const),
    );
    return sealRequest({
      ...{ request, requestUuid: id(), tenant, source, secretId: undefined, nonce: undefined },
      ...{ unauthenticCause, events: [event], receivedAtMs: nowMs, traceparent: '' },
    }).events[0]!.attributes!.mediaCount;
  };
  expect([0, 1, 10, 11].map((media) => countOf(media))).toEqual([undefined, 1, 10, 10]);
  expect(countOf(1, { content: undefined })).toBeUndefined();
  expect(countOf(1, { type: 'event.unrecognized' })).toBeUndefined();
  expect(countOf(1, {}, 'signature.mismatch')).toBeUndefined();
});

test('C2 a former key is hashed as it was when it was the present one', () => {
  // Would break: after an adapter changed its derivation, the retry of what is stored would be a second event.
  const now = sealed({ dedupKey: 'new', formerDedupKeys: ['old', 'oldest'] });
  const before = ['old', 'oldest'].map((dedupKey) => sealed({ dedupKey }).dedupHash);
  expect(now.formerDedupHashes).toEqual(before);
  expect(now.dedupHash).toEqual(sealed({ dedupKey: 'new' }).dedupHash);
  expect(sealed({ dedupKey: 'new' }).formerDedupHashes).toEqual([]);
});

test('B1 C2 a forged request takes no key of the genuine one, former ones neither', () => {
  const event = { dedupKey: 'new', formerDedupKeys: ['old'] };
  const [genuine, forged] = [sealed(event), sealed(event, { unauthenticCause: 'signature.mismatch' })];
  expect(forged.formerDedupHashes).toHaveLength(1);
  expect(forged.formerDedupHashes).not.toEqual(genuine.formerDedupHashes);
  const forgedBefore = sealed({ dedupKey: 'old' }, { unauthenticCause: 'signature.mismatch' });
  expect(forged.formerDedupHashes).toEqual([forgedBefore.dedupHash]);
});

test('D2 B10 the parts of one text share a hash with the key of the tenant; a forged one is no part of any', () => {
  // Would break: parts of two senders would become one text, or a forged one would get into it.
  const part = (over: object = {}, at: Parameters<typeof sealed>[1] = {}) =>
    sealed(
      {
        ...{ dedupKey: 'd', person: '+43 660 1234567', ours: '+431000000' },
        part: { reference: 'r1', number: 1, total: 2 },
        ...over,
      },
      at,
    ).attributes!.part;
  const first = part()!;
  expect(first).toMatchObject({ number: 1, total: 2 });
  expect(first.textHash).toHaveLength(16);
  const second = part({ person: '+436601234567', part: { reference: 'r1', number: 2, total: 2 } });
  expect(second).toEqual({ textHash: first.textHash, number: 2, total: 2 });
  const others = [
    part({ person: '+436601234568' }),
    part({ ours: '+431000001' }),
    part({ part: { reference: 'r2', number: 1, total: 2 } }),
    part({ part: { reference: 'r1', number: 1, total: 3 } }),
    part({}, { tenant: tenantWith(randomBytes(32)) }),
  ];
  for (const other of others) expect(other!.textHash).not.toEqual(first.textHash);
  expect(part({}, { unauthenticCause: 'signature.mismatch' })).toBeUndefined();
  expect(sealed({ dedupKey: 'd' }).attributes!.part).toBeUndefined();
});

test('B10 the recipient of a copy is known by a hash with the key of the tenant, a reply to it by the same', () => {
  const sent = { dedupKey: 'd', providerMessageId: 'm', recipient: 'jane@example.com' };
  const { providerMessageId } = sealed(sent).attributes!;
  expect(providerMessageId).toMatch(/^m:[0-9a-f]{32}$/);
  const other = tenantWith(randomBytes(32));
  expect(sealed(sent, { tenant: other }).attributes!.providerMessageId).not.toBe(providerMessageId);
  const reply = sealed({ dedupKey: 'r', replyTo: 'm', replyToRecipient: 'Jane@Example.com' });
  expect(reply.attributes!.replyToProviderMessageId).toBe(providerMessageId);
  expect(sealed({ dedupKey: 'r', replyTo: 'm' }).attributes!.replyToProviderMessageId).toBe('m');
});
