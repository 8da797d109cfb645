import { createHash } from 'node:crypto';
import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { NO_SOURCE, type EventAttributes, type IntakeRequest } from '../domain/intake.js';
import { OWN_SERVICE } from '../domain/project-event.js';
import type { AppendRequests } from './append-requests.js';
import { serviceLane } from './service-lane.js';

/** One row of another service's outgoing table. */
export interface ServiceEvent {
  readonly number: bigint;
  readonly eventId: Buffer;
  readonly tenantId: Buffer;
  readonly type: string;
  /** 16 bytes, or empty. */
  readonly personHash: Buffer;
  /** 0 = not said. */
  readonly occurredAtMs: number;
  readonly attributes: EventAttributes | undefined;
  readonly traceparent: string;
  /** The source whose account a command was sent through; 16 bytes, or empty. */
  readonly sourceId: Buffer;
  /** The data key that encrypts `content`; 16 bytes, or empty. */
  readonly dataKeyId: Buffer;
  /** Encrypted EventContent; or empty. */
  readonly content: Buffer;
}

const EVENTS_MAX = 1_000;
const HASH_BYTES = 16;
const SERVICE = /^[a-z][a-z-]{0,31}$/;
const NONE = Buffer.alloc(0);

/** What our own services did, from their outgoing tables: each number once, in the same log. */
export class AppendServiceEvents {
  constructor(
    private readonly append: Pick<AppendRequests, 'run'>,
    private readonly edge: Pick<EdgeConfig, 'tenant'>,
    private readonly clock: Clock,
  ) {}

  /**
   * @returns the number up to which all of these are in the log.
   * @throws AppError `store.unavailable` when not even the first is known to be, `request.invalid` when that one
   * can never be.
   */
  async run(service: string, events: readonly ServiceEvent[]): Promise<bigint> {
    // Nobody else speaks for this one: its own steps decide who owns a conversation.
    if (!SERVICE.test(service) || service === OWN_SERVICE)
      throw new AppError('request.invalid', { detail: 'no such service' });
    if (events.length === 0 || events.length > EVENTS_MAX)
      throw new AppError('request.invalid', { detail: `1 to ${EVENTS_MAX} events a call` });
    const ordered = [...events].sort((a, b) => (a.number < b.number ? -1 : 1));
    const nowMs = this.clock.nowMs();
    const outcomes = await this.append.run(ordered.map((event) => this.requestOf(service, event, nowMs)));
    let storedThrough: bigint | undefined;
    for (const [index, { outcome, detail }] of outcomes.entries()) {
      if (outcome === 'stored' || outcome === 'duplicate') {
        storedThrough = ordered[index]!.number;
        continue;
      }
      if (storedThrough !== undefined) break;
      throw new AppError(outcome === 'refused' ? 'request.invalid' : 'store.unavailable', {
        detail: `number ${ordered[index]!.number}: ${detail}`,
      });
    }
    return storedThrough!;
  }

  private requestOf(service: string, event: ServiceEvent, nowMs: number): IntakeRequest {
    const dedupHash = createHash('sha256').update(`${service}:${event.number}`).digest();
    return {
      requestId: NONE,
      tenantId: event.tenantId,
      sourceId: event.sourceId.length === 0 ? NO_SOURCE : event.sourceId,
      provider: service,
      secretId: NONE,
      receivedAtMs: nowMs,
      dataKeyId: event.dataKeyId,
      raw: NONE,
      traceparent: event.traceparent,
      events: [
        {
          eventId: event.eventId,
          dedupHash: dedupHash.subarray(0, HASH_BYTES),
          type: event.type,
          shard: serviceLane(
            this.edge,
            event.tenantId,
            event.personHash.length === HASH_BYTES ? event.personHash : event.eventId,
          ),
          personHash: event.personHash,
          occurredAtMs: event.occurredAtMs,
          attributes: event.attributes,
          content: event.content,
        },
      ],
    };
  }
}
