/** What the log keeps in the clear of one event: no addresses, no texts. Missing texts are empty. */
export interface EventAttributes {
  readonly providerEventId: string;
  readonly providerMessageId: string;
  readonly channel: string;
  readonly direction: string;
  readonly status: string;
  readonly providerStatus: string;
  readonly errorCode: string;
  readonly campaign: string;
  readonly signal: string;
  /** 16 bytes, or empty. */
  readonly conversationHash: Buffer;
  readonly providerType: string;
  /** 16 bytes, or empty. */
  readonly causedBy: Buffer;
  readonly note: string;
  /** Of an event of our own services about a message; 16 bytes, or empty. */
  readonly messageId: Buffer;
  /** The provider's ID of the message that this one answers; or empty. */
  readonly replyToProviderMessageId: string;
  /** What of its channel a signal is about: a program, or `all`; undefined = every channel. */
  readonly program?: string | undefined;
  /** Media that can be fetched; undefined = none. */
  readonly mediaCount?: number | undefined;
  /** The content is a part of a longer text; undefined = it is whole. */
  readonly part?: MessagePart | undefined;
  /** Of a bot's hand-off. */
  readonly queue?: string | undefined;
  readonly priority?: number | undefined;
  /** Of `destination.disabled`; 16 bytes. */
  readonly destinationId?: Buffer | undefined;
}

/** Which part of which text. */
export interface MessagePart {
  /** Keyed hash of what the parts of one text have in common; 16 bytes. */
  readonly textHash: Buffer;
  /** 1–`total`. */
  readonly number: number;
  readonly total: number;
}

/** How ingress marks what a source that monitors let in all the same. */
export const UNAUTHENTIC_NOTE = 'unauthentic:';

/** Whether nobody vouches for it: then it may restrict what is sent, and never allow it. */
export const isUnverified = ({ note }: Pick<EventAttributes, 'note'>): boolean =>
  note.startsWith(UNAUTHENTIC_NOTE);

/** Why nobody vouches for it: an error code; undefined when somebody does. */
export const unauthenticCauseOf = ({ note }: Pick<EventAttributes, 'note'>): string | undefined =>
  isUnverified({ note }) ? (/^unauthentic: ([a-z_.]+)/.exec(note)?.[1] ?? '') : undefined;

/** One event of a request. */
export interface IntakeEvent {
  readonly eventId: Buffer;
  readonly dedupHash: Buffer;
  readonly type: string;
  readonly shard: number;
  /** 16 bytes, or empty. */
  readonly personHash: Buffer;
  /** 0 = the provider does not say. */
  readonly occurredAtMs: number;
  readonly attributes: EventAttributes | undefined;
  /** Encrypted; or empty. */
  readonly content: Buffer;
  /** What earlier versions of the adapter would have made of `dedupHash`: stored under one of them, it is this event. */
  readonly formerDedupHashes?: readonly Buffer[] | undefined;
}

/** Signals whose sender is answered only once they are in force. */
const AWAITED: ReadonlySet<string> = new Set(['opt_out', 'complaint']);

export const isAwaited = ({ attributes }: IntakeEvent): boolean => AWAITED.has(attributes?.signal ?? '');

/**
 * One authenticated request and the events in it, as ingress sends it (so it is taken over without a copy).
 * An event of our own services has neither request, source nor raw bytes: `requestId` and `raw` are empty.
 */
export interface IntakeRequest {
  readonly requestId: Buffer;
  readonly tenantId: Buffer;
  readonly sourceId: Buffer;
  readonly provider: string;
  /** 16 bytes, or empty. */
  readonly secretId: Buffer;
  readonly receivedAtMs: number;
  /** The key that encrypts `raw` and each `content`; empty when there is nothing encrypted. */
  readonly dataKeyId: Buffer;
  readonly raw: Buffer;
  readonly traceparent: string;
  readonly events: readonly IntakeEvent[];
  /** Keyed hash of what the scheme signs in the body's place, good for one request; 16 bytes. */
  readonly nonceHash?: Buffer | undefined;
}

/** The source of what our own services did. */
export const NO_SOURCE: Buffer = Buffer.alloc(16);

/** Who takes requests: what a person says without a provider, by a link of ours, is its event. */
export const INTAKE_SERVICE = 'ingress';

/** Lanes of the log, fixed for life. */
export const SHARD_COUNT = 64;

const ID_BYTES = 16;
const EVENTS_MAX = 1_000;
/** As many as an adapter may name. */
const FORMER_DEDUP_HASHES_MAX = 2;
/** 2000-01-01 and 2100-01-01: outside of these a time is a bug, and would overflow partitions and IDs. */
const TIME_MS_MIN = 946_684_800_000;
const TIME_MS_MAX = 4_102_444_800_000;

/** Why a request can never be stored, or undefined. What only Postgres can judge is left to it. */
export function intakeFault(request: IntakeRequest): string | undefined {
  const { requestId, tenantId, sourceId, secretId, dataKeyId, raw, events } = request;
  if (!isId(tenantId) || !isId(sourceId)) return 'tenant and source must be IDs of 16 bytes';
  if (!isIdOrEmpty(requestId) || !isIdOrEmpty(secretId) || !isIdOrEmpty(dataKeyId))
    return 'request, secret and data key must be IDs of 16 bytes, or empty';
  if (raw.length > 0 && (requestId.length === 0 || dataKeyId.length === 0))
    return 'a raw request needs its ID and the ID of its data key';
  if (request.nonceHash !== undefined && (!isId(request.nonceHash) || requestId.length === 0))
    return 'a nonce has 16 bytes, and a request with an ID';
  if (!isTime(request.receivedAtMs)) return 'received at no possible time';
  if (events.length === 0 || events.length > EVENTS_MAX) return `a request holds 1 to ${EVENTS_MAX} events`;
  for (const event of events) {
    const fault = eventFault(event, dataKeyId);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function eventFault(event: IntakeEvent, dataKeyId: Buffer): string | undefined {
  if (!isId(event.eventId) || !isId(event.dedupHash)) return 'event and dedup hash must have 16 bytes';
  if (!areFormerHashes(event.formerDedupHashes))
    return `former dedup hashes have 16 bytes, and are ${FORMER_DEDUP_HASHES_MAX} at most`;
  if (!isIdOrEmpty(event.personHash)) return 'a person hash has 16 bytes, or none';
  if (event.attributes !== undefined && !isIdOrEmpty(event.attributes.conversationHash))
    return 'a conversation hash has 16 bytes, or none';
  if (event.type === '') return 'an event has a type';
  if (!Number.isInteger(event.shard) || event.shard < 0 || event.shard >= SHARD_COUNT)
    return 'there is no such lane';
  if (event.content.length > 0 && dataKeyId.length === 0) return 'content needs the ID of its data key';
  if (event.occurredAtMs !== 0 && !isTime(event.occurredAtMs)) return 'happened at no possible time';
  return undefined;
}

const areFormerHashes = (hashes: readonly Buffer[] | undefined): boolean =>
  hashes === undefined || (hashes.length <= FORMER_DEDUP_HASHES_MAX && hashes.every(isId));
const isId = (bytes: Buffer): boolean => bytes.length === ID_BYTES;
const isIdOrEmpty = (bytes: Buffer): boolean => bytes.length === ID_BYTES || bytes.length === 0;
const isTime = (ms: number): boolean => ms >= TIME_MS_MIN && ms <= TIME_MS_MAX;
