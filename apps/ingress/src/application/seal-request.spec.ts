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
  const events: ProviderEvent[] = [providerEvent({ ...event, type: 'message.delivered' })];
  const request = new ProviderRequest(
    ...(['POST', '/in/acme', 'https://x.test/in/acme', new RequestHeaders([]), Buffer.alloc(0)] as const),
  );
  return sealRequest({
    ...{ request, requestUuid: id(), tenant, source, secretId: undefined, nonce: undefined },
    ...{ unauthenticCause: undefined, events, receivedAtMs: nowMs, traceparent: '', ...over },
  }).events[0]!;
}

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
