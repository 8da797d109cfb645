import { createHash } from 'node:crypto';
import type { Clock } from '@posthorn/clock/clock.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { HandoffStep } from '../domain/handoff-step.js';
import { NO_SOURCE, type IntakeRequest } from '../domain/intake.js';
import { OWN_SERVICE } from '../domain/project-event.js';
import type { HandoffStepStore } from '../persistence/handoff-step.store.js';
import type { AppendRequests } from './append-requests.js';
import { serviceLane } from './service-lane.js';

const HASH_BYTES = 16;
const NONE = Buffer.alloc(0);

/** Tells the log what was decided about conversations: each step at least once, stored once. */
export class AppendSteps {
  constructor(
    private readonly append: Pick<AppendRequests, 'run'>,
    private readonly db: Pick<Database, 'query'>,
    private readonly store: Pick<HandoffStepStore, 'appended'>,
    private readonly edge: Pick<EdgeConfig, 'tenant'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn' | 'error'>,
  ) {}

  /** Never rejects: the steps are committed, and what does not get into the log now does so later. */
  async run(steps: readonly HandoffStep[]): Promise<void> {
    if (steps.length === 0) return;
    try {
      const outcomes = await this.append.run(steps.map((step) => this.requestOf(step)));
      const isSettled = (index: number): boolean => outcomes[index]!.outcome !== 'unavailable';
      const refused = outcomes.filter(({ outcome }) => outcome === 'refused');
      if (refused.length > 0)
        this.log.error(
          { stage: 'handoff', count: refused.length },
          'the log refuses steps of hand-offs for good',
        );
      await this.store.appended(
        this.db,
        steps.filter((_, index) => isSettled(index)),
      );
    } catch (err) {
      this.log.warn(
        { err, stage: 'handoff', count: steps.length },
        'steps of hand-offs are told to the log later',
      );
    }
  }

  private requestOf(step: HandoffStep): IntakeRequest {
    const { tenantId, eventId, personHash, sealed, occurredAtMs } = step;
    const dedupHash = createHash('sha256').update(OWN_SERVICE).update(eventId).digest();
    return {
      requestId: NONE,
      tenantId,
      sourceId: NO_SOURCE,
      provider: OWN_SERVICE,
      secretId: NONE,
      // Never before it happened, or its place among the other steps would be another one than was decided.
      receivedAtMs: Math.max(this.clock.nowMs(), occurredAtMs),
      dataKeyId: sealed?.dataKeyId ?? NONE,
      raw: NONE,
      traceparent: step.traceparent,
      events: [
        {
          eventId,
          dedupHash: dedupHash.subarray(0, HASH_BYTES),
          type: step.type,
          shard: serviceLane(this.edge, tenantId, personHash ?? step.conversationId),
          personHash: personHash ?? NONE,
          occurredAtMs,
          content: sealed?.body ?? NONE,
          attributes: attributesOf(step),
        },
      ],
    };
  }
}

const attributesOf = ({ channel, target, conversationId, handoffId, actor, note }: HandoffStep) => ({
  providerEventId: '',
  providerMessageId: '',
  channel,
  direction: '',
  status: target,
  providerStatus: '',
  errorCode: '',
  campaign: '',
  signal: '',
  conversationHash: conversationId,
  providerType: '',
  causedBy: handoffId ?? NONE,
  note: note === '' ? `by ${actor}` : `by ${actor}: ${note}`,
  messageId: NONE,
  replyToProviderMessageId: '',
});
