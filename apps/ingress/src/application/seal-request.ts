import { newUuid, parseId } from '@posthorn/clock/id.js';
import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import { sealAad, type SealedBox } from '@posthorn/crypto/sealed-box.js';
import type { EdgeSource, EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { normalizeAddress } from '@posthorn/providers/address.js';
import { HANDOFF_TYPE } from '@posthorn/providers/handoff-event.js';
import type { ProviderRequest } from '@posthorn/providers/provider-request.js';
import { MEDIA_PER_EVENT_MAX, type ProviderEvent } from '@posthorn/providers/provider.js';
import type { IntakeRequest } from '../clients/append.client.js';
import { encodeEventContent, encodeRawRequest } from '../clients/intake-message.js';
import { laneOf } from '../domain/event-lane.js';
import { logText } from '../domain/log-text.js';
import { messageNameOf } from '../domain/message-name.js';

type IntakeEvent = IntakeRequest['events'][number];

const NOTHING = Buffer.alloc(0);
const RETRY_AFTER_MS = 2_000;

/** What of a tenant sealing needs. */
type SealingTenant = Pick<EdgeTenant, 'uuid' | 'shards' | 'hashKey' | 'boxFor'>;

/** A request that was judged, and what is in it. */
export interface JudgedRequest {
  readonly request: ProviderRequest;
  readonly requestUuid: Buffer;
  readonly tenant: SealingTenant;
  readonly source: Pick<EdgeSource, 'uuid' | 'provider'>;
  /** `sec_…` of the secret that matched; of keys that were fetched, where from. */
  readonly secretId: string | undefined;
  /** What the scheme signs in the body's place, good for one request. */
  readonly nonce: string | undefined;
  /** Why it is not authentic; only sources that monitor get this far with one. */
  readonly unauthenticCause: string | undefined;
  readonly events: readonly ProviderEvent[];
  readonly receivedAtMs: number;
  readonly traceparent: string;
}

/** The keys of a tenant that intake needs. */
export interface TenantKeys {
  readonly hashKey: Buffer;
  readonly box: SealedBox;
}

/**
 * What the event log is handed: hashes instead of addresses, ciphertext instead of contents.
 * @throws AppError `data_key.unavailable` when the tenant's keys are not in memory.
 */
export function sealRequest(judged: JudgedRequest): IntakeRequest {
  const { request, requestUuid, tenant, source, secretId, receivedAtMs } = judged;
  const keys = keysOf(tenant, receivedAtMs);
  const raw = encodeRawRequest(request.method, request.target, request.headers.raw, request.body);
  return {
    requestId: requestUuid,
    tenantId: tenant.uuid,
    sourceId: source.uuid,
    provider: source.provider,
    secretId: secretId === undefined ? NOTHING : (parseId('sec', secretId) ?? NOTHING),
    receivedAtMs,
    dataKeyId: keys.box.keyId,
    raw: keys.box.seal(raw, sealAad('raw', tenant.uuid, requestUuid)),
    traceparent: judged.traceparent,
    events: judged.events.map((event) => sealEvent(event, judged, keys)),
    nonceHash:
      judged.nonce === undefined
        ? undefined
        : keyedHash(keys.hashKey, 'dedup', source.uuid, 'nonce', judged.nonce),
  };
}

/** One event of a request. */
export function sealEvent(
  event: ProviderEvent,
  judged: Pick<JudgedRequest, 'tenant' | 'source' | 'receivedAtMs' | 'unauthenticCause'>,
  { hashKey, box }: TenantKeys,
): IntakeEvent {
  const { tenant, source, receivedAtMs, unauthenticCause } = judged;
  const eventId = newUuid(receivedAtMs);
  const person = event.person === '' ? '' : normalizeAddress(event.person);
  const personHash = person === '' ? NOTHING : keyedHash(hashKey, 'person', person);
  const providerMessageId = messageNameOf(event.providerMessageId, event.recipient, hashKey);
  const laneKey = personHash.length > 0 ? personHash : providerMessageId || eventId;
  // A forged request must not take the key of the genuine one that follows.
  const prefix = unauthenticCause === undefined ? '' : 'unauthentic:';
  const dedupHashOf = (key: string): Buffer => keyedHash(hashKey, 'dedup', source.uuid, `${prefix}${key}`);
  return {
    eventId,
    dedupHash: dedupHashOf(event.dedupKey),
    formerDedupHashes: event.formerDedupKeys?.map(dedupHashOf) ?? [],
    type: event.type,
    shard: laneOf(tenant.shards, laneKey),
    personHash,
    occurredAtMs: event.occurredAtMs ?? 0,
    attributes: {
      providerEventId: logText(event.providerEventId),
      providerMessageId,
      channel: event.channel,
      direction: event.direction,
      status: event.status,
      providerStatus: logText(event.providerStatus),
      errorCode: logText(event.errorCode),
      campaign: logText(event.campaign),
      signal: signalOf(event, unauthenticCause),
      conversationHash:
        person === ''
          ? NOTHING
          : keyedHash(hashKey, 'conversation', event.channel, person, normalizeAddress(event.ours)),
      providerType: logText(event.providerType),
      causedBy: NOTHING,
      note: noteOf(event, unauthenticCause),
      // A forged one would make a stranger's words those about a message of ours.
      messageId:
        event.messageReference === '' || unauthenticCause !== undefined
          ? NOTHING
          : (parseId('msg', event.messageReference) ?? NOTHING),
      replyToProviderMessageId: messageNameOf(event.replyTo, event.replyToRecipient, hashKey),
      ...partOf(event, judged, hashKey),
      ...(event.type === HANDOFF_TYPE && { queue: event.queue, priority: event.priority }),
      mediaCount: mediaCountOf(event, unauthenticCause),
    },
    content:
      event.content === undefined
        ? NOTHING
        : box.seal(encodeEventContent(event.content), sealAad('content', tenant.uuid, eventId)),
  };
}

/** Most texts come whole. A forged part must not get into a genuine text: it stays one of its own. */
function partOf(
  { part, person, ours }: ProviderEvent,
  { source, unauthenticCause }: Pick<JudgedRequest, 'source' | 'unauthenticCause'>,
  hashKey: Buffer,
): Pick<NonNullable<IntakeEvent['attributes']>, 'part'> | undefined {
  if (part === undefined || unauthenticCause !== undefined) return undefined;
  const { reference, number, total } = part;
  const addresses = [normalizeAddress(person), normalizeAddress(ours)];
  const textHash = keyedHash(hashKey, 'text', source.uuid, ...addresses, reference, String(total));
  return { part: { textHash, number, total } };
}

/** A forged opt-out only silences; a forged opt-in would let somebody be contacted who said no. */
const signalOf = ({ signal }: ProviderEvent, unauthenticCause: string | undefined): string =>
  unauthenticCause === undefined || signal === 'opt_out' || signal === 'complaint' ? signal : '';

/** Of a forged request nothing is fetched: whoever made it would say what from where. */
function mediaCountOf(event: ProviderEvent, unauthenticCause: string | undefined): number | undefined {
  const count = event.content?.mediaUrls.length ?? 0;
  if (count === 0 || event.type !== 'message.received' || unauthenticCause !== undefined) return undefined;
  return Math.min(count, MEDIA_PER_EVENT_MAX);
}

function noteOf(event: ProviderEvent, unauthenticCause: string | undefined): string {
  if (unauthenticCause === undefined) return logText(event.note);
  return logText(`unauthentic: ${unauthenticCause}${event.note === '' ? '' : `; ${event.note}`}`);
}

/** @throws AppError `data_key.unavailable` when they are not in memory. */
export function keysOf(tenant: SealingTenant, nowMs: number): TenantKeys {
  const box = tenant.boxFor(nowMs);
  if (tenant.hashKey === undefined || box === undefined || tenant.shards.length === 0) {
    throw new AppError('data_key.unavailable', {
      detail: "the tenant's keys are not in memory",
      retryAfterMs: RETRY_AFTER_MS,
    });
  }
  return { hashKey: tenant.hashKey, box };
}
