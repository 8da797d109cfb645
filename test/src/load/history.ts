import { createHash } from 'node:crypto';

/** What one event of a request should become; the checker folds these by itself. */
export interface PlannedEvent {
  /** The provider's message ID; empty for what is not about a message. */
  readonly messageId: string;
  /** Neutral state, or empty when the type is not known to the platform. */
  readonly state: string;
  readonly signal: '' | 'opt_out' | 'opt_in';
}

/** One request that a provider would make, before it is signed for an attempt. */
export interface PlannedRequest {
  /** Unique in the run. */
  readonly id: string;
  readonly tenant: string;
  readonly sourceId: string;
  readonly url: string;
  readonly body: Buffer;
  /** True: signed with a wrong secret; must be refused and must never be stored. */
  readonly isForged: boolean;
  readonly events: readonly PlannedEvent[];
  /** The headers of an attempt made now, signature included. */
  readonly headers: (nowMs: number) => Record<string, string>;
}

/** One time the request was sent. Times are monotonic milliseconds. */
export interface Attempt {
  readonly intendedMs: number;
  readonly sentMs: number;
  readonly answeredMs: number;
  /** 0: no answer (cut, refused connection, timeout). */
  readonly status: number;
}

/**
 * What the sender knows of a request: `acked` 2xx at least once; `refused` a 4xx and nothing else; `unknown`
 * everything else: 5xx, no answer: it may be stored or not.
 */
export type Outcome = 'acked' | 'refused' | 'unknown';

/** A request and all its attempts. */
export interface SentRequest {
  readonly id: string;
  readonly tenant: string;
  readonly sourceId: string;
  /** SHA-256 of the body, hex. */
  readonly bodyHash: string;
  readonly isForged: boolean;
  readonly events: readonly PlannedEvent[];
  readonly attempts: Attempt[];
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300;

/** What the sender knows of it. */
export function outcomeOf({ attempts }: Pick<SentRequest, 'attempts'>): Outcome {
  if (attempts.some(({ status }) => isSuccess(status))) return 'acked';
  const isRefusal = ({ status }: Attempt): boolean => status >= 400 && status < 500 && status !== 429;
  return attempts.length > 0 && attempts.every(isRefusal) ? 'refused' : 'unknown';
}

/** All that a sender sent, and how it was answered: the checker's first witness. */
export class History {
  private readonly byId = new Map<string, SentRequest>();

  get requests(): readonly SentRequest[] {
    return [...this.byId.values()];
  }

  get size(): number {
    return this.byId.size;
  }

  /** Notes the request before its first byte leaves. */
  open(request: PlannedRequest): SentRequest {
    const { id, tenant, sourceId, body, isForged, events } = request;
    const bodyHash = createHash('sha256').update(body).digest('hex');
    const sent: SentRequest = { id, tenant, sourceId, bodyHash, isForged, events, attempts: [] };
    this.byId.set(id, sent);
    return sent;
  }

  count(outcome: Outcome): number {
    let count = 0;
    for (const request of this.byId.values()) if (outcomeOf(request) === outcome) count++;
    return count;
  }

  /** One line a request, for a failing run's folder. */
  toLines(): string {
    return this.requests.map((request) => JSON.stringify(request)).join('\n');
  }
}
