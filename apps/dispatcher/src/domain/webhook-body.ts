import { formatId, type IdPrefix } from '@posthorn/clock/id.js';
import { type DeliverableFact } from './delivery.js';

const isZero = (bytes: Buffer): boolean => bytes.every((byte) => byte === 0);
const idOf = (prefix: IdPrefix, uuid: Buffer): string | undefined =>
  uuid.length === 0 || isZero(uuid) ? undefined : formatId(prefix, uuid);
const textOf = (text: string): string | undefined => (text === '' ? undefined : text);
const timeOf = (ms: number): string => new Date(ms).toISOString();

/**
 * The body of a delivery: what happened and the IDs to ask for more; no personal data but in `handoff`.
 * The same bytes for the same arguments, on every attempt; what is empty is left out.
 * @param handoff see `handoffPart`: as it is now, so that a later attempt may tell more.
 * Source: Standard Webhooks specification, "Payload", read 2026-11.
 */
export function renderBody(fact: DeliverableFact, tenantSlug: string, handoff?: object): Buffer {
  return Buffer.from(
    JSON.stringify({
      type: fact.type,
      timestamp: timeOf(fact.occurredAtMs > 0 ? fact.occurredAtMs : fact.receivedAtMs),
      tenant: tenantSlug,
      data: {
        eventId: idOf('evt', fact.eventId),
        messageId: idOf('msg', fact.messageId),
        conversationId: idOf('cnv', fact.conversationId),
        sourceId: idOf('src', fact.sourceId),
        destinationId: fact.destinationId && idOf('dst', fact.destinationId),
        channel: textOf(fact.channel),
        state: textOf(fact.state),
        previousState: textOf(fact.previousState),
        provider: textOf(fact.provider),
        providerMessageId: textOf(fact.providerMessageId),
        campaign: textOf(fact.campaign),
        signal: textOf(fact.signal),
        errorCode: textOf(fact.errorCode),
        authentic: fact.unverified === true ? false : undefined,
        receivedAt: timeOf(fact.receivedAtMs),
        handoff,
      },
    }),
  );
}

/** The body of a test: says which destination it is for, nothing else. */
export function renderTestBody(destinationId: string, tenantSlug: string, nowMs: number): Buffer {
  return Buffer.from(
    JSON.stringify({
      type: 'endpoint.test',
      timestamp: timeOf(nowMs),
      tenant: tenantSlug,
      data: { destinationId },
    }),
  );
}
