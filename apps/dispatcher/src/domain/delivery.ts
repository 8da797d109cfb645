/** What a delivery needs of the fact it carries. IDs are 16 bytes, empty when there is none. */
export interface DeliverableFact {
  readonly sequence: bigint;
  readonly factId: Buffer;
  readonly tenantId: Buffer;
  readonly type: string;
  readonly eventId: Buffer;
  readonly sourceId: Buffer;
  readonly messageId: Buffer;
  readonly conversationId: Buffer;
  readonly personHash: Buffer;
  readonly channel: string;
  readonly state: string;
  readonly previousState: string;
  readonly signal: string;
  readonly campaign: string;
  readonly provider: string;
  readonly providerMessageId: string;
  readonly errorCode: string;
  readonly occurredAtMs: number;
  readonly receivedAtMs: number;
  /** Of a fact of our own services: when the event behind it came. 0 = not known. */
  readonly causeReceivedAtMs: number;
  readonly traceparent: string;
  /** Its event was not authentic, and let in by a source that only monitors. */
  readonly unverified?: boolean | undefined;
  /** Of `destination.disabled`. */
  readonly destinationId?: Buffer | undefined;
}

/** The fact that somebody must not be contacted any more. */
export const OPT_OUT_TYPE = 'consent.opted_out';

/** When what the fact tells began for us, Unix milliseconds. */
export const beganAtMs = ({ causeReceivedAtMs, receivedAtMs }: DeliverableFact): number =>
  causeReceivedAtMs === 0 ? receivedAtMs : Math.min(causeReceivedAtMs, receivedAtMs);

/** Facts that the log tells our services alone. */
const INTERNAL_TYPES: ReadonlySet<string> = new Set(['signal.observed']);

/** Whether destinations get it. */
export const isDeliverable = ({ type }: Pick<DeliverableFact, 'type'>): boolean => !INTERNAL_TYPES.has(type);

/** One fact for one destination, still to be delivered. */
export interface Delivery {
  /** Hex of `deliveryId`: the key in memory. */
  readonly key: string;
  readonly deliveryId: Buffer;
  readonly tenantId: Buffer;
  /** `dst_…` */
  readonly destinationId: string;
  readonly destinationUuid: Buffer;
  readonly shard: number;
  /** Of the lease under which it came into memory. */
  readonly leaseEpoch: bigint;
  readonly fact: DeliverableFact;
  /** Deliveries of one destination and key go one at a time; undefined without order. */
  readonly orderKey: Buffer | undefined;
  /** Attempts ever made. */
  readonly attemptCount: number;
  /** Attempts made before somebody last put it back in line: they count no more. */
  readonly roundStartCount: number;
  /** Unix milliseconds: since when its age counts. */
  readonly roundStartedAtMs: number;
}

/**
 * What is delivered in order at a destination that asks for it: the conversation, else the message, else the
 * person. Facts with none of them have no order among each other.
 */
export function orderKeyOf(fact: DeliverableFact): Buffer | undefined {
  for (const key of [fact.conversationId, fact.messageId, fact.personHash]) {
    if (key.length > 0) return key;
  }
  return undefined;
}
