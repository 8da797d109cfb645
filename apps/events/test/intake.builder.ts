import { randomBytes } from 'node:crypto';
import { newUuid } from '@posthorn/clock/id.js';
import { SystemClock } from '@posthorn/clock/clock.js';
import type { EventAttributes, IntakeEvent, IntakeRequest } from '../src/domain/intake.js';

const clock = new SystemClock();
const NONE = Buffer.alloc(0);

/** A new UUID of now. */
export const id = (): Buffer => newUuid(clock.nowMs());

export const attributesOf = (over: Partial<EventAttributes> = {}): EventAttributes => ({
  providerEventId: '',
  providerMessageId: `SM${randomBytes(16).toString('hex')}`,
  channel: 'sms',
  direction: 'outbound',
  status: 'delivered',
  providerStatus: 'delivered',
  errorCode: '',
  campaign: '',
  signal: '',
  conversationHash: randomBytes(16),
  providerType: '',
  causedBy: NONE,
  note: '',
  messageId: Buffer.alloc(0),
  replyToProviderMessageId: '',
  ...over,
});

export function eventOf(
  over: Omit<Partial<IntakeEvent>, 'attributes'> & { attributes?: Partial<EventAttributes> } = {},
): IntakeEvent {
  const attributes = attributesOf(over.attributes);
  return {
    eventId: id(),
    dedupHash: randomBytes(16),
    formerDedupHashes: [],
    type: `message.${attributes.status}`,
    shard: 7,
    personHash: randomBytes(16),
    occurredAtMs: 0,
    content: randomBytes(160),
    ...over,
    attributes,
  };
}

export const requestOf = (
  events: readonly IntakeEvent[] = [eventOf()],
  over: Partial<IntakeRequest> = {},
): IntakeRequest => ({
  requestId: id(),
  tenantId: id(),
  sourceId: id(),
  provider: 'twilio',
  secretId: id(),
  receivedAtMs: clock.nowMs(),
  dataKeyId: id(),
  raw: randomBytes(1_100),
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
  events,
  ...over,
});
