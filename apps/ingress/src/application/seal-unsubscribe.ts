import { newUuid } from '@posthorn/clock/id.js';
import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import { sealAad } from '@posthorn/crypto/sealed-box.js';
import type { Unsubscribe } from '@posthorn/crypto/unsubscribe-token.js';
import type { EdgeTenant } from '@posthorn/edge-config/edge-config.js';
import type { IntakeRequest } from '../clients/append.client.js';
import { encodeRawRequest } from '../clients/intake-message.js';
import { laneOf } from '../domain/event-lane.js';
import type { ArrivedRequest } from './arrived-request.js';
import { keysOf } from './seal-request.js';

/** No provider speaks, so the event belongs to no source; who took it says so in the provider's place. */
const OWN_SERVICE = 'ingress';
const NO_SOURCE = Buffer.alloc(16);
const NOTHING = Buffer.alloc(0);

/**
 * Within this time the same link again is the same event; later it is another one, which changes nothing for
 * somebody who is out already.
 * Why no longer: somebody who opts in again and then uses an old link must be heard. Within a minute of the first use
 * an opt-in loses to it anyway (decision 5).
 */
export const SAME_UNSUBSCRIBE_MS = 60_000;

/** A request that unsubscribes, by a link that is ours. */
export interface TakenUnsubscribe {
  readonly unsubscribe: Unsubscribe;
  readonly tenant: EdgeTenant;
  readonly requestUuid: Buffer;
  readonly arrived: ArrivedRequest;
  readonly receivedAtMs: number;
  readonly traceparent: string;
}

/**
 * What the event log is handed: an opt-out of a person, on the channel and for the program of the message that has
 * the link.
 * @throws AppError `data_key.unavailable` when the tenant's keys are not in memory.
 */
export function sealUnsubscribe(taken: TakenUnsubscribe): IntakeRequest {
  const { unsubscribe, tenant, requestUuid, arrived, receivedAtMs, traceparent } = taken;
  const { messageId, personHash, channel, program } = unsubscribe;
  const { hashKey, box } = keysOf(tenant, receivedAtMs);
  const raw = encodeRawRequest(arrived.method, arrived.target, arrived.rawHeaders, arrived.body);
  const period = String(Math.floor(receivedAtMs / SAME_UNSUBSCRIBE_MS));
  return {
    requestId: requestUuid,
    tenantId: tenant.uuid,
    sourceId: NO_SOURCE,
    provider: OWN_SERVICE,
    secretId: NOTHING,
    receivedAtMs,
    dataKeyId: box.keyId,
    raw: box.seal(raw, sealAad('raw', tenant.uuid, requestUuid)),
    traceparent,
    events: [
      {
        eventId: newUuid(receivedAtMs),
        dedupHash: keyedHash(hashKey, 'dedup', NO_SOURCE, 'unsubscribe', messageId, period),
        formerDedupHashes: [],
        type: 'person.unsubscribed',
        shard: laneOf(tenant.shards, personHash),
        personHash,
        occurredAtMs: 0,
        content: NOTHING,
        attributes: { ...NOTHING_SAID, channel, signal: 'opt_out', messageId, program },
      },
    ],
    nonceHash: undefined,
  };
}

const NOTHING_SAID = {
  ...{ providerEventId: '', providerMessageId: '', direction: '', status: '', providerStatus: '' },
  ...{
    errorCode: '',
    campaign: '',
    conversationHash: NOTHING,
    providerType: '',
    causedBy: NOTHING,
    note: '',
  },
  replyToProviderMessageId: '',
};
