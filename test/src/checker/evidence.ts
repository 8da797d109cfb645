import { type SentRequest } from '../load/history.js';
import { type Receipt } from '../sink/sink.js';

// What the checker knows, from three witnesses that share nothing: the sender, the receivers, the database.
// UUIDs are texts as Postgres writes them.

/** A stored request, opened by the checker's own code. */
export interface StoredRaw {
  readonly tenant: string;
  readonly request: string;
  readonly source: string;
  /** Undefined: it does not open, or is not a request. */
  readonly content: { readonly target: string; readonly bodyHash: string } | undefined;
}

export interface StoredEvent {
  readonly tenant: string;
  readonly event: string;
  readonly source: string;
  /** Empty for what our own services did. */
  readonly request: string;
  readonly type: string;
  readonly providerMessageId: string;
}

export interface StoredTransition {
  readonly tenant: string;
  readonly event: string;
  /** Empty for an event that is not about a message. */
  readonly message: string;
  readonly to: string;
  /** The state is another one since. */
  readonly isApplied: boolean;
}

export interface StoredMessage {
  readonly tenant: string;
  readonly message: string;
  readonly source: string;
  readonly providerMessageId: string;
  readonly state: string;
}

export interface StoredFact {
  readonly tenant: string;
  readonly shard: number;
  readonly sequence: number;
  readonly fact: string;
  readonly event: string;
  readonly type: string;
  /** What keeps order: conversation, else message, else person; '' when the fact has none of them. */
  readonly orderKey: string;
}

export interface StoredDelivery {
  readonly tenant: string;
  readonly delivery: string;
  readonly fact: string;
  readonly event: string;
  readonly destination: string;
  readonly state: string;
}

/** A row that names an event and a tenant: content, deduplication keys, quarantine. */
export interface EventRow {
  readonly tenant: string;
  readonly event: string;
}

/** The numbers of a shard's outbox, over all tenants. */
export interface ShardNumbers {
  readonly shard: number;
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** As `count`, each number once. */
  readonly distinct: number;
  readonly head: number;
}

export interface Stored {
  readonly raws: readonly StoredRaw[];
  readonly events: readonly StoredEvent[];
  readonly contents: readonly EventRow[];
  readonly dedupKeys: readonly EventRow[];
  readonly quarantined: readonly EventRow[];
  readonly transitions: readonly StoredTransition[];
  readonly messages: readonly StoredMessage[];
  readonly facts: readonly StoredFact[];
  readonly shards: readonly ShardNumbers[];
  readonly deliveries: readonly StoredDelivery[];
}

/** A tenant under test. */
export interface TenantUnderTest {
  readonly uuid: string;
  readonly slug: string;
}

/** A destination that was there before the first event. */
export interface DestinationUnderTest {
  readonly uuid: string;
  readonly tenant: string;
  /** The name under which the sink knows it. */
  readonly name: string;
  readonly ordering: 'none' | 'key';
  /** Empty: all. */
  readonly eventTypes: readonly string[];
}

export interface Evidence {
  readonly tenants: readonly TenantUnderTest[];
  readonly destinations: readonly DestinationUnderTest[];
  readonly sent: readonly SentRequest[];
  readonly receipts: readonly Receipt[];
  readonly stored: Stored;
}

/** One broken promise. */
export interface Violation {
  readonly invariant: 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7';
  readonly what: string;
  /** Which row, request or delivery. */
  readonly subject: string;
}

/** Groups by a key. */
export function grouped<T>(items: Iterable<T>, keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
